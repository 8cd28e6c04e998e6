"""What a trained GhostNet loses with some of its maps: half of a module's ghosts, or of others, replaced, module by module.

A map is replaced by its mean over photographs, pixel by pixel, which takes away all that depends on the photograph and
leaves what every photograph has, such as borders; or by what the best filter makes of another map. Ghosts are made of
intact maps before any is replaced. Means and filters come from training photographs, what is lost from others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ghostlib.errors import InputError
from ghostlib.redundancy.cut import CutNetwork, Module
from ghostlib.redundancy.replacements import errors, fit_filters
from ghostlib.redundancy.sources import ALL, GHOSTS, INTRINSIC, LIKELY, MEAN, OWN, PREDICTED, UNLIKELY
from ghostlib.redundancy.splits import resamples
from ghostlib.training.evaluation import judge

SINGLE = 8  # maps of a module that are replaced alone, half of them of each set where there are enough
BATCH = 50  # photographs that are run at a time
RESAMPLES = 1000


class Lesion(NamedTuple):
    """Which maps (C,) are replaced, by what, and of which set they are; `single` is the one map, or None."""

    what: str
    how: str
    mask: NDArray[Any]
    single: int | None = None


@dataclass(frozen=True)
class Lost:
    """What a lesion costs, photograph by photograph.

    Attributes:
        answers: (N,) 1 where a right answer became wrong, -1 where a wrong one became right, else 0.
        nats: (N,) by how much cross-entropy rose.
        removed, total: (N,) squared change of the maps, and their squared deviation from their means.
    """

    answers: NDArray[Any]
    nats: NDArray[Any]
    removed: NDArray[Any]
    total: NDArray[Any]


def measure(network: CutNetwork, images: NDArray[Any], labels: NDArray[Any], training: NDArray[Any], seed: int = 0,
            step: Callable[[int], object] = lambda _: None) -> dict[str, pd.DataFrame]:
    """What each of a network's modules loses.

    Args:
        network: Its modules at hand.
        images, labels: (N, 3, H, W) and (N,), photographs to judge by.
        training: (M, 3, H, W), photographs that it was trained on, for means and filters.
        seed: Of which maps are drawn, and of the intervals.
        step: Told after each of `steps`: 1.

    Returns:
        "lesions", for each module, set and replacement: layer, depth, maps (how many it has), what, how, replaced (how many
        each time), share (of the module's variance that is removed, in percent), lost (points of top-1), low, high (its
        95 % interval over photographs), nats; "single", for each map that was replaced alone: layer, depth, maps, channel,
        what (its set), r2 (how well the best filter makes it of another map), and share, lost and nats when its mean takes
        its place;
        "overall", means over modules, see `_overall`.

    Raises:
        InputError: For photographs that do not fit, or modules whose maps no other map can replace.
    """
    if len(images) != len(labels) or not len(images):
        raise InputError(f"labels: {len(labels)} given for {len(images)} photographs; allowed is one for each")
    weights = resamples(len(images), RESAMPLES, seed) / len(images)
    intact = _judged(network.logits(images), labels)
    tables: dict[str, list[dict[str, Any]]] = {"lesions": [], "single": []}
    whole: dict[tuple[str, str], list[Lost]] = {}
    prepared = []
    for module in network.modules:
        prepared.append(_Prepared(network, module, training, len(images), seed))
        step(1)
    for part, shown in network.batches(images, [one.half for one in prepared], BATCH):
        for one in prepared:
            one.run(part, shown, labels[part])
        step(1)
    for one in prepared:
        module, r2 = one.module, one.r2()
        about = {"layer": module.layer, "depth": module.depth, "maps": module.channels}
        for lesion, lost in zip(one.lesions, one.lost(*intact)):
            if lesion.single is not None:
                tables["single"].append({**about, "channel": lesion.single, "what": lesion.what, "r2": r2[lesion.single],
                                         **_point(lost)})
                continue
            whole.setdefault((lesion.what, lesion.how), []).append(lost)
            low, high = np.quantile(100 * (weights @ lost.answers), [0.025, 0.975])
            tables["lesions"].append({**about, "what": lesion.what, "how": lesion.how, "replaced": int(lesion.mask.sum()),
                                      **_point(lost), "low": low, "high": high})
    accuracy = 100 * float(intact[0].mean())
    return {**{name: pd.DataFrame(rows) for name, rows in tables.items()},
            "overall": pd.DataFrame(_overall(whole, weights)).assign(intact=accuracy, modules=len(network.modules))}


def steps(network: CutNetwork, images: NDArray[Any]) -> int:
    """How many `measure` tells of: modules made ready, then batches of images."""
    return len(network.modules) + -(-len(images) // BATCH)


class _Prepared:
    """A module with its lesions and what its maps are replaced by, and what comes of photographs so far."""

    def __init__(self, network: CutNetwork, module: Module, training: NDArray[Any], count: int, seed: int):
        maps, before = network.maps(module, training)
        apart, any_other, predictable = fit_filters(module, maps, before)
        self.module, self.half = module, network.half(module)
        self.lesions = lesions_of(module, predictable, np.random.default_rng([seed, module.depth]))
        self._mean, self._apart, self._any_other = maps.mean(axis=0, keepdims=True), apart, any_other
        self._missed = {how: np.empty((count, module.channels)) for how in (MEAN, PREDICTED, OWN)}
        self._right, self._nats = (np.empty((len(self.lesions), count)) for _ in range(2))

    def run(self, part: slice, shown: Mapping[str, NDArray[Any]], labels: NDArray[Any]) -> None:
        """Some of the photographs, with their labels (N,)."""
        own = shown[self.module.maps]
        others = {MEAN: self._mean, PREDICTED: self._apart(own), OWN: self._any_other(own)}
        for how, other in others.items():
            self._missed[how][part] = errors(other, own)
        for place, lesion in enumerate(self.lesions):
            logits = self.half.logits(shown, lesion.mask, others[lesion.how])
            self._right[place, part], self._nats[place, part] = _judged(logits, labels)

    def lost(self, right: NDArray[Any], nats: NDArray[Any]) -> list[Lost]:
        """What each lesion costs, beside the intact network's answers (N,)."""
        total = self._missed[MEAN].sum(axis=1)
        removed = [self._missed[one.how][:, one.mask].sum(axis=1) for one in self.lesions]
        return [Lost(right - own, nats_now - nats, change, total)
                for own, nats_now, change in zip(self._right, self._nats, removed)]

    def r2(self) -> NDArray[Any]:
        """How well the best filter makes each map (C,) of no relative: 1 less its squared error over that of the map's mean
        over photographs, pixel by pixel. Elsewhere R2 is beside one mean of all pixels, which is less of a rival."""
        spread = self._missed[MEAN].sum(axis=0)
        r2: NDArray[Any] = 1 - self._missed[PREDICTED].sum(axis=0) / np.where(spread > 0, spread, np.nan)
        return r2


def lesions_of(module: Module, predictable: NDArray[Any], rng: np.random.Generator) -> list[Lesion]:
    """Which of a module's maps are replaced: halves of its sets and of all, then single maps.

    Args:
        module: With ghosts: its sets are these and its intrinsic maps. A plain one's are the half of its maps that other
            maps predict best, which one would rather make as ghosts, and the other half.
        predictable: (C,), how well.
        rng: Draws.
    """
    channels = module.channels
    if module.ghosts:
        sets = {GHOSTS: np.arange(channels - module.ghosts, channels), INTRINSIC: np.arange(channels - module.ghosts)}
    else:
        # A map without R2 is constant: nothing is easier to make, and `allocation` counts it so, too.
        order = np.nan_to_num(predictable, nan=np.inf).argsort(kind="stable")[::-1]
        sets = {LIKELY: order[:channels // 2], UNLIKELY: order[channels // 2:]}
    lesions = []
    for what, own in [*sets.items(), (ALL, np.arange(channels))]:
        mask = np.isin(np.arange(channels), rng.permutation(own)[:max(1, len(own) // 2)])
        lesions += [Lesion(what, how, mask) for how in ((MEAN, PREDICTED, OWN) if what == GHOSTS else (MEAN, PREDICTED))]
    for what, own in sets.items():
        lesions += [Lesion(what, MEAN, np.arange(channels) == single, int(single))
                    for single in rng.permutation(own)[:SINGLE // 2]]
    return lesions


def _judged(logits: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Whether each answer is right, 0 or 1, and its cross-entropy in nats: (N,) each."""
    _, rank, nats, _ = judge(logits, labels)
    return (rank == 1).astype(float), nats


def _overall(whole: dict[tuple[str, str], list[Lost]], weights: NDArray[Any]) -> list[dict[str, Any]]:
    """Means over modules: for each set and replacement, and for differences of two that answer a question.

    Returns:
        Rows of first and second, each as "set: replacement", second empty where it is no difference; lost, nats and
        per_share (points of top-1 for a tenth of a module's variance), each with NAME_low and NAME_high, 95 % over
        photographs, which are drawn again for all at once.
    """
    names = "lost", "nats", "per_share"
    drawn = {key: _values(several, weights) for key, several in whole.items()}
    rows = [_row(key, None, drawn, names) for key in whole]
    first, second, *_ = [what for what, how in whole if how == MEAN]
    pairs = [((first, how), (second, how)) for how in (MEAN, PREDICTED)]
    pairs += [((what, MEAN), (what, PREDICTED)) for what in (first, second, ALL)]
    return rows + [_row(*pair, drawn, names) for pair in pairs]


def _row(first: tuple[str, str], second: tuple[str, str] | None, drawn: dict[tuple[str, str], dict[str, NDArray[Any]]],
         names: tuple[str, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {"first": ": ".join(first), "second": ": ".join(second) if second else ""}
    for name in names:
        values = drawn[first][name] - (drawn[second][name] if second else 0)
        row |= _interval(name, values)
    return row


def _values(several: list[Lost], weights: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """By name (1 + RESAMPLES,) what is said of several modules together, first of the photographs as they are."""
    every = np.concatenate([np.full((1, weights.shape[1]), 1 / weights.shape[1]), weights])
    lost, nats = (np.mean([every @ getattr(one, name) for one in several], axis=0) for name in ("answers", "nats"))
    share = np.mean([(every @ one.removed) / np.maximum(every @ one.total, 1e-300) for one in several], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_share = np.where(share > 1e-6, 10 * lost / share, np.nan)
    return {"lost": 100 * lost, "nats": nats, "share": 100 * share, "per_share": per_share}


def _point(lost: Lost) -> dict[str, float]:
    return {"share": 100 * lost.removed.sum() / max(lost.total.sum(), 1e-300), "lost": 100 * lost.answers.mean(),
            "nats": lost.nats.mean()}


def _interval(name: str, values: NDArray[Any]) -> dict[str, float]:
    low, high = np.quantile(values[1:], [0.025, 0.975]) if np.isfinite(values).all() else (np.nan, np.nan)
    return {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}
