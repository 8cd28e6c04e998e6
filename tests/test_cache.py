"""Where files are kept that can be made again."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT

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


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_user_without_a_home_trains(request):
    """As in `docker run -u 12345`: it used to end in a traceback, after an earlier row was gone."""
    tmp_path = Path(tempfile.mkdtemp(prefix="homeless-", dir="/tmp"))  # pytest's own is for its user alone
    request.addfinalizer(lambda: shutil.rmtree(tmp_path))
    (tmp_path / "params.yaml").write_text("{model: vgg16, width: 0.0625, epochs: 1, batch_size: 256, run_dir: run}")
    tmp_path.chmod(0o777)
    code = ("import os, sys, tempfile\n"
            "import ghostlib.training.loop\n"
            "from ghostlib.__main__ import main\n"
            "from ghostlib.config import Config\n"
            "ghostlib.data.load(Config())\n"  # Python and its packages may lie where only root reads
            "[os.environ.pop(name, None) for name in ('HOME', 'XDG_CACHE_HOME', 'GHOSTLIB_CACHE')]\n"
            "tempfile.tempdir = os.getcwd()\n"
            "os.setgid(12345); os.setuid(12345)\n"
            "main(['train', 'params.yaml'])\n")
    (tmp_path / "somebody.py").write_text(code)
    done = subprocess.run([sys.executable, "somebody.py"], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)})
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert (tmp_path / "run" / "row.json").exists()
    assert {path.name for path in (tmp_path / "ghostlib-cache-12345").iterdir()} >= {"graphs"}
