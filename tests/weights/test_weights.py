"""Other people's weights: where they come from, that they are what they should be, and that all of them fit."""

import json
import os
import subprocess
import sys
from hashlib import sha256

import mindspore
import numpy as np
import pytest
from conftest import ROOT, hugging_face
from mindspore import Tensor

from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.models import MODELS
from ghostlib.weights import classes_of, described, load_weights, save_weights, sources
from ghostlib.weights.description import FIELDS, PUBLISHED, run_of
from ghostlib.weights.load import OPTIMIZER


def network(num_classes=10, width=0.5, ratio=2, kernel=3):
    return MODELS["ghostnet"](width, ratio, kernel, num_classes, stem_stride=2)


def values(net):
    return {name: parameter.asnumpy().copy() for name, parameter in net.parameters_and_names()}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def checkpoint(root, tmp_path_factory):
    """A network and a .ckpt of it under the names that mindcv's training gives, its optimizer's state among them."""
    net = network()
    arrays = {name.replace("blocks.9.0.conv", "blocks.9.features.0").replace("blocks.9.0.bn1", "blocks.9.features.1"): a
              for name, a in values(net).items()}
    theirs = (root / "tests" / "models" / "reference" / "mindcv_names.txt").read_text().split()
    assert arrays.keys() <= set(theirs)
    for name in theirs:
        arrays.setdefault(name, np.float32(3))
    weights = [name for name in theirs if name in arrays and arrays[name].ndim]
    arrays |= {f"{kind}.{name}": arrays[name] + 1 for kind in ("moments", "ema") for name in weights}
    path = tmp_path_factory.mktemp("mindcv") / "ghostnet_050.ckpt"
    mindspore.save_checkpoint([{"name": name, "data": Tensor(array)} for name, array in arrays.items()], str(path))
    return net, path


def test_mindcvs_checkpoints_load_with_optimizer_state_and_all(checkpoint):
    net, path = checkpoint
    other = network()
    load_weights(other, path)
    loaded = values(other)
    for name, array in values(net).items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)


@pytest.mark.parametrize(("changes", "message"), [
    ({"width": 1.0}, r"does not fit this network: \d+ misshapen \(blocks"),
    ({"ratio": 3}, r"does not fit this network: .*misshapen"),
    ({"ratio": 1}, r"does not fit this network: .*unexpected .*cheap_operation"),
    ({"kernel": 5}, r"does not fit this network: \d+ misshapen .*cheap_operation"),
    ({"num_classes": 7}, r"it has other classes: new_head: true takes all the rest: 2 misshapen \(classifier.bias")])
def test_weights_of_another_network_are_refused_and_change_nothing(changes, message, checkpoint):
    net = network(**changes)
    before = values(net)
    with pytest.raises(InputError, match=message) as error:
        load_weights(net, checkpoint[1])
    assert "\n" not in str(error.value)
    assert all(np.array_equal(array, before[name]) for name, array in values(net).items())


def test_a_new_head_takes_all_the_rest(checkpoint):
    net, path = checkpoint
    other = network(num_classes=7)
    before, source = values(other), values(net)
    load_weights(other, path, new_head=True)
    for name, array in values(other).items():
        np.testing.assert_array_equal(array, before[name] if name.startswith("classifier.") else source[name])
    with pytest.raises(InputError, match="does not fit"):
        load_weights(network(num_classes=7, width=1.0), path, new_head=True)


def test_nothing_is_unpickled(tmp_path):
    """A file whose unpickling would leave a trace is refused, by content and not by name."""
    import pickle

    class Trace:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trace"),))

    for name in ("weights.pth", "weights.ckpt", "weights.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Trace()))
        with pytest.raises(InputError, match=f"weights: .*{name} is a pickle, which would run code"):
            load_weights(network(), tmp_path / name)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x0a\xff\xff"])
def test_a_damaged_file_is_named(content, tmp_path):
    for name in ("some.ckpt", "some.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"weights: .*{name} (cannot be read|does not fit|is an empty file|is text)"):
            load_weights(network(), tmp_path / name)


def test_a_url_is_fetched_once_checked_and_kept(server, cache, checkpoint, tmp_path):
    _, path = checkpoint
    folder, address = server
    digest = sha256(path.read_bytes()).hexdigest()
    named = folder / f"ghostnet_050-{digest[:8]}.ckpt"  # as mindcv names them
    named.write_bytes(path.read_bytes())
    load_weights(network(), f"{address}/{named.name}")
    assert len(list(cache.iterdir())) == 1
    named.unlink()
    load_weights(network(), f"{address}/{named.name}")  # from the cache
    wrong = folder / "ghostnet_050-00000000.ckpt"
    wrong.write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=f"has sha256 {digest[:8]}, wanted is 00000000"):
        load_weights(network(), f"{address}/{wrong.name}")
    assert len(list(cache.iterdir())) == 1
    (folder / "plain.ckpt").write_bytes(path.read_bytes())
    load_weights(network(), f"{address}/plain.ckpt#sha256={digest}")
    with pytest.raises(InputError, match="has md5 .*, wanted is 12345678; .*remove .*plain.ckpt to fetch it anew"):
        load_weights(network(), f"{address}/plain.ckpt#md5=12345678")
    with pytest.raises(InputError, match="allowed are #sha256=... and #md5=..."):
        load_weights(network(), f"{address}/plain.ckpt#crc=1")
    with pytest.raises(InputError, match="weights: .*nothing.ckpt cannot be downloaded"):
        load_weights(network(), f"{address}/nothing.ckpt")
    with pytest.raises(InputError, match="weights: http://127.0.0.1:9/x.ckpt cannot be downloaded"):
        load_weights(network(), "http://127.0.0.1:9/x.ckpt")


def test_mindcvs_short_names(server, cache, checkpoint, monkeypatch):
    folder, address = server
    digest = sha256(checkpoint[1].read_bytes()).hexdigest()
    (folder / f"g-{digest[:8]}.ckpt").write_bytes(checkpoint[1].read_bytes())
    assert {f"mindcv/ghostnet_{width}" for width in ("050", "100", "130")} <= set(sources.MINDCV)
    monkeypatch.setitem(sources.MINDCV, "mindcv/ghostnet_050", f"{address}/g-{digest[:8]}.ckpt")
    load_weights(network(), "mindcv/ghostnet_050")
    with pytest.raises(InputError, match="weights: mindcv/ghostnet_005 cannot be read, there is no such file "
                                         ".did you mean .*mindcv/ghostnet_050"):
        load_weights(network(), "mindcv/ghostnet_005")


def test_what_the_lab_trained_goes_by_a_short_name(tmp_path, monkeypatch):
    """In half precision, as tools/publish_weights.py writes it: loaded, it is the network again to that precision."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from publish_weights import halved

    monkeypatch.setattr(sources, "OWN_FOLDER", tmp_path)
    with pytest.raises(InputError, match="weights: ghostlib/tiny is not there; what this lab trained .* holds none"):
        load_weights(network(), "ghostlib/tiny")
    net, metadata = network(), {"config": json.dumps(Config().model_dump()), "data": json.dumps({"classes": ["tench"]}),
                                "versions": "{}", "state": "of the run"}
    save_weights(net, tmp_path / "whole", metadata)
    (tmp_path / "tiny.safetensors").write_bytes(halved(tmp_path / "whole"))
    assert (tmp_path / "tiny.safetensors").stat().st_size < 0.55 * (tmp_path / "whole").stat().st_size
    other = network()
    load_weights(other, "ghostlib/tiny")
    for name, value in values(net).items():
        np.testing.assert_allclose(values(other)[name], value, rtol=2 ** -11, atol=1e-7, err_msg=name)
    assert described("ghostlib/tiny")["model"] == Config().model and classes_of("ghostlib/tiny") == ("tench",)
    with pytest.raises(InputError, match="ghostlib/tinny is not there; did you mean ghostlib/tiny"):
        load_weights(network(), "ghostlib/tinny")



@pytest.mark.parametrize("honest", [True, False])
def test_timms_short_names(honest, tmp_path):
    """Run in a process of its own: the library reads its variables when it is imported."""
    net = network()
    save_weights(net, tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    digest = sha256(content if honest else b"other").hexdigest()
    code = ("from ghostlib.models import MODELS; from ghostlib.weights import load_weights; "
            "net = MODELS['ghostnet'](0.5, 2, 3, 10, stem_stride=2); "
            "load_weights(net, 'timm/ghostnet_050.test'); print(float(net.conv_stem.weight.asnumpy().sum()))")
    with hugging_face("timm/ghostnet_050.test", content, tmp_path / "hf", digest) as variables:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
                              env={**os.environ, **variables})
    if honest:
        assert done.returncode == 0, done.stderr[-2000:]
        assert float(done.stdout) == pytest.approx(float(net.conv_stem.weight.asnumpy().sum()), rel=1e-6)
    else:
        assert "InputError: weights: timm/ghostnet_050.test has sha256" in done.stderr, done.stderr[-2000:]


def test_what_a_bundle_holds_for_its_optimizer_is_passed_over(tmp_path):
    from safetensors.numpy import load_file, save_file
    net = network()
    save_weights(net, tmp_path / "w.safetensors")
    save_file({**load_file(tmp_path / "w.safetensors"), f"{OPTIMIZER}momentum.x": np.ones(3, np.float32)},
              tmp_path / "b.safetensors")
    load_weights(network(), tmp_path / "b.safetensors")


def test_weights_say_what_network_they_are_for(tmp_path):
    assert described(None) == {} and described("timm/ghostnet_100.in1k")["width"] == 1.0
    assert [described(name)["width"] for name in sources.MINDCV][:3] == [0.5, 1.0, 1.3]
    for name in PUBLISHED:
        config = Config.of({**described(name), "epochs": 0})  # all of it fits Config
        own = 2 if config.model.startswith("ghostnet") else 1
        assert (config.image_size, config.num_classes, config.ratio, config.kernel) == (224, 1000, own, 3)
    save_weights(network(), tmp_path / "foreign.safetensors")
    assert described(tmp_path / "foreign.safetensors") == {}
    with pytest.raises(InputError, match="weights: .*none.safetensors cannot be read"):
        described(tmp_path / "none.safetensors")
    config = Config(model="vgg16", width=0.0625, ratio={"features.3": 2}, batch_size=8)
    net = MODELS["vgg16"](0.0625, config.ratio, 3, 10)
    save_weights(net, tmp_path / "run.safetensors", {"config": json.dumps(config.model_dump())})
    told = described(tmp_path / "run.safetensors")
    assert set(told) == set(FIELDS) and told["ratio"] == {"features.3": 2} and Config.of(told) == Config.of(
        {name: config.model_dump()[name] for name in FIELDS})


def test_fields_that_a_notebook_leaves_open_are_as_the_weights_say(root, monkeypatch):
    monkeypatch.chdir(root)
    parameters = {"weights": "timm/ghostnet_100.in1k", "width": None, "image_size": 160, "workers": None}
    path = "notebooks/validate.ipynb"
    config = Config.of_notebook(path, parameters, unset=lambda weights: {**described(weights), "epochs": 0})
    assert (config.width, config.image_size, config.num_classes, config.workers) == (1.0, 160, 1000, 1)
    with pytest.raises(InputError, match="width: None given"):
        Config.of_notebook(path, {"width": None})


def test_the_labs_own_weights_say_which_run_wrote_them_and_published_ones_do_not():
    config = Config.of(run_of(ROOT / "data" / "weights" / "ghostnet_050_imagenette.safetensors"))
    assert (config.model, config.width, config.epochs, config.seed, config.image_size) == ("ghostnet", 0.5, 80, 0, 128)
    assert run_of("timm/ghostnet_100.in1k") == {}
