"""Whether networks of full size bear out what small ones on CIFAR-10 said of alike maps, question by question. Rows only."""

from typing import NamedTuple

import pandas as pd

from ghostlib.redundancy.sources import GREY, OTHER_IMAGE, SCRAMBLED, SHUFFLED_WEIGHTS, TRAINED, UNTRAINED
from ghostlib.studies.at_size import CONVOLUTION, FILTER, effects, fullest, named, verdict
from ghostlib.studies.contrasts import mean_interval, within
from ghostlib.studies.redundancy import COPY, LITTLE

SMALL = "CIFAR-10"
NEARLY = f"Is the typical map nearly a copy of another (R² of {COPY:g} or more)?"
NOT_CLEAR = "not clear"
# Whose R2 the trained network's is compared with, and the answer if its own is larger, smaller, or hardly another. Judged by
# intervals over layers beside LITTLE, which was chosen by CIFAR-10's rows after the rows judged here were recorded.
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
    """One network's answers, after the convolution, of medians over maps and means over layers."""
    r2 = rows[rows.state == CONVOLUTION].groupby(["layer", "source"]).r2.mean().unstack("source")
    mean, low, high = mean_interval(r2[TRAINED])
    word = "yes" if low >= COPY else "no" if high < COPY else NOT_CLEAR
    found = {NEARLY: Said(word, f"R² {mean:.2f}, {low:.2f} to {high:.2f}")}
    for question, (other, above, below, neither) in QUESTIONS.items():
        gap = r2[TRAINED] - r2[other]
        mean, low, high = mean_interval(gap)
        word = (above if low > LITTLE else below if high < -LITTLE else neither if within(gap, LITTLE) else NOT_CLEAR)
        found[question] = Said(word, f"{mean:+.3f}, {low:+.3f} to {high:+.3f}")
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
            found[name][ASKED[row.control]] = f"{_yes_or_no(verdict(row))} ({row.difference:+.3f})"
    r2 = cifar[cifar.stage == CONVOLUTION].groupby(["source", "seed"]).r2.mean().unstack("source")
    mean, low, high = mean_interval(r2[TRAINED] - r2[UNTRAINED])
    trained = (f"not known: one seed ({mean:+.3f})" if len(r2) == 1 else
               f"{_yes_or_no(verdict(pd.Series({'low': low, 'high': high})))} ({mean:+.3f}, {low:+.3f} to {high:+.3f})")
    found[SMALL][ASKED[UNTRAINED]] = trained
    return pd.DataFrame(found).fillna("").rename_axis("question")


def _yes_or_no(told: str) -> str:
    return f"yes, {told}" if told.startswith("more") else f"no, {told}" if told.startswith("less") else told


def answer(rows: pd.DataFrame, cifar: pd.DataFrame) -> str:
    """On how many questions all networks say what the small ones say, and which not, in sentences. Args as for `table`."""
    whole = _all_said(rows, cifar)
    small, names = whole[SMALL], list(whole)[1:]
    others = {question: [name for name in names if whole[name][question].word != said.word]
              for question, said in small.items()}
    agreed = [f"{question} {small[question].word[0].upper()}{small[question].word[1:]}." for question in small
              if not others[question]]
    parts = [f"By intervals over layers all {len(names)} networks answer {len(agreed)} of {len(small)} questions as the "
             f"small ones did{': ' if agreed else '.'}{' '.join(agreed)}"]
    for question, apart in others.items():
        if apart:
            told = "; ".join(f"{name}: {own[question].told}" for name, own in whole.items())
            clear = {own[question].word for own in whole.values()} - {NOT_CLEAR}
            parts.append(f"{'Not all agree on' if len(clear) > 1 else 'Not shown for all'}: {question} {told}.")
    return " ".join(parts)
