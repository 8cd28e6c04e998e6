"""Rows and what is computed from them."""

import numpy as np
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
