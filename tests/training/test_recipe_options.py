"""What recipes of MobileNets ask for beside momentum: other optimizers, averages, steps of several batches, mixed images."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn
from safetensors.numpy import load_file

from ghostlib.config import Config
from ghostlib.data.mixing import mix
from ghostlib.errors import InputError
from ghostlib.training import evaluate, loop, prepare, train
from ghostlib.training.average import WARM_UP, WeightAverage
from ghostlib.training.feed import Feed, example
from ghostlib.training.optimizers import SQUARES, make_optimizer
from ghostlib.training.step import TrainStep

RNG = np.random.default_rng(5)
IMAGES, LABELS = RNG.normal(size=(8, 3, 2, 2)).astype(np.float32), RNG.integers(0, 4, 8).astype(np.int32)
PLAIN = {"num_classes": 4, "dataset": "imagefolder", "label_smoothing": 0.0, "batch_size": 8}


def linear():
    """Pixels to logits, of which the gradient is known in closed form."""
    mindspore.set_seed(2)
    return nn.SequentialCell(nn.Flatten(), nn.Dense(12, 4))


def normalising():
    mindspore.set_seed(2)
    return nn.SequentialCell(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dense(16, 4))


def gradients(weight, bias):
    x = IMAGES.reshape(8, -1)
    logits = x @ weight.T + bias
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    error = (p - np.eye(4)[LABELS]) / 8
    return error.T @ x, error.sum(axis=0)


def nesterov(w, g, memory, rate, decay, config):
    g = g + decay * w
    memory["v"] = config.momentum * memory.get("v", 0) + g
    return w - rate * (g + config.momentum * memory["v"])


def adamw(w, g, memory, rate, decay, config):
    memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
    return w - rate * (memory["m"] / (np.sqrt(memory["v"]) + config.epsilon) + decay * w)


def rmsprop(w, g, memory, rate, decay, config):
    g = g + decay * w
    memory["s"] = SQUARES * memory.get("s", 1) + (1 - SQUARES) * g**2  # from ones, as TensorFlow's and timm's
    memory["v"] = config.momentum * memory.get("v", 0) + rate * g / np.sqrt(memory["s"] + config.epsilon)
    return w - memory["v"]


@pytest.mark.slow
@pytest.mark.parametrize(("options", "rule"), [({"nesterov": True}, nesterov), ({"optimizer": "adamw"}, adamw),
                                               ({"optimizer": "rmsprop", "epsilon": 1e-3}, rmsprop)])
@pytest.mark.parametrize("decay_all", [True, False])
def test_optimizers_follow_their_definition(options, rule, decay_all):
    config = Config(**PLAIN, **options, lr=0.1, weight_decay=0.05, decay_all=decay_all)
    net = linear()
    step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
    weights = [p.asnumpy().astype(np.float64) for p in net.trainable_params()]
    memories = [{}, {}]
    for rate in (0.1, 0.05, 0.2):
        step(Tensor(IMAGES), Tensor(LABELS), Tensor(rate, mindspore.float32))
        decays = 0.05, 0.05 if decay_all else 0.0
        weights = [rule(w, g, memory, rate, decay, config)
                   for w, g, memory, decay in zip(weights, gradients(*weights), memories, decays)]
        for parameter, expected in zip(net.trainable_params(), weights):
            np.testing.assert_allclose(parameter.asnumpy(), expected, atol=2e-5)


def test_decay_can_leave_batchnorm_alone_and_reach_biases():
    """mindcv's weight_decay_filter "auto"."""
    net = normalising()
    optimizer = make_optimizer(net, Config(**PLAIN, weight_decay=0.5, decay_norm=False))
    decays = dict(zip([p.name for p in optimizer.parameters], map(float, optimizer.weight_decay)))
    assert [name for name, decay in decays.items() if decay == 0] == [name for name in decays
                                                                     if name.endswith(("gamma", "beta"))]
    assert len(decays) == 5 and sum(decay > 0 for decay in decays.values()) == 3


def moved(config, batches):
    """How far one step moves each weight: lr 1, no momentum, no decay, so that it is the gradient."""
    net = normalising()
    step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
    before = [p.asnumpy().copy() for p in net.trainable_params()]
    for number, (images, labels) in enumerate(batches):
        extras = [Tensor(number + 1 == len(batches))] if config.accumulate > 1 else []
        step(Tensor(images), Tensor(labels), Tensor(1.0, mindspore.float32), *extras)
        if number + 1 < len(batches):
            assert all(np.array_equal(p.asnumpy(), b) for p, b in zip(net.trainable_params(), before))
    return [b - p.asnumpy() for p, b in zip(net.trainable_params(), before)], net


def test_a_step_of_several_batches_has_the_mean_of_their_gradients():
    config = Config(**PLAIN, lr=1.0, momentum=0.0, weight_decay=0.0)
    halves = [(IMAGES[:4], LABELS[:4]), (IMAGES[4:] + 1, LABELS[4:])]
    alone = [moved(config, [half])[0] for half in halves]
    together, _ = moved(config.having(accumulate=2), halves)
    for found, one, other in zip(together, *alone):
        np.testing.assert_allclose(found, (one + other) / 2, atol=1e-6)
    assert any(np.abs(one - other).max() > 0.01 for one, other in zip(*alone))
    again, _ = moved(config.having(accumulate=2), halves * 1)
    assert all(np.array_equal(one, other) for one, other in zip(together, again))  # what was summed up is cleared


def test_sums_are_cleared_behind_each_step():
    config = Config(**PLAIN, lr=1.0, momentum=0.0, weight_decay=0.0, accumulate=2)
    net = linear()
    step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
    for _ in range(2):
        for last in (False, True):
            step(Tensor(IMAGES), Tensor(LABELS), Tensor(0.0, mindspore.float32), Tensor(last))
    assert all((total.asnumpy() == 0).all() for total in step.sums)


def test_the_schedule_of_accumulated_steps_counts_steps_and_not_batches(tmp_path):
    config = Config(model="resnet20", width=0.25, epochs=2, accumulate=3, batch_size=100, seed=1)
    net, data, _ = prepare(config)
    feed = Feed(net, data.train, config)
    fed = [(float(rate), bool(last)) for _, _, rate, last in feed]
    assert feed.steps == len(data.train) // 3 == 3 and len(fed) == len(feed) == 18  # of 11 batches an epoch two are left out
    rates = [rate for rate, _ in fed]
    assert rates == sorted(rates, reverse=True) and len(set(rates)) == 6 and rates[:3] == [rates[0]] * 3
    assert [last for _, last in fed] == [False, False, True] * 6
    assert "BatchNorm sees each of 100 images by itself" in "".join(config.remarks())


def test_mixed_images_keep_what_is_said_of_each_and_the_rest_is_the_others():
    whole = np.stack([np.full((3, 16, 16), value, np.float32) for value in (0, 1, 2, 3)])
    kinds = set()
    for seed in range(60):
        config = Config(dataset="imagefolder", mixup=0.5, cutmix=0.3, mixup_alpha=1.0)
        images, own = mix(whole.copy(), config, np.random.default_rng(seed))
        expected = own * np.arange(4) + (1 - own) * np.arange(4)[::-1]
        np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), expected, atol=1e-5)
        kind = "left" if own == 1 and (images == whole).all() else "blend" if np.ptp(images[0]) < 1e-6 else "cut"
        assert kind != "blend" or own >= 0.5
        kinds.add(kind)
        same, _ = mix(whole.copy(), config, np.random.default_rng(seed))
        assert np.array_equal(images, same)
    assert kinds == {"left", "blend", "cut"}


def test_the_loss_of_mixed_images_is_that_of_both_labels():
    config = Config(**PLAIN, mixup=1.0)
    losses = {}
    for own in (0.0, 0.3, 1.0):
        net = linear()
        step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
        others = np.ascontiguousarray(LABELS[::-1])
        losses[own] = float(step(Tensor(IMAGES), Tensor(LABELS), Tensor(0.0, mindspore.float32), Tensor(others),
                                 Tensor(own, mindspore.float32))[0])
    assert losses[0.3] == pytest.approx(0.3 * losses[1.0] + 0.7 * losses[0.0], rel=1e-5) and losses[0.0] != losses[1.0]


def test_the_average_follows_its_definition_and_a_skipped_step_moves_nothing():
    config = Config(**PLAIN, ema=0.9)
    net = normalising()
    step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
    average = WeightAverage(net, step, config.ema)
    expected = {name: p.asnumpy().copy() for name, p in net.parameters_and_names()}
    for number in range(1, 4):
        step(Tensor(IMAGES), Tensor(LABELS), Tensor(0.5, mindspore.float32))
        average(Tensor(1000.0 * number, mindspore.float32))
        keep = 0.9 * (1 - np.exp(-1000 * number / WARM_UP))
        values = {name: p.asnumpy().copy() for name, p in net.parameters_and_names()}
        expected = {name: keep * expected[name] + (1 - keep) * values[name] for name in expected}
    before = {name: p.asnumpy().copy() for name, p in average.named().items()}
    for name, array in before.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5, err_msg=name)
    step.bad.set_data(Tensor(1, mindspore.int32))
    average(Tensor(1e6, mindspore.float32))
    assert all(np.array_equal(p.asnumpy(), before[name]) for name, p in average.named().items())
    with average.in_place():
        assert all(np.array_equal(p.asnumpy(), before[name]) for name, p in net.parameters_and_names())
    assert all(np.array_equal(p.asnumpy(), values[name]) for name, p in net.parameters_and_names())


EVERYTHING = {"model": "vgg16", "width": 0.0625, "epochs": 2, "batch_size": 128, "lr": 0.01, "accumulate": 2, "ema": 0.5,
              "mixup": 0.4, "cutmix": 0.4}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"optimizer": "adamw"}, {"optimizer": "rmsprop", "epsilon": 1e-3},
                                     {"nesterov": True, "clip": 1.0}], ids=["adamw", "rmsprop", "nesterov"])
def test_a_run_with_everything_resumes_as_if_it_had_not_been_stopped(options, tmp_path, monkeypatch):
    config = Config(**EVERYTHING, **options, run_dir=str(tmp_path / "whole"))
    whole = train(config, progress=False)
    again = config.having(run_dir=str(tmp_path / "parts"), resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_share_broken", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(again, progress=False)
    parts = train(again, progress=False)
    one, other = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
    columns = ["train_loss", "test_top1", "ema_loss", "ema_top1", "ema_top5"]
    assert parts.history[columns].equals(whole.history[columns]) and whole.history[columns].notna().all().all()
    # The average is a network of its own, which anybody can load, and tests as the history says.
    judged = config.to_judge(str(tmp_path / "whole" / "average.safetensors"))
    net, data, _ = prepare(judged)
    assert evaluate(net, data.test).top1 == pytest.approx(whole.history.ema_top1.iloc[-1], abs=1e-9)
    assert any(name.startswith("optimizer.ema.") for name in one)


def test_the_inputs_that_are_compiled_for_are_those_that_are_fed():
    for changes in ({}, {"mixup": 0.5}, {"accumulate": 2},
                    {"model": "ghostnet", "dropout": 0.2, "cutmix": 1.0, "accumulate": 2}):
        config = Config(**{"model": "resnet20", "width": 0.25, "batch_size": 50, **changes})
        net, data, _ = prepare(config)
        feed = Feed(net, data.train, config)
        fed, compiled = next(iter(feed)), example(net, config)
        assert len(fed) == len(feed.columns)
        assert [(a.shape, a.dtype) for a in fed] == [(a.shape, a.dtype) for a in compiled]


@pytest.mark.parametrize(("fields", "message"), [
    ({"ema": 1.0}, r"ema: 1.0 given; .*less than 1"), ({"ema": -0.1}, "ema: -0.1 given"),
    ({"mixup": 1.0, "cutmix": 1.0},
     r"mixup: 1.0 given; it and cutmix \(1\) are shares of the same batches; allowed is at most"),
    ({"accumulate": 0}, "accumulate: 0 given"), ({"optimizer": "sgd"}, "optimizer: 'sgd' given; allowed is 'momentum', "),
    ({"optimizer": "adamw", "nesterov": True}, "nesterov: True given; adamw has no such option"),
    ({"jitter": 0.4}, "jitter: 0.4 given; it is for photographs; digits allows 0")])
def test_bad_options_are_refused_in_one_line(fields, message):
    with pytest.raises(InputError, match=message) as error:
        Config.of(fields)
    assert "\n" not in str(error.value)


def test_a_step_of_more_batches_than_an_epoch_has_is_refused(tmp_path):
    config = Config(model="resnet20", width=0.25, batch_size=400, accumulate=5, run_dir=str(tmp_path / "run"))
    with pytest.raises(InputError, match="accumulate: 5 given; an epoch has 2 batch.es.; allowed is at most that"):
        train(config, progress=False)
    assert not (tmp_path / "run").exists()
