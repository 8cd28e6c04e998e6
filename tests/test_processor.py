"""What is known of the processor."""

import os

import pytest

from ghostlib import processor


def test_instruction_sets_are_known_names():
    assert set(processor.instruction_sets().split()) <= set(processor.LISTED)
    assert set(processor.instruction_sets().split()) <= processor.flags()


@pytest.mark.parametrize("wanted, used", [("3", 3), ("0", None), ("", None), ("many", None)])
def test_threads_are_those_that_were_wanted_or_all_there_are(monkeypatch, wanted, used):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert processor.threads() == (used or len(os.sched_getaffinity(0)))


def test_outside_linux_a_machine_has_a_name_all_the_same(monkeypatch):
    monkeypatch.setattr(processor, "_lines", tuple)
    assert processor.name() and processor.flags() == set() and processor.instruction_sets() == ""


def test_npus_are_told_in_the_order_of_their_numbers(monkeypatch, tmp_path):
    for name in ("davinci10", "davinci2", "davinci0", "davinci_manager", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr(processor, "DEVICES", tmp_path)
    assert processor.npus() == ["davinci0", "davinci2", "davinci10"]
    monkeypatch.setattr(processor, "DEVICES", tmp_path / "missing")
    assert processor.npus() == []
