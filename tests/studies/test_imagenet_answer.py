"""The sentences with which the notebook on ImageNet ends."""

from ghostlib.config import Config
from ghostlib.studies import imagenet, paper


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
