"""Whatever takes a network takes each family: docs/networks.md has the table, and each of its cells is a test here.

Networks are narrow, images 32 x 32. What is compared in depth has tests of its own where it is made.
"""

import re

import numpy as np
import pytest
from mindspore import Tensor, nn
from safetensors.numpy import load_file

from ghostlib import features, models
from ghostlib.bench import speed
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.deploy import fold_batchnorm
from ghostlib.device import use_device
from ghostlib.explorer import views
from ghostlib.ghost import ghostify
from ghostlib.kernels import accelerated, native
from ghostlib.redundancy.allocation import allocate, layer_macs, losses
from ghostlib.training import build, loop, train
from ghostlib.training.precision import set_precision

WIDTHS = {"ghostnet": 0.5, "ghostnetv2": 0.5, "vgg16": 0.125, "resnet20": 0.5, "resnet56": 0.25, "resnet50": 0.125,
          "mobilenet_v2": 0.5, "mobilenet_v3_small": 0.5, "mobilenet_v3_large": 0.5}
GHOSTS = {"ghostnet", "ghostnetv2"}  # Ghost networks by themselves
TRAINED = {"ghostnetv2", "mobilenet_v3_small"}  # families that are trained nowhere else
IMAGES = np.random.default_rng(0).normal(size=(12, 3, 32, 32)).astype(np.float32)


@pytest.fixture(autouse=True)
def cpu(few_stages):
    use_device("CPU")


def config(family, **changes):
    return Config(model=family, width=WIDTHS[family], **changes)


def check_count(family, _tmp_path, _monkeypatch):
    cost = count(build(config(family)), (3, 32, 32))
    assert 0 < cost.conv_macs < cost.macs < 400e6 and cost.weights == sum(
        p.size for p in build(config(family)).trainable_params())


def check_ratio_by_layer(family, _tmp_path, _monkeypatch):
    """One layer named gets ghosts, the others are plain; and the whole at s = 3 costs less than at s = 1."""
    plain = build(config(family, ratio=1))
    layer = next(name for name in (features.ghost_layers(build(config(family, ratio=3)))))
    assert list(features.ghost_layers(build(config(family, ratio={layer: 2})))) == [layer]
    assert count(build(config(family, ratio=3)), (3, 32, 32)).macs < 0.9 * count(plain, (3, 32, 32)).macs


def check_ghostify(family, _tmp_path, _monkeypatch):
    net = build(config(family, ratio=1))
    report = ghostify(net, 2, 3)
    assert report.replaced and net(Tensor(IMAGES)).shape == (12, 10)


def check_activations(family, _tmp_path, _monkeypatch):
    net = build(config(family, ratio=1))
    found = features.stages(net)
    convolutions = [name for name, cell in net.cells_and_names() if isinstance(cell, nn.Conv2d)]
    assert set(found) and set(found) <= {*convolutions, *(name.partition(".primary_conv")[0] for name in convolutions)}
    wanted = [name for stages in list(found.values())[:4] for name in stages.values()]
    maps = features.activations(net, IMAGES, wanted)
    assert all(np.isfinite(maps[name]).all() and len(maps[name]) == 12 for name in wanted)
    for stages in list(found.values())[:4]:
        if "ReLU" in stages and "BatchNorm" in stages:
            np.testing.assert_allclose(maps[stages["ReLU"]], np.maximum(maps[stages["BatchNorm"]], 0), atol=1e-6)


def check_fold(family, _tmp_path, _monkeypatch):
    folded = fold_batchnorm(build(config(family)))  # compares answers itself
    assert not any(isinstance(cell, nn.BatchNorm2d) for _, cell in folded.cells_and_names())


def check_kernel(family, _tmp_path, _monkeypatch):
    if not native.available():
        pytest.skip("no compiler")
    net = build(config(family))
    fast = accelerated(net)  # compares answers itself
    assert fast is not net and not any(isinstance(cell, nn.BatchNorm2d) for _, cell in fast.cells_and_names())


def check_allocate(family, _tmp_path, _monkeypatch):
    net = build(config(family, ratio=1))
    table = losses(net, np.concatenate([IMAGES, IMAGES[::-1] + 0.1]), 3, (1, 2))
    layers = list(table.layer.unique())
    ghosted = [layer for layer in features.ghost_layers(build(config(family, ratio=2))) if layer in layers]
    table = table[table.layer.isin(ghosted)]
    costs = {ratio: count(build(config(family, ratio=ratio)), (3, 32, 32)) for ratio in (1, 2)}
    table = table.merge(layer_macs(costs, ghosted))
    least, most = (int(getattr(table.groupby("layer").macs, which)().sum()) for which in ("min", "max"))
    chosen = allocate(table, (least + most) // 2)
    spent = sum(table[(table.layer == layer) & (table.ratio == ratio)].macs.item() for layer, ratio in chosen.items())
    assert set(chosen) == set(ghosted) and spent <= (least + most) // 2 < most
    build(config(family, ratio=chosen))


def check_explorer(family, _tmp_path, _monkeypatch):
    explorer = views.Explorer(config(family, ratio=1))
    layer = next(layer for layer in explorer.layers if min(explorer.maps(layer).shape[2:]) >= 6)
    view = explorer.view(layer, 2, 3)
    assert view.maps.ndim == 3 and len(view.intrinsic) == -(-len(view.maps) // 2)


def check_half(family, _tmp_path, _monkeypatch):
    exact = build(config(family))(Tensor(IMAGES)).asnumpy()
    for level in ("O1", "O3"):
        net = build(config(family, amp=level))
        set_precision(net, config(family, amp=level))
        half = net(Tensor(IMAGES)).asnumpy()
        assert half.dtype == np.float16 and np.abs(half - exact).max() < 0.05 * max(1, np.abs(exact).max())


def check_bench(family, _tmp_path, _monkeypatch):
    rows = speed(config(family, batch_size=4))
    assert [row["part"] for row in rows] == ["training", "evaluation"] and all(row["images_per_second"] > 0 for row in rows)


def check_train_and_resume(family, tmp_path, monkeypatch):
    """Two epochs of 32 x 32 digits with our kernel, in one go and stopped between: the same, bit for bit."""
    monkeypatch.setenv("GHOSTLIB_CACHE", str(tmp_path / "cache"))
    both = [config(family, batch_size=200, epochs=2, lr=0.01, run_dir=str(tmp_path / name), resume=True)
            for name in ("whole", "parts")]
    whole = train(both[0], progress=False, compile_cache=True)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_share_broken", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(both[1], progress=False, compile_cache=True)
    parts = train(both[1], progress=False, compile_cache=True)
    assert whole.history.train_loss.iloc[-1] < whole.history.train_loss.iloc[0] < 2.6
    assert parts.history[["train_loss", "test_top1"]].equals(whole.history[["train_loss", "test_top1"]])
    one, other = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert all(np.array_equal(one[name], other[name]) for name in one)


CHECKS = {"count": check_count, "s by layer": check_ratio_by_layer, "`ghostify`": check_ghostify,
          "activations": check_activations, "folding": check_fold, "CPU kernel": check_kernel, "`allocate`": check_allocate,
          "explorer": check_explorer, "half precision": check_half, "bench": check_bench,
          "train, resume": check_train_and_resume}
LONG = {"bench", "train, resume"}  # graphs are compiled
CELLS = [(family, check) for family in WIDTHS for check in CHECKS if check not in LONG or family in TRAINED]


@pytest.mark.slow
@pytest.mark.parametrize(("family", "check"), [
    pytest.param(family, check, marks=pytest.mark.slow if check in LONG else (), id=f"{family}-{check}")
    for family, check in CELLS])
def test_a_family_and_what_takes_networks(family, check, tmp_path, monkeypatch):
    CHECKS[check](family, tmp_path, monkeypatch)


def test_the_page_says_what_is_tested(root):
    """A cell of the table says "tested" where there is a test of it here, else where the test is, or of which family."""
    assert set(WIDTHS) == set(models.MODELS)
    lines = (root / "docs" / "networks.md").read_text().splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    said = {(re.sub("`", "", family), check): cell for family, *cells in rows for check, cell in zip(head[1:], cells)}
    tested = {key for key, cell in said.items() if cell == "tested"}
    assert {(family, check) for family, check in tested if check in CHECKS} == set(CELLS)
    others = {key: cell for key, cell in said.items() if cell != "tested"}
    for (family, check), cell in others.items():
        if found := re.fullmatch(r"`(tests/\S+\.py)`", cell):
            assert re.search(rf"\b{family}\b", (root / found[1]).read_text())
        else:
            assert re.fullmatch(r"as `\w+`", cell) and said[cell[4:-1], check][:2] != "as"
