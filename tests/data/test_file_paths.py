"""Paths in little memory, used as a list of them is."""

import tracemalloc

import numpy as np
import pytest

from ghostlib.data import file_paths
from ghostlib.data.file_paths import FilePaths

NAMED = [("a/", ["1.png", "größer.png"]), ("b/", []), ("c d/", ["\udcff.jpg", "\N{PILE OF POO}", "x"])]
PATHS = [folder + name for folder, names in NAMED for name in names]


def test_they_are_those_of_a_list(monkeypatch):
    monkeypatch.setattr(file_paths, "AT_A_TIME", 2)
    found = FilePaths(NAMED)
    assert list(found) == PATHS and len(found) == 5 and found.folder_of.tolist() == [0, 0, 2, 2, 2]
    for index in (*range(-5, 5), *np.arange(-5, 5)):
        assert found[index] == PATHS[index]
    assert found[1:4] == PATHS[1:4] and found[::-2] == PATHS[::-2]
    for index in (5, -6):
        with pytest.raises(IndexError):
            found[index]
    assert list(FilePaths([])) == []


def test_a_part_is_one_too():
    chosen = np.array([True, False, True, False, True])
    part = FilePaths(NAMED).part(chosen)
    assert list(part) == [PATHS[0], PATHS[2], PATHS[4]] and part[-1] == PATHS[4] and part.folder_of.tolist() == [0, 2, 2]
    assert list(part.part(np.array([False, True, True]))) == [PATHS[2], PATHS[4]]


def test_each_takes_its_name_and_a_few_bytes():
    """And never all of the paths at once: eight ranks of a server hold ImageNet's each."""
    count, name = 100_000, "n01440764_10026.JPEG"
    tracemalloc.start()
    found = FilePaths((f"train/n{number:08d}/", [f"{name}{image}" for image in range(100)])
                      for number in range(count // 100))
    kept, peak = tracemalloc.get_traced_memory()
    for _ in found:
        pass
    through = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept < count * (len(name) + 2 + 20) and max(peak, through) < count * (3 * len(name) + 40)
