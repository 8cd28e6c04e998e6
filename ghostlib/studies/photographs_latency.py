"""What the photographs study's networks take in milliseconds (tools/bench_latency.py --study photographs), beside what they
recognise. Rows only; the networks are the study's own, as they were trained: their size, their ten classes."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ghostlib.config import Config
from ghostlib.studies import latency, photographs, speeds
from ghostlib.studies.contrasts import listed

SIZE, CLASSES = 128, 10  # pixels, classes
NETWORKS: Mapping[str, tuple[str, float, int, int]] = {name: key for key, name in photographs.NETWORKS.items()}
BATCH, THREADS = 1, 1  # what is told where nothing else is asked


def config_of(name: str) -> Config:
    """One of NETWORKS as a Config."""
    model, width, ratio, kernel = NETWORKS[name]
    return Config.of({"model": model, "width": width, "ratio": ratio, "kernel": kernel, "num_classes": CLASSES,
                      "image_size": SIZE, "dataset": "imagenette"})


def with_times(table: pd.DataFrame, measured: pd.DataFrame, batch: int = BATCH, threads: int = THREADS) -> pd.DataFrame:
    """A summary with ms, an image's time by each network's fastest engine: the median over turns; ms_low and ms_high, the
    fastest and the slowest turn; and engine. Missing where not measured.

    Args:
        table: Of `photographs.summary`.
        measured: Rows of the tool, of one machine.
    """
    quickest = latency.fastest_engine(latency.summary(latency.of_condition(measured, batch, threads)))
    times = quickest[["ms", "low", "high"]].rename(columns={"low": "ms_low", "high": "ms_high"}).div(quickest.batch, axis=0)
    return table.merge(times.assign(network=quickest.network, engine=quickest.engine), "left", "network")


def beside_in_short(measured: Sequence[pd.DataFrame], other: str) -> str:
    """The same by medians alone."""
    times = [latency.times_as_long(latency.of_condition(rows, BATCH, THREADS), photographs.GHOSTNET).get(other)
             for rows in measured]
    told = [f"{one.median():.2f}" for one in times if one is not None]
    where = "one core" if len(told) == 1 else f"one core of each of {len(told)} machines"
    return f"For an image GhostNet takes {listed(told)} times as long ({where})." if told else ""


def beside(measured: Sequence[pd.DataFrame], other: str) -> str:
    """How long GhostNet takes beside another of these networks, in short, machine by machine; "" where that is not known.

    Args:
        measured: Rows of the tool, of one machine each.
        other: A key of NETWORKS.
    """
    told = []
    for rows in measured:
        times = latency.times_as_long(latency.of_condition(rows, BATCH, THREADS), photographs.GHOSTNET).get(other)
        if times is not None:
            told.append(f"{times.median():.2f} times as long on one core of {speeds.machine_in_short(rows)} "
                        f"({times.min():.2f} to {times.max():.2f} in {len(times)} turn{'' if len(times) == 1 else 's'})")
    return f"For an image GhostNet takes {' and '.join(told)}, either by its fastest engine." if told else ""


def times_in_words(measured: pd.DataFrame, batch: int = BATCH, threads: int = THREADS) -> str:
    """How long GhostNet takes beside each other network, by each one's fastest engine, in sentences."""
    own = latency.of_condition(measured, batch, threads)
    quickest = latency.fastest_engine(latency.summary(own)).set_index("network")
    if not (times := latency.times_as_long(own, photographs.GHOSTNET)):
        return "Milliseconds are not recorded yet."
    told = [f"{one.median():.2f} times as long as {name} ({one.min():.2f} to {one.max():.2f})"
            for name, one in times.items()]
    fewest = min(map(len, times.values()))
    return (f"GhostNet takes {quickest.ms[photographs.GHOSTNET] / batch:.2f} ms for an image: {listed(told)}. Each by its "
            f"fastest engine ({listed(sorted(set(quickest.engine)))}), {latency.conditions(batch, threads)}, "
            f"{speeds.machine(own)}; in brackets the range over {fewest} turn{'' if fewest == 1 else 's'}, which is "
            f"no interval. Times are compared within a turn, and the median is told, so that it can differ a little from "
            f"the quotient of two medians.")


def advice(table: pd.DataFrame) -> str:
    """Which of these networks to take from how many milliseconds an image on, in a sentence.

    Args:
        table: Of `with_times`.
    """
    known = table.dropna(subset=["ms", "accuracy"]).assign(batch=1)
    if known.empty:
        return "Which to take is not known yet: no network has both an accuracy and a time."
    accuracies = dict(zip(known.network, known.accuracy))
    steps = latency.within_budget(known, accuracies, sorted(known.ms)).drop_duplicates("network")
    if len(steps) == 1 and len(known) > 1:
        [best] = known[known.network == steps.network.iloc[0]].itertuples()
        near = known.network[(known.network != best.network) & (known.ms_low <= best.ms_high)]
        beside = f"; {listed(near)} may be as quick" if len(near) else ""
        return (f"Trained alike, {best.network} is the quickest of these networks ({best.ms:.2f} ms{beside}) and the most "
                f"accurate ({best.accuracy:.1f} %): no limit of time favours another.")
    told = listed(f"{row.network} from {row.ms:.2f} ms ({row.top1:.1f} %)"
                  for row in steps.itertuples())
    return f"Trained alike, by the time that you have for an image: {told}."
