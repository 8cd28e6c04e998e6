"""Paths of very many files in few folders, kept small: a list of ImageNet's takes three times the memory."""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

AT_A_TIME = 10_000  # paths that are made together when all are gone through


class FilePaths(Sequence[str]):
    """Paths of files, put together when they are asked for: a folder's, and the file's name, cut out of one long text.

    Attributes:
        folder_of: (N,) the number of each one's folder.
    """

    def __init__(self, named: Iterable[tuple[str, Sequence[str]]]):
        """Args: named: Each folder, with the separator at its end, and the names of its files; taken one by one."""
        folders, texts, lengths = [], [], [np.zeros(1, np.int64)]
        for folder, names in named:
            folders.append(folder)
            texts.append("".join(names))
            lengths.append(np.fromiter(map(len, names), np.int64, len(names)))
        self._folders, self._names = folders, "".join(texts)
        self._ends = np.cumsum(np.concatenate(lengths))  # a file's name lies between two of them
        self.folder_of = np.repeat(np.arange(len(folders), dtype=np.int32), [len(own) for own in lengths[1:]])
        self._which = np.arange(len(self.folder_of), dtype=np.int32)

    def part(self, chosen: np.ndarray) -> "FilePaths":
        """Those that a (N,) mask chooses; the names are shared."""
        found = object.__new__(FilePaths)
        found._folders, found._names, found._ends = self._folders, self._names, self._ends
        found.folder_of, found._which = self.folder_of[chosen], self._which[chosen]
        return found

    def __len__(self) -> int:
        return len(self._which)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if not isinstance(index, slice):
            return self[index:index + 1 or None][0]  # IndexError for one that is not there
        which = self._which[index]
        columns = self.folder_of[index], self._ends[which], self._ends[which + 1]
        return [self._folders[folder] + self._names[start:end] for folder, start, end in
                zip(*(column.tolist() for column in columns))]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), AT_A_TIME):
            yield from self[start:start + AT_A_TIME]
