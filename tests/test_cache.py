"""Where files are kept that can be made again."""

import os
import tempfile

import pytest

from ghostlib import cache


@pytest.fixture
def homeless(tmp_path, monkeypatch):
    """A process without a home and without an entry for its user; gives its temporary folder."""
    for name in ("GHOSTLIB_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}["no entry"])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache._temporary.cache_clear()
    yield tmp_path
    cache._temporary.cache_clear()


def test_the_cache_is_where_the_variables_say(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setenv("GHOSTLIB_CACHE", "/named")
    assert str(cache.cache_folder()) == "/named"
    monkeypatch.delenv("GHOSTLIB_CACHE")
    assert str(cache.cache_folder()) == "/somewhere/ghostlib"


def test_a_process_without_a_home_has_a_temporary_folder_of_its_users(homeless):
    folder = cache.cache_folder()
    assert folder == homeless / f"ghostlib-cache-{os.getuid()}" and folder.stat().st_mode & 0o777 == 0o700
    cache._temporary.cache_clear()  # the next process
    assert cache.cache_folder() == folder


@pytest.mark.parametrize("planted", ["open to all", "a link", "a file"])
def test_what_somebody_else_put_there_is_not_used(planted, homeless):
    place = homeless / f"ghostlib-cache-{os.getuid()}"
    if planted == "open to all":
        place.mkdir()
        place.chmod(0o777)
    elif planted == "a link":
        (homeless / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(homeless / "elsewhere")
    else:
        place.write_text("")
    folder = cache.cache_folder()
    assert folder != place and folder.is_dir() and folder.stat().st_mode & 0o777 == 0o700
