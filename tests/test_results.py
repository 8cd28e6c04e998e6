"""Rows and what is computed from them."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ghostlib import atomic, lock, results
from ghostlib.errors import InputError


def test_wilson_interval_against_known_values():
    assert results.wilson_interval(0.5, 100) == pytest.approx((0.404, 0.596), abs=1e-3)
    low, high = results.wilson_interval(1.0, 50)
    assert high == 1.0 and low == pytest.approx(0.929, abs=1e-3)


def test_what_was_not_recorded_is_missing_and_not_zero(tmp_path):
    for name, row in (("a", {"top1": 0.5, "top5": 0.9}), ("b", {"top1": 0.25})):
        (tmp_path / name).mkdir()
        results.write_row(tmp_path / name, row)
    table = results.collect([tmp_path / "a", tmp_path / "b"])
    results.write_table(tmp_path / "table.csv", table)
    again = results.read_table(tmp_path / "table.csv")
    assert np.isnan(again.top5[1]) and again.top1.tolist() == [0.5, 0.25]
    with pytest.raises(InputError, match="no complete run"):
        results.read_row(tmp_path / "c")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.float64("nan")])
def test_what_is_written_is_json_for_every_reader(value, tmp_path):
    """Python's own would write NaN, at which others stop."""
    path = results.write_row(tmp_path, {"top1": value, "list": [1.5, value], "nested": {"a": (value, 2)}, "whole": 3})

    def refuse(word):
        raise AssertionError(word)
    assert json.loads(path.read_text(), parse_constant=refuse) == {
        "top1": None, "list": [1.5, None], "nested": {"a": [None, 2]}, "whole": 3}


@pytest.mark.parametrize("text", ["", "[1]", "{", "3", "nul"])
def test_a_broken_row_is_said_in_one_line(text, tmp_path):
    (tmp_path / "row.json").write_text(text)
    with pytest.raises(InputError, match=r"row.json: no complete run \("):
        results.read_row(tmp_path)


@pytest.mark.parametrize(("row", "told"), [
    ({}, "top1: None found; wanted is a float"), ({"top1": "0.5"}, "top1: '0.5' found"),
    ({"top1": True}, "top1: True found"), ({"top1": 1}, None), ({"top1": 0.5, "more": 3}, None)])
def test_a_row_without_what_is_needed_is_said_in_one_line(row, told, tmp_path):
    results.write_row(tmp_path, row)
    if told is None:
        assert results.read_row(tmp_path, {"top1": float}) == row
    else:
        with pytest.raises(InputError, match=f"row.json: {told}"):
            results.collect([tmp_path], {"top1": float})


def test_a_table_is_extended_and_says_what_happened(tmp_path):
    path = tmp_path / "new" / "table.csv"
    old = pd.DataFrame({"run_dir": ["a", "b"], "top1": [0.5, 0.6], "old": [1, 2]})
    assert results.record(path, old, ["run_dir"]) == "2 rows"
    new = pd.DataFrame({"run_dir": ["b", "c"], "top1": [0.7, 0.8], "new": [3, 4]})
    assert results.record(path, new, ["run_dir"]) == (
        "3 rows; 1 new, 1 replaced, 1 that are not among these stay (--prune removes them)")
    table = results.read_table(path)
    assert table.run_dir.tolist() == ["b", "c", "a"] and table.top1.tolist() == [0.7, 0.8, 0.5]
    assert table.new.tolist()[:2] == [3, 4] and table.new.isna().tolist() == [False, False, True]
    assert results.record(path, new, ["run_dir"], prune=True).endswith("0 new, 0 replaced, 1 that are not among these went")
    assert results.read_table(path).columns.tolist() == ["run_dir", "top1", "new"]


def test_what_is_recorded_already_stays_to_the_byte(tmp_path):
    """Numbers that pandas reads otherwise than they are written, gaps that turn 1 into 1.0, texts that look like gaps."""
    path = tmp_path / "table.csv"
    text = ('point,value,count,name,flag\na,0.30000000000000004,1,NA,True\nb,1e-07,,"x, y",\n'
            'c,0.1234567890123456789,3.0,null,False\n')
    path.write_text(text)
    rows = results.read_table(path).astype(object).where(lambda table: table.notna(), None)
    for same in (rows.assign(name=["NA", "x, y", "null"]), pd.DataFrame([
            {"point": "a", "value": 0.1 + 0.2, "count": 1.0, "name": "NA", "flag": True},
            {"point": "b", "value": 1e-7, "count": None, "name": "x, y", "flag": None, "more": ""},
            {"point": "c", "value": 0.12345678901234568, "count": 3, "name": "null", "flag": False}])):
        assert "; 0 new, 0 replaced" in results.record(path, same.drop(columns="more", errors="ignore"), ["point"])
        assert path.read_text() == text
    assert "; 0 new, 1 replaced" in results.record(path, rows[1:2].assign(value=2e-7), ["point"])
    lines = text.splitlines()
    assert {lines[0], lines[1], lines[3]} < set(path.read_text().splitlines())


def test_rows_of_one_run_are_replaced_together(tmp_path):
    path = tmp_path / "table.csv"
    old = pd.DataFrame({"run": ["a", "a", "b"], "layer": [1, 2, 1], "r2": [0.1, 0.2, 0.3]})
    results.record(path, old, ["run"])
    assert results.record(path, old[:1].assign(r2=0.5), ["run"]) == (
        "2 rows; 0 new, 1 replaced, 1 that are not among these stay (--prune removes them)")
    assert results.read_table(path).r2.tolist() == [0.5, 0.3]


def test_the_commit_is_that_of_a_checkout_of_ours(tmp_path, monkeypatch):
    """An environment that lies in somebody else's project has a commit, but not one that says anything of ghostlib."""
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True,
                       capture_output=True)
    git("init")
    (tmp_path / "theirs.py").write_text("")
    git("add", "theirs.py")
    git("commit", "-m", "theirs")
    (tmp_path / "results.py").write_text("")
    monkeypatch.setattr(results, "__file__", str(tmp_path / "results.py"))
    assert results._commit() == ""
    git("add", "results.py")
    git("commit", "-m", "ours")
    assert len(results._commit()) == 12


def test_pruning_can_leave_a_table_without_rows(tmp_path):
    path = tmp_path / "table.csv"
    assert results.clear(path) is None and not path.exists()
    results.record(path, pd.DataFrame({"run_dir": ["a", "b"], "top1": [0.1, 0.2]}), ["run_dir"])
    assert results.clear(path) == "0 rows; 2 that are not among these went" and results.clear(path) is None
    assert path.read_text() == "run_dir,top1\n"


def test_a_key_that_looks_like_a_number_is_none(tmp_path):
    """Points are known by 16 hexadecimal digits, of which all may be decimal, with an e between."""
    keys = ["8e12345678901234", "9e12345678901234", "1234567890123456", "1234567890123457"]
    path, table = tmp_path / "table.csv", pd.DataFrame({"point": keys, "top1": [1, 2, 3, 4]})
    assert results.record(path, table, ["point"]) == "4 rows"
    said = results.record(path, table[:1], ["point"], prune=True, stay={keys[2]})
    assert said == "2 rows; 0 new, 0 replaced, 2 that are not among these went"
    said = results.record(path, table[1:2], ["point"], stay={keys[2]})
    assert said.endswith("1 new, 0 replaced, 1 that are not among these stay (--prune removes them)")


def test_a_table_of_something_else_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    for text in ("network,top1\nmine,0.7\n", ""):
        path.write_text(text)
        with pytest.raises(InputError, match="table.csv: holds no column run, so something else than these rows"):
            results.record(path, pd.DataFrame({"run": ["a"]}), ["run"])
        assert path.read_text() == text


def test_rows_that_are_recorded_at_once_are_all_there(tmp_path):
    """Each read the table, and wrote it without the others' rows."""
    path = tmp_path / "new" / "table.csv"
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: results.record(path, pd.DataFrame({"run": [name]}), ["run"]), "abcdef"))
    assert sorted(results.read_table(path).run) == list("abcdef") and list(path.parent.iterdir()) == [path]


def test_a_table_is_recorded_in_a_folder_that_its_caller_holds(tmp_path):
    with lock.hold(tmp_path, "target"):
        assert results.record(tmp_path / "table.csv", pd.DataFrame({"run": ["a"]}), ["run"]) == "1 rows"


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    atomic.write_text(tmp_path / "new" / "table.csv", "old")

    def interrupted(_):
        raise KeyboardInterrupt
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_text(tmp_path / "new" / "table.csv", "new")
    assert [path.read_text() for path in (tmp_path / "new").iterdir()] == ["old"]


def test_what_a_killed_write_left_goes_with_the_next_record(tmp_path):
    for name in (".table.csv.part", ".table.csv.0a1b2c3d.part", ".other.csv.0a1b2c3d.part"):
        (tmp_path / name).write_text("half")
    results.record(tmp_path / "table.csv", pd.DataFrame({"run": ["a"]}), ["run"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.csv.0a1b2c3d.part", "table.csv"]


@pytest.mark.parametrize(("name", "told"), [
    ("new/deeper/table.csv", None), ("table.csv", None), ("file", None), (".", "--csv: . is a folder; allowed is the name"),
    ("folder", "--csv: folder is a folder; allowed is the name of a file"), ("..", "--csv: .. is a folder"),
    ("file/table.csv", "--csv: file/table.csv cannot be written, .*/file is no folder; allowed"),
    ("file/new/table.csv", "--csv: file/new/table.csv cannot be written, .*/file is no folder; allowed"),
    (f"{'long' * 99}/table.csv", "--csv: .* cannot be written .File name too long")])
def test_a_target_that_cannot_be_written_is_refused_before_the_work(name, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    if told is None:
        atomic.check_target(Path(name), "--csv")
        results.write_table(name, pd.DataFrame({"run": ["a"]}))  # as it was promised
        assert (tmp_path / name).read_text() == "run\na\n"
    else:
        with pytest.raises(InputError, match=f"^{told}"):
            atomic.check_target(Path(name), "--csv")


def test_rows_of_different_images_are_not_mixed_without_a_word():
    rows = pd.DataFrame({"dataset": ["digits"] * 3 + ["cifar10"],
                         "data_fingerprint": ["a" * 32, "a" * 32, "b" * 32, "c" * 32]})
    assert results.remark_on_fingerprints(rows) == (
        "digits: rows of different images stand in one table: 2 of aaaaaaaa, 1 of bbbbbbbb")
    assert results.remark_on_fingerprints(rows[1:2]) is None and results.remark_on_fingerprints(rows[["dataset"]]) is None
    rows.data_fingerprint = [None, "a" * 32, "a" * 32, None]  # older rows do not say
    assert results.remark_on_fingerprints(rows) is None
