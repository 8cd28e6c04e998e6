"""The table of a sweep that runs: rows.csv, kept up at a cost for each run that does not grow with their number."""

import time
from collections.abc import Mapping
from typing import Any

from ghostlib.sweep.grid import Sweep
from ghostlib.sweep.rows import write_rows

SHARE = 50  # a table is written whole, in one step; that may take one part in so many of the time that passes


class Table:
    """The rows of a sweep's finished runs, in memory and in rows.csv.

    Rows of runs that take long are written as they come; of runs that end faster than a large table can be written,
    several are written together.
    """

    def __init__(self, sweep: Sweep, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Args: rows: Those that are there by their points' keys, in any order."""
        self._sweep, self._rows = sweep, dict(rows)
        self._due, self._unwritten = 0.0, False

    def add(self, row: Mapping[str, Any]) -> None:
        """Takes the row of one more finished run, also in place of an older one."""
        self._rows[row["point"]], self._unwritten = row, True
        self.keep_up()

    def keep_up(self) -> None:
        """Writes rows.csv, if it lacks a row and is due."""
        start = time.monotonic()
        if self._unwritten and start >= self._due:
            write_rows(self._sweep, self._rows)
            end = time.monotonic()
            self._due, self._unwritten = end + SHARE * (end - start), False

    @property
    def patience(self) -> float | None:
        """Seconds until rows.csv is due; None if it lacks nothing."""
        return max(0.0, self._due - time.monotonic()) if self._unwritten else None
