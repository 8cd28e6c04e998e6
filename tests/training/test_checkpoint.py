"""A run's memory: stopped and resumed it ends as if it had not stopped; what is no bundle of it is refused."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from test_loop import assert_equal_bundles

from ghostlib import results
from ghostlib.config import Config
from ghostlib.errors import InputError, RunError
from ghostlib.training import checkpoint, loop

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
    history = tmp_path / "broken" / "history.csv"
    while not history.exists():
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


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A bundle with its Config, network and optimizer, untrained."""
    config = Config(model="resnet20", width=0.25)
    net = loop.build(config)
    optimizer = loop.make_optimizer(net, config)
    path = tmp_path_factory.mktemp("bundle") / "last.safetensors"
    checkpoint.save_bundle(path, net, optimizer, checkpoint.State(epoch=2, best=0.5, history=[{"epoch": 1}]), config)
    return path, config, net, optimizer


def test_a_bundle_gives_back_what_it_was_given(saved):
    path, config, net, optimizer = saved
    state = checkpoint.load_bundle(path, net, optimizer, config)
    assert state == checkpoint.State(epoch=2, best=0.5, history=[{"epoch": 1}])
    moved = config.model_copy(update={"run_dir": "elsewhere", "resume": True, "port": 9000, "workers": 2})
    assert checkpoint.load_bundle(path, net, optimizer, moved).epoch == 2


@pytest.mark.parametrize(("changes", "message"), [
    ({"width": 0.5}, "width 0.25, now 0.5"), ({"ratio": 4}, "ratio 2, now 4"),
    ({"lr": 0.01, "seed": 1}, "lr 0.05, now 0.01; seed 0, now 1")])
def test_a_bundle_of_another_run_is_refused(changes, message, saved):
    path, config, net, optimizer = saved
    with pytest.raises(InputError, match=f"resume: .*last.safetensors is of a run with {message}"):
        checkpoint.load_bundle(path, net, optimizer, config.model_copy(update=changes))


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: data[:40], lambda data: b""])
def test_a_truncated_bundle_is_refused_and_nothing_changed(damage, saved, tmp_path):
    path, config, net, optimizer = saved
    (tmp_path / "last.safetensors").write_bytes(damage(path.read_bytes()))
    before = net.stem[0].weight.asnumpy().copy()
    with pytest.raises(InputError, match="resume: .*last.safetensors cannot be read, truncated or no bundle"):
        checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer, config)
    np.testing.assert_array_equal(net.stem[0].weight.asnumpy(), before)


def test_a_bundle_without_momentum_is_refused_and_nothing_changed(saved, tmp_path):
    path, config, net, optimizer = saved
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    kept = {name: array + 1 for name, array in load_file(path).items() if not name.startswith("optimizer.")}
    save_file(kept, tmp_path / "last.safetensors", metadata)
    before = net.stem[0].weight.asnumpy().copy()
    with pytest.raises(InputError, match="lacks .* of the optimizer's tensors .optimizer.momentum.stem.0.weight"):
        checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer, config)
    np.testing.assert_array_equal(net.stem[0].weight.asnumpy(), before)


def test_weights_that_are_no_bundle_are_refused(saved, tmp_path):
    path, config, net, optimizer = saved
    save_file(load_file(path), tmp_path / "last.safetensors")
    with pytest.raises(InputError, match="is no bundle of a run"):
        checkpoint.load_bundle(tmp_path / "last.safetensors", net, optimizer, config)


def test_a_refused_resume_touches_nothing(saved, tmp_path):
    (tmp_path / "last.safetensors").write_bytes(saved[0].read_bytes())
    with pytest.raises(InputError, match="is of a run with"):
        loop.train(Config(model="resnet20", width=0.25, lr=0.3, resume=True, run_dir=str(tmp_path)), progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]


def test_a_full_disk_leaves_the_previous_bundle(saved, tmp_path, monkeypatch):
    _, config, net, optimizer = saved
    path = tmp_path / "last.safetensors"
    checkpoint.save_bundle(path, net, optimizer, checkpoint.State(epoch=1), config)
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="last.safetensors: cannot be written .No space left"):
        checkpoint.save_bundle(path, net, optimizer, checkpoint.State(epoch=2), config)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_bundle_is_also_a_weights_file(saved):
    from ghostlib.weights import load_weights
    path, config, net, _ = saved
    other = loop.build(config.model_copy(update={"seed": 5}))
    load_weights(other, path)
    np.testing.assert_array_equal(other.stem[0].weight.asnumpy(), net.stem[0].weight.asnumpy())


def test_the_metadata_says_where_a_bundle_came_from(saved):
    with safe_open(saved[0], "numpy") as file:
        metadata = file.metadata()
    assert json.loads(metadata["config"])["width"] == 0.25 and "mindspore" in json.loads(metadata["versions"])
