"""Networks in ONNX under the microscope: convolutions by name, what they put out, and all that a file may be instead."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from conftest import randomise
from onnx import TensorProto, helper, numpy_helper

from ghostlib import features, models, results
from ghostlib.commands import main
from ghostlib.data import examples
from ghostlib.deploy.export import export
from ghostlib.deploy.fold import fold_batchnorm
from ghostlib.deploy.onnx_graph import as_onnx
from ghostlib.errors import InputError
from ghostlib.features.stepping import step_through
from ghostlib.redundancy.shuffled import shuffled
from ghostlib.redundancy.sources import SHUFFLED_WEIGHTS, TRAINED

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(5, 3, 12, 12)).cumsum(axis=3).astype(np.float32)
WEIGHTS = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
OTHERS = RNG.normal(size=(6, 4, 1, 1)).astype(np.float32)


def graph(nodes, weights, inputs=("N", 3, "H", "W"), outputs=("y",), kind=TensorProto.FLOAT, opset=13):
    """A model of these nodes and named weights, whose input is x."""
    made = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", kind, inputs)],
                             [helper.make_tensor_value_info(name, kind, None) for name in outputs],
                             [numpy_helper.from_array(array, name) for name, array in weights.items()])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def small(inputs=("N", 3, "H", "W"), kind=TensorProto.FLOAT, names=("first", "second"), opset=13):
    """A convolution with ReLU, and one with a BatchNorm and swish."""
    number = np.float16 if kind == TensorProto.FLOAT16 else np.float32
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], names[0], pads=[1, 1, 1, 1]),
             helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("Conv", ["b", "v"], ["c"], names[1]),
             helper.make_node("BatchNormalization", ["c", "g", "h", "m", "s"], ["d"]),
             helper.make_node("Sigmoid", ["d"], ["e"]), helper.make_node("Mul", ["d", "e"], ["y"])]
    constants = {"w": WEIGHTS, "v": OTHERS, "g": np.full(6, 2, np.float32), "h": np.ones(6, np.float32),
                 "m": np.zeros(6, np.float32), "s": np.ones(6, np.float32)}
    return graph(nodes, {name: array.astype(number) for name, array in constants.items()}, inputs, kind=kind,
                 opset=opset)


def test_convolutions_have_their_stages_by_name():
    net = features.OnnxNetwork(small())
    assert features.layer_names(net) == ["first", "second"] and features.ghost_layers(net) == {}
    assert features.stages(net) == {"first": {"convolution": "a", "ReLU": "b"},
                                    "second": {"convolution": "c", "BatchNorm": "d", "activation": "y"}}


def test_a_convolution_whose_output_others_take_too_has_no_activation_of_its_own():
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("Add", ["a", "b"], ["y"])]
    assert features.stages(features.OnnxNetwork(graph(nodes, {"w": WEIGHTS}))) == {"a": {"convolution": "a"}}


@pytest.mark.parametrize("opset", [11, 13, 15, 18])  # BatchNormalization changed at 14 and 15
def test_what_layers_put_out_is_known_by_hand(opset):
    told = []
    shown = features.activations(features.OnnxNetwork(small(opset=opset)), IMAGES, ["first", "b", "second", "d", "y"],
                                 batch_size=2, step=told.append)
    padded = np.pad(IMAGES, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    first = np.einsum("nchwij,ocij->nohw", windows, WEIGHTS)
    second = np.einsum("nchw,oc->nohw", np.maximum(first, 0), OTHERS[:, :, 0, 0])
    np.testing.assert_allclose(shown["first"], first, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(shown["second"], second, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(shown["b"], np.maximum(shown["first"], 0))
    np.testing.assert_allclose(shown["d"], 2 * shown["second"] + 1, rtol=1e-3, atol=1e-3)
    assert told == [2, 2, 1]


@pytest.mark.parametrize(("inputs", "kind", "close"), [
    ((2, 3, 12, 12), TensorProto.FLOAT, 1e-5), (("N", 3, 12, 12), TensorProto.FLOAT16, 2e-2),
    ((1, 3, "H", "W"), TensorProto.FLOAT, 1e-5)])
def test_fixed_numbers_of_images_and_half_precision_give_the_same(inputs, kind, close):
    wanted = features.activations(features.OnnxNetwork(small()), IMAGES, ["second"])["second"]
    got = features.activations(features.OnnxNetwork(small(inputs, kind)), IMAGES, ["second"])["second"]
    assert got.shape == wanted.shape and got.dtype == np.float32
    assert np.abs(got - wanted).max() < close * np.abs(wanted).max()


def test_images_with_channels_last_are_turned():
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), helper.make_node("Conv", ["t", "w"], ["y"])]
    net = features.OnnxNetwork(graph(nodes, {"w": WEIGHTS}, ("N", 12, 12, 3)))
    assert net.size == (12, 12)
    first = features.OnnxNetwork(graph([helper.make_node("Conv", ["x", "w"], ["y"])], {"w": WEIGHTS}))
    own, turned = (features.activations(one, IMAGES, ["y"])["y"] for one in (first, net))
    np.testing.assert_allclose(turned, own, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("options", "whole"), [({}, False), ({"batch": 2}, False), ({"joined": True}, True),
                                                ({"precision": "half"}, True)])
def test_what_we_export_can_be_looked_into_where_its_maps_are_joined(options, whole, tmp_path):
    export("ghostlib/ghostnet_050_imagenette", tmp_path / "made.onnx", **options)
    if whole:
        assert len(features.OnnxNetwork(tmp_path / "made.onnx").stages()) == 95
    else:
        with pytest.raises(InputError, match=r"made.onnx takes joined maps apart, .*`ghostlib export --joined`"):
            features.OnnxNetwork(tmp_path / "made.onnx")


def test_our_own_network_shows_the_same_through_onnx():
    net = randomise(models.mobilenet_v3_small(0.25, num_classes=4)).set_train(False)
    folded = fold_batchnorm(net, (3, 32, 32))
    images = RNG.normal(size=(3, 3, 32, 32)).astype(np.float32)
    exported = features.OnnxNetwork(as_onnx(folded, (3, 32, 32)))
    cells = {layer: layer.split("/")[0] for layer in exported.stages()}
    assert list(cells.values()) == list(features.stages(folded))
    mine, theirs = (features.activations(one, images, names) for one, names in ((folded, list(cells.values())),
                                                                                (exported, list(cells))))
    for layer, cell in cells.items():
        assert np.abs(theirs[layer] - mine[cell]).max() < 1e-4 * np.abs(mine[cell]).max(), layer


def test_shuffled_weights_keep_each_channels_mean_and_spread_and_nothing_else():
    net = features.OnnxNetwork(small())
    other = shuffled(net, IMAGES)
    own, theirs = (features.activations(one, IMAGES, ["first", "second"]) for one in (net, other))
    for layer in ("first", "second"):
        np.testing.assert_allclose(theirs[layer].mean((0, 2, 3)), own[layer].mean((0, 2, 3)), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(theirs[layer].std((0, 2, 3)), own[layer].std((0, 2, 3)), rtol=1e-3)
        assert np.corrcoef(own[layer].ravel(), theirs[layer].ravel())[0, 1] < 0.99
    assert np.array_equal(features.activations(shuffled(net, IMAGES), IMAGES, ["second"])["second"], theirs["second"])


@pytest.mark.parametrize(("inputs", "kind"), [((2, 3, 12, 12), TensorProto.FLOAT), (("N", 3, 12, 12), TensorProto.FLOAT16)])
def test_weights_of_graphs_of_other_kinds_are_shuffled_too(inputs, kind):
    net = features.OnnxNetwork(small(inputs, kind))
    own, theirs = (features.activations(one, IMAGES, ["second"])["second"] for one in (net, shuffled(net, IMAGES)))
    np.testing.assert_allclose(theirs.std((0, 2, 3)), own.std((0, 2, 3)), rtol=2e-2)


def test_a_walk_through_a_graph_takes_branches_along_and_ends_at_the_last_convolution():
    outputs = {kind: helper.make_tensor_value_info(f"{kind}.y", TensorProto.FLOAT, None) for kind in ("Relu", "Neg")}
    branch = [helper.make_graph([helper.make_node(kind, ["a"], [one.name])], kind, [], [one])
              for kind, one in outputs.items()]
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], "first"),
             helper.make_node("If", ["yes"], ["b"], then_branch=branch[0], else_branch=branch[1]),
             helper.make_node("Conv", ["b", "v"], ["y"], "second"), helper.make_node("Relu", ["y"], ["z"])]
    net = features.OnnxNetwork(graph(nodes, {"w": WEIGHTS, "v": OTHERS, "yes": np.array(True)}, outputs=("z",)))
    seen = {}

    def keep(layer, convolve):
        seen[layer] = convolve(*net.weights(layer))
        return seen[layer]
    step_through(net, IMAGES, keep)
    for layer, maps in seen.items():
        wanted = features.activations(net, IMAGES, [layer])[layer]
        np.testing.assert_allclose(np.concatenate(maps), wanted, rtol=1e-4, atol=1e-4)
    assert list(seen) == ["first", "second"]


def test_a_walk_takes_functions_along_and_refuses_sequences():
    inner = helper.make_function("mine", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                 [helper.make_opsetid("", 13)])
    made = graph([helper.make_node("Twice", ["x"], ["b"], domain="mine"),
                  helper.make_node("Conv", ["b", "w"], ["y"], "first")], {"w": WEIGHTS})
    made.functions.append(inner)
    made.opset_import.append(helper.make_opsetid("mine", 1))
    net, seen = features.OnnxNetwork(made), []
    step_through(net, IMAGES, lambda layer, convolve: seen.append(convolve(*net.weights(layer))) or seen[0])
    np.testing.assert_allclose(np.concatenate(seen[0]), features.activations(net, IMAGES, ["first"])["first"], rtol=1e-4,
                               atol=1e-4)
    split = graph([helper.make_node("SplitToSequence", ["x"], ["parts"], axis=1),
                   helper.make_node("ConcatFromSequence", ["parts"], ["b"], axis=1),
                   helper.make_node("Conv", ["b", "w"], ["y"], "first")], {"w": WEIGHTS})
    with pytest.raises(InputError, match="in net.onnx ConcatFromSequence takes a sequence of tensors"):
        step_through(features.OnnxNetwork(split, "net.onnx"), IMAGES, lambda layer, convolve: [])


def test_kinds_of_layers_are_told_by_all_channels_that_go_in():
    grouped = RNG.normal(size=(8, 2, 1, 1)).astype(np.float32)  # of four groups: eight channels in, eight out
    nodes = [helper.make_node("Conv", ["x", "v"], ["a"], "wide"),
             helper.make_node("Conv", ["a", "w"], ["y"], "grouped", group=4)]
    wide = RNG.normal(size=(8, 3, 1, 1)).astype(np.float32)
    assert features.OnnxNetwork(graph(nodes, {"v": wide, "w": grouped})).kinds() == {
        "wide": "expansion", "grouped": "projection"}


def without_convolutions():
    return graph([helper.make_node("Relu", ["x"], ["y"])], {})


@pytest.mark.parametrize(("model", "said"), [
    (without_convolutions, "network: net.onnx has no convolutions, but Relu"),
    (lambda: small(names=("same", "same")), "network: net.onnx has two convolutions called 'same'"),
    (lambda: small(("N", 4, 8, 8)), r"network: net.onnx takes x \[None, 4, 8, 8\]; allowed is one input of images"),
    (lambda: graph([helper.make_node("Conv", ["x", "w"], ["y"])], {"w": WEIGHTS}, opset=6), "has opset 6; allowed is 7")])
def test_a_graph_that_cannot_be_looked_at_is_refused(model, said):
    with pytest.raises(InputError, match=said):
        features.OnnxNetwork(model(), "net.onnx")


def test_operators_that_nobody_knows_and_other_sizes_end_in_one_line():
    nodes = [helper.make_node("Mystery", ["x"], ["t"], domain="elsewhere"), helper.make_node("Conv", ["t", "w"], ["y"])]
    unknown = graph(nodes, {"w": WEIGHTS})
    unknown.opset_import.append(helper.make_opsetid("elsewhere", 1))
    with pytest.raises(InputError, match="network: net.onnx cannot be run by ONNX Runtime: .*Mystery"):
        features.activations(features.OnnxNetwork(unknown, "net.onnx"), IMAGES, ["y"])
    with pytest.raises(InputError, match="network: net.onnx cannot be run by ONNX Runtime: .*Mystery"):
        shuffled(features.OnnxNetwork(unknown, "net.onnx"), IMAGES)
    with pytest.raises(InputError, match="images: 12 x 12 given; net.onnx takes 8 x 8"):
        shuffled(features.OnnxNetwork(small(("N", 3, 8, 8)), "net.onnx"), IMAGES)
    with pytest.raises(InputError, match="images: 12 x 12 given; net.onnx takes 8 x 8"):
        features.activations(features.OnnxNetwork(small(("N", 3, 8, 8)), "net.onnx"), IMAGES, ["first"])
    wants = graph([helper.make_node("Conv", ["x", "w"], ["a"], "first", pads=[1, 1, 1, 1]),
                   helper.make_node("Add", ["a", "p"], ["b"]), helper.make_node("Conv", ["b", "v"], ["y"])],
                  {"w": WEIGHTS, "v": OTHERS, "p": np.ones((1, 4, 8, 8), np.float32)})  # any size by its input, but 8 x 8
    with pytest.raises(InputError, match=r"images: \(5, 3, 12, 12\) given, which do not fit net.onnx: .*Add"):
        features.activations(features.OnnxNetwork(wants, "net.onnx"), IMAGES, ["y"])
    with pytest.raises(InputError, match="images: those given do not fit net.onnx: .*Add"):
        shuffled(features.OnnxNetwork(wants, "net.onnx"), IMAGES)
    net = features.OnnxNetwork(small())
    with pytest.raises(InputError, match="layer: 'firsd' given; did you mean first"):
        features.activations(net, IMAGES, ["firsd"])
    with pytest.raises(InputError, match="allowed is at least one"):
        features.activations(net, IMAGES[:0], ["first"])
    with pytest.raises(InputError, match="whose maps take .* GiB, first alone"):
        features.activations(net, IMAGES, ["first"], most_bytes=100)


def test_the_command_measures_a_file_and_says_what_is_wrong(tmp_path):
    onnx.save(small(("N", 3, 24, 24)), tmp_path / "net.onnx")
    (tmp_path / "photographs").mkdir()
    for place, name in enumerate([*examples.LABELS] * 2):
        picture = examples.photograph(name).crop((place, 0, 200 + place, 180)).convert("L" if place % 2 else "RGB")
        picture.save(tmp_path / "photographs" / f"{place}.png")
    words = ["redundancy", str(tmp_path / "net.onnx"), "--images", str(tmp_path / "photographs"), "--target",
             str(tmp_path / "tables"), "--count", "12"]
    for _ in range(2):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
    table = results.read_table(tmp_path / "tables" / "redundancy.csv")
    assert set(table.model) == {"net"} and set(table.dataset) == {"photographs"} and table.width.isna().all()
    assert {TRAINED, SHUFFLED_WEIGHTS} <= set(table.source) and set(table.stage) == {"convolution", "BatchNorm", "ReLU",
                                                                                     "activation"}
    assert len(table) == len(table.drop_duplicates(["layer", "stage", "filter", "source"]))
    assert (results.read_table(tmp_path / "tables" / "allowed_ratio.csv").ratio >= 1).all()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "letter.txt").write_text("no photograph")
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "net.onnx").read_bytes()[:200])
    (tmp_path / "photographs" / "3.png").write_bytes(b"no picture")
    for change, said in [({1: str(tmp_path / "cut.onnx")}, "cut.onnx: cannot be read as ONNX"),
                         ({1: str(tmp_path / "none.onnx")}, "none.onnx: cannot be read as ONNX"),
                         ({3: str(tmp_path)}, "photographs/3.png cannot be read"),
                         ({3: str(tmp_path / "nowhere")}, "nowhere given; allowed is a folder of photographs"),
                         ({3: str(tmp_path / "texts")}, "texts is a folder without a picture; wanted is one named"),
                         ({7: "500"}, "holds 12 photographs, 500 wanted"),
                         ({8: "--normalise", 9: "some"}, "normalise: some given; allowed are imagenet, half, none")]:
        other = [change.get(place, word) for place, word in enumerate(words)] + [change[n] for n in sorted(change) if n > 7]
        done = CliRunner().invoke(main, other)
        assert done.exit_code != 0 and said in f"{done.output}{done.exception}", said


def test_no_mindspore_is_needed(root):
    code = "import sys; from ghostlib.redundancy import foreign; assert 'mindspore' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
