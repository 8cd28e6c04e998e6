"""What the ImageNet notebook runs on where ImageNet is not, and what it says beside published results, in sentences."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ghostlib.config import Config
from ghostlib.studies.copies import FINGERPRINT, copy_of

# Epochs show about 5,000 images of either.
HUNDRED: dict[str, Any] = {"data_dir": "data/imagenette-hundred", "num_classes": 10, "epochs": 50}
SQUARES: dict[str, Any] = {"data_dir": "data/photographs", "num_classes": 8, "epochs": 16}
EACH, JUDGED = 10, 30  # photographs of each of Imagenette's classes to train with, and others to test with


def stand_in() -> dict[str, Any]:
    """Fields of Config for what stands in for ImageNet: a hundred of Imagenette's photographs if it is in data/, else
    squares cut out of eight photographs, which need no download. Either is made where it is missing.
    """
    from ghostlib.data import imagenette, photographs, subset
    if (whole := Path("data") / imagenette.FOLDER).is_dir():
        subset.draw(whole, HUNDRED["data_dir"], list(imagenette.CLASSES), EACH, judged=JUDGED)
        return HUNDRED
    photographs.write("data")
    return SQUARES


def doubts(config: Config, whole: bool) -> str:
    """What to doubt in a run, as a list in Markdown: in any, and in one on what stands in for ImageNet.

    Args:
        config: The run's.
        whole: Whether its images are ImageNet's.
    """
    told = ["**One run.** How far another seed would land is not asked; mindcv's two rows for width 0.5 differ by 0.1 "
            "points."]
    if config.data_dir == SQUARES["data_dir"]:
        told += ["**Eight things.** The stand-in's test squares overlap and come from eight photographs; a rate of them "
                 "says little about other photographs.",
                 "**An easy stand-in.** Colour and texture are enough to tell its classes apart, and with eight of them "
                 "guessing five answers is right in five of eight cases: the top-5 says nothing."]
    elif config.data_dir == HUNDRED["data_dir"]:
        told += [f"**A hundred photographs.** {EACH} of a class are too few to train a network from random weights. "
                 "`notebooks/photographs.ipynb` trains on all that Imagenette has.",
                 "**Ten easy classes.** Guessing five answers is right in half of all cases: the top-5 says little."]
    if not whole and config.amp == "O0":
        told += ["**Not this recipe's precision.** This run computes in float32; the recipe is half precision with a "
                 "dynamic loss scale. `-p amp O3 -p loss_scale_dynamic True` runs that on a CPU, slowly."]
    if config.device == "CPU":
        told += ["**No NPU.** Whatever is said here of eight NPUs follows MindSpore's documentation and has not been "
                 "tried."]
    told += ["**Decoding.** Photographs are decoded by libjpeg-turbo, or Pillow where it finds a fault, and scaled by "
             "MindSpore; code that scales by another rule gets other pixels, and a result that differs by an unknown "
             "amount."]
    return "\n".join(f"- {doubt}" for doubt in told)


def whose_copy(config: Config, fingerprint: str) -> str:
    """Which copy of Imagenette the hundred photographs are of, in brackets behind a space; "" for other images.

    Args:
        config: The run's.
        fingerprint: Of its data.
    """
    return f" ({copy_of(pd.DataFrame({FINGERPRINT: [fingerprint]}))})" if config.data_dir == HUNDRED["data_dir"] else ""


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
