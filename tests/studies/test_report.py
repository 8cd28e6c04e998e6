"""A table to publish: one line for runs that differ in the seed alone, with an interval over seeds and nothing else."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from ghostlib import results
from ghostlib.commands import main
from ghostlib.config import Config
from ghostlib.studies import report

TOP1 = {1: (0.80, 0.82, 0.84), 2: (0.70,)}


@pytest.fixture
def runs(tmp_path):
    """Three seeds of a plain network and one of a Ghost network, of other epochs."""
    folders = []
    for ratio, values in TOP1.items():
        for seed, top1 in enumerate(values):
            folder = tmp_path / f"{ratio}_{seed}"
            folder.mkdir()
            config = Config(model="vgg16", ratio=ratio, seed=seed, run_dir=str(folder), epochs=10 * ratio)
            results.write_row(folder, results.make_row(config, top1=top1, weights=1_234_567, macs=20_000_000))
            folders.append(str(folder))
    return folders


def test_seeds_share_a_line_and_what_differs_has_a_column(runs):
    table = report.table_of(results.collect(runs), list(Config.model_fields))
    assert list(table.ratio.map(json.loads)) == [1, 2] and list(table.epochs.map(json.loads)) == [10, 20]
    assert "seed" not in table and "lr" not in table
    low, high = stats.t.interval(0.95, 2, 82, stats.sem([80, 82, 84]))
    np.testing.assert_allclose(table[["top-1, %", "low", "high", "seeds"]].iloc[0], [82, low, high, 3])
    assert table.seeds[1] == 1 and pd.isna(table.low[1])


@pytest.mark.parametrize(("kind", "wanted"), [
    ("--markdown", "| vgg16 | 0.5 | 1 | 3 | 10 | 1.23 | 20.0 | 82.00 | 77.03 | 86.97 | 3 |"),
    ("--latex", r"vgg16 & 0.5 & 2 & 3 & 20 & 1.23 & 20.0 & 70.00 &  &  & 1 \\"),
    ("--csv", "model,width,ratio,kernel,epochs,")])
def test_the_command_prints_it(kind, wanted, runs):
    done = CliRunner().invoke(main, ["report", *runs, kind])
    assert done.exit_code == 0 and wanted in done.stdout, done.stdout
    assert ("top-1, \\%" in done.stdout) == (kind == "--latex")
    assert "| 82.00 |" in CliRunner().invoke(main, ["report", *runs]).stdout  # several need no option


def test_other_images_and_other_first_weights_have_a_line_each_and_repeats_are_told(tmp_path):
    folders = []
    for place, (images, weights, top1) in enumerate([("1" * 32, None, 0.1), ("2" * 32, None, 0.2), ("2" * 32, "a.ckpt", 0.3),
                                                     ("2" * 32, "a.ckpt", 0.4)]):
        folders.append(str(tmp_path / str(place)))
        config = Config(model="vgg16", data_dir=f"data/{place}", weights=weights, run_dir=folders[-1])
        row = results.make_row(config, top1=top1, weights=1, macs=1, data_fingerprint=images)
        (tmp_path / str(place)).mkdir()
        results.write_row(tmp_path / str(place), row)
    done = CliRunner().invoke(main, ["report", *folders])
    lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]
    columns = [lines[0].index(name) for name in ("weights_from", "data_fingerprint", "top-1, %", "seeds")]
    assert [[line[column] for column in columns] for line in lines[2:]] == [
        ["null", "11111111", "10.00", "1"], ["null", "22222222", "20.00", "1"], ["a.ckpt", "22222222", "30.00", "1"]]
    assert done.stderr == "note: 1 of 4 runs not counted: another one of the same seed differs in nothing\n"
    lacking = results.collect(folders[:2]).drop(columns="weights_from")  # as older rows have it
    assert len(report.table_of(pd.concat([lacking, results.collect(folders[:2])]), list(Config.model_fields))) == 2


def test_latex_wants_no_other_package_and_escapes_every_sign(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    table = pd.DataFrame({"image_size": ["a_b & 5 %", "1"], "top-1, %": ["{#$}", "~^\\"]})
    assert report.as_latex(table).splitlines() == [
        r"\begin{tabular}{ll}", r"\toprule", r"image\_size & top-1, \% \\", r"\midrule", r"a\_b \& 5 \% & \{\#\$\} \\",
        r"1 & \textasciitilde{}\textasciicircum{}\textbackslash{} \\", r"\bottomrule", r"\end{tabular}"]


def test_a_folder_without_a_run_is_said(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(main, ["report", *runs, str(tmp_path / "empty"), "--csv"])
    assert done.exit_code == 2 and done.stdout == "" and "empty" in done.stderr and done.stderr.count("\n") == 1
