"""Rows and what is computed from them."""

import json

import numpy as np
import pandas as pd
import pytest

from ghostlib import results
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


def test_a_table_is_extended_and_says_what_happened():
    old = pd.DataFrame({"run_dir": ["a", "b"], "top1": [0.5, 0.6], "old": [1, 2]})
    new = pd.DataFrame({"run_dir": ["b", "c"], "top1": [0.7, 0.8], "new": [3, 4]})
    table, told = results.extend(old, new, "run_dir")
    assert told == "3 rows; 1 new, 1 replaced, 1 that are not among these stay (--prune removes them)"
    assert table.run_dir.tolist() == ["b", "c", "a"] and table.top1.tolist() == [0.7, 0.8, 0.5]
    assert table.new.tolist()[:2] == [3, 4] and table.new.isna().tolist() == [False, False, True]
    pruned, told = results.extend(old, new, "run_dir", prune=True)
    assert pruned.run_dir.tolist() == ["b", "c"] and told.endswith("1 that are not among these went")
    assert results.extend(old, old.astype({"old": float}), "run_dir")[1] == "2 rows; 0 new, 0 replaced"
    assert results.extend(old[:0], new, "run_dir")[1] == "2 rows"


def test_rows_of_different_images_are_not_mixed_without_a_word():
    rows = pd.DataFrame({"dataset": ["digits"] * 3 + ["cifar10"],
                         "data_fingerprint": ["a" * 32, "a" * 32, "b" * 32, "c" * 32]})
    assert results.remark_on_fingerprints(rows) == (
        "digits: rows of different images stand in one table: 2 of aaaaaaaa, 1 of bbbbbbbb")
    assert results.remark_on_fingerprints(rows[1:2]) is None and results.remark_on_fingerprints(rows[["dataset"]]) is None
    rows.data_fingerprint = [None, "a" * 32, "a" * 32, None]  # older rows do not say
    assert results.remark_on_fingerprints(rows) is None
