"""Finished runs as a table one can publish: one line for each network and recipe, its mean over seeds with an interval."""

import json
import math
from collections.abc import Iterable, Sequence

import pandas as pd

from ghostlib.studies.contrasts import mean_interval

ALWAYS = "model", "width", "ratio", "kernel"  # columns of every table
PER_RUN = {"seed", "run_dir", "resume", "overwrite", "workers", "decoded", "data_dir", "port", "bad_steps", "broken_limit"}
"""Fields of Config that may differ within a line: they decide nothing about what a run is an example of."""
NOT_FIELDS = "weights_from", "data_fingerprint"
"""Columns of a row that decide it as well: the weights that it started from (a row's `weights` is how many the network has),
and the images, wherever they lie."""
SHORT = 8  # digits of a fingerprint that tell one from another


def table_of(rows: pd.DataFrame, fields: list[str]) -> pd.DataFrame:
    """One line for each set of runs that differ in the seed alone.

    Args:
        rows: Rows of finished runs (`results.collect`).
        fields: The names of Config's fields.

    Returns:
        ALWAYS and whatever else differs between the lines, then weights and multiply-adds in millions, top-1 in %: mean, low
        and high (Student's 95 % interval over seeds; missing for one), and seeds, how many. Of runs that differ in nothing
        the first counts; see `repeats`.
    """
    decisive = [name for name in fields if name in rows and name not in PER_RUN and name != "weights"]
    decisive += [name for name in NOT_FIELDS if name in rows]
    rows = rows.assign(**{name: rows[name].map(_as_text) for name in decisive})
    differ = [name for name in decisive if name not in ALWAYS and rows[name].nunique() > 1]
    lines = []
    for _, own in rows.groupby(decisive, sort=False, dropna=False):
        one_each = own.drop_duplicates("seed")
        mean, low, high = mean_interval(100 * one_each.top1)
        first = own.iloc[0]
        lines.append({**{name: first[name] for name in (*ALWAYS, *differ)}, "weights, M": first["weights"] / 1e6,
                      "multiply-adds, M": first["macs"] / 1e6, "top-1, %": mean, "low": low, "high": high,
                      "seeds": len(one_each)})
    return pd.DataFrame(lines)


def _as_text(value: object) -> str:
    """A decisive value; null also for nan, where an older run has no such column."""
    return value if isinstance(value, str) else json.dumps(value if value == value else None)


def repeats(rows: pd.DataFrame, table: pd.DataFrame) -> int:
    """How many of the runs that `table_of` made a table of are in none of its lines, since one of the same seed is."""
    return len(rows) - int(table.seeds.sum())


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """The same as text, to as many digits as one reads."""
    digits = {"weights, M": 2, "multiply-adds, M": 1, "top-1, %": 2, "low": 2, "high": 2}

    def text(name: str, value: object) -> str:
        if name not in digits:
            return str(value)[:SHORT] if name == "data_fingerprint" else str(value)
        number = float(str(value))
        return "" if math.isnan(number) else f"{number:.{digits[name]}f}"
    return pd.DataFrame({name: [text(name, value) for value in table[name]] for name in table})


def markdown(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table as Markdown: its head, and its lines."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


ESCAPED = str.maketrans({**{sign: f"\\{sign}" for sign in "&%$#_{}"}, "~": r"\textasciitilde{}",
                         "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"})


def as_latex(table: pd.DataFrame) -> str:
    """A table of texts as LaTeX, for the package booktabs."""
    head, *lines = (" & ".join(str(text).translate(ESCAPED) for text in line) + r" \\"
                    for line in (table.columns, *table.to_numpy()))
    return "\n".join([rf"\begin{{tabular}}{{{'l' * table.shape[1]}}}", r"\toprule", head, r"\midrule", *lines,
                      r"\bottomrule", r"\end{tabular}"])


FORMATS = {"csv": lambda table: table.to_csv(index=False).rstrip(),
           "markdown": lambda table: markdown(list(table), rounded(table).to_numpy().tolist()),
           "latex": lambda table: as_latex(rounded(table))}
"""What makes a text of a table, by the name of the format; CSV keeps all digits."""
