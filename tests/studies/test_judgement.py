"""What is said of weights follows what they answered."""

import pandas as pd
import pytest

from ghostlib.studies import judgement


def answers(**taken):
    """Rows by "label_answer": count."""
    rows = [name.split("_") for name, count in taken.items() for _ in range(count)]
    return pd.DataFrame(rows, columns=["label", "answer"])


def test_a_class_that_is_harder_is_named_and_so_is_what_it_is_taken_for():
    rows = answers(a_a=50, b_b=25, b_a=20, b_c=5, c_c=50)
    assert judgement.answer(rows, "x") == (
        "**Answer.** `x` is right on 125 of 150 test images, 83.3 % (95 % interval over images 76.6 to 88.4 %). Harder than "
        "all taken together, beyond what looking at 3 classes finds by chance: b. Its commonest mistake is to read b as a, "
        "20 of 25.")
    assert judgement.by_class(rows).index.tolist() == ["b", "a", "c"]
    assert judgement.by_class(rows).loc["b", "share right"] == 0.5
    assert judgement.confusions(rows).to_dict() == {"b → a": 20, "b → c": 5}
    assert judgement.summary(rows).answer.tolist() == ["83.3 % of 150", "b: 50.0 % of 50", "b → a, 20 times"]


@pytest.mark.parametrize(("rows", "told"), [
    (answers(a_a=49, b_b=50, a_b=1), "Its 1 mistake is too few to say what it confuses."),
    (answers(a_a=49, b_b=50, a_b=1, b_a=1), "Its 2 mistakes are too few to say what it confuses."),
    (answers(a_a=50, b_b=50), "None of the 2 classes is shown to be harder than the others."),
    (answers(a_a=3, b_a=3), "So few images say whether it sees anything at all, and not how good it is.")])
def test_nothing_is_said_of_what_was_not_seen(rows, told):
    assert judgement.answer(rows, "x").endswith(told) and "interval over images" in judgement.answer(rows, "x")
    assert len(judgement.summary(rows)) == 3


def test_of_many_classes_one_that_looks_hard_by_chance_is_not_named():
    rows = answers(**{f"{n}_{n}": 59 for n in range(9)}, **{f"{n}_x": 1 for n in range(9)}, **{"9_9": 56, "9_x": 4})
    right = (rows.label == rows.answer).mean()
    assert judgement.by_class(rows).high.iloc[0] < right  # its own interval alone leaves the whole out
    assert "None of the 10 classes is shown to be harder" in judgement.answer(rows, "x")
