"""What a run of the ImageNet notebook says beside published results, in sentences."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ghostlib.config import Config


def answer(config: Config, seen: str, classes: int, missing: Sequence[str], gaps: Mapping[str, float]) -> str:
    """Whether a run agrees with what is published, in sentences.

    Args:
        config: The run's.
        seen: Its accuracy, with its interval where it has one.
        classes: Number of classes that were told apart.
        missing: What keeps the run from being compared; empty if nothing does.
        gaps: By what is published: the run's top-1 less that, in points of percent.
    """
    run = f"{config.epochs} epochs on {config.devices} {config.device} device(s) ran to the end"
    if missing:
        return (f"**Answer.** Not known yet. {run}, and the weights read back are right on {seen}; guessing gives "
                f"{100 / classes:.1f} %. That cannot be compared with a published result, since {' and '.join(missing)} are "
                f"not theirs. It shows that the parts used here work together, and nothing about GhostNet on ImageNet.")
    first = "; ".join(f"{gap:+.2f} points from {whose}" for whose, gap in gaps.items())
    return (f"**Answer.** {run}, with ImageNet's images and mindcv's recipe. The weights read back are right on {seen}. "
            f"That is {first}. One run does not say where another seed would land.")


def summary(seen: str, missing: Sequence[str], gaps: Mapping[str, float]) -> pd.DataFrame:
    """The same as a small table: question, answer."""
    gap = ", ".join(f"{one:+.2f} points from {whose}" for whose, one in gaps.items())
    return pd.DataFrame([
        ("Does it run to the last epoch?", "yes"), ("How good is it?", seen),
        ("Does it agree with what is published?", gap if not missing else f"not asked: {' and '.join(missing)} differ")],
        columns=["question", "answer"]).set_index("question")
