"""Writes the tables of the README and of docs/ from what is recorded: `make figures` runs it, a test holds the pages to it.

Each table stands between two marks, `<!-- NAME -->` and `<!-- end -->`; what is outside is written by hand.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ghostlib.results import read_table
from ghostlib.studies import ablation, contents, paper, photographs, photographs_latency, regime, speeds
from ghostlib.studies import findings as found
from ghostlib.studies import rivals as beside_rivals
from ghostlib.studies.report import markdown

README = Path("README.md")
RESULTS = Path("data/results")
# And the tables that have us beside mindcv, and beside PyTorch when nothing else ran.
PROCESSORS = (("AMD EPYC with AVX-512", "speed", "speed"), ("Intel Xeon with AVX-512", "speed_intel", "speed_intel_again"),
              ("AMD EPYC with AVX2", "speed_avx2", "speed_avx2"))


def tour() -> str:
    rows = read_table(RESULTS / "tour.csv")
    return (f"top-1 of **{100 * rows.top1.mean():.1f} %** (mean of {len(rows)} seeds, {100 * rows.top1.min():.1f} to "
            f"{100 * rows.top1.max():.1f} %)")


def tour_time() -> str:
    rows = read_table(RESULTS / "tour.csv")
    return f"{rows.seconds.min():.0f} to {rows.seconds.max():.0f} seconds ({speeds.machine(rows)})"


def findings() -> str:
    """Three of them, for the front page."""
    runs = photographs.counted(read_table(RESULTS / "photographs.csv"))
    likeness_rows = read_table(RESULTS / "redundancy.csv").query("s == 1 and filter == 3")
    told = found.three(runs, ablation.named(read_table(RESULTS / "ablate_cifar10.csv")), likeness_rows, _times())
    return "\n".join(f"{number}. {one}" for number, one in enumerate(told, 1))


def _times() -> list[pd.DataFrame]:
    """How long the photographs study's networks take, on each machine where that was measured."""
    return [read_table(RESULTS / f"photographs_latency{name}.csv") for name in ("", "_avx2")]


def as_printed() -> str:
    """How many of the paper's sizes hold, as the stored notebook on complexity counted them."""
    found = re.match(r"\d+ of the \d+(?= networks)", contents.whole_answer("complexity"))
    assert found
    return found[0]


def speed_in_short() -> str:
    """How many times as fast GhostNet 1.0 trains as mindcv's and as the best of PyTorch's modes, on each processor."""
    told = [f"{_times_as_fast(beside_mindcv, 'mindcv'):.1f} and {_times_as_fast(beside_torch, 'PyTorch'):.2f} ({processor})"
            for processor, beside_mindcv, beside_torch in PROCESSORS]
    return (f"On two CPU cores GhostNet 1.0 trains at so many times the images a second of mindcv's on the same MindSpore, "
            f"and of the authors' PyTorch code in its best mode: {'; '.join(told)}.")


def _times_as_fast(table: str, other: str) -> float:
    rows = read_table(RESULTS / f"{table}.csv").query("model == 'ghostnet'").set_index("contender").training
    return rows["ghostlib"] / rows[rows.index.str.startswith(other)].max()


def networks() -> str:
    """The networks of Table 7: theirs named as theirs, ours as ours."""
    others = paper.reproductions("imagenet")
    speeds = read_table(RESULTS / "paper_speed.csv").groupby(["network", "part"]).images_per_second.median()
    lines = []
    for row in paper.networks([7]).itertuples():
        name = f"ghostnet_{round(100 * row.width):03d}"
        mindcv = others[(others.network == row.network) & (others.whose == "mindcv")].sort_values("top1")
        lines.append([row.network, f"[{name}](notebooks/params/imagenet_{name}.yaml)", f"`mindcv/{name}`",
                      f"{row.recount_weights:.2f}", f"{row.recount_macs:.0f}", f"{row.top1:.1f} / {row.top5:.1f}",
                      " and ".join(f"{one.top1:.2f} / {one.top5:.2f}" for one in mindcv.itertuples()), "not run",
                      f"{speeds[row.network, 'training']:.0f} / {speeds[row.network, 'evaluation']:.0f}"])
    return markdown(["network", "recipe", "their weights", "weights, M", "multiply-adds, M", "the paper's top-1 / top-5, %",
                   "mindcv's top-1 / top-5, %", "ours", "images/s here, training / evaluation"], lines)


def rivals() -> str:
    """GhostNet beside MobileNets: as printed, as accurate when trained alike, and as fast as they are here."""
    runs = photographs.counted(read_table(RESULTS / "photographs.csv"))
    return (f"{beside_rivals.answer_on_accuracy(paper.networks([7]), beside_rivals.built([7]))}\n\n"
            f"Is GhostNet better when both are trained alike, by us? "
            f"{found.on_the_rival(runs, photographs_latency.beside(_times(), photographs.RIVAL))}\n\n"
            f"{beside_rivals.speeds_in_short(read_table(RESULTS / 'rivals_speed.csv'))}")


def speed() -> str:
    rows = read_table(RESULTS / "speed.csv").query("model == 'ghostnet'")
    return markdown(["GhostNet 1.0 at 224, batch 32, two cores: images/s", "training", "evaluation"],
                  [[row.contender, f"{row.training:.1f}", f"{row.evaluation:.1f}"] for row in rows.itertuples()])


def causes() -> str:
    """Why mindcv's GhostNet trains more slowly here, cause by cause."""
    rows, spent = read_table(RESULTS / "mindcv_causes.csv"), read_table(RESULTS / "mindcv_operators.csv")
    times = (rows.training / rows.training.shift()).tolist()
    own = spent[spent.contender == "mindcv"].set_index("operator")
    slices = own.loc["StridedSlice"]
    first = (f"A run of its own took mindcv's step apart ([causes](data/results/mindcv_causes.csv), "
             f"[operators](data/results/mindcv_operators.csv)). Its modules end in a slice that at s = 2 cuts nothing off, "
             f"and on a CPU still copies: {slices.calls:.0f} StridedSlice take {slices.ms:,.0f} of the {own.ms.sum():,.0f} "
             f"ms that the operators of a step take.")
    steps = (f"Without them mindcv's network trains {times[1]:.1f} times as fast. Replacing `ops.mean` by "
             f"`AdaptiveAvgPool2d` as well changes that by a factor of {times[2]:.1f}. Our network on MindSpore's operators "
             f"is {times[3]:.1f} times as fast as that one, and our kernel makes it another {times[4]:.1f} times faster: "
             f"{rows.training.iloc[-1] / rows.training.iloc[0]:.1f} times in all.")
    return f"{first} {steps}"


def causes_table() -> str:
    rows, spent = read_table(RESULTS / "mindcv_causes.csv"), read_table(RESULTS / "mindcv_operators.csv")
    told = []
    for row in rows.itertuples():
        own = spent[spent.contender == row.contender].sort_values("ms", ascending=False)
        told.append([row.contender, f"{row.training:.1f}", f"{row.evaluation:.1f}", f"{own.ms.sum():,.0f}",
                     ", ".join(f"{one.operator} {one.ms:,.0f}" for one in own.head(4).itertuples())])
    return markdown(["images/s", "training", "evaluation", "ms of a step's operators", "most of it"], told)


def redundancy() -> str:
    return contents.whole_answer("redundancy")


def ablations() -> str:
    rows = ablation.named(read_table(RESULTS / "ablate_cifar10.csv"))
    table = markdown(["VGG-16, a quarter of the width, CIFAR-10, 6 epochs", "weights, M", "multiply-adds, M",
                    "top-1, %, mean and 95 % interval", "seeds"],
                   [[row.network, f"{row.weights:.2f}", f"{row.macs:.1f}",
                     f"{row.accuracy:.2f}" + ("" if pd.isna(row.low) else f" ({row.low:.2f} to {row.high:.2f})"), row.seeds]
                    for row in ablation.summary(rows).itertuples()])
    answers = [f"- {ablation.QUESTIONS[one.first, one.second]} {one.first} − {one.second}: {one.judged(ablation.MARGIN)} "
               f"({one.evidence()}{one.equivalence(ablation.MARGIN)})." for one in ablation.contrasts_of(rows)]
    longer = regime.answer(rows, ablation.named(read_table(RESULTS / "regime_cifar10.csv")))
    runs = "{} of {} runs are recorded, and {} of {} of the longer ones.".format(
        *contents.runs_of("ablate_cifar10"), *contents.runs_of("regime_cifar10"))
    first = contents.whole_answer("ablate_ratio")
    return "\n".join([f"**{first}**", "", longer, "", runs, "", table, "", *answers])


def on_photographs() -> str:
    """The photographs study's answer, and its secondary ones."""
    rows = photographs.counted(read_table(RESULTS / "photographs.csv"))
    told = [f"- {row.told}" for row in photographs.secondary(rows).itertuples()]
    told += [f"- Time beside {other}: {photographs_latency.beside(_times(), other)}"
             for other in (photographs.RIVAL, photographs.THIN)]
    first = f"{contents.whole_answer('photographs')} {photographs.recorded(rows)}"
    return "\n".join([first, *(["", *told] if told else [])])


def on_few_photographs() -> str:
    """What fine-tuning brings to somebody with few photographs."""
    return contents.whole_answer("tutorials/3_your_own_images")


def kernels() -> str:
    return contents.whole_answer("cheap_kernels")


def lesioned() -> str:
    """What trained networks lose with some of their maps."""
    return contents.whole_answer("do_ghosts_matter")


def reference() -> str:
    """mindcv's own rows, and an empty one for the reader's."""
    rows = [["mindcv", row.device, row.cards, row.batch, f"{row.compile_s} s", f"{row.ms_per_step:.2f}",
             f"{row.images_per_second:,.2f}", f"{row.top1:.2f} / {row.top5:.2f}", row.source]
            for row in paper.mindcv_speeds().itertuples()]
    return markdown(["GhostNet 0.5 at 224", "device", "cards", "images a card and step", "compiling", "ms a step",
                     "images/s", "top-1 / top-5, %", "source"], [*rows, ["yours", *[""] * 8]])


def campaign() -> str:
    """What the last recorded campaign (tests/campaign.py) attacked and what came of it."""
    rows = read_table(RESULTS / "reliability.csv")
    first = rows.iloc[0]
    table = markdown(["attack", "cases", "failed"], [[row.attack, row.cases, row.failed] for row in rows.itertuples()])
    return (f"{rows.cases.sum()} cases in {first.minutes} minutes, {rows.failed.sum() or 'none'} failed (seed {first.seed}, "
            f"commit {first.commit}, {first.machine}).\n\n{table}")


PAGES: dict[Path, tuple[Callable[[], str], ...]] = {
    README: (tour_time, tour, findings, as_printed),
    Path("docs/findings.md"): (on_photographs, on_few_photographs, redundancy, kernels, lesioned, ablations),
    Path("docs/comparison.md"): (networks, rivals, speed_in_short, speed, causes),
    Path("docs/reliability.md"): (campaign,), Path("docs/ascend.md"): (reference,),
    Path("docs/performance.md"): (causes_table,)}


def current(text: str, page: Path = README) -> str:
    """A page with every part as the rows say."""
    for part in PAGES[page]:
        name = part.__name__
        pattern = rf"(<!-- {name} -->)(\n?).*?(\n?)(<!-- end -->)"
        if not re.search(pattern, text, re.DOTALL):
            raise SystemExit(f"{page}: has no part {name}")
        made = part().replace("\\", r"\\")
        if page.parent != README.parent:  # parts name files from the top
            made = re.sub(r"\]\((?!http|#)", f"]({'../' * len(page.parent.parts)}", made)
        text = re.sub(pattern, rf"\g<1>\g<2>{made}\g<3>\g<4>", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(current(page.read_text(), page))
