"""Where a network's milliseconds go: recorded times of ONNX Runtime's operators (tools/bench_latency.py --layers), kind by
kind. Rows only."""

from collections.abc import Sequence

import pandas as pd

CONDITION = 1, 1  # images at a time and threads with which operators are recorded (latency.measure_layers)
ENLARGING = "enlarging maps"
LEAST = 0.05  # of a difference, from which on a kind of operator is named
CALLED = {"Gather": ENLARGING, "Resize": ENLARGING}  # by operator, what the recorded kind "other" hides


def named_kinds(layers: pd.DataFrame) -> pd.DataFrame:
    """Recorded operators whose kind says what they do: of those recorded as "other" CALLED names some.

    Args:
        layers: Columns operator and kind.
    """
    called = layers.operator.map(CALLED).where(layers.kind == "other")
    return layers.assign(kind=called.fillna(layers.kind))


def by_kind(layers: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds and multiply-adds of each network by the kind of operator (tools/bench_latency.py --layers), with what
    share of its time each takes and how many million multiply-adds a millisecond it gets.

    Args:
        layers: Columns network, operator, kind, ms and macs.
    """
    table = named_kinds(layers).groupby(["network", "kind"], sort=False)[["ms", "macs"]].sum().reset_index()
    table["share"] = table.ms / table.groupby("network").ms.transform("sum")
    return table.assign(macs_per_ms=table.macs / table.ms / 1e6)


def price(layers: pd.DataFrame) -> pd.DataFrame:
    """What a multiply-add costs by kind, over all networks: multiply-adds (millions) a millisecond, and the median share of
    a network's time, of those that have the kind."""
    table = by_kind(layers)
    sums = table.groupby("kind")[["ms", "macs"]].sum()
    return pd.DataFrame({"M multiply-adds a ms": (sums.macs / sums.ms / 1e6).where(sums.macs > 0),
                         "median share of time": table.groupby("kind").share.median(),
                         "networks": table.groupby("kind").network.nunique()}).sort_values("median share of time",
                                                                                           ascending=False)


def price_in_words(layers: pd.DataFrame) -> str:
    """What `price` says, as a sentence."""
    table = price(layers)["M multiply-adds a ms"].dropna()
    article = {"squeeze-and-excitation": "", "other convolution": "any "}
    dear = [f"{1e3 / table[kind]:.0f} µs in {article.get(kind, 'a ')}{kind}"
            for kind in table.sort_values(ascending=False).index]
    return (f"A million multiply-adds take {', '.join(dear)}. What has none is not free: joining maps, changing their "
            f"layout and enlarging them.")


def additional(layers: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> str:
    """How much longer networks take than others, all pairs together, and which kinds of operators it goes to, in words.

    Args:
        layers: As for `by_kind`.
        pairs: A network and the one that it is compared with.
    """
    table = by_kind(layers).pivot(index="network", columns="kind", values="ms").fillna(0)
    apart = sum((table.loc[one] - table.loc[other] for one, other in pairs), start=0 * table.iloc[0])
    apart = apart.sort_values(key=abs, ascending=False)
    told = ", ".join(f"{kind} {value:+.1f}" for kind, value in apart[apart.abs() > LEAST * apart.abs().sum()].items())
    names, others = ((f"{pairs[0][0]} takes", "its thin twin") if len(pairs) == 1 else
                     (f"The {len(pairs)} GhostNets take", "their thin twins together"))
    return (f"{names} {abs(apart.sum()):.1f} ms {'longer' if apart.sum() > 0 else 'less'} than {others}: {told}")


def joining(kinds: pd.DataFrame) -> pd.Series:
    """By network, the share of its time that joining maps and changes of layout take."""
    return kinds.share.where(kinds.kind.isin(["concatenation", "change of layout"]), 0).groupby(kinds.network).sum()
