"""YAML from outside: nothing lost, nothing turned into something else."""

import pytest

from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.yaml_input import read_value, read_yaml


@pytest.fixture
def written(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "params.yaml"
        path.write_text(text, encoding=encoding)
        return path
    return write


@pytest.mark.parametrize(("text", "message"), [
    ("lr: 0.1\nepochs: 3\nlr: 0.2\n", "lr: given twice, in lines 1 and 3; allowed is once"),
    ("{lr: 0.1, lr: 0.2}", "lr: given twice, in lines 1 and 1"),
    ("ratio:\n  stem: 2\n  stem: 4\n", "stem: given twice, in lines 2 and 3"),
    ("grid:\n- {kernel: [1]}\n- {kernel: [1],\n   kernel: [3]}\n", "kernel: given twice, in lines 3 and 4")])
def test_a_key_that_stands_twice_is_refused_with_both_lines(text, message, written):
    with pytest.raises(InputError) as error:
        read_yaml(written(text))
    assert str(error.value).startswith(f"{written(text)}: {message}")


def test_yamls_own_merging_is_no_repetition(written):
    text = "one: &one {lr: 0.1}\ntwo: {<<: *one, epochs: 3}\nthree: {<<: *one, lr: 0.2}\n"
    assert read_yaml(written(text)) == {"one": {"lr": 0.1}, "two": {"lr": 0.1, "epochs": 3}, "three": {"lr": 0.2}}


@pytest.mark.parametrize(("given", "read"), [
    ("2024-01-05", "2024-01-05"), ("2024-01-05 10:00:00", "2024-01-05 10:00:00"), ("007", "007"), ("1e3", "1e3"),
    ("1_000", "1_000"), ("yes", "yes"), ("0x10", "0x10"), ("12:30", "12:30"), ("'quoted'", "quoted"), ("null", None),
    ("~", None), ("", ""), ("''", "")])
def test_a_text_is_taken_as_written_and_only_null_is_nothing(given, read, written):
    assert read_yaml(written(f"run_dir: {given}\n"), ["run_dir"]) == {"run_dir": read}
    assert read_value(given, True) == read


def test_elsewhere_yaml_says_what_a_value_is_but_dates_are_words(written):
    assert read_yaml(written("a: 3\nb: 0.5\nc: true\nd: 2024-01-05\ne:\n"), ["f"]) == {
        "a": 3, "b": 0.5, "c": True, "d": "2024-01-05", "e": None}


@pytest.mark.parametrize(("text", "run_dir"), [("run_dir: 2024-01-05\n", "2024-01-05"), ("run_dir: 007\n", "007"),
                                               ("run_dir: 1.10\n", "1.10")])
def test_a_run_may_be_called_by_a_date_or_a_number(text, run_dir, written):
    assert Config.load(written(text)).run_dir == run_dir


def test_another_encoding_is_said_by_name(written):
    with pytest.raises(InputError, match=r"params.yaml: not YAML in UTF-8 \(.*byte 0xfc"):
        read_yaml(written("run_dir: übung\n", "latin-1"))
