"""What weights answered to the images they were tested on: how many right, which classes, what for what. Rows only."""

from statistics import NormalDist

import numpy as np
import pandas as pd

from ghostlib.errors import some
from ghostlib.results import wilson_interval

FEW = 30  # images; below, a rate is an anecdote
CLEAR = 5  # times that two classes are taken for one another before it is said


def by_class(answers: pd.DataFrame) -> pd.DataFrame:
    """The share of each class's images that were recognised, the worst classes first.

    Args:
        answers: As `training.answers` gives them: label and answer.

    Returns:
        One row for each class that was tested: share right, images, low, high (Wilson's 95 % interval over images).
    """
    right = (answers.label == answers.answer).groupby(answers.label, sort=False).agg(["mean", "size"])
    table = right.rename_axis("class").rename(columns={"mean": "share right", "size": "images"})
    table["low"], table["high"] = zip(*(wilson_interval(*row) for row in table[["share right", "images"]].to_numpy()))
    return table.sort_values("share right", kind="stable")


def confusions(answers: pd.DataFrame) -> pd.Series:
    """How often a class was taken for another one, the commonest first, as "class → answer"."""
    wrong = answers[answers.label != answers.answer]
    return (wrong.label + " → " + wrong.answer).value_counts().rename_axis("class → answer").rename("times")


def answer(answers: pd.DataFrame, source: str) -> str:
    """How good the weights are and where they fail, in sentences.

    Args:
        answers: As for `by_class`.
        source: What the weights are called.
    """
    count, right = len(answers), int((answers.label == answers.answer).sum())
    low, high = wilson_interval(right / count, count)
    first = (f"**Answer.** `{source}` is right on {right:,} of {count:,} test images, {100 * right / count:.1f} % (95 % "
             f"interval over images {100 * low:.1f} to {100 * high:.1f} %).")
    if count < FEW:
        return f"{first} So few images say whether it sees anything at all, and not how good it is."
    table, taken = by_class(answers), confusions(answers)
    z = NormalDist().inv_cdf(1 - 0.025 / len(table))  # Bonferroni's: of many classes some look hard by chance
    above = np.array([wilson_interval(share, images, z)[1] for share, images in zip(table["share right"], table.images)])
    apart = table.index[above < right / count - 1e-9]  # rounding may leave 1 a little less
    where = (f"Harder than all taken together, beyond what looking at {len(table)} classes finds by chance: {some(apart)}."
             if len(apart) else
             f"None of the {len(table)} classes is shown to be harder than the others.")
    if not len(taken):
        return f"{first} {where}"
    wrong = count - right
    clear = taken.iloc[0] >= CLEAR and (len(taken) == 1 or taken.iloc[0] > taken.iloc[1])
    label, _, other = str(taken.index[0]).partition(" → ")
    commonest = (f"Its commonest mistake is to read {label} as {other}, {taken.iloc[0]} of {wrong}." if clear else
                 f"Its {wrong} mistake{'s are' if wrong > 1 else ' is'} too few to say what it confuses.")
    return f"{first} {where} {commonest}"


def summary(answers: pd.DataFrame) -> pd.DataFrame:
    """The answer as a small table: question, answer, and over what an interval is."""
    count, right = len(answers), int((answers.label == answers.answer).sum())
    low, high = wilson_interval(right / count, count)
    table, taken = by_class(answers), confusions(answers)
    hardest = table.iloc[0]
    rows = [("How many are right?", f"{100 * right / count:.1f} % of {count:,}",
             f"{100 * low:.1f} to {100 * high:.1f} % over images"),
            ("Which class is hardest?", f"{table.index[0]}: {100 * hardest['share right']:.1f} % of {hardest['images']:.0f}",
             f"{100 * hardest.low:.1f} to {100 * hardest.high:.1f} % over images"),
            ("What is taken for what?", f"{taken.index[0]}, {taken.iloc[0]} times" if len(taken) else "nothing", "")]
    return pd.DataFrame(rows, columns=["question", "answer", "95 % interval"]).set_index("question")
