"""Whether networks of full size bear out what small ones on CIFAR-10 said of alike maps, question by question. Rows only."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ghostlib.redundancy.sources import GREY, OTHER_IMAGE, SCRAMBLED, SHUFFLED_WEIGHTS, TRAINED, UNTRAINED
from ghostlib.studies.at_size import fullest, named
from ghostlib.studies.contrasts import mean_interval, within
from ghostlib.studies.redundancy import COPY, LITTLE
from ghostlib.studies.training_effect import CONVOLUTION, FILTER, LESS, MORE, effects, verdict

SMALL = "CIFAR-10"
NEARLY = f"Is the typical map nearly a copy of another (R² of {COPY:g} or more)?"
NOT_CLEAR = "not clear"
# Whose R2 the trained network's is compared with, and the answer if its own is larger, smaller, or hardly another. Judged by
# intervals, over seeds or of one network over layers, beside LITTLE, which was chosen by CIFAR-10's rows after the rows that
# are judged here were recorded.
QUESTIONS = {"Does a map of the same image tell more than one of another image?": (OTHER_IMAGE, "yes", "no, less", "hardly"),
             "Does another map tell more than the grey image?": (GREY, "yes", "no, less", "hardly"),
             "Do things in the image matter, beyond how smooth it is?": (SCRAMBLED, "yes, more alike", "yes, less alike",
                                                                         "hardly")}
ASKED = {UNTRAINED: "Does training make maps more alike (trained − untrained)?",
         SHUFFLED_WEIGHTS: "Are maps more alike than with shuffled weights?"}


class Said(NamedTuple):
    """What one network answers to a question, and the number behind it."""

    word: str
    number: str

    @property
    def told(self) -> str:
        return f"{self.word} ({self.number})"


def _said(rows: pd.DataFrame) -> dict[str, Said]:
    """What networks of one kind answer, after the convolution, of medians over maps and means over layers: by intervals
    over seeds, or of one network over its layers, which depend on one another."""
    own, seeds = rows[rows.state == CONVOLUTION], rows.seed.nunique()
    r2 = own.groupby(["seed" if seeds > 1 else "layer", "source"]).r2.mean().unstack("source")
    over = f" over {seeds} seeds" if seeds > 1 else ""
    mean, low, high = mean_interval(r2[TRAINED])
    word = "yes" if low >= COPY else "no" if high < COPY else NOT_CLEAR
    found = {NEARLY: Said(word, f"R² {mean:.2f}, {low:.2f} to {high:.2f}{over}")}
    for question, (other, above, below, neither) in QUESTIONS.items():
        gap = r2[TRAINED] - r2[other]
        mean, low, high = mean_interval(gap)
        word = (above if low > LITTLE else below if high < -LITTLE else neither if within(gap, LITTLE) else NOT_CLEAR)
        found[question] = Said(word, f"{mean:+.3f}, {low:+.3f} to {high:+.3f}{over}")
    return found


def _all_said(rows: pd.DataFrame, cifar: pd.DataFrame) -> dict[str, dict[str, Said]]:
    """The answers of SMALL and of each network, by its name."""
    whole = fullest(rows[rows["filter"] == FILTER]).groupby("name", sort=False)
    return {SMALL: _said(named(cifar.assign(network="small", photographs="test images"))),
            **{str(name): _said(own) for name, own in whole}}


def table(rows: pd.DataFrame, cifar: pd.DataFrame) -> pd.DataFrame:
    """What the small networks on CIFAR-10 said, what each network here says, and whether that is the same.

    Args:
        rows: Of `at_size.named`, table at_size_redundancy.csv.
        cifar: Rows of redundancy.csv, plain networks, d = 3.

    Returns:
        One row for each question, columns: CIFAR-10, then each network; index question.
    """
    whole = _all_said(rows, cifar)
    small = whole[SMALL]
    found = {name: {question: said.told + ("" if name == SMALL or NOT_CLEAR in (said.word, small[question].word) else
                                           f", as on {SMALL}" if said.word == small[question].word else
                                           f", not as on {SMALL}") for question, said in own.items()}
             for name, own in whole.items()}
    for name in list(found)[1:]:
        for _, row in effects(rows[rows.name == name]).pipe(fullest).iterrows():
            interval = "" if np.isnan(row.low) else f", {row.low:+.3f} to {row.high:+.3f} over {row.networks} seeds"
            found[name][ASKED[row.control]] = f"{_yes_or_no(verdict(row))} ({row.difference:+.3f}{interval})"
    r2 = cifar[cifar.stage == CONVOLUTION].groupby(["source", "seed"]).r2.mean().unstack("source")
    mean, low, high = mean_interval(r2[TRAINED] - r2[UNTRAINED])
    word = MORE if low > 0 else LESS if high < 0 else "not known: the interval holds 0"
    trained = (f"not known: one seed ({mean:+.3f})" if len(r2) == 1 else
               f"{_yes_or_no(word)} ({mean:+.3f}, {low:+.3f} to {high:+.3f} over {len(r2)} seeds)")
    found[SMALL][ASKED[UNTRAINED]] = trained
    return pd.DataFrame(found).fillna("").rename_axis("question")


def _yes_or_no(told: str) -> str:
    return f"yes, {told}" if told.startswith(MORE) else f"no, {told}" if told.startswith(LESS) else told


def answer(rows: pd.DataFrame, cifar: pd.DataFrame) -> str:
    """On how many questions all networks say what the small ones say, and which not, in sentences. Args as for `table`."""
    whole = _all_said(rows, cifar)
    small, names = whole[SMALL], list(whole)[1:]
    others = {question: [name for name in names if whole[name][question].word != said.word]
              for question, said in small.items()}
    agreed = [f"{question} {small[question].word[0].upper()}{small[question].word[1:]}." for question in small
              if not others[question]]
    if not names:
        return "No network of full size is recorded yet."
    parts = [f"By intervals over seeds, or over layers where there is one seed, {'all ' * (len(names) > 1)}{len(names)} "
             f"kind{'s' * (len(names) > 1)} of network answer{'s' * (len(names) == 1)} {len(agreed)} of {len(small)} "
             f"questions as the small ones did{': ' if agreed else '.'}{' '.join(agreed)}"]
    for question, apart in others.items():
        if apart:
            told = "; ".join(f"{name}: {own[question].told}" for name, own in whole.items())
            clear = {own[question].word for own in whole.values()} - {NOT_CLEAR}
            parts.append(f"{'Not all agree on' if len(clear) > 1 else 'Not shown for all'}: {question} {told}.")
    return " ".join(parts)
