"""Text from outside is told so that no terminal, log or file can stumble over it."""

import os
import subprocess
import sys

import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image

from ghostlib import results
from ghostlib.errors import InputError, RunError, printable, some

NAMES = [os.fsdecode("müll".encode("latin-1")), os.fsdecode("图片".encode("gbk")), "bell\a", "line\nbreak",
         "left\u202eright", "\ud800", "é", "日本"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_told_can_be_written_anywhere(name):
    for text in (printable(name), str(InputError(name)), str(RunError(name)), some([name])):
        text.encode("utf-8")
        assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert printable("é日本 plain") == "é日本 plain"


def test_bytes_of_names_are_shown_as_bytes():
    assert [printable(NAMES[number]) for number in (0, 2, 4)] == ["m\\xfcll", "bell\\x07", "left\\u202eright"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A dataset with pictures that cannot be read and whose names nobody can print."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            (folder / split / label).mkdir(parents=True)
            for number in range(8):
                Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / split / label / f"{number}.png")
        for name in NAMES[:5]:
            path = os.path.join(os.fsencode(folder / split / "dog"), os.fsencode(name) + b".jpg")
            with open(path, "wb") as file:
                file.write(b"no picture")
        with open(os.path.join(os.fsencode(folder / split / "dog"), os.fsencode(NAMES[0]) + b".txt"), "wb"):
            pass
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii:strict", "latin-1:strict", "utf-8:strict"])
def test_a_name_that_the_terminal_cannot_encode_costs_no_epoch(encoding, images, tmp_path):
    """It used to: the run ended in UnicodeEncodeError before the epoch was saved."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({
        "model": "vgg16", "width": 0.0625, "epochs": 1, "batch_size": 8, "dataset": "imagefolder", "data_dir": str(images),
        "num_classes": 2, "augment": "crop+flip", "run_dir": "run"}))
    done = subprocess.run([sys.executable, "-m", "ghostlib", "train", "params.yaml"], cwd=tmp_path, capture_output=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    said = (done.stdout + done.stderr).decode(encoding.split(":")[0])
    assert "5 test image(s) cannot be read and are skipped: " in said and "m\\xfcll.jpg (no image of a known format)" in said
    assert "1 file(s) or folder(s)" in said and "m\\xfcll.txt" in said
    row = results.read_row(tmp_path / "run")
    assert row["broken_images"] >= 6 and row["test_images"] == 16
    answers = results.read_table(tmp_path / "run" / "answers.csv")
    assert len(answers) == 16 and answers.image[0] == "cat/0.png"
