"""Paths as people write them."""

import pytest

from ghostlib import paths
from ghostlib.errors import InputError
from ghostlib.paths import expand


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("SCRATCH", "/scratch/4711")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOT_SET", raising=False)


@pytest.mark.parametrize(("given", "wanted"), [
    ("data", "data"), ("~", "/somewhere"), ("~/runs", "/somewhere/runs"), ("$SCRATCH/data", "/scratch/4711/data"),
    ("${SCRATCH}data", "/scratch/4711data"), ("$HOME/$SCRATCH", "/somewhere//scratch/4711"), ("a~b", "a~b"),
    ("run~", "run~"), ("5$", "5$"), ("./~", "./~")])
def test_home_and_variables_are_put_in(given, wanted):
    assert expand(given, "run_dir") == wanted


def test_a_dollar_in_the_name_of_what_is_there_is_no_variable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "price$5.jpg").touch()
    assert expand("price$5.jpg", "IMAGE") == "price$5.jpg"
    with pytest.raises(InputError, match="the variable 6 is not set"):
        expand("price$6.jpg", "IMAGE")


@pytest.mark.parametrize(("given", "message"), [
    ("", "run_dir: '' given; allowed is a path"), (" \t", "run_dir: ' \\t' given; allowed is a path"),
    ("$NOT_SET/data", "run_dir: '$NOT_SET/data' given; the variable NOT_SET is not set"),
    ("${EMPTY}/data", "run_dir: '${EMPTY}/data' given; the variable EMPTY is empty"),
    ("~nobody-here/data", "run_dir: '~nobody-here/data' given; whose folder ~nobody-here is")])
def test_what_leads_nowhere_is_refused(given, message):
    with pytest.raises(InputError) as error:
        expand(given, "run_dir")
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_a_checkout_that_cannot_be_looked_into_is_no_lab(monkeypatch, tmp_path):
    """Such as one that the user may not read: Path.is_dir would be an error there, as it is for a name that is too long."""
    monkeypatch.setattr(paths, "CHECKOUT", tmp_path / ("long" * 100))
    with pytest.raises(OSError, match="too long"):
        paths.CHECKOUT.is_dir()
    assert paths.lab() == paths.INSTALLED
