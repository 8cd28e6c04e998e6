"""Recorded speeds of networks, as tools/bench_networks.py measures them: in turns, and so compared within each. Rows only.

A machine has slow moments. Two networks measured one after the other share one more often than two whose medians are set
beside each other, so a comparison is made turn by turn, and the turns' spread is told with it.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ghostlib.errors import InputError, some

PARTS = ("training", "evaluation")
MACHINE = ["machine", "cores", "instruction_sets"]  # what tells machines apart, of which rows have some


def summary(measured: pd.DataFrame) -> pd.DataFrame:
    """One row for each network, in their order: images a second of each of PARTS, the median over turns, with the slowest
    and the fastest (training_low, training_high, ...).

    Args:
        measured: Columns network, turn, part and images_per_second.
    """
    columns: dict[str, pd.Series] = {}
    for part in PARTS:
        turns = measured[measured.part == part].groupby("network").images_per_second
        columns |= {part: turns.median(), f"{part}_low": turns.min(), f"{part}_high": turns.max()}
    return pd.DataFrame(columns).reindex(measured.network.unique()).rename_axis("network").reset_index()


def times_as_fast(measured: pd.DataFrame, network: str, other: str, part: str) -> np.ndarray:
    """(turns,) how many times the images a second of `other` a network had, in each turn that measured both."""
    turns = measured[measured.part == part].pivot(index="turn", columns="network", values="images_per_second")
    return (turns[network] / turns[other]).dropna().to_numpy()


def machine(measured: pd.DataFrame) -> str:
    """What measured rows were measured on, in words.

    >>> machine(pd.DataFrame({"machine": ["AMD EPYC"] * 2, "cores": [2, 2]}))
    'AMD EPYC with 2 cores'
    """
    return ", ".join(f"{name} with {cores} cores" for name, cores in
                     dict.fromkeys(zip(measured.machine, measured.cores)))


def machine_in_full(measured: pd.DataFrame) -> str:
    """The same with the instruction sets, where they are known: what tells two processors of one name apart."""
    sets = measured.get("instruction_sets", pd.Series(dtype=str)).dropna()
    return machine(measured) + (f" ({', '.join(dict.fromkeys(sets))})" if len(sets) else "")


def machine_in_short(measured: pd.DataFrame) -> str:
    """Its name, and what matters most of its instruction sets: whether there is AVX-512, where that is known."""
    sets = measured.get("instruction_sets", pd.Series(dtype=str)).dropna()
    known = f" {'with' if sets.str.contains('avx512').all() else 'without'} AVX-512" if len(sets) else ""
    return f"{', '.join(dict.fromkeys(measured.machine))}{known}"


def of_machine(measured: pd.DataFrame, here: Mapping[str, object]) -> pd.DataFrame:
    """Those rows that were measured on one machine, by MACHINE; what nobody knows is the same as what nobody knows."""
    told = [name for name in MACHINE if name in measured]
    own = pd.DataFrame([here])[told].iloc[0].fillna("").astype(str)
    return measured[(measured[told].astype(object).fillna("").astype(str) == own).all(axis=1)]


def same_machine(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two tables, each of one machine, are of the same one (`of_machine`)."""
    return len(of_machine(other, {**dict.fromkeys(MACHINE), **one.iloc[0]})) == len(other)


def check_one_machine(measured: pd.DataFrame) -> None:
    """Refuses rows of several machines: turns are compared with one another, and others are quicker, or slower."""
    machines = measured[[name for name in MACHINE if name in measured]].drop_duplicates()
    if len(machines) > 1:
        told = some([" ".join(map(str, row)) for row in machines.itertuples(index=False)], between="; ")
        raise InputError(f"machine: rows of {told} given; allowed are those of one")


def as_clause(times: np.ndarray) -> str:
    """Such a comparison as a clause.

    >>> as_clause(np.array([1.15, 1.05, 0.93]))
    '1.05 times as fast (0.93 to 1.15 in 3 turns)'
    """
    return f"{np.median(times):.2f} times as fast ({times.min():.2f} to {times.max():.2f} in {len(times)} turns)"
