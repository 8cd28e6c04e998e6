"""Values that no network can have are neither loaded nor saved, though nothing downstream would show them."""

import time

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn
from safetensors.numpy import load_file, save_file
from safetensors.numpy import save as packed

from ghostlib.errors import InputError, RunError
from ghostlib.models import MODELS
from ghostlib.weights import check_finite, load_weights, save_weights


def network():
    return MODELS["resnet20"](0.25)


def values(net):
    return {name: parameter.asnumpy().copy() for name, parameter in net.parameters_and_names()}


@pytest.fixture(scope="module")
def whole():
    return values(network())


def refused(tensors, tmp_path, message):
    """Loads from a file, which must be refused with just this and change nothing."""
    save_file(tensors, tmp_path / "x.safetensors")
    net = network()
    before = values(net)
    with pytest.raises(InputError, match=f"^weights: {tmp_path}/x.safetensors: {message}$"):
        load_weights(net, tmp_path / "x.safetensors")
    assert all(np.array_equal(array, before[name]) for name, array in values(net).items())


def test_why_it_has_to_be_looked_for():
    """The reason for all this; if it fails, MindSpore's ReLU has learnt to pass NaN on."""
    net = nn.SequentialCell([nn.Dense(2, 2, weight_init="ones"), nn.ReLU()])
    assert np.isfinite(net(Tensor([[np.nan, 1]], mindspore.float32)).asnumpy()).all()


OF_A_RUN = "; wanted are weights of a run that did not diverge"


@pytest.mark.parametrize(("name", "given", "message"), [
    ("fc.weight", [np.nan, np.inf, np.nan],
     r"fc.weight has 3 of 160 values that are not finite \(2 NaN, 1 infinite\)"),
    ("conv1.weight", [-np.inf], r"conv1.weight has 1 of 108 values that are not finite \(1 infinite\)"),
    ("bn1.gamma", [np.nan], r"bn1.gamma has 1 of 4 values that are not finite \(1 NaN\)"),
    ("bn1.moving_mean", [np.inf], r"bn1.moving_mean has 1 of 4 values that are not finite \(1 infinite\)"),
    ("bn1.moving_variance", [-0.5, 2, -1e-30], r"bn1.moving_variance has 2 of 4 values below 0")])
def test_weights_that_cannot_be_are_not_loaded(name, given, message, whole, tmp_path):
    tensors = {name: array.copy() for name, array in whole.items()}
    tensors[name].flat[:len(given)] = given
    refused(tensors, tmp_path, message + OF_A_RUN)


def test_a_variance_is_one_under_pytorchs_name_too(whole, tmp_path):
    tensors = {name.replace("moving_variance", "running_var"): array.copy() for name, array in whole.items()}
    tensors["bn1.running_var"][0] = -1
    refused(tensors, tmp_path, "bn1.moving_variance has 1 of 4 values below 0" + OF_A_RUN)


def test_variances_of_zero_and_negative_weights_load(whole, tmp_path):
    save_file({name: np.zeros_like(array) if "moving_variance" in name else -np.abs(array)
               for name, array in whole.items()}, tmp_path / "x.safetensors")
    net = network()
    load_weights(net, tmp_path / "x.safetensors")
    assert net.bn1.moving_variance.asnumpy().max() == 0 and net.conv1.weight.asnumpy().max() < 0


def test_a_diverged_network_is_told_by_its_first_five_tensors(whole, tmp_path):
    refused({name: np.full_like(array, np.nan) for name, array in whole.items()}, tmp_path,
            rf"conv1.weight has 108 of 108 values .*( has .* not finite.*){{4}} and {len(whole) - 5} more" + OF_A_RUN)


@pytest.mark.parametrize("kind", [np.float64, np.float16])
def test_other_precisions_load(kind, whole, tmp_path):
    save_file({name: array.astype(kind) for name, array in whole.items()}, tmp_path / "x.safetensors")
    net = network()
    load_weights(net, tmp_path / "x.safetensors")
    np.testing.assert_array_equal(net.conv1.weight.asnumpy(), whole["conv1.weight"].astype(kind).astype(np.float32))


def test_what_is_finite_in_the_file_alone_is_refused(whole, tmp_path):
    tensors = {name: array.astype(np.float64) for name, array in whole.items()}
    tensors["conv1.weight"].flat[:2] = 1e300, -3.5e38
    refused(tensors, tmp_path, r"in the precision of the network's parameters, conv1.weight has 2 of 108 values that are "
                               r"not finite \(2 infinite\)")


def test_a_network_in_half_precision_takes_what_fits_into_it(whole, tmp_path):
    net = network().to_float(mindspore.float16)
    for parameter in net.get_parameters():
        parameter.set_dtype(mindspore.float16)
    save_file(whole, tmp_path / "x.safetensors")
    load_weights(net, tmp_path / "x.safetensors")
    save_file({**whole, "fc.bias": np.full(10, 7e4, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="in the precision of .*, fc.bias has 10 of 10 values .* .10 infinite"):
        load_weights(net, tmp_path / "x.safetensors")


def as_bfloat16(tensors):
    """A file's bytes: the upper halves of float32, which NumPy has no type for."""
    halves = packed({name: (array.view(np.uint32) >> 16).astype(np.uint16) for name, array in tensors.items()})
    length = int.from_bytes(halves[:8], "little")
    header = halves[8:8 + length].replace(b'"U16"', b'"BF16"')
    return len(header).to_bytes(8, "little") + header + halves[8 + length:]


def test_bfloat16_loads_exactly_and_is_looked_at_as_well(whole, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(as_bfloat16(whole))
    net = network()
    load_weights(net, path)
    for name, array in values(net).items():
        np.testing.assert_array_equal(array, (whole[name].view(np.uint32) >> 16 << 16).view(np.float32))
    path.write_bytes(as_bfloat16({**whole, "bn1.beta": np.array([1, np.inf, 1, 1], np.float32)}))
    with pytest.raises(InputError, match="bn1.beta has 1 of 4 values that are not finite"):
        load_weights(net, path)


@pytest.mark.parametrize("kind", [np.int8, np.bool_, np.int64])
def test_what_is_no_floating_number_is_no_weight(kind, whole, tmp_path):
    refused({**whole, "conv1.weight": whole["conv1.weight"].astype(kind)}, tmp_path,
            f"conv1.weight {np.dtype(kind)} given; allowed are floating types")


def test_a_checkpoint_of_mindspores_is_looked_at_as_well(whole, tmp_path):
    bad = {**whole, "bn1.moving_variance": np.array([1, -1, np.nan, 1], np.float32)}
    mindspore.save_checkpoint([{"name": name, "data": Tensor(array)} for name, array in bad.items()],
                              str(tmp_path / "x.ckpt"))
    with pytest.raises(InputError, match=r"x.ckpt: bn1.moving_variance has 1 of 4 values that are not finite \(1 NaN\)"):
        load_weights(network(), tmp_path / "x.ckpt")


@pytest.mark.parametrize(("name", "value"), [("conv1.weight", np.nan), ("bn1.moving_mean", np.inf),
                                             ("bn1.moving_variance", -1)])
def test_what_cannot_be_is_not_saved_and_an_earlier_file_stays(name, value, tmp_path):
    net, path = network(), tmp_path / "w.safetensors"
    save_weights(net, path)
    before = path.read_bytes()
    parameter = dict(net.parameters_and_names())[name]
    array = parameter.asnumpy().copy()
    array.flat[1] = value
    parameter.set_data(Tensor(array))
    with pytest.raises(RunError, match=f"w.safetensors: not written: {name} has 1 of {array.size} values"):
        save_weights(net, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(RunError, match="not written"):
        save_weights(net, tmp_path / "new.safetensors")
    assert not (tmp_path / "new.safetensors").exists()
    assert load_file(path).keys() == dict(net.parameters_and_names()).keys()


def test_it_costs_milliseconds():
    tensors = {str(number): np.zeros(50_000, np.float32) for number in range(100)}  # 5 million
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        assert check_finite(tensors) is None
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.1  # some 2 ms on a quiet machine
