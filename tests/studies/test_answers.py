"""Answers of several runs in one table: the same images, whatever their order, and what they say together."""

import pandas as pd
import pytest

from ghostlib.errors import InputError
from ghostlib.studies import answers

FIRST = pd.DataFrame({"image": ["b", "a", "c", "d"], "label": ["dog", "cat", "dog", "cat"],
                      "answer": ["dog", "dog", "dog", "cat"], "probability": 0.5})
SECOND = FIRST.assign(answer=["cat", "dog", "dog", "cat"]).iloc[::-1]


def test_a_row_is_an_image_and_a_column_a_run():
    table = answers.compact({"one": FIRST, "two": SECOND})
    assert table.to_dict("list") == {"image": ["a", "b", "c", "d"], "label": ["cat", "dog", "dog", "cat"],
                                     "one": [1, 1, 1, 0], "two": [1, 0, 1, 0]}
    assert answers.right(table, ["two", "one"]).tolist() == [[False, False, True, True], [False, True, True, True]]
    assert answers.by_class(table, ["one", "two"]).to_dict() == {"cat": 50.0, "dog": 75.0}
    hard = answers.hardest(table, ["one", "two"])
    assert hard.image.tolist() == ["a", "b"] and hard.label.tolist() == ["cat", "dog"]
    assert hard.share.tolist() == [0, 0.5] and hard.answer.tolist() == ["dog", "cat"]
    ordinary = answers.first(table.iloc[::-1], ["one", "two"])  # by name, whatever was answered and however rows lie
    assert ordinary.image.tolist() == ["a", "b"]
    assert answers.first(table.assign(image=["z", *"bcd"]), ["one"]).to_dict("list") == {
        "image": ["d", "b"], "label": ["cat", "dog"], "share": [1, 1], "answer": ["cat", "dog"]}


def test_a_fresh_run_takes_the_place_of_its_former_self():
    table = answers.compact({"one": FIRST, "two": SECOND})
    fresh = answers.compact({"two": FIRST, "three": SECOND})
    both = answers.merged(table, fresh)
    assert list(both) == ["image", "label", "one", "two", "three"] and both.two.tolist() == both.one.tolist()


def test_other_images_are_refused():
    with pytest.raises(InputError, match=r"answers: two judged other images \(3\) than the first run \(4\)"):
        answers.compact({"one": FIRST, "two": FIRST.iloc[:3]})
