"""A smaller dataset holds what it was asked for, and the same again."""

import numpy as np
import pytest
from PIL import Image

from ghostlib.data.subset import draw
from ghostlib.errors import InputError


@pytest.fixture
def photographs(tmp_path):
    for split, count in (("train", 6), ("val", 2)):
        for name in ("cat", "dog", "owl"):
            (tmp_path / "all" / split / name).mkdir(parents=True)
            for number in range(count):
                picture = np.full((9, 9, 3), number, np.uint8)
                Image.fromarray(picture).save(tmp_path / "all" / split / name / f"{number}.png")
    return tmp_path / "all"


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


def test_some_classes_and_some_photographs(photographs, tmp_path):
    three = draw(photographs, tmp_path / "three", ["owl", "cat"], 3)
    assert sorted(path.name for path in (three / "train").iterdir()) == ["cat", "owl"]
    assert len(names(three / "train")) == 6 and len(names(three / "val")) == 4
    assert draw(photographs, three, ["dog"]) == three and "dog" not in str(names(three))  # there already
    assert names(draw(photographs, tmp_path / "again", ["owl", "cat"], 3)) == names(three)
    assert set(names(three)) < set(names(draw(photographs, tmp_path / "more", ["owl", "cat"], 5)))
    assert names(draw(photographs, tmp_path / "other", ["owl", "cat"], 3, seed=1)) != names(three)
    assert len(names(draw(photographs, tmp_path / "whole", ["dog"]))) == 8


def test_choices_can_be_made_on_other_training_photographs(photographs, tmp_path):
    made = draw(photographs, tmp_path / "tried", ["owl", "cat"], 3, judged=2)
    train, judged = names(made / "train"), names(made / "val")
    assert len(train) == 6 and len(judged) == 4 and not set(train) & set(judged)
    assert train == names(draw(photographs, tmp_path / "plain", ["owl", "cat"], 3) / "train")
    with pytest.raises(InputError, match="each: 7 given; .*cat has 6 photographs"):
        draw(photographs, tmp_path / "many", ["cat"], 4, judged=3)
    with pytest.raises(InputError, match="judged: 2 given; allowed is it beside an each"):
        draw(photographs, tmp_path / "none", ["cat"], judged=2)


@pytest.mark.parametrize(("classes", "each", "message"), [
    (["cow"], None, "classes: cow given; .*train has no such folder"),
    (["cat"], 7, "each: 7 given; .*cat has 6 photographs, allowed are 1 to 6")])
def test_what_is_not_there_leaves_nothing(classes, each, message, photographs, tmp_path):
    with pytest.raises(InputError, match=message):
        draw(photographs, tmp_path / "target", classes, each)
    assert [path.name for path in tmp_path.iterdir()] == ["all"]
