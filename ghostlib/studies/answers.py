"""What several networks answered to the same test images, in one small table: a row for each image, a column for each run.

Columns: image, label (the name of its class), and for each run, by its point, the number of the class it answered, in the
alphabetical order of all labels. Rows only.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from ghostlib.errors import InputError

IMAGE, LABEL = "image", "label"


def compact(answers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Runs' `answers.csv` as one table.

    Args:
        answers: By point; columns image, label and answer.

    Raises:
        InputError: Where runs judged other images, or labels differ.
    """
    table = pd.DataFrame({IMAGE: [], LABEL: []})
    for place, (point, own) in enumerate(answers.items()):
        own = own.sort_values(IMAGE, ignore_index=True)
        if not place:
            table = own[[IMAGE, LABEL]].copy()
            number = numbers(own[LABEL])
        _check_same(table, own, point)
        table[point] = own.answer.map(number).astype(int)
    return table


def merged(table: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """Two such tables of the same images as one; a run that is in both is as `fresh` has it."""
    _check_same(table, fresh, "the fresh table")
    runs = [name for name in fresh if name not in (IMAGE, LABEL)]
    return pd.concat([table.drop(columns=runs, errors="ignore"), fresh[runs]], axis=1)


def _check_same(table: pd.DataFrame, other: pd.DataFrame, whose: str) -> None:
    if not table[[IMAGE, LABEL]].equals(other[[IMAGE, LABEL]]):
        raise InputError(f"answers: {whose} judged other images ({len(other):,}) than the first run ({len(table):,}); "
                         f"allowed are runs on one test set")


def numbers(labels: Iterable[str]) -> dict[str, int]:
    """The number of each class in answers, by its name."""
    return {name: place for place, name in enumerate(sorted(set(labels)))}


def right(table: pd.DataFrame, points: Iterable[str]) -> np.ndarray:
    """(runs, images): whether each run recognised each image."""
    labels = table[LABEL].map(numbers(table[LABEL])).to_numpy()
    return np.array([table[point].to_numpy() == labels for point in points])


def by_class(table: pd.DataFrame, points: Iterable[str]) -> pd.Series:
    """By label, the share of images recognised, in percent, averaged over runs."""
    return pd.Series(100 * right(table, points).mean(axis=0)).groupby(table[LABEL].to_numpy()).mean()


def hardest(table: pd.DataFrame, points: Iterable[str], seed: int = 0) -> pd.DataFrame:
    """Of each class an image that fewest runs recognised, as `answered`. Of several one is drawn."""
    found = answered(table, points).sample(frac=1, random_state=seed)
    return found.sort_values("share", kind="stable").groupby(LABEL).first().reset_index()[list(found)]


def first(table: pd.DataFrame, points: Iterable[str]) -> pd.DataFrame:
    """Of each class its first image by name, whatever runs answered, as `answered`."""
    found = answered(table, points)
    return found.sort_values(IMAGE, kind="stable").groupby(LABEL).first().reset_index()[list(found)]


def answered(table: pd.DataFrame, points: Iterable[str]) -> pd.DataFrame:
    """Of each image: image, label, share (of the runs that recognised it), answer (what most runs answered; its class's
    name)."""
    points = list(points)
    common = table[points].mode(axis=1)[0].astype(int).map({place: name for name, place in numbers(table[LABEL]).items()})
    return pd.DataFrame({IMAGE: table[IMAGE], LABEL: table[LABEL], "share": right(table, points).mean(axis=0),
                         "answer": common})
