"""The loop: it learns, it repeats itself to the bit, it stops when it must, and writes only whole files."""

import json
import math
import sys

import mindspore
import numpy as np
import pandas as pd
import papermill
import pytest
import yaml
from click.testing import CliRunner
from mindspore import Tensor, nn
from safetensors import safe_open
from safetensors.numpy import load_file

from ghostlib import data, features, results
from ghostlib.__main__ import main
from ghostlib.config import Config
from ghostlib.data import load
from ghostlib.errors import InputError, RunError
from ghostlib.ghost import ghostify
from ghostlib.models import MODELS, resnet20
from ghostlib.training import evaluation, loop, setup
from ghostlib.training.optimizers import make_optimizer
from ghostlib.training.precision import set_precision
from ghostlib.training.schedule import learning_rate
from ghostlib.training.step import GROWTH, TrainStep
from ghostlib.weights import save_weights

SMALL = {"model": "resnet20", "width": 0.25, "epochs": 1}


@pytest.fixture(autouse=True)
def short_resnet(monkeypatch):
    """In this process resnet20 has three blocks of its nine: the loop is the same and compiles in a third of the time."""
    cifar = sys.modules["ghostlib.models.resnet"]._cifar
    monkeypatch.setitem(MODELS, "resnet20",
                        lambda width, ratio, kernel, num_classes: cifar(8, width, ratio, kernel, num_classes))


def assert_equal_bundles(one, other):
    """Network and momentum of two runs are the same, bit for bit."""
    first, second = (load_file(run / "last.safetensors") for run in (one, other))
    assert first.keys() == second.keys() and any(name.startswith("optimizer.") for name in first)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.slow
def test_a_tiny_ghost_network_overfits_64_digits(monkeypatch):
    monkeypatch.setitem(MODELS, "resnet20", resnet20)  # all nine blocks: it is about what the network can learn
    config = Config(model="resnet20", width=0.5, augment="none", weight_decay=0.0, label_smoothing=0.0)
    net, digits, _ = setup.prepare(config)
    batch = next(digits.train.epoch(0))
    images, labels = Tensor(batch.images), Tensor(batch.labels)
    step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
    rate = Tensor(config.lr)
    first, right = (float(value) for value in step(images, labels, rate))
    assert first == pytest.approx(math.log(10), rel=0.5) and right < 32
    for _ in range(80):
        loss, right = step(images, labels, rate)
    assert float(right) == 64 and float(loss) < 0.05


@pytest.mark.slow
def test_command_line_and_notebook_give_the_same_weights_to_the_bit(root, tmp_path):
    params = root / "notebooks" / "params" / "train_smoke.yaml"
    done = CliRunner().invoke(main, ["train", str(params), "-p", "run_dir", str(tmp_path / "command")])
    assert done.exit_code == 0, done.output
    values = {**yaml.safe_load(params.read_text()), "run_dir": str(tmp_path / "notebook")}
    papermill.execute_notebook(root / "notebooks" / "train.ipynb", tmp_path / "executed.ipynb", values,
                               progress_bar=False)
    assert_equal_bundles(tmp_path / "command", tmp_path / "notebook")
    rows = results.collect([tmp_path / "command", tmp_path / "notebook"])
    same = ["model", "width", "ratio", "kernel", "epochs", "seed", "weights", "macs", "top1", "top5", "commit"]
    assert (rows[same].iloc[0] == rows[same].iloc[1]).all()


@pytest.mark.slow
def test_a_run_leaves_its_row_curves_parameters_and_weights(tmp_path):
    config = Config(**SMALL, run_dir=str(tmp_path / "run"), ratio={"layer1.0.conv1": 2}, seed=3)
    run = loop.train(config, progress=False)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "answers.csv", "best.safetensors", "config.yaml", "history.csv", "last.safetensors", "row.json"]
    assert Config.load(tmp_path / "run" / "config.yaml") == config
    row = results.read_row(tmp_path / "run")
    assert row == run.row and row["seed"] == 3 and row["ratio"] == '{"layer1.0.conv1": 2}'
    assert row["weights"] == sum(p.size for p in run.net.trainable_params()) and row["weights_from"] is None
    assert row["test_images"] == 599 and 0 <= row["top1"] <= row["top5"] <= 1
    assert {"commit", "machine", "mindspore", "numpy", "macs", "seconds"} <= set(row)
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert history.test_top1.iloc[-1] == pytest.approx(row["top1"])
    assert history.train_loss.between(0.1, 10).all() and (history.images_per_second > 0).all()
    again = evaluation.evaluate(run.net, run.data.test)
    assert again.top1 == row["top1"] and not run.net.training
    stored = load_file(tmp_path / "run" / "last.safetensors")
    for name, parameter in run.net.parameters_and_names():
        np.testing.assert_array_equal(stored[name], parameter.asnumpy())

    # The same again, from the stored weights: nothing is trained, the outcome is the same.
    only = Config(**{**SMALL, "epochs": 0}, ratio=config.ratio, run_dir=str(tmp_path / "again"),
                  weights=str(tmp_path / "run" / "last.safetensors"))
    assert loop.train(only, progress=False).row["top1"] == row["top1"]
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [
        "answers.csv", "config.yaml", "last.safetensors", "row.json"]
    for name, tensor in load_file(tmp_path / "again" / "last.safetensors").items():
        if name in dict(run.net.parameters_and_names()):
            np.testing.assert_array_equal(tensor, stored[name])


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump({**SMALL, "lr": 1e30, "bad_steps": 5, "run_dir": str(tmp_path / "run")}))
    done = CliRunner().invoke(main, ["train", str(params)])
    assert done.exit_code == 1
    line = done.output.strip().splitlines()[-1]
    assert line.startswith("ghostlib: loss: ") and "no finite gradient in 17 steps in a row" in line
    assert "e+27; a smaller lr or a longer warm-up may help; the last good epoch, if any, is in" in line
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["config.yaml"]


@pytest.mark.slow
def test_so_many_steps_without_a_finite_loss_stop_the_run_and_the_last_good_bundle_stays(tmp_path):
    good = Config(**SMALL, schedule="constant", run_dir=str(tmp_path))
    loop.train(good, progress=False)
    before = (tmp_path / "last.safetensors").read_bytes()
    net, _, _ = setup.prepare(good)
    for parameter in net.get_parameters():  # weights that overflow whatever they meet
        parameter.set_data(Tensor(np.full(parameter.shape, 1e30, np.float32)))
    save_weights(net, tmp_path / "wild.safetensors")
    wild = good.having(weights=str(tmp_path / "wild.safetensors"), bad_steps=5)
    wild = wild.having(run_dir=str(tmp_path / "wild"))
    with pytest.raises(RunError, match=r"loss: .* no finite gradient in \d+ steps in a row up to step \d+ .*"
                                       r"the last good epoch, if any"):
        loop.train(wild, progress=False)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert [path.name for path in (tmp_path / "wild").iterdir()] == ["config.yaml"]


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "message"), [
    ("loss", r"loss: nan and no finite gradient in 18 steps in a row up to step 17"),
    ("weights", r"loss: the network is no longer finite after epoch 2: fc.bias has 1 of 10 values"),
    ("statistics", r"loss: the network is no longer finite after epoch 2: \S+moving_variance has 1 of \d+ values")])
def test_what_is_no_longer_finite_ends_a_run_shorter_than_bad_steps_and_the_last_good_bundle_stays(
        damage, message, tmp_path, monkeypatch):
    """Also what MindSpore's ReLU on a CPU, which makes 0 of NaN, would hide from the loss."""
    epoch, build, nets = loop._train_epoch, setup.build, []
    monkeypatch.setattr(setup, "build", lambda config: nets.append(build(config)) or nets[-1])

    def damaged(step, *rest):
        net = nets[0]
        if damage == "loss":
            net.fc.bias.set_data(Tensor(np.full(10, np.nan, np.float32)))
        row = epoch(step, *rest)
        if rest[4].epoch == 1:
            wanted = "moving_variance" if damage == "statistics" else "fc.bias"
            parameter = next(one for name, one in net.parameters_and_names() if name.endswith(wanted))
            array = parameter.asnumpy().copy()
            array.flat[0] = np.inf
            parameter.set_data(Tensor(array))
        return row
    monkeypatch.setattr(loop, "_train_epoch", damaged)
    config = Config(**{**SMALL, "epochs": 1 if damage == "loss" else 3}, run_dir=str(tmp_path))
    with pytest.raises(RunError, match=message):
        loop.train(config, progress=False)
    if damage != "loss":
        with safe_open(tmp_path / "last.safetensors", "numpy") as file:
            assert json.loads(file.metadata()["state"])["epoch"] == 1
            assert all(np.isfinite(file.get_tensor(name)).all() for name in file.keys())
    assert not (tmp_path / "row.json").exists()


@pytest.mark.parametrize("changes", [{"model": "ghostnet", "width": 0.2, "image_size": 16},
                                     {"model": "ghostnet", "width": 0.2, "stem_stride": 2},
                                     {"model": "vgg16", "width": 0.0625}])
def test_single_images_whose_maps_are_single_pixels_teach_nothing_and_are_refused(changes, tmp_path):
    config = Config(**changes, batch_size=1, run_dir=str(tmp_path / "run"))
    pixel = changes["model"] != "vgg16"  # whose last maps are 2 x 2
    if pixel:
        with pytest.raises(InputError, match=r"^batch_size: 1 given; BatchNorm blocks\.\S+, .* and \d+ more would see"):
            loop.train(config, progress=False)
        assert not (tmp_path / "run").exists()
    else:
        setup.prepare(config)
    setup.prepare(config.having(epochs=0))  # to judge them one by one is no fault
    setup.prepare(config.having(batch_size=2))


@pytest.mark.slow
def test_tests_while_training_can_be_fewer(tmp_path):
    run = loop.train(Config(**{**SMALL, "epochs": 3}, val_interval=2, run_dir=str(tmp_path)), progress=False)
    assert run.history.test_top1.notna().tolist() == [False, True, True]
    assert run.row["top1"] == run.history.test_top1.iloc[-1]


def test_nothing_is_written_when_a_run_is_refused(tmp_path):
    for changes in ({"weights": str(tmp_path / "none.safetensors")}, {"ratio": {"no.such.layer": 2}},
                    {"dataset": "cifar10", "data_dir": str(tmp_path)}, {"batch_size": 5000}):
        with pytest.raises(InputError):
            loop.train(Config(**{**SMALL, "run_dir": str(tmp_path / "run"), **changes}), progress=False)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_run_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="run_dir: .*file/run cannot be written"):
        loop.train(Config(**SMALL, run_dir=str(tmp_path / "file" / "run")), progress=False)


def test_weights_start_from_the_seed():
    def first(seed):
        return setup.build(Config(**SMALL, seed=seed)).conv1.weight.asnumpy()
    np.testing.assert_array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))


def test_a_new_network_needs_only_the_four_common_arguments(monkeypatch):
    def mynet(width=1.0, ratio=1, kernel=3, num_classes=10):
        net = nn.SequentialCell(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dense(8, num_classes))
        ghostify(net, ratio, kernel, leave=None)
        return net
    monkeypatch.setitem(MODELS, "vgg16", mynet)
    net = setup.build(Config(model="vgg16", ratio=2))
    assert list(features.ghost_layers(net)) == ["0"]
    with pytest.raises(InputError, match="dropout: 0.5 given; vgg16 has none"):
        setup.build(Config(model="vgg16", dropout=0.5))


def test_small_images_keep_a_sensible_resolution():
    assert setup.build(Config()).conv_stem.stride == (1, 1)
    assert setup.build(Config(image_size=224)).conv_stem.stride == (2, 2)
    assert setup.build(Config(stem_stride=2)).conv_stem.stride == (2, 2)


def test_the_schedule_is_the_recipes():
    config = Config(lr=0.4, lr_end=1e-7, warmup_epochs=20, epochs=600)
    rates = [learning_rate(config, step, 10) for step in range(6001)]
    assert rates[0] == 0 and rates[100] == pytest.approx(0.2) and rates[200] == pytest.approx(0.4)
    assert rates[3100] == pytest.approx(0.2, rel=1e-5) and rates[6000] == pytest.approx(1e-7)
    assert learning_rate(config, 10**6, 10) == pytest.approx(1e-7)  # there is no list to run out
    assert np.argmax(rates) == 200 and (np.diff(rates[200:]) < 0).all()
    steps = Config(lr=0.1, schedule="steps", milestones=[2, 4], epochs=6)
    assert [learning_rate(steps, epoch * 7, 7) for epoch in range(6)] == pytest.approx([.1, .1, .01, .01, .001, .001])
    assert learning_rate(Config(schedule="constant"), 99, 7) == Config().lr


def test_momentum_and_decay_follow_their_definition():
    """v = m v + g + wd w; w = w - lr v, on all weights or on all but biases and BatchNorm."""
    for decay_all in (True, False):
        config = Config(**SMALL, lr=0.1, momentum=0.5, weight_decay=0.1, decay_all=decay_all)
        net = setup.build(config)
        optimizer = make_optimizer(net, config)
        before = {p.name: p.asnumpy().copy() for p in net.trainable_params()}
        gradients = tuple(Tensor(np.ones(p.shape, np.float32)) for p in optimizer.parameters)
        for _ in range(2):
            optimizer(gradients)
        for p in net.trainable_params():
            decay = 0.1 if decay_all or p.ndim > 1 else 0.0
            w, v = before[p.name].astype(np.float64), 0.0
            for _ in range(2):
                v = 0.5 * v + 1 + decay * w
                w = w - 0.1 * v
            np.testing.assert_allclose(p.asnumpy(), w, atol=1e-5, err_msg=p.name)


def test_scores_are_exact_counts():
    logits = np.array([[3, 1, 2, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 5, 4, 3, 2, 1], [np.nan, 1, 1, 1, 1, 9]])
    outcome = evaluation.score(logits, np.array([0, 1, 5, 5]), 1.0)
    assert (outcome.count, outcome.top1, outcome.top5) == (4, 0.25, 0.5)


def test_a_queue_on_a_device_would_be_fed_what_the_loop_is_fed(tmp_path):
    """`sink` itself needs an NPU; what goes into its queue, from an epoch on, can be looked at here."""
    from mindspore import dataset
    config = Config(width=0.125, dropout=0.2, epochs=3, batch_size=300)
    net, digits, _ = setup.prepare(config)
    feed = loop.Feed(net, digits.train, config, first_epoch=1)
    queue = dataset.GeneratorDataset(feed, feed.columns, shuffle=False)
    queued = list(queue.create_tuple_iterator(num_epochs=1, output_numpy=True))
    assert len(queued) == len(feed) == 2 * 3
    for ours, theirs in zip(feed, queued, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
            assert other.dtype in (np.float32, np.int32)


def test_nothing_judged_is_a_failure():
    data = load(Config())
    net = setup.build(Config(**SMALL))
    data.test.epoch = lambda: iter([])
    data.test.broken[:] = True
    with pytest.raises(RunError, match=r"data_dir: none of 599 test images can be read: 0, 1, 2, 3, 4 and 594 more"):
        evaluation.evaluate(net, data.test)


def test_what_was_answered_is_told_image_by_image():
    data = load(Config())
    net = setup.build(Config(**SMALL))
    outcome = evaluation.evaluate(net, data.test)
    table = evaluation.answers(outcome, data.test, [f"class {name}" for name in data.classes])
    assert list(table) == ["image", "label", "answer", "probability"] and len(table) == 599
    assert (table.label == table.answer).mean() == pytest.approx(outcome.top1)
    batch = next(data.test.epoch())
    logits = net.set_train(False)(Tensor(batch.images)).asnumpy().astype(np.float64)
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(table.probability[:64], odds.max(axis=1), atol=2e-6)
    assert table.answer[:64].tolist() == [f"class {one}" for one in logits.argmax(axis=1)]
    assert table.image[:3].tolist() == ["0", "1", "2"]


def test_padding_in_the_last_batch_is_not_counted():
    net, digits, _ = setup.prepare(Config(**SMALL))
    whole = evaluation.evaluate(net, digits.test)
    odd = evaluation.evaluate(net, data.load(Config(**SMALL, batch_size=50)).test)
    assert whole.count == odd.count == 599
    np.testing.assert_array_equal(whole.predictions, odd.predictions)
    assert whole.loss == pytest.approx(odd.loss, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["O1", "O2", "O3"])
@pytest.mark.parametrize("model", ["resnet20", "ghostnet"])
def test_half_precision_trains_with_weights_and_loss_in_float32(model, level, tmp_path, monkeypatch, few_stages):
    monkeypatch.chdir(tmp_path)
    config = Config(**{**SMALL, "model": model}, amp=level, loss_scale=1024.0, run_dir="run")
    run = loop.train(config, progress=False)
    assert {str(p.dtype) for p in run.net.trainable_params()} == {"Float32"}
    assert run.history.train_loss.iloc[0] < 2.5 and run.row["amp"] == level
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    # The bundle is one of the network, whatever precision it was trained in.
    full = Config(**{**SMALL, "model": model, "epochs": 0}, weights="run/last.safetensors", run_dir="again")
    assert loop.train(full, progress=False).row["top1"] == pytest.approx(run.row["top1"], abs=0.02)


@pytest.mark.parametrize("level", ["O1", "O2", "O3"])
def test_what_is_half_and_what_is_not(level):
    config = Config(**SMALL, amp=level)
    images = Tensor(np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32))
    net = setup.build(config)
    exact = net(images).asnumpy()
    net = setup.build(config)
    set_precision(net, config)
    half = net(images)
    assert exact.dtype == np.float32 and half.dtype == mindspore.float16  # the last layer is a dense one
    np.testing.assert_allclose(half.asnumpy(), exact, atol=0.05)
    assert not np.array_equal(half.asnumpy(), exact)


@pytest.mark.slow
def test_an_overflow_is_skipped_and_the_scale_recovers():
    """In half precision the recipe's scale of 2^24 overflows: it halves until it does not, and grows again.

    A skipped step changes no weight and no momentum.
    """
    config = Config(**SMALL, amp="O3", loss_scale=2.0**24, loss_scale_dynamic=True)
    net, digits, _ = setup.prepare(config)
    set_precision(net, config)
    optimizer = make_optimizer(net, config)
    step = TrainStep(net, optimizer, config).set_train(True)
    batch = next(digits.train.epoch(0))
    images, labels, rate = Tensor(batch.images), Tensor(batch.labels), Tensor(0.05, mindspore.float32)

    def state():
        return [p.asnumpy().copy() for p in (*optimizer.parameters, *optimizer.moments)]

    skipped, before = 0, state()
    for _ in range(30):
        step(images, labels, rate)
        after = state()
        if int(step.bad.value()) == 0:
            break
        skipped += 1
        assert int(step.bad.value()) == skipped and float(step.scale.value()) == 2.0**(24 - skipped)
        assert all(np.array_equal(one, other) for one, other in zip(before, after))
    assert skipped >= 1 and int(step.good.value()) == 1
    assert not np.array_equal(before[0], after[0]) and all(np.isfinite(array).all() for array in after)


@pytest.mark.slow
def test_a_dynamic_scale_doubles_after_enough_good_steps():
    config = Config(**SMALL, loss_scale=2.0**10, loss_scale_dynamic=True)
    net, digits, _ = setup.prepare(config)
    step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
    step.good.set_data(Tensor(GROWTH - 2, mindspore.int32))
    batch = next(digits.train.epoch(0))
    seen = []
    for _ in range(3):
        step(Tensor(batch.images), Tensor(batch.labels), Tensor(0.05, mindspore.float32))
        seen.append((float(step.scale.value()), int(step.good.value())))
    assert seen == [(2.0**10, GROWTH - 1), (2.0**11, 0), (2.0**11, 1)]


@pytest.mark.slow
def test_a_static_scale_that_overflows_is_said_and_not_skipped_in_silence(tmp_path):
    config = Config(**SMALL, amp="O3", loss_scale=2.0**40, bad_steps=5, run_dir=str(tmp_path))
    with pytest.raises(RunError, match=r"loss_scale: the gradient overflowed at 1\.09.* steps in a row .*dynamic: true"):
        loop.train(config, progress=False)


@pytest.mark.slow
def test_scaling_and_clipping_do_to_the_gradient_what_they_say():
    """One step at any scale moves the weights alike; clipped to a norm, it moves them by lr times that norm."""
    moved = {}
    for name, changes in {"plain": {}, "scaled": {"loss_scale": 256.0}, "clipped": {"clip": 0.5}}.items():
        config = Config(**SMALL, lr=1.0, weight_decay=0.0, **changes)
        net, digits, _ = setup.prepare(config)
        step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
        batch = next(digits.train.epoch(0))
        before = [p.asnumpy().copy() for p in net.trainable_params()]
        step(Tensor(batch.images), Tensor(batch.labels), Tensor(1.0, mindspore.float32))
        moved[name] = np.concatenate([(p.asnumpy() - b).ravel() for p, b in zip(net.trainable_params(), before)])
    np.testing.assert_allclose(moved["scaled"], moved["plain"], atol=1e-5)
    assert np.linalg.norm(moved["plain"]) > 0.5
    assert np.linalg.norm(moved["clipped"]) == pytest.approx(0.5, rel=1e-3)
