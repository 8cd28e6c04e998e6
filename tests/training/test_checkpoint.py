"""A run's memory: stopped and resumed it ends as if it had not stopped; what is no bundle of it is refused."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from mindspore import Tensor
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from test_loop import assert_equal_bundles

from ghostlib import results
from ghostlib.config import Config
from ghostlib.data import load
from ghostlib.data.folders import save_folder
from ghostlib.errors import InputError, RunError
from ghostlib.training import checkpoint, loop, setup
from ghostlib.training.optimizers import make_optimizer

# Dropout, erasing and shuffling: all that is random takes part.
RUN = {"model": "vgg16", "width": 0.0625, "ratio": 2, "epochs": 3, "batch_size": 128, "dropout": 0.2, "erasing": 0.3,
       "repeats": 2, "warmup_epochs": 1, "seed": 7}


def start(folder: Path, **changes) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump({**RUN, "run_dir": str(folder), **changes}))
    return subprocess.Popen([sys.executable, "-m", "ghostlib", "train", str(folder / "params.yaml")],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    whole = start(tmp_path / "whole")
    assert whole.wait() == 0, whole.stderr.read()

    broken = start(tmp_path / "broken", resume=True)  # there is nothing yet to resume: it starts afresh
    bundle = tmp_path / "broken" / "last.safetensors"
    while not bundle.exists():
        assert broken.poll() is None, broken.stderr.read()
        time.sleep(0.01)
    os.killpg(broken.pid, signal.SIGKILL)
    broken.wait()
    assert not (tmp_path / "broken" / "row.json").exists()

    again = start(tmp_path / "broken", resume=True)
    assert again.wait() == 0, again.stderr.read()
    assert_equal_bundles(tmp_path / "whole", tmp_path / "broken")
    rows = results.collect([tmp_path / "whole", tmp_path / "broken"])
    assert (rows[["top1", "top5", "seed", "weights"]].iloc[0] == rows[["top1", "top5", "seed", "weights"]].iloc[1]).all()
    one, other = (results.read_table(tmp_path / name / "history.csv") for name in ("whole", "broken"))
    same = ["epoch", "lr", "train_loss", "train_top1", "test_loss", "test_top1"]
    assert one[same].equals(other[same]) and len(other) == RUN["epochs"]

    finished = start(tmp_path / "broken", resume=True)  # and once more: nothing left to train
    assert finished.wait() == 0
    assert_equal_bundles(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.slow
def test_a_run_that_is_stopped_between_two_of_an_epochs_files_ends_with_all_of_them(tmp_path, monkeypatch):
    """What resuming goes by came first: the history, and all else that was still to be written, stayed an epoch behind."""
    config, written, replace = Config(**{**RUN, "epochs": 2}, ema=0.9, resume=True), [], os.replace

    def train(name, stop=None):
        def noted(source, target):
            if Path(target).parent == tmp_path / name:
                if len(written) == stop:
                    raise KeyboardInterrupt
                written.append(Path(target).name)
            replace(source, target)
        written.clear()
        monkeypatch.setattr(os, "replace", noted)
        loop.train(config.having(run_dir=str(tmp_path / name)), progress=False)
        return list(written)
    names = train("whole")
    last = names.index("answers.csv") - 1  # of the second epoch's
    assert sorted(names[1:5]) == ["average.safetensors", "best.safetensors", "history.csv", "last.safetensors"]
    with pytest.raises(KeyboardInterrupt):
        train("broken", last)
    assert written == names[:last]
    assert train("broken")[1:] == names[5:]  # the second epoch's, once more
    for name in ("last", "best", "average"):
        one, other = (load_file(tmp_path / run / f"{name}.safetensors") for run in ("whole", "broken"))
        assert one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)
    one, other = (results.read_table(tmp_path / run / "history.csv") for run in ("whole", "broken"))
    spent = ["images_per_second", "seconds"]
    assert one.drop(columns=spent).equals(other.drop(columns=spent)) and other.epoch.tolist() == [1, 2]


CONTENTS = load(Config()).contents


@pytest.mark.slow
def test_images_that_moved_change_nothing_and_others_are_refused(tmp_path):
    """As a queue gives each job a scratch folder of its own: a trailing slash, relative for absolute, another place."""
    rng = np.random.default_rng(0)
    for split, each in (("train", 40), ("val", 12)):
        for label, name in enumerate(("cat", "dog")):
            picture = rng.integers(60 * label, 196 + 60 * label, (40, 44, 3), np.uint8)
            save_folder(tmp_path / "job 1" / split, [picture] * each, [name] * each)
    config = Config(**{**RUN, "dropout": 0.0, "batch_size": 16}, dataset="imagefolder", num_classes=2, augment="crop+flip",
                    data_dir=str(tmp_path / "job 1"), run_dir=str(tmp_path / "whole"))
    loop.train(config, progress=False)
    broken = config.having(run_dir=str(tmp_path / "broken"), resume=True)
    with pytest.MonkeyPatch.context() as patch:  # stopped after its first epoch
        patch.setattr(loop, "_share_broken", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            loop.train(broken, progress=False)
    (tmp_path / "job 1").rename(tmp_path / "job 2")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        extra = tmp_path / "job 2" / "train" / "cat" / "new.png"
        shutil.copy(next((tmp_path / "job 2" / "train" / "cat").iterdir()), extra)
        with pytest.raises(InputError, match="on other images than job 2/ holds now: train/cat has 41 images, had 40"):
            loop.train(broken.having(data_dir="job 2/"), progress=False)
        extra.unlink()
        run = loop.train(broken.having(data_dir="job 2/"), progress=False)
    assert_equal_bundles(tmp_path / "whole", tmp_path / "broken")
    assert run.row["data_fingerprint"] == results.read_row(tmp_path / "whole")["data_fingerprint"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A bundle with its Config, network and optimizer, untrained."""
    config = Config(model="resnet20", width=0.25)
    net = setup.build(config)
    optimizer = make_optimizer(net, config)
    path = tmp_path_factory.mktemp("bundle") / "last.safetensors"
    state = checkpoint.State(epoch=2, best=0.5, history=[{"epoch": 1}])
    checkpoint.save_bundle(path, net, optimizer, state, config, CONTENTS)
    return path, config, net, optimizer


def test_a_bundle_gives_back_what_it_was_given(saved):
    path, config, net, optimizer = saved
    state = checkpoint.load_bundle(path, net, optimizer, config, CONTENTS)
    assert state == checkpoint.State(epoch=2, best=0.5, history=[{"epoch": 1}])
    moved = config.having(run_dir="elsewhere", resume=True, port=9000, workers=2,
                                      data_dir="/scratch/4711", device="Ascend", decoded="disk")
    assert checkpoint.load_bundle(path, net, optimizer, moved, CONTENTS).epoch == 2


@pytest.mark.parametrize(("changes", "message"), [
    ({"width": 0.5}, "width 0.25, now 0.5"), ({"ratio": 4}, "ratio 1, now 4"),
    ({"lr": 0.01, "seed": 1}, "lr 0.05, now 0.01; seed 0, now 1")])
def test_a_bundle_of_another_run_is_refused(changes, message, saved):
    path, config, net, optimizer = saved
    with pytest.raises(InputError, match=f"resume: .*last.safetensors is of a run with {message}"):
        checkpoint.load_bundle(path, net, optimizer, config.having(**changes), CONTENTS)


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: data[:40], lambda data: b""])
def test_a_truncated_bundle_is_refused_and_nothing_changed(damage, saved, tmp_path):
    path, config, net, optimizer = saved
    (tmp_path / "last.safetensors").write_bytes(damage(path.read_bytes()))
    before = net.conv1.weight.asnumpy().copy()
    with pytest.raises(InputError, match="resume: .*last.safetensors cannot be read, truncated or no bundle"):
        checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer, config, CONTENTS)
    np.testing.assert_array_equal(net.conv1.weight.asnumpy(), before)


@pytest.mark.parametrize("place", [0.02, 0.5, 0.999])
def test_a_flipped_bit_is_found_and_nothing_changed(place, saved, tmp_path):
    """Also one of a weight, which leaves a file that can be read."""
    path, config, net, optimizer = saved
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    (tmp_path / "last.safetensors").write_bytes(content)
    before = net.conv1.weight.asnumpy().copy()
    with pytest.raises(InputError, match="resume: .*last.safetensors (is damaged|cannot be read)"):
        checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer, config, CONTENTS)
    np.testing.assert_array_equal(net.conv1.weight.asnumpy(), before)


def test_a_bundle_without_momentum_is_refused_and_nothing_changed(saved, tmp_path):
    path, config, net, optimizer = saved
    with safe_open(path, "numpy") as file:
        metadata = {name: text for name, text in file.metadata().items() if name != "sha256"}
    kept = {name: array + 1 for name, array in load_file(path).items() if not name.startswith("optimizer.")}
    save_file(kept, tmp_path / "last.safetensors", metadata)
    before = net.conv1.weight.asnumpy().copy()
    with pytest.raises(InputError, match="lacks .* of the optimizer's tensors .optimizer.momentum.conv1.weight"):
        checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer, config, CONTENTS)
    np.testing.assert_array_equal(net.conv1.weight.asnumpy(), before)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("optimizer.momentum.conv1.weight", np.nan, "optimizer.momentum.conv1.weight has 1 of 108 values that are not finite"),
    ("bn1.moving_mean", np.inf, "bn1.moving_mean has 1 of 4 values that are not finite"),
    ("bn1.moving_variance", -1, "bn1.moving_variance has 1 of 4 values below 0")])
def test_a_bundle_of_values_that_cannot_be_is_refused_and_nothing_changed(name, value, message, saved, tmp_path):
    """As versions before the check wrote it, which gave no hash either."""
    path, config, net, optimizer = saved
    with safe_open(path, "numpy") as file:
        metadata = {key: text for key, text in file.metadata().items() if key != "sha256"}
    tensors = {key: array.copy() for key, array in load_file(path).items()}
    tensors["fc.bias"] += 1
    tensors[name].flat[0] = value
    save_file(tensors, tmp_path / "last.safetensors", metadata)
    before = net.fc.bias.asnumpy().copy()
    with pytest.raises(InputError, match=f"^resume: .*last.safetensors: {message}"):
        checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer, config, CONTENTS)
    np.testing.assert_array_equal(net.fc.bias.asnumpy(), before)


def test_of_many_other_parameters_the_first_five_are_told(saved):
    path, config, net, optimizer = saved
    other = config.having(lr=1, seed=1, epochs=99, batch_size=7, ratio=3, width=2, momentum=0.5)
    with pytest.raises(InputError, match="a run with batch_size 64, now 7; epochs .*; ratio 1, now 3 and 2 more; wanted"):
        checkpoint.load_bundle(path, net, optimizer, other, CONTENTS)


def test_weights_that_are_no_bundle_are_refused(saved, tmp_path):
    path, config, net, optimizer = saved
    save_file(load_file(path), tmp_path / "last.safetensors")
    with pytest.raises(InputError, match="is no bundle of a run"):
        checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer, config, CONTENTS)


def test_what_goes_on_needs_no_more_what_it_once_began_with(tmp_path):
    """The bundle holds what became of those weights: they may be gone, or far away."""
    config = Config(**RUN, run_dir=str(tmp_path), resume=True, weights="gone.safetensors")
    with pytest.raises(InputError, match="gone.safetensors"):
        setup.prepare(config)
    (tmp_path / "last.safetensors").write_bytes(b"")
    setup.prepare(config)


def test_a_refused_resume_touches_nothing(saved, tmp_path):
    (tmp_path / "last.safetensors").write_bytes(saved[0].read_bytes())
    with pytest.raises(InputError, match="is of a run with"):
        loop.train(Config(model="resnet20", width=0.25, lr=0.3, resume=True, run_dir=str(tmp_path)), progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]


@pytest.mark.parametrize(("changes", "message"), [
    ({"train": (117, *CONTENTS.train[1:])}, "train/0 has 117 images, had 119"),
    ({"val": (*CONTENTS.val[:9], 61)}, "val/9 has 61 images, had 60"),
    ({"fingerprint": "0" * 32}, "as many images of each class, but other ones"),
    ({"classes": ("zero", *CONTENTS.classes[1:])}, "class '0' is missing; class 'zero' is new .10 classes then, 10 now"),
    ({"classes": ("1", "0", *CONTENTS.classes[2:])}, "the same 10 classes in another order: number 0 was '0', is '1'")])
def test_a_run_on_other_images_is_not_resumed(changes, message, saved):
    path, config, net, optimizer = saved
    before = net.conv1.weight.asnumpy().copy()
    with pytest.raises(InputError, match=f"resume: .*last.safetensors is of a run on other images than data holds now: "
                                         f"{message}"):
        checkpoint.load_bundle(path, net, optimizer, config, dataclasses.replace(CONTENTS, **changes))
    np.testing.assert_array_equal(net.conv1.weight.asnumpy(), before)


def test_an_older_bundle_still_resumes_with_a_remark(saved, tmp_path):
    """One without what it was trained on, and without a field that is newer than it."""
    path, config, net, optimizer = saved
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    del metadata["data"], metadata["sha256"]
    metadata["config"] = json.dumps({name: value for name, value in json.loads(metadata["config"]).items()
                                     if name not in ("overwrite", "val_interval")})
    save_file(load_file(path), tmp_path / "last.safetensors", metadata)
    with pytest.warns(RuntimeWarning, match="written by an earlier version and does not say which images"):
        assert checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer, config, CONTENTS).epoch == 2
    with pytest.raises(InputError, match="is of a run with val_interval 1, now 2"):
        checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer,
                               config.having(val_interval=2), CONTENTS)


def test_what_may_differ_is_known_and_has_a_reason():
    assert set(checkpoint.FREE) <= set(Config.model_fields) and all(checkpoint.FREE.values())
    assert not {"seed", "lr", "epochs", "devices", "batch_size", "amp", "val_share"} & set(checkpoint.FREE)


@pytest.mark.parametrize(("classes", "message"), [
    (CONTENTS.classes, None), (("1", "0", *CONTENTS.classes[2:]), "in another order: number 0 was '0', is '1'"),
    (CONTENTS.classes[:8], "class '8' is missing and 1 more .10 classes then, 8 now"),
    ((*CONTENTS.classes[:9], "neun"), "class '9' is missing; class 'neun' is new")])
def test_weights_are_not_judged_on_other_classes(classes, message, saved):
    if message is None:
        checkpoint.check_classes(str(saved[0]), classes)
        return
    with pytest.raises(InputError, match=f"^weights: .*last.safetensors was trained on other classes: .*{message}.*; new_"):
        checkpoint.check_classes(str(saved[0]), classes)


def test_the_way_out_of_other_classes_is_a_new_head(saved, tmp_path, monkeypatch):
    digits = load(Config())
    renamed = dataclasses.replace(digits, contents=dataclasses.replace(digits.contents, classes=tuple("abcdefghij")))
    monkeypatch.setattr(setup, "load", lambda *_: renamed)
    start = Config(model="resnet20", width=0.25, weights=str(saved[0]), run_dir=str(tmp_path / "run"))
    for config in (start, start.having(epochs=0)):
        with pytest.raises(InputError, match="other classes: class '0' is missing and 9 more; class 'a' is new and 9"):
            setup.prepare(config)
    net, *_ = setup.prepare(start.having(new_head=True))
    np.testing.assert_array_equal(net.conv1.weight.asnumpy(), saved[2].conv1.weight.asnumpy())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["conv1.weight", "bn1.moving_variance", "optimizer.momentum.conv1.weight"])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_what_is_not_finite_is_not_saved_and_the_previous_bundle_stays(name, value, saved, tmp_path):
    _, config, _, _ = saved
    net = setup.build(config)
    optimizer = make_optimizer(net, config)
    path = tmp_path / "last.safetensors"
    checkpoint.save_bundle(path, net, optimizer, checkpoint.State(epoch=1), config, CONTENTS)
    before = path.read_bytes()
    parameter = {**dict(net.parameters_and_names()), **checkpoint._memory(net, optimizer, config, None)}[name]
    array = parameter.asnumpy().copy()
    array.flat[:2] = value
    parameter.set_data(Tensor(array))
    with pytest.raises(RunError, match=f"last.safetensors: not written: {name} has 2 of {array.size} values that are not"):
        checkpoint.save_bundle(path, net, optimizer, checkpoint.State(epoch=2), config, CONTENTS)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_previous_bundle(saved, tmp_path, monkeypatch):
    _, config, net, optimizer = saved
    path = tmp_path / "last.safetensors"
    checkpoint.save_bundle(path, net, optimizer, checkpoint.State(epoch=1), config, CONTENTS)
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="last.safetensors: cannot be written .No space left"):
        checkpoint.save_bundle(path, net, optimizer, checkpoint.State(epoch=2), config, CONTENTS)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_bundle_is_also_a_weights_file(saved):
    from ghostlib.weights import load_weights
    path, config, net, _ = saved
    other = setup.build(config.having(seed=5))
    load_weights(other, path)
    np.testing.assert_array_equal(other.conv1.weight.asnumpy(), net.conv1.weight.asnumpy())


def test_the_metadata_says_where_a_bundle_came_from(saved):
    with safe_open(saved[0], "numpy") as file:
        metadata = file.metadata()
    assert json.loads(metadata["config"])["width"] == 0.25 and "mindspore" in json.loads(metadata["versions"])
