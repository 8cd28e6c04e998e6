"""What the photographs study's networks take in milliseconds (tools/bench_latency.py --study photographs), beside what they
recognise. Rows only; the networks are the study's own, as they were trained: their size, their ten classes."""

from collections.abc import Mapping

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


def times_in_words(measured: pd.DataFrame, batch: int = BATCH, threads: int = THREADS) -> str:
    """How long GhostNet takes beside each other network, by each one's fastest engine, in sentences."""
    own = latency.of_condition(measured, batch, threads)
    quickest = latency.fastest_engine(latency.summary(own)).set_index("network")
    if photographs.GHOSTNET not in quickest.index:
        return "Milliseconds are not recorded yet."
    best = own[own.engine == own.network.map(quickest.engine)]  # of each network its fastest engine's rows
    turns = best.pivot(index="turn", columns="network", values="ms").dropna()
    times = turns.rdiv(turns[photographs.GHOSTNET], axis=0)
    told = [f"{times[name].median():.2f} times as long as {name} ({times[name].min():.2f} to {times[name].max():.2f})"
            for name in quickest.index if name != photographs.GHOSTNET and name in times]
    return (f"GhostNet takes {quickest.ms[photographs.GHOSTNET] / batch:.2f} ms for an image: {listed(told)}. Each by its "
            f"fastest engine ({listed(sorted(set(quickest.engine)))}), {latency.conditions(batch, threads)}, "
            f"{speeds.machine(own)}; brackets: extremes over {len(turns)} turn{'' if len(turns) == 1 else 's'}.")


def advice(table: pd.DataFrame) -> str:
    """Which of these networks to take from how many milliseconds an image on, in a sentence.

    Args:
        table: Of `with_times`.
    """
    known = table.dropna(subset=["ms", "accuracy"]).assign(batch=1)
    if known.empty:
        return "Which to take is not known yet: no network has both an accuracy and a time."
    steps = latency.within_budget(known, dict(zip(known.network, known.accuracy)), sorted(known.ms))
    told = listed(f"{row.network} from {row.ms:.2f} ms ({row.top1:.1f} %)"
                  for row in steps.drop_duplicates("network").itertuples())
    return f"Trained alike, by the time that you have for an image: {told}."
