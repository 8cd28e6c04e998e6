"""What the lab found, for somebody who has a minute: each a question, an answer in plain words, and how sure it is."""

from collections.abc import Sequence

import pandas as pd

from ghostlib.redundancy.sources import OTHER_IMAGE, TRAINED, UNTRAINED
from ghostlib.studies import ablation, photographs, photographs_latency
from ghostlib.studies.ablation import THIN
from ghostlib.studies.contrasts import contrast, mean_interval, over_seeds
from ghostlib.studies.copies import copy_of
from ghostlib.studies.redundancy import moved

SAYS = {"within": "No", "better": "Yes", "worse": "No"}  # to whether something is better, by a verdict's first word


def three(on_photographs: pd.DataFrame, on_cifar10: pd.DataFrame, likeness: pd.DataFrame,
          times: Sequence[pd.DataFrame]) -> list[str]:
    """The findings that the front page tells, as Markdown; what each needs besides stands on the page of all findings.

    Args:
        on_photographs: Of `photographs.counted`.
        on_cifar10: Of `ablation.named`, of ablate_cifar10.csv.
        likeness: As for `redundancy.answer`.
        times: As for `photographs_latency.beside`.
    """
    fewer = filter(None, [
        on_thinner_rivals(on_photographs, photographs_latency.beside_in_short(times, photographs.THIN)),
        on_fewer_channels(on_cifar10)])
    rival = on_the_rival(on_photographs, photographs_latency.beside_in_short(times, photographs.RIVAL))
    return ["\n   - ".join(["**Do ghosts beat simply having fewer channels?**", *fewer]),
            f"**Are feature maps alike because networks learn it?** {on_likeness(likeness)}",
            f"**Is GhostNet better than MobileNetV3 at the same cost?** {rival}"]


def on_the_rival(rows: pd.DataFrame, time: str) -> str:
    """The primary contrast of the photographs study, in short, with a sentence on what either network takes of time, or
    ""."""
    said = photographs.answer(rows).removeprefix("**Answer.** ").partition(" GhostNet recognises")[0]
    first = said.replace(f" ({copy_of(rows)})", "")  # of which copy is said once
    return f"{first}{f' {time}' if time else ''} Seen on Imagenette, {photographs.conditions(rows)}."


def on_fewer_channels(rows: pd.DataFrame) -> str:
    """A Ghost network beside a plain one of as many multiply-adds; the words follow the seeds."""
    one = contrast(rows, "s2 d3", THIN, "accuracy")
    first, _ = one.told(ablation.MARGIN, SAYS, "Not known")
    verdict = one.judged(ablation.MARGIN)
    share = 90 if verdict.startswith("within") else 95  # the interval that the verdict is made by
    mean, low, high = mean_interval(one.values, share / 100)
    return (f"{first}, in a small VGG-16 after {rows.epochs.iloc[0]} epochs of CIFAR-10. The Ghost network minus a plain "
            f"one with as many multiply-adds: {verdict} ({mean:+.2f} points, {share} % interval over {len(one.seeds)} seeds "
            f"{low:+.2f} to {high:+.2f}).")


def on_thinner_rivals(rows: pd.DataFrame, time: str) -> str:
    """What the photographs study says on the same question, with a sentence on what it takes of time, or ""; "" where no
    seeds can be paired yet."""
    found, thinner = photographs.secondary(rows).set_index("difference"), f"{photographs.GHOSTNET} − {photographs.THIN}"
    if thinner not in found.index:
        return ""
    row = found.loc[thinner]
    return (f"{SAYS.get(row.verdict.split()[0].strip(','), 'Not known')}, on Imagenette's photographs ({copy_of(rows)}). "
            f"GhostNet minus a thinner network without ghosts: {row.verdict.partition(',')[0]} ({row.evidence}; a "
            f"secondary question).{f' {time}' if time else ''}")


def on_likeness(rows: pd.DataFrame) -> str:
    """What maps have in common before training and after it, and when they show different images."""
    relu = rows[rows.stage == "ReLU"].groupby(["source", "seed"]).r2.mean().unstack("source")
    change, share = relu[TRAINED] - relu[UNTRAINED], 100 * relu.mean()
    mean, low, high = mean_interval(100 * change)
    first = {"hardly": "Hardly: training changes little", "up": "Yes: training makes them more alike",
             "down": "No: training makes them less alike", "open": "Not shown"}[moved(change)]
    how = over_seeds(low, high, len(relu), digits=0)
    _, image, _ = mean_interval(relu[UNTRAINED] - relu[OTHER_IMAGE])
    why = (f"Maps are alike because they show the same image: a map of a different image explains only "
           f"{share[OTHER_IMAGE]:.0f} %" if image > 0 else f"A map of a different image explains {share[OTHER_IMAGE]:.0f} %")
    return (f"{first}. Before training the best of a layer's other maps explains {share[UNTRAINED]:.0f} % of a map's "
            f"variance (after ReLU), afterwards {share[TRAINED]:.0f} % ({mean:+.0f} points, {how}). {why}. Seen in small "
            f"networks on CIFAR-10.")
