"""Cheap in multiply-adds, cheap in milliseconds? Recorded times of networks (tools/bench_latency.py), and what follows.

Rows only; the networks are named here so that the tool, the notebook and the tests mean the same ones.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ghostlib.config import GHOST_NETWORKS, Config
from ghostlib.studies import latency_layers, speeds
from ghostlib.studies.paper import PUBLISHED
from ghostlib.studies.rivals import LIKE, like_cost

NETWORKS: Mapping[str, tuple[str, float, int]] = {  # model, width and s, all at 224 x 224 with 1,000 classes
    "GhostNet 0.5": ("ghostnet", 0.5, 2), "GhostNet 1.0": ("ghostnet", 1.0, 2), "GhostNet 1.3": ("ghostnet", 1.3, 2),
    # the same without ghosts
    "plain 0.5": ("ghostnet", 0.5, 1), "plain 1.0": ("ghostnet", 1.0, 1), "plain 1.3": ("ghostnet", 1.3, 1),
    # without ghosts, and narrower: within 1 % of the multiply-adds of the three GhostNets
    "thin of 0.5": ("ghostnet", 0.39, 1), "thin of 1.0": ("ghostnet", 0.77, 1), "thin of 1.3": ("ghostnet", 0.99, 1),
    "GhostNetV2 1.0": ("ghostnetv2", 1.0, 2), "MobileNetV2 1.0": ("mobilenet_v2", 1.0, 1),
    "MobileNetV3-S 1.0": ("mobilenet_v3_small", 1.0, 1), "MobileNetV3-L 1.0": ("mobilenet_v3_large", 1.0, 1),
    "ResNet-50": ("resnet50", 1.0, 1), "Ghost-ResNet-50": ("resnet50", 1.0, 2)}
SIZE, CLASSES = 224, 1000  # pixels, classes
CONDITION = ["engine", "batch", "threads"]
ENGINES = ("mindspore", "kernel", "onnxruntime", "openvino")  # those of tools/bench_latency.py


def config_of(name: str) -> Config:
    """One of NETWORKS as a Config."""
    model, width, ratio = NETWORKS[name]
    return Config.of({"model": model, "width": width, "ratio": ratio, "num_classes": CLASSES, "image_size": SIZE,
                      "dataset": "imagefolder", "data_dir": "-"})


def summary(measured: pd.DataFrame) -> pd.DataFrame:
    """One row for each network and condition: ms, the median over turns, low and high (fastest and slowest turn), turns,
    and the costs.

    Args:
        measured: Columns network, CONDITION, turn, ms, macs, weights and bytes, and those that tell the machine.

    Raises:
        InputError: For rows of several machines.
    """
    speeds.check_one_machine(measured)
    by = measured.groupby(["network", *CONDITION], sort=False)
    table = by.agg(ms=("ms", "median"), low=("ms", "min"), high=("ms", "max"), turns=("turn", "nunique"),
                   macs=("macs", "first"), weights=("weights", "first"), bytes=("bytes", "first")).reset_index()
    table["macs_per_ms"] = table.macs * table.batch / table.ms
    return table


def ratios(measured: pd.DataFrame, network: str, other: str) -> pd.DataFrame:
    """How many times as long a network takes as another, turn by turn: a row for each condition; times, low and high.
    `InputError` for rows of several machines."""
    speeds.check_one_machine(measured)
    one, two = (measured[measured.network == name].set_index([*CONDITION, "turn"]).ms for name in (network, other))
    times = (one / two).dropna().rename("times").reset_index()
    return times.groupby(CONDITION, sort=False).times.agg(times="median", low="min", high="max", turns="count").reset_index()


def fastest_engine(table: pd.DataFrame) -> pd.DataFrame:
    """For each network, batch and number of threads the engine that answers soonest; rows of `summary`."""
    return table.loc[table.groupby(["network", "batch", "threads"], sort=False).ms.idxmin()].reset_index(drop=True)


def within_budget(table: pd.DataFrame, accuracy: Mapping[str, float], budgets: Sequence[float]) -> pd.DataFrame:
    """Which network to take for so many milliseconds an image: the most accurate of those that answer in time.

    Args:
        table: Rows of `summary` of one condition.
        accuracy: Published top-1 in %, by network; those without one are left out.
        budgets: Milliseconds.

    Returns:
        A row for each budget: budget, network, ms and top1; "none" where nothing is quick enough.
    """
    known = table[table.network.isin(list(accuracy))].assign(top1=lambda own: own.network.map(accuracy))
    rows = []
    for budget in budgets:
        able = known[known.ms / known.batch <= budget].sort_values(["top1", "ms"], ascending=[False, True])
        best = able.iloc[0] if len(able) else None
        rows.append({"budget": budget, "network": "none" if best is None else best.network,
                     "ms": np.nan if best is None else best.ms / best.batch, "top1": np.nan if best is None else best.top1})
    return pd.DataFrame(rows)


TRIPLES = {"GhostNet 0.5": ("thin of 0.5", "plain 0.5"), "GhostNet 1.0": ("thin of 1.0", "plain 1.0"),
           "GhostNet 1.3": ("thin of 1.3", "plain 1.3")}
"""By GhostNet, a network without ghosts that has its multiply-adds, and the one that it was made cheaper than."""


def of_condition(measured: pd.DataFrame, batch: int, threads: int, engine: str | None = None) -> pd.DataFrame:
    """Those rows that were measured so."""
    own = measured[(measured.batch == batch) & (measured.threads == threads)]
    return own if engine is None else own[own.engine == engine]


def against(measured: pd.DataFrame, batch: int, threads: int) -> pd.DataFrame:
    """How many times as long each GhostNet takes as its thin and as its plain twin, engine by engine: network, other,
    engine, macs (how many times as many multiply-adds), times with low and high over turns."""
    rows, macs = [], measured.groupby("network").macs.first()
    for network, others in TRIPLES.items():
        for other in others:
            for row in ratios(of_condition(measured, batch, threads), network, other).itertuples():
                rows.append({"network": network, "other": other, "engine": row.engine, "macs": macs[network] / macs[other],
                             "times": row.times, "low": row.low, "high": row.high})
    return pd.DataFrame(rows)


def rank_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """How well multiply-adds, bytes and weights order networks by their time: Spearman's rank correlation, engine by engine.

    Args:
        table: Rows of `summary` of one batch and number of threads.
    """
    return table.groupby("engine", sort=False).apply(
        lambda own: own[["macs", "bytes", "weights"]].corrwith(own.ms, method="spearman"), include_groups=False)


def times_as_long(own: pd.DataFrame, network: str) -> dict[str, pd.Series]:
    """By other network, how many times as long a network takes as that one, turn by turn, each by its fastest engine; of
    rows of one condition."""
    if own.empty:
        return {}
    quickest = fastest_engine(summary(own)).set_index("network")
    best = own[own.engine == own.network.map(quickest.engine)]
    turns = best.pivot(index="turn", columns="network", values="ms")
    if network not in turns:
        return {}
    found = {name: (turns[network] / turns[name]).dropna() for name in quickest.index}
    return {name: times for name, times in found.items() if name != network and len(times)}


def answer(measured: pd.DataFrame, layers: pd.DataFrame, batch: int = 1, threads: int = 1) -> str:
    """The answer, in sentences made of the rows; networks beside each other each by its fastest engine."""
    table, timed = against(measured, batch, threads), of_condition(measured, batch, threads)
    if table.empty:
        return "**Answer.** Not known yet: these rows hold no GhostNet beside its twins."
    macs = measured.groupby("network").macs.first()
    thin: dict[str, tuple[pd.Series, float]] = {}  # how many times as long it takes, and as many multiply-adds
    plain: dict[str, tuple[pd.Series, float]] = {}
    for name, twins in TRIPLES.items():
        beside = times_as_long(timed, name)
        for found, twin in zip((thin, plain), twins):
            if twin in beside:
                found[name] = beside[twin], macs[name] / macs[twin]
    saved = ", ".join(f"{name} takes {times.median():.2f} times as long as its plain twin ({times.min():.2f} to "
                      f"{times.max():.2f}) for {share:.2f} of the multiply-adds" for name, (times, share) in plain.items())
    count = min(len(times) for times, _ in [*thin.values(), *plain.values()])
    turns = (f"in brackets the range over {count} turns" if count > 2 else
             f"only {count} turn{'s' if count > 1 else ''} so far: no more than a first look")
    verdict = ("Not known yet is whether ghosts pay: these rows hold no plain twin" if not plain else
               "Ghosts save less time on this machine than multiply-adds"
               if all(times.median() > share for times, share in plain.values()) else
               "Ghosts save as much time on this machine as multiply-adds, at least in part")
    return (f"**Answer.** {verdict}{': ' if saved else ''}{saved} (each by its fastest engine, "
            f"{conditions(batch, threads)}, {speeds.machine(timed)}; {turns}).{_beside_thin(thin, table)}"
            f"{_ghost_resnet(timed)}{_why(timed, layers, batch, threads)}\n\n"
            f"{beside_rivals(measured, batch, threads)}\n\n{advice(measured, published(), batch, threads)}")


def _beside_thin(thin: Mapping[str, tuple[pd.Series, float]], table: pd.DataFrame) -> str:
    """Sentences on GhostNets beside thin networks; "" where there are none."""
    if not thin:
        return ""
    longer, own = sum(times.min() > 1 for times, _ in thin.values()), table[table.other.str.startswith("thin")]
    told = ", ".join(f"{times.median():.2f}" for times, _ in thin.values())
    return (f" Beside a network without ghosts of the same multiply-adds, {longer} of {len(thin)} GhostNets take longer "
            f"{_in_each(*(len(times) for times, _ in thin.values()))} ({told} times as long); by one and the same engine "
            f"GhostNets are sooner in every turn in {int((own.high < 1).sum())} of {len(own)} pairs of network and engine.")


def _ghost_resnet(timed: pd.DataFrame) -> str:
    """A sentence on Ghost-ResNet-50 beside ResNet-50; "" where they are not there."""
    times = times_as_long(timed, "Ghost-ResNet-50").get("ResNet-50")
    macs = timed.groupby("network").macs.first()
    return "" if times is None else (f" Ghost-ResNet-50 takes {times.median():.2f} times as long as ResNet-50 for "
                                     f"{macs['Ghost-ResNet-50'] / macs['ResNet-50']:.2f} of its multiply-adds.")


def _why(timed: pd.DataFrame, layers: pd.DataFrame, batch: int, threads: int) -> str:
    """A sentence on where GhostNets' additional time goes, beside thin twins; "" where nothing is known."""
    pairs = [(name, thin) for name, (thin, _) in TRIPLES.items() if {name, thin} <= set(layers.network)]
    if not pairs:
        return ""
    how = "; ".join(filter(None, ["ONNX Runtime's own profile, one run", _how_layers(timed, layers, batch, threads)]))
    return f" {latency_layers.additional(layers, pairs)} ({how})."


def _how_layers(timed: pd.DataFrame, layers: pd.DataFrame, batch: int, threads: int) -> str:
    """How and where operators were timed, where that is not how or where the rest was."""
    apart = [conditions(*latency_layers.CONDITION)] if (batch, threads) != latency_layers.CONDITION else []
    if "machine" in layers and not speeds.same_machine(timed, layers):
        apart.append(f"on another machine, {speeds.machine_in_full(layers)}")
    return "; ".join(apart)


def conditions(batch: int, threads: int) -> str:
    """How many images at a time, and how many threads, in words."""
    return f"{batch} image{'' if batch == 1 else 's'} at a time, {threads} thread{'' if threads == 1 else 's'}"


def _in_each(*turns: int) -> str:
    """Of how many turns something is said, of one engine or of several."""
    fewest, most = min(turns), max(turns)
    if most == 1:
        return "in the one turn that was recorded"
    return f"in each of {fewest if fewest == most else f'{fewest} to {most}'} turns"


def multiply_adds_of_twins(twins: pd.DataFrame) -> str:
    """How many multiply-adds GhostNets have beside their twins, in a sentence; rows of `against`."""
    kinds = twins.other.str.partition(" ")[0]
    spans = [f"{own.min():.2f} to {own.max():.2f} of their {kind} twins'" for kind, own in
             twins.macs.groupby(kinds, sort=False)]
    return f"GhostNets have {' and '.join(spans)} multiply-adds."


def beside_rivals(measured: pd.DataFrame, batch: int = 1, threads: int = 1) -> str:
    """How long GhostNets take beside MobileNetV3s of like multiply-adds, each by its fastest engine, in sentences; and where
    another condition is told."""
    own = of_condition(measured, batch, threads)
    table = fastest_engine(summary(own)).set_index("network")
    told = [f"{one} takes {table.ms[one] / table.ms[other]:.2f} times as long as {other}"
            for one, other in like_cost(table.macs) if other.startswith("MobileNetV3")]
    return (f"At like multiply-adds (within {100 * LIKE:.0f} %), each by its fastest engine, "
            f"{'; '.join(told) or 'no GhostNet was timed beside a MobileNetV3'} ({conditions(batch, threads)}, "
            f"{speeds.machine(own)}). `notebooks/compare.ipynb` has the same comparison for 32 images at a time, on all "
            f"cores, by MindSpore with our kernel; its result need not agree with this one.")


def advice(measured: pd.DataFrame, accuracy: Mapping[str, float], batch: int = 1, threads: int = 1) -> str:
    """Which network to take from how many milliseconds an image on, in sentences: the steps of `within_budget`.

    Args:
        measured: As for `answer`.
        accuracy: Published top-1 in %, by network.
    """
    own = of_condition(measured, batch, threads)
    table = fastest_engine(summary(own))
    known = table[table.network.isin(list(accuracy))]
    if known.empty:
        return "**Which to take.** Not known yet: these rows hold no network with a published accuracy."
    steps = within_budget(table, accuracy, sorted(known.ms / known.batch)).drop_duplicates("network")
    told = ", ".join(f"from {math.ceil(10 * row.ms) / 10:.1f} ms {row.network} ({row.top1:.1f} %)"
                     for row in steps.itertuples())
    return (f"**Which to take.** By the time that you have for an image: {told}; below that none. Times are each network's "
            f"fastest engine's here ({conditions(batch, threads)}, {speeds.machine(own)}), accuracies are top-1 on "
            f"ImageNet as published, not ours.")


def published() -> dict[str, float]:
    """Published top-1 in %, by network, of those of NETWORKS that have one; theirs, not ours."""
    table = pd.read_csv(PUBLISHED / "models.csv")
    known = {(row.model, row.width, 2 if row.model in GHOST_NETWORKS else 1): row.top1
             for row in table[table.top1.notna()].itertuples()}
    printed = pd.read_csv(PUBLISHED / "networks.csv")  # which tells s, and so has networks that others made of ghosts
    for row in printed[(printed.dataset == "imagenet") & printed.top1.notna()].itertuples():
        known.setdefault((row.model, row.width, row.ratio), row.top1)
    return {name: known[network] for name, network in NETWORKS.items() if network in known}


def findings(measured: pd.DataFrame, layers: pd.DataFrame, batch: int, threads: int) -> pd.DataFrame:
    """What was asked and what the rows say: asked, seen."""
    table, timed = against(measured, batch, threads), of_condition(measured, batch, threads)
    correlations = rank_correlations(summary(timed))
    kinds, rows = latency_layers.by_kind(layers), []
    turns = _in_each(*timed.groupby("engine").turn.nunique())
    for kind in ("thin", "plain"):
        own = table[table.other.str.startswith(kind)]
        counts = {word: int(mask.sum()) for word, mask in (("sooner", own.high < 1), ("later", own.low > 1))}
        rows.append({"asked": f"Do GhostNets answer sooner than their {kind} twins?",
                     "seen": f"sooner {turns}: {counts['sooner']} of {len(own)} pairs of network and engine; later: "
                             f"{counts['later']}; now sooner, now later: {len(own) - sum(counts.values())}"})
    best = "; ".join(f"{engine}: {own.idxmax()} ({own.max():.2f})" for engine, own in correlations.iterrows())
    rows.append({"asked": "What orders networks by their time?", "seen": best})
    joined = latency_layers.joining(kinds)
    names = [name for name in ("GhostNet 1.0", "thin of 1.0", "MobileNetV3-L 1.0") if name in joined]
    how = "; ".join(filter(None, ["ONNX Runtime", _how_layers(timed, layers, batch, threads)]))
    rows.append({"asked": "What does joining maps cost, with the changes of layout around it?",
                 "seen": ", ".join(f"{name} {100 * joined[name]:.0f} %" for name in names) + f" of the time ({how})"})
    return pd.DataFrame(rows)
