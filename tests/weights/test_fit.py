"""Names that do not fit are told in one short line: which part was added to all, or that it is another network."""

import re

import mindspore
import numpy as np
import pytest
from mindspore import Tensor
from safetensors.numpy import load_file, save_file

from ghostlib.errors import InputError
from ghostlib.models import MODELS
from ghostlib.weights import load_weights, save_weights
from ghostlib.weights.fit import misfit


def values(net):
    return {name: parameter.asnumpy().copy() for name, parameter in net.parameters_and_names()}


def as_pytorch(tensors):
    """Under PyTorch's names, with its batch counts."""
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    given = {".".join([*name.split(".")[:-1], names.get(name.split(".")[-1], name.split(".")[-1])]): array
             for name, array in tensors.items()}
    return given | {name.replace("running_var", "num_batches_tracked"): np.array(7) for name in given
                    if name.endswith("running_var")}


@pytest.fixture(scope="module")
def network():
    return MODELS["resnet20"](0.25)


@pytest.fixture(scope="module")
def whole(network):
    return values(network)


def told(tensors, net, tmp_path):
    """The error of loading them, one short line; the network is as before."""
    save_file(tensors, tmp_path / "x.safetensors")
    before = values(net)
    with pytest.raises(InputError) as error:
        load_weights(net, tmp_path / "x.safetensors")
    message = str(error.value)
    assert message.startswith(f"weights: {tmp_path}/x.safetensors ") and "\n" not in message and len(message) < 1000
    assert all(np.array_equal(array, before[name]) for name, array in values(net).items())
    return message


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "net.", "backbone.", "network.", "student.",
                                    "network._backbone.", "_backbone.", "_orig_mod.module.", "encoder_"])
def test_a_prefix_of_all_names_is_told_with_what_removes_it(prefix, network, whole, tmp_path):
    for tensors in (whole, as_pytorch(whole)):
        message = told({prefix + name: array for name, array in tensors.items()}, network, tmp_path)
        assert f"was renamed: all its {len(whole)} names begin with '{prefix}', and {len(whole)} are " in message
        run_remedy(message, tmp_path)
        load_weights(network, tmp_path / "new.safetensors")


def run_remedy(message, tmp_path):
    """The Python that an error offers, run as it is."""
    code = message.split("; to undo it: ")[1]
    kind = "ckpt" if ".ckpt" in message.split(" ")[1] else "safetensors"
    exec(code, {"OLD": str(tmp_path / f"x.{kind}"), "NEW": str(tmp_path / f"new.{kind}")})


def test_a_prefix_in_a_checkpoint_of_mindspores_is_removed_by_mindspore(network, whole, tmp_path):
    mindspore.save_checkpoint([{"name": f"network._backbone.{name}", "data": Tensor(array)}
                               for name, array in whole.items()], str(tmp_path / "x.ckpt"))
    with pytest.raises(InputError, match="x.ckpt was renamed: all its .* begin with 'network._backbone.'") as error:
        load_weights(network, tmp_path / "x.ckpt")
    run_remedy(str(error.value), tmp_path)
    other = MODELS["resnet20"](0.25)
    load_weights(other, tmp_path / "new.ckpt")
    np.testing.assert_array_equal(other.conv1.weight.asnumpy(), whole["conv1.weight"])


def test_a_prefix_of_one_part_of_the_file(network, whole, tmp_path):
    """As of a student saved with its teacher."""
    both = {f"{who}.{name}": array for who in ("student", "teacher") for name, array in whole.items()}
    both = {name: array for name, array in both.items() if name != "teacher.conv1.weight"}
    message = told(both, network, tmp_path)
    assert f"{len(whole)} of its {len(both)} names begin with 'student.', and {len(whole)} are this network's" in message
    run_remedy(message, tmp_path)
    load_weights(network, tmp_path / "new.safetensors")


@pytest.mark.parametrize("suffix", ["_ema", ".data", ":0"])
def test_a_suffix_of_all_names(suffix, network, whole, tmp_path):
    message = told({name + suffix: array for name, array in whole.items()}, network, tmp_path)
    assert f"was renamed: all its {len(whole)} names end in '{suffix}', and {len(whole)} are this network's" in message
    run_remedy(message, tmp_path)
    load_weights(network, tmp_path / "new.safetensors")


@pytest.mark.parametrize("rename", [lambda name: name.replace(".", "/"), lambda name: name.replace(".", "_"), str.upper])
def test_other_separators_or_capitals(rename, network, whole, tmp_path):
    message = told({rename(name): array for name, array in whole.items()}, network, tmp_path)
    assert f"was renamed: all its {len(whole)} names are this network's but for separators or capitals, such as " in message
    assert f"'{rename('bn1.beta')}' for 'bn1.beta'" in message


def test_numbers_instead_of_names(network, whole, tmp_path):
    message = told({f"{number:03}": array for number, array in enumerate(whole.values())}, network, tmp_path)
    assert (f"another network, or one that was renamed: none of its {len(whole)} names (000, 001, 002 and {len(whole) - 3} "
            f"more) is among this network's {len(whole)} (conv1.weight, ") in message
    assert message.endswith("; their shapes are the same")


def test_ghostnets_weights_in_a_resnet50_and_the_other_way_round(tmp_path):
    nets = {name: MODELS[name](num_classes=10) for name in ("ghostnet", "resnet50")}
    for name, net in nets.items():
        save_weights(net, tmp_path / f"{name}.safetensors")
    for name, other in (("ghostnet", "resnet50"), ("resnet50", "ghostnet")):
        message = told(load_file(tmp_path / f"{name}.safetensors"), nets[other], tmp_path)
        counts = [len(values(nets[which])) for which in (name, other)]
        # bn1's four, which both have, and the classifier's two where mindcv's name for a ResNet's is another network's.
        assert re.search(rf"is of another network, or one that was renamed: \d of its {counts[0]} names \(\S+, \S+, \S+ and "
                         rf"{counts[0] - 3} more\) are among this network's {counts[1]} \(\S+, \S+, \S+ and", message)
        assert len(message) - len(str(tmp_path)) < 400


@pytest.mark.parametrize(("change", "message"), [
    (lambda name, array: {name: array} if not name.startswith(("conv1", "bn1")) else {},
     "does not fit this network: 5 missing (bn1.beta, bn1.gamma, bn1.moving_mean, bn1.moving_variance, "
     "conv1.weight)"),
    (lambda name, array: {name: array, **({"ema." + name: array} if "beta" in name else {})},
     "does not fit this network: 19 unexpected (ema.bn1.beta, ema.layer1.0.bn1.beta, "),
    (lambda name, array: {name.replace("layer1", "layerone"): array},
     "does not fit this network: 30 missing (layer1.0.bn1.beta, layer1.0.bn1.gamma, layer1.0.bn1.moving_mean and "
     "27 more); 30 unexpected (layerone.0.bn1.beta, layerone.0.bn1.gamma, "),
    (lambda name, array: {name: array[..., None]}, " misshapen (bn1.beta (4, 1) for (4,), ")])
def test_other_differences_are_listed_and_the_lists_are_cut(change, message, network, whole, tmp_path):
    tensors = {new: array for name, old in whole.items() for new, array in change(name, old).items()}
    assert message in told(tensors, network, tmp_path)


def test_a_file_without_tensors(network, whole, tmp_path):
    assert f"does not fit this network: {len(whole)} missing (bn1.beta, " in told({}, network, tmp_path)


@pytest.mark.parametrize("name", ["x" * 10_000, "line\nbreak " * 500])
def test_no_name_makes_the_line_long(name, network, whole, tmp_path):
    told({name + str(number): np.ones((1,) * 25) for number in range(99)}, network, tmp_path)
    told({f"{name}.{old}": array for old, array in whole.items()}, network, tmp_path)
    told({**whole, name: np.ones(3)}, network, tmp_path)
    told({old: array.reshape(array.shape + (1,) * 25) for old, array in whole.items()}, network, tmp_path)


def test_what_fits_fits():
    assert misfit({"a": (1, 2), "b": ()}, {"b": (), "a": (1, 2)}, ["a", "b"]) is None
