"""Whether others' measures of maps order layers as ours does: rank correlations of recorded rows, told. Rows only."""

from itertools import combinations

import numpy as np
import pandas as pd

from ghostlib.redundancy.sources import TRAINED
from ghostlib.studies.at_size import ONE, fullest
from ghostlib.studies.contrasts import in_points
from ghostlib.studies.training_effect import CONVOLUTION, FILTER

# What each is called, its column, and whether more of it means more alike.
MEASURES = {"R² of the best other map": ("r2", 1), "effective rank (few)": ("effective_rank", -1),
            "HRank's mean rank (low)": ("mean_rank", -1), "CKA of half and all": ("cka", 1)}
OURS = next(iter(MEASURES))
GIVEN = "channels", "size"  # what layers differ in anyway
DRAWS, FEWEST = 1000, 8  # resamples of layers; layers below which nothing is said


def joined(rows: pd.DataFrame, checks: pd.DataFrame, source: str = TRAINED) -> pd.DataFrame:
    """One row for each layer and state of each network: all MEASURES' columns, signed so that more is more alike.

    Args:
        rows: Table at_size_redundancy.csv, `at_size.named`.
        checks: The same of at_size_checks.csv.
        source: Whose maps.
    """
    key = [*ONE, "layer", "state"]
    own = rows[(rows["filter"] == FILTER) & (rows.source == source)][[*key, *GIVEN, "kind", "deep", "r2"]]
    both = own.merge(checks[checks.source == source][[*key, "effective_rank", "mean_rank", "cka"]], on=key)
    return both.assign(**{column: sign * both[column] for column, sign in MEASURES.values()})


def orders(table: pd.DataFrame, state: str = CONVOLUTION) -> pd.DataFrame:
    """Spearman's rank correlation over layers of each two of MEASURES, network by network.

    Args:
        table: Of `joined`; where a network is there with several seeds, each layer's mean over them counts, and of several
            sets of photographs its own (`at_size.fullest`).
        state: After what.

    Returns:
        Columns name, first, second, layers; rho, low, high: 95 % by drawing layers again; given, given_low,
        given_high: the same when the layers' number of maps and their size are taken out of the ranks, 95 % by Fisher's z.
    """
    found = []
    for name, own in fullest(table[table.state == state]).groupby("name", sort=False):
        layers = own.groupby("layer", sort=False)[[*GIVEN, *(column for column, _ in MEASURES.values())]].mean().dropna()
        if len(layers) < FEWEST:
            continue
        known = layers[[*GIVEN]].to_numpy()
        drawn = np.random.default_rng(0).integers(len(layers), size=(DRAWS, len(layers)))
        for first, second in combinations(MEASURES, 2):
            one, other = (layers[MEASURES[measure][0]].to_numpy() for measure in (first, second))
            with np.errstate(invalid="ignore", divide="ignore"):
                again = [_spearman(one[places], other[places]) for places in drawn]
            low, high = np.nanquantile(again, [0.025, 0.975])
            given = _partial(one, other, known)
            given_low, given_high = _fisher(given, len(layers) - known.shape[1])
            found.append({"name": name, "first": first, "second": second, "layers": len(layers),
                          "rho": _spearman(one, other), "low": float(low), "high": float(high),
                          "given": given, "given_low": given_low, "given_high": given_high})
    return pd.DataFrame(found)


def answer(table: pd.DataFrame) -> str:
    """Whether they order layers alike, in sentences; the words follow the numbers. Takes what `orders` gives."""
    if table.empty:
        return f"**Answer.** None yet: no network with {FEWEST} layers is recorded."
    ours, parts = table[table["first"] == OURS], []
    for measure, own in ours.groupby("second", sort=False):
        told = "; ".join(f"{row['name']} {row.rho:+.2f} ({row.low:+.2f} to {row.high:+.2f}, {row.layers} layers)"
                         for _, row in own.iterrows())
        parts.append(f"{measure[0].upper()}{measure[1:]}: {_verdict(own)} ({told}).")
    first = (f"**Answer.** {_headline(ours)}: rank correlation with the R² of the best other map, after the convolution, "
             f"95 % intervals over layers.")
    return f"{in_points(first, parts)}\n\n{_taken_out(table)}"


def in_short(table: pd.DataFrame) -> str:
    """The same without the numbers."""
    ours = table[table["first"] == OURS]
    parts = [f"{measure}: {_verdict(own)}; once we allow for number and size of maps, {_verdict(own, 'given_')}"
             for measure, own in ours.groupby("second", sort=False)]
    return f"{_headline(ours)}. {'. '.join(f'{part[0].upper()}{part[1:]}' for part in parts)}."


def _headline(ours: pd.DataFrame) -> str:
    if (ours.low > 0).all():
        return "Others' measures all order layers as ours does"
    if (ours.high < 0).any():
        return "Others' measures do not all order layers as ours does"
    return "That others' measures all order layers as ours does is not shown"


def _taken_out(table: pd.DataFrame) -> str:
    """What is left of correlations when what layers differ in anyway is taken out, both ways, in sentences."""
    turned = table.given * table.rho < 0
    stronger = int((~turned & (table.given.abs() > table.rho.abs())).sum())
    weaker = len(table) - stronger - int(turned.sum())
    signs = int(turned.sum())
    told = (f"Layers also differ in how many maps they have and how large these are. Once we allow for number and size of "
            f"maps, of {len(table)} correlations between two measures {stronger} {'is' if stronger == 1 else 'are'} "
            f"stronger, {weaker} weaker, and {signs} {'has' if signs == 1 else 'have'} the other sign.")
    parts = []
    for measure, own in table[table["first"] == OURS].groupby("second", sort=False):
        each = "; ".join(f"{row['name']} {row.rho:+.2f} becomes {row.given:+.2f} ({row.given_low:+.2f} to "
                         f"{row.given_high:+.2f})" for _, row in own.iterrows())
        parts.append(f"{measure[0].upper()}{measure[1:]} is then {_verdict(own, 'given_')} ({each}).")
    hide, fake = stronger > 0, weaker + signs > 0
    does = ("hide an agreement or fake one" if hide and fake else "hide an agreement" if hide else "fake an agreement")
    return in_points(f"{told} So number and size of maps can {does}.", parts)


def _verdict(rows: pd.DataFrame, which: str = "") -> str:
    counts = {"alike": int((rows[f"{which}low"] > 0).sum()), "the other way round": int((rows[f"{which}high"] < 0).sum())}
    counts["not known"] = len(rows) - sum(counts.values())
    told = {way: count for way, count in counts.items() if count}
    if len(told) == 1:
        return next(iter(told)) + (" in all" if len(rows) > 1 else "")
    return ", ".join(f"{way} in {count}" for way, count in told.items())


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    return _pearson(_ranks(one), _ranks(other))


def _partial(one: np.ndarray, other: np.ndarray, given: np.ndarray) -> float:
    """Rank correlation of what a linear fit on the ranks of `given` (layers, K) leaves of both."""
    known = np.column_stack([np.ones(len(one)), *map(_ranks, given.T)])
    left = [ranks - known @ np.linalg.lstsq(known, ranks, rcond=None)[0] for ranks in (_ranks(one), _ranks(other))]
    return _pearson(*left)


def _fisher(rho: float, count: int) -> tuple[float, float]:
    """95 % interval of a rank correlation of `count` values: Fisher's z, variance by Fieller, Hartley, Pearson (1957)."""
    middle, half = np.arctanh(np.clip(rho, -0.999999, 0.999999)), 1.96 * np.sqrt(1.06 / (count - 3))
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one @ other) / np.sqrt((one @ one) * (other @ other)))


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy import stats
    return stats.rankdata(values)
