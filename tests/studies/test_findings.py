"""The front page's findings follow the rows: other rows, other words."""

import re
from hashlib import sha256

import pandas as pd
import pytest
from conftest import ROOT

from ghostlib.results import read_table
from ghostlib.studies import ablation, findings, photographs, photographs_latency

RESULTS = ROOT / "data" / "results"
TIMES = [read_table(RESULTS / f"photographs_latency{name}.csv") for name in ("", "_avx2")]


def on_cifar10(lead=0.0, table="ablate_cifar10"):
    rows = ablation.named(read_table(RESULTS / f"{table}.csv"))
    rows.loc[rows.network == "s2 d3", "accuracy"] += lead
    return rows


SEEN = ", in a small VGG-16 after 6 epochs of CIFAR-10. The Ghost network minus a plain one with as many multiply-adds: "


@pytest.mark.parametrize(("lead", "said"), [
    (0, f"No{SEEN}within 0.5 points (+0.12 points, 90 % interval over 5 seeds -0.23 to +0.47)."),
    (5, f"Yes{SEEN}better by more than 0.5 points (+5.12 points, 95 % interval over 5 seeds +4.67 to +5.57)."),
    (0.5, f"Yes{SEEN}better, by how much is undecided (+0.62 points, 95 % interval over 5 seeds +0.17 to +1.07)."),
    (-5, f"No{SEEN}worse by more than 0.5 points (-4.88 points, 95 % interval over 5 seeds -5.33 to -4.43).")])
def test_fewer_channels(lead, said):
    assert findings.on_fewer_channels(on_cifar10(lead)) == said


@pytest.mark.parametrize(("shift", "said"), [(0.3, "Yes: training"), (-0.6, "No: training"), (0, "Not shown")])
def test_likeness(shift, said):
    rows = read_table(RESULTS / "redundancy.csv").query("s == 1 and filter == 3")
    rows.loc[rows.source == findings.TRAINED, "r2"] += shift
    told = findings.on_likeness(rows)
    assert told.startswith(said) and "95 % interval over 3 seeds" in told
    assert "% of a map's variance (after ReLU), afterwards " in told
    assert "Maps are alike because they show the same image: a map of a different image explains only 1 %." in told
    rows.loc[rows.source == findings.OTHER_IMAGE, "r2"] = 0.99
    assert "A map of a different image explains 99 %. Seen" in findings.on_likeness(rows)


def test_a_sure_but_small_likeness_is_hardly_one_and_one_seed_has_no_interval():
    rows = read_table(RESULTS / "redundancy.csv").query("s == 1 and filter == 3 and stage == 'ReLU'")
    before = rows[rows.source == findings.UNTRAINED]
    little = pd.concat([rows[rows.source != findings.TRAINED], before.assign(
        source=findings.TRAINED, r2=before.r2 + 0.01 + 0.001 * before.seed)])
    assert findings.on_likeness(little).startswith("Hardly: training changes little.")
    assert "points, 1 seed)" in findings.on_likeness(rows[rows.seed == rows.seed.min()])


def test_the_rival_waits_for_all_its_seeds():
    rows = photographs.counted(read_table(RESULTS / "photographs.csv"))
    first = rows[rows.seed == 0]
    told = findings.on_the_rival(first, "")
    assert told.startswith("Not known yet: so far top-1 on Imagenette's test photographs is 71.9 % ")
    ends = " Seen on Imagenette, after 15 epochs at 128 x 128 (squashed copy)."
    assert told.endswith(f"all 6 planned seeds of both.{ends}") and "*" not in told
    every = pd.concat([first.assign(seed=seed, accuracy=first.accuracy + (first.network == "GhostNet") * (seed % 2) / 10)
                       for seed in range(6)])
    told = findings.on_the_rival(every[every.seed < 5], "")
    assert told.startswith("Not known yet") and "95 % interval over 5 seeds" in told
    told = findings.on_the_rival(every, photographs_latency.beside(TIMES, photographs.RIVAL))
    assert told.startswith("No. At equal multiply-adds and by one recipe, GhostNet is worse than MobileNetV3-Small by more ")
    assert "95 % interval over 6 seeds" in told and told.endswith(ends)
    assert (" For an image GhostNet takes 2.35 times as long on one core of Intel(R) Xeon(R) Processor with AVX-512 (2.34 "
            "to 2.50 in 3 turns) and 1.73 times as long on one core of AMD EPYC without AVX-512 (1.41 to 2.43 in 3 turns)"
            in told)


def test_three_are_told():
    rows = photographs.counted(read_table(RESULTS / "photographs.csv"))
    likeness = read_table(RESULTS / "redundancy.csv").query("s == 1 and filter == 3")
    told = findings.three(rows, on_cifar10(), likeness, TIMES)
    assert len(told) == 3 and all(one.startswith("**") and "?**" in one for one in told)
    assert told[0].startswith(
        "**Do ghosts beat simply having fewer channels?**\n   - Yes, on Imagenette's photographs (squashed copy). GhostNet "
        "minus a thinner network without ghosts: better by more than 1 point (+2.85 points")
    assert ("; a secondary question). For an image GhostNet takes 1.93 and 2.37 times as long (one core of each of 2 "
            "machines).\n   - No, in a small VGG-16 after 6") in told[0]
    assert "than MobileNetV3-Small by more than 1 point (-4.31 points" in told[2] and "takes 2.35 and 1.73 times" in told[2]
    assert "takes 1.93 times as long (one core)." in photographs_latency.beside_in_short(TIMES[:1], photographs.THIN)
    early = findings.on_thinner_rivals(rows[rows.seed < 3], "")
    assert early.startswith("Not known, on Imagenette's photographs (squashed copy).")
    assert findings.on_thinner_rivals(rows[rows.network != "thin"], "") == ""


def test_the_front_page_is_short():
    """A screen and a half before what has not been run: a visitor reads no more."""
    page = (ROOT / "README.md").read_text().partition("## What has not been run")[0]
    shown = re.sub(r"<!--.*?-->|\]\([^)]*\)|!?\[|<[^>]*>", "", page, flags=re.DOTALL)
    assert len(shown) < 4000


def test_the_published_file_is_the_one_that_is_recorded():
    """Its hash, size and accuracy are the row's; the accuracy differs from the run's own by rounding alone."""
    [row] = read_table(RESULTS / "weights.csv").itertuples()
    file = ROOT / "data" / "weights" / row.file
    assert sha256(file.read_bytes()).hexdigest() == row.sha256 and file.stat().st_size == row.bytes <= 3_000_000
    [run] = read_table(RESULTS / "photographs_long.csv").itertuples()
    assert abs(row.top1 - run.top1) < 0.005 and row.data_fingerprint == run.data_fingerprint
    assert f"{100 * row.top1:.2f} %" in photographs.published(read_table(RESULTS / "weights.csv"))
