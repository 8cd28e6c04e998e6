"""The lab as a contents page: notebooks in the order in which they are best read, each with what it found. Rows only.

A new notebook is a line in PARTS; a test finds one that is missing. Title, question and time are the notebook's own words.
"""

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from ghostlib import notebook, sweep
from ghostlib.errors import InputError, nearest
from ghostlib.redundancy.sources import TRAINED, UNTRAINED
from ghostlib.results import read_table
from ghostlib.studies import (
    ablation,
    at_size,
    catalogue,
    cheap_kernels,
    contrasts,
    fine_tuning,
    latency,
    lesions,
    paper,
    photographs,
)
from ghostlib.studies import redundancy as likeness

NOTEBOOKS, FIGURES, PARAMS = Path("notebooks"), Path("figures"), Path("notebooks/params")
ANSWER = "**Answer.** "
SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z*\d])")
NOTHING = "Nothing is recorded yet."
SHORT = 50  # letters: a sentence below, such as "Yes.", takes the next one with it
COLOURS = 64  # of a thumbnail
INSTEAD = "ghost_module.png"  # the picture of a notebook that has drawn none yet
SPACE = 4  # pixels that a space is wide, about
MATTERS = 1  # points: the margin of the small study on digits, as its grid says
Answer = Callable[[Path], str]  # of the folder of recorded rows


@dataclass(frozen=True)
class Entry:
    """A line of the contents.

    Attributes:
        name: Of the notebook, below notebooks/ and without its ending.
        answer: Makes its answer of the recorded rows; None takes what its stored run found.
        picture: A file of figures/, or a name such as fig_cost for the stored picture of the cell that calls it; "" for the
            notebook's last one.
    """

    name: str
    answer: Answer | None = None
    picture: str = ""


def _rows(results: Path, name: str) -> pd.DataFrame:
    """Recorded rows; `FileNotFoundError` where there are none yet."""
    path = results / f"{name}.csv"
    if not path.is_file():
        raise FileNotFoundError(path)
    return read_table(path)


def _half(_results: Path) -> str:
    """What a Ghost network saves, counted."""
    rows = paper.networks([3]).set_index("network")
    plain, ghost = rows.loc["VGG-16"], rows[(rows.ratio == 2) & (rows.kernel == 3)].iloc[0]
    return (f"A VGG-16 whose layers make half of their maps by cheap operations takes {ghost.recount_macs:.0f} instead of "
            f"{plain.recount_macs:.0f} million multiply-adds and {ghost.recount_weights:.1f} instead of "
            f"{plain.recount_weights:.1f} million weights.")


def _whole(_results: Path) -> str:
    """How large GhostNet is beside its rival, counted."""
    rows = catalogue.models().set_index(["model", "width"])
    told = [f"{name} takes {rows.loc[key].macs / 1e6:.0f} million multiply-adds and {rows.loc[key].weights / 1e6:.1f} "
            f"million weights" for name, key in (("GhostNet 1.0", ("ghostnet", 1.0)),
                                                 ("MobileNetV3-Large", ("mobilenet_v3_large", 1.0)))]
    return "; ".join(told) + "."


def _likeness(results: Path) -> str:
    rows, allowed = (_rows(results, name).query("s == 1 and filter == 3")
                     for name in ("redundancy", "allowed_ratio"))
    return likeness.answer(rows, allowed, _rows(results, "allocation").layer.nunique())


def _photographs(results: Path) -> str:
    return photographs.answer(photographs.counted(_rows(results, "photographs")))


def _runs(results: Path) -> str:
    """How many runs are recorded, of the grids of which there are any."""
    names = [path.stem for path in sorted(PARAMS.glob("*.yaml")) if (results / f"{path.stem}.csv").is_file()]
    if not names:
        return NOTHING
    done, planned = (sum(numbers) for numbers in zip(*(runs_of(name, results) for name in names)))
    grids = "grid that has" if len(names) == 1 else "grids that have"
    return (f"With a grid and `ghostlib sweep`: so {done} runs of this lab are recorded, of the {planned} in the "
            f"{len(names)} {grids} been begun ({', '.join(names)}).")


def runs_of(grid: str, results: str | Path = "data/results") -> tuple[int, int]:
    """How many of a grid's runs are recorded, and how many it has."""
    points = {point.key for point in sweep.read(PARAMS / f"{grid}.yaml").points}
    return int(_rows(Path(results), grid).point.isin(points).sum()), len(points)


def _neighbours(results: Path) -> str:
    """What the small study on digits found of the cheap filter."""
    rows = _rows(results, "digits_kernel")
    rows = rows.assign(network="d = " + rows.kernel.astype(str), percent=100 * rows.top1)
    one = contrasts.contrast(rows, "d = 3", "d = 1", "percent")
    return (f"With a grid, a difference between runs of one seed, and a sentence that follows its interval, such as this: "
            f"on digits a cheap filter of 3 x 3 instead of 1 x 1 is {one.judged(MATTERS)} ({one.evidence()}).")


def _measured(results: Path) -> str:
    """How likeness is measured, and by how much one fools oneself who takes it for what training did."""
    rows = _rows(results, "redundancy").query("s == 1 and filter == 3 and stage == 'ReLU'")
    share = 100 * rows.groupby("source").r2.mean()
    return (f"By least squares, on other images than those it is judged on: so the best other map explains "
            f"{share[TRAINED]:.0f} % of a map's variance in small trained networks, and {share[UNTRAINED]:.0f} % before "
            f"training. Without that control one would believe that training made it so.")


def _hands(_results: Path) -> str:
    return "Nothing is recorded: it is for your hands."


PARTS: dict[str, list[Entry]] = {
    "What is a ghost?": [
        Entry("tutorials/1_ghost_module", _half), Entry("train", picture="tour.png"),
        Entry("explore", _hands), Entry("tutorials/2_ghostnet", _whole)],
    "Are feature maps redundant?": [
        Entry("tutorials/4_see_redundancy", _measured),
        Entry("redundancy", _likeness, "matched_maps.png"),
        Entry("redundancy_at_size", lambda results: at_size.answer(at_size.named(_rows(results, "at_size_redundancy")))),
        Entry("cheap_kernels", lambda results: cheap_kernels.answer(
            cheap_kernels.named(_rows(results, "cheap_kernels")))),
        Entry("do_ghosts_matter", lambda results: lesions.answer(
            *(lesions.named(_rows(results, name)) for name in ("lesions_overall", "lesions_single", "lesions"))))],
    "Do ghosts pay?": [
        Entry("complexity", picture="speedup.png"),
        Entry("ablate_ratio", lambda results: ablation.answer_on_ratio(
            ablation.named(_rows(results, "ablate_cifar10")), _rows(results, "ablation_speed"),
            ablation.named(_rows(results, "regime_cifar10")))),
        Entry("ablate_kernel", lambda results: ablation.answer_on_kernel(
            ablation.named(_rows(results, "ablate_cifar10")))),
        Entry("photographs", _photographs, "fig_cost"),
        Entry("latency", lambda results: latency.answer(_rows(results, "latency"),
                                                        _rows(results, "latency_layers"))),
        Entry("compare", lambda _results: paper.answer_on_reports(paper.reported([5, 6, 7])), "rivals.png")],
    "How do I do it myself?": [
        Entry("tutorials/3_your_own_images", lambda results: fine_tuning.answer(
            fine_tuning.counted(_rows(results, "few"))), "ghost_maps.png"),
        Entry("validate"), Entry("imagenet"),
        Entry("tutorials/5_batch_runs", _runs, "ablation.png"),
        Entry("tutorials/6_your_own_study", _neighbours)]}
"""By question, what to read on it, in this order."""


def part(question: str, results: str | Path = "data/results", pixels: int = 320) -> str:
    """One of PARTS as a table in Markdown: a picture of each notebook, its title, both with a link, its time, its question
    and its answer in a sentence.

    Args:
        question: A key of PARTS.
        results: The folder of recorded rows.
        pixels: The pictures' width.

    Raises:
        InputError: For a question that there is not.
    """
    if question not in PARTS:
        raise InputError(f"question: {question!r} given; {nearest(question, PARTS)}")
    lines = [f"| {'&nbsp;' * (pixels // SPACE)} | |", "|:--|:--|"]  # else pictures are squeezed to leave room for the text
    for entry in PARTS[question]:
        title, asked, time = words(entry)
        told = answer(entry, Path(results)).replace("|", r"\|")
        small = f"[![{title}]({thumbnail(entry, pixels)})]({entry.name}.ipynb)"  # leads to where it is large enough to read
        lines.append(f"| {small} | **[{title}]({entry.name}.ipynb)** · {time}<br>"
                     f"*{asked}*<br>{told} |")
    return "\n".join(lines)


def words(entry: Entry) -> tuple[str, str, str]:
    """A notebook's title, its question up to the first question mark, and the time it takes, as its first cell says."""
    first = _read(entry).cells[0].source
    title = first.partition("\n")[0].removeprefix("# ")
    asked = re.search(r"\*\*Question\.\*\*\s+(.*?\?)", first, re.DOTALL)
    takes = re.search(r"\*\*Takes\*\*\s+(.*?)(?:[.;]\s|[.;]?$)", first, re.MULTILINE)
    assert asked and takes, entry.name  # every notebook has them, and a test says so
    return title, " ".join(asked[1].split()).replace("*", ""), takes[1]


def answer(entry: Entry, results: Path) -> str:
    """What is known, in a sentence; NOTHING where no rows are there."""
    if entry.answer is None:
        found = _found(entry)
        return f"{sentence(found[0])} (In its stored run.)" if found else NOTHING
    try:
        return sentence(entry.answer(results))
    except FileNotFoundError:
        return NOTHING


def whole_answer(name: str, results: str | Path = "data/results") -> str:
    """All that is known on the question of a notebook of PARTS, without the word that it begins with.

    Args:
        name: Of the notebook, below notebooks/ and without its ending.
        results: The folder of recorded rows.

    Raises:
        FileNotFoundError: Where there are none yet.
        IndexError: For one without recorded rows whose stored run gave no answer.
    """
    [entry] = [entry for entries in PARTS.values() for entry in entries if entry.name == name]
    return (_found(entry)[0] if entry.answer is None else entry.answer(Path(results))).removeprefix(ANSWER)


def is_told(name: str, results: str | Path = "data/results") -> bool:
    """Whether a notebook's stored answer is what the rows say today; True for one that has none, or no rows.

    A notebook's code and rows may be as they were, and what ghostlib says of them another.
    """
    for entry in (entry for entries in PARTS.values() for entry in entries if entry.name == name and entry.answer):
        try:
            told = whole_answer(name, results)
        except FileNotFoundError:
            return True
        return all(stored.removeprefix(ANSWER).startswith(told.strip()) for stored in _found(entry)[:1])
    return True


def _found(entry: Entry) -> list[str]:
    """The answers that a notebook's stored run gave."""
    return [text for cell in _read(entry).cells for output in cell.get("outputs", [])
            if (text := output.get("data", {}).get("text/markdown", "")).startswith(ANSWER)]


def sentence(text: str) -> str:
    """The first sentence of an answer, and the next where it is a word or two.

    >>> sentence("**Answer.** Yes. Ghosts with d = 3 are better. More follows.")
    'Yes. Ghosts with d = 3 are better.'
    """
    found = ""
    for one in SENTENCES.split(text.removeprefix(ANSWER).strip().partition("\n\n")[0]):
        found = f"{found} {one}".strip()
        if len(found) >= SHORT or len(found) > len(one):
            break
    return found


def thumbnail(entry: Entry, pixels: int) -> str:
    """A picture of a notebook, `pixels` wide, as a data: address."""
    is_file = entry.picture.endswith(".png")
    stored = [] if is_file else [
        output.data["image/png"] for cell in _read(entry).cells if f"{entry.picture}(" in cell.source or not entry.picture
        for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    picture = Image.open(io.BytesIO(base64.b64decode(stored[-1])) if stored else
                         FIGURES / (entry.picture if is_file else INSTEAD))
    whole = picture.convert("RGB")
    small = whole.resize((pixels, round(pixels * whole.height / whole.width)), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    small.crop((0, 0, pixels, min(small.height, pixels))).quantize(COLOURS).save(held, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"


def _read(entry: Entry):
    return notebook.read(NOTEBOOKS / f"{entry.name}.ipynb")
