"""What recorded times are of: engines, turns, machines and files. Rows of tools/bench_latency.py only."""

from collections.abc import Mapping

import pandas as pd

from ghostlib.studies import speeds
from ghostlib.studies.latency import ENGINES


def recorded_engines(own: pd.DataFrame) -> str:
    """Which of ENGINES rows were measured with, and which not, in a sentence."""
    there = [engine for engine in ENGINES if engine in set(own.engine)]
    missing = [engine for engine in ENGINES if engine not in there]
    return f"Engines recorded: {', '.join(there)}" + (f"; not yet: {', '.join(missing)}." if missing else ".")


def turns_in_words(own: pd.DataFrame) -> str:
    """How many turns were recorded, engine by engine where they differ.

    >>> turns_in_words(pd.DataFrame({"engine": ["a", "a", "b"], "turn": [0, 1, 0]}))
    'Turns: 2 with a; 1 with b.'
    """
    by = own.groupby("engine", sort=False).turn.nunique()
    if by.nunique() == 1:
        return f"Turns: {by.iloc[0]}."
    told = [f"{count} with {', '.join(engines.index)}" for count, engines in by.groupby(by)][::-1]
    return f"Turns: {'; '.join(told)}."


def files_in_words(tables: Mapping[str, pd.DataFrame]) -> str:
    """Of which machine and of which form of ONNX file recorded rows are, table by table, in sentences.

    Args:
        tables: By what they are called, rows of tools/bench_latency.py. Rows from before `joins` was noted are of files that
            join all maps.
    """
    told = []
    for what, rows in tables.items():
        apart = (rows.joins if "joins" in rows else pd.Series("", rows.index)).fillna("") == "apart"
        files = ("leave some joins of maps apart, as `ghostlib export` writes them" if apart.all() else
                 "partly join all maps and partly leave some joins apart" if apart.any() else
                 "join maps wherever the network does (`ghostlib export --joined`)")
        told.append(f"{what}: {speeds.machine_in_full(rows)}; files that {files}.")
    return " ".join(told)


def joins_told(rows: pd.DataFrame) -> str:
    """What it brings that an ONNX file leaves some joins of maps apart, in a sentence; rows of tools/bench_graphs.py."""
    told = []
    for engine, own in rows[rows.form == "apart"].groupby("engine", sort=False):
        each = [f"{one.ratio.median():.2f} ({one.ratio.min():.2f} to {one.ratio.max():.2f}, {batch} at a time)"
                for batch, one in own.groupby("batch")]
        told.append(f"{' and '.join(each)} of the time by {engine}")
    return f"With joins left apart GhostNet 1.0 takes {'; '.join(told)}. In brackets the range over rounds."
