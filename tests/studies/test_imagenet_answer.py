"""What the notebook on ImageNet runs on where ImageNet is not, and the sentences with which it ends."""

from pathlib import Path

import pytest

from ghostlib.config import Config
from ghostlib.data import imagenette
from ghostlib.studies import copies, imagenet, paper


def test_a_run_on_other_images_is_not_compared():
    text = imagenet.answer(Config(epochs=3), "50.0 % of 10 test images", 4, ["the images", "the recipe"], {})
    assert text.startswith("**Answer.** Not known yet. 3 epochs on 1 CPU device(s)")
    assert "guessing gives 25.0 %" in text and "the images and the recipe are not theirs" in text
    assert imagenet.summary("50 %", ["the images"], {}).answer.iloc[-1] == "not asked: the images differ"


def test_a_run_of_the_recipe_is_set_beside_every_published_result():
    theirs = paper.imagenet(0.5)
    gaps = {f"{row.whose}'s {row.top1:g} %": 66.0 - row.top1 for row in theirs.itertuples()}
    assert len(gaps) == len(theirs) == 3  # mindcv's two rows are two
    text = imagenet.answer(Config(epochs=600, devices=8, device="Ascend"), "66.0 %", 1000, [], gaps)
    assert "-0.20 points from the paper's 66.2 %; +0.07 points from mindcv's 65.93 %; -0.03" in text
    assert "Not known" not in text


@pytest.mark.parametrize("there", [True, False])
def test_what_stands_in_for_imagenet(there, tmp_path, monkeypatch):
    """A hundred photographs of Imagenette and others to test with, or eight photographs' squares; Config takes either."""
    monkeypatch.chdir(tmp_path)
    if there:
        for name in imagenette.CLASSES:
            (folder := tmp_path / "data" / "imagenette" / "train" / name).mkdir(parents=True)
            for number in range(45):
                (folder / f"{number}.JPEG").write_bytes(b"")
    fields = imagenet.stand_in()
    folder = Path(fields["data_dir"])
    files = {split: {path.relative_to(folder / split) for path in (folder / split).glob("*/*.*")}
             for split in ("train", "val")}
    assert len(list((folder / "train").iterdir())) == fields["num_classes"] == (10 if there else 8)
    assert (len(files["train"]), len(files["val"])) == ((100, 300) if there else (320, 160))
    config = Config(dataset="imagefolder", image_size=64, **fields)
    assert 4900 < config.epochs * len(files["train"]) < 5200
    told = imagenet.doubts(config, whole=False)
    assert ("A hundred photographs" in told) == there and ("Eight things" in told) != there and "No NPU" in told
    assert not there or not files["train"] & files["val"]
    assert imagenet.whose_copy(config, copies.SQUASHED) == (" (squashed copy)" if there else "")
