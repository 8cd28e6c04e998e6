"""Archives are downloaded to the end, checked, and unpacked whole or not at all."""

import tarfile
from hashlib import md5
from http.server import SimpleHTTPRequestHandler

import numpy as np
import pytest
from PIL import Image

from ghostlib import data
from ghostlib.config import Config
from ghostlib.data import archives, imagenette
from ghostlib.errors import InputError, RunError

IMAGENETTE = {"dataset": "imagenette", "image_size": 32, "batch_size": 4, "augment": "crop+flip"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pictures(folder, names=tuple(imagenette.CLASSES)):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in names:
            (folder / split / name).mkdir(parents=True)
            Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(folder / split / name / "0.JPEG")


def packed(folder, source, inside):
    path = folder / f"{inside}.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(source, inside)
    return path, md5(path.read_bytes()).hexdigest()


def test_imagenette_is_downloaded_and_its_classes_have_words(server, tmp_path):
    folder, address = server
    pictures(tmp_path / "source")
    archive, right = packed(folder, tmp_path / "source", "imagenette2-160")
    config = Config(data_dir=str(tmp_path / "target"), **IMAGENETTE)
    (tmp_path / "target").mkdir()
    with pytest.raises(InputError, match="^data_dir: .*target holds no imagenette; 'ghostlib fetch imagenette --data-dir"):
        data.load(config)
    with pytest.raises(RunError, match=f"imagenette2-160.tgz: wrong hash, nothing was kept; md5 is {right}, wanted is 000"):
        imagenette.fetch(tmp_path / "target", url=f"{address}/{archive.name}", md5="0" * 32)
    assert not list((tmp_path / "target").iterdir())
    target = imagenette.fetch(tmp_path / "target", url=f"{address}/{archive.name}", md5=right.upper())
    loaded = data.load(config)
    assert loaded.classes[0] == "tench" and loaded.contents.classes[0] == "n01440764" and loaded.train.images == 10
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["imagenette"]
    assert imagenette.fetch(tmp_path / "target", url="http://127.0.0.1:9/none", md5=right) == target  # there already


def test_other_photographs_are_not_imagenette(tmp_path):
    pictures(tmp_path / "imagenette", [*list(imagenette.CLASSES)[:9], "n99999999"])
    with pytest.raises(InputError, match="holds 10 classes, n01440764, .*; wanted are Imagenette's ten, .* imagefolder"):
        data.load(Config(data_dir=str(tmp_path), **IMAGENETTE))


def test_a_download_goes_on_where_it_broke_off(server, tmp_path, cache, monkeypatch):
    folder, address = server
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "noise").write_bytes(np.random.default_rng(0).bytes(3 * archives.CHUNK))
    archive, right = packed(folder, tmp_path / "source", "noise")
    whole, asked = archive.read_bytes(), []

    def ranged(self):
        """What http.server leaves out; a first answer breaks off after half of what it promised."""
        asked.append(self.headers.get("Range"))
        start = int(asked[-1].removeprefix("bytes=").rstrip("-")) if asked[-1] else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(whole) - start))
        self.end_headers()
        self.wfile.write(whole[start:] if start else whole[:len(whole) // 2])

    monkeypatch.setattr(SimpleHTTPRequestHandler, "do_GET", ranged)
    with pytest.raises(RunError, match="noise.tgz: cannot be downloaded"):
        archives.fetch(f"{address}/noise.tgz", right, "noise", tmp_path / "target")
    assert archives.fetch(f"{address}/noise.tgz", right, "noise", tmp_path / "target").is_dir()
    assert asked[0] is None and 0 < int(asked[1].removeprefix("bytes=").rstrip("-")) <= len(whole) // 2
    assert not [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size > 1000]


@pytest.mark.parametrize("given", ["", "0" * 31, "0" * 33, "g" * 32, "../" + "0" * 32])
def test_what_is_no_hash_is_said_before_the_download(given, tmp_path, cache):
    with pytest.raises(InputError, match="^md5: .* given; allowed are 32 hexadecimal digits$"):
        archives.fetch("http://127.0.0.1:9/none.tgz", given, "none", tmp_path / "target")
    assert not cache.exists()


def test_what_is_no_archive_of_it_leaves_nothing(server, tmp_path):
    folder, address = server
    (folder / "text.tgz").write_text("no archive")
    with pytest.raises(RunError, match="text.tgz: no archive of noise"):
        archives.fetch(f"{address}/text.tgz", md5(b"no archive").hexdigest(), "noise", tmp_path / "target" / "noise")
    assert not list((tmp_path / "target").iterdir())
