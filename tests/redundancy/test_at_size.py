"""Full-size networks: which photographs, which layers and which maps of them are measured, and that all tables are there."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ghostlib.errors import InputError
from ghostlib.features import OnnxNetwork
from ghostlib.redundancy import at_size, best_sources, controls
from ghostlib.redundancy.measured import Sample, Splits
from ghostlib.redundancy.shuffled import shuffled
from ghostlib.redundancy.sources import SHUFFLED_WEIGHTS, SOURCES, TRAINED, UNTRAINED

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(24, 3, 12, 12)).cumsum(axis=2).cumsum(axis=3).astype(np.float32)


def network(seed=0, channels=6):
    """An expansion, a depthwise convolution, a projection, and a Ghost module of a primary convolution and its ghosts."""
    rng = np.random.default_rng(seed)
    shapes = {"expand": (channels, 3, 1, 1), "depth": (channels, 1, 3, 3), "project": (4, channels, 1, 1),
              "main": (5, 4, 1, 1), "cheap": (5, 1, 3, 3), "full": (4, 10, 3, 3)}
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}

    def convolution(name, of, groups=1):
        pads = [weights[name].shape[2] // 2] * 4
        return helper.make_node("Conv", [of, name], [f"{name}.y"], name, pads=pads, group=groups)
    nodes = [convolution("expand", "x"), helper.make_node("Relu", ["expand.y"], ["e"]),
             convolution("depth", "e", channels), convolution("project", "depth.y"), convolution("main", "project.y"),
             convolution("cheap", "main.y", 5), helper.make_node("Concat", ["main.y", "cheap.y"], ["g"], axis=1),
             convolution("full", "g")]
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 3, 12, 12))],
                              [helper.make_tensor_value_info("full.y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(array, name) for name, array in weights.items()])
    return OnnxNetwork(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8))


KINDS = {"expand": "expansion", "depth": "depthwise", "project": "projection", "main": "primary", "cheap": "cheap operation",
         "full": "full"}


def test_layers_are_of_kinds_and_evenly_chosen():
    net = network()
    assert net.kinds() == KINDS
    assert at_size.some_layers(net, IMAGES) == list(KINDS)
    assert [list(at_size._evenly(count, 5)) for count in (1, 3, 16)] == [[0], [0, 1, 2], [0, 4, 8, 11, 15]]
    one = onnx.ModelProto()
    one.CopyFrom(net.model)
    for axis in one.graph.input[0].type.tensor_type.shape.dim[2:]:
        axis.dim_value = 1
    assert at_size.some_layers(OnnxNetwork(one), IMAGES[:, :, :1, :1]) == []  # as in squeeze-and-excitation


def test_both_controls_and_others_measures_stand_side_by_side():
    net, sample = network(), Sample(Splits(np.arange(8), np.arange(8, 16), np.arange(16, 24)), 3, 10**6)
    others = {UNTRAINED: network(1), SHUFFLED_WEIGHTS: shuffled(net, IMAGES[:8])}
    tables = at_size.study(net, others, IMAGES, sample, ["expand", "main", "expand"]).run()
    rows, checks = tables["redundancy"], tables["checks"]
    assert set(rows.source) == {*SOURCES, SHUFFLED_WEIGHTS} and set(zip(rows.layer, rows.kind)) == {
        ("expand", "expansion"), ("main", "primary")}
    assert not rows.duplicated(["layer", "stage", "filter", "source"]).any()  # a layer that is named twice is there once
    assert rows.deep.tolist() == pytest.approx([0.0 if layer == "expand" else 0.6 for layer in rows.layer])
    assert (rows["reach0.5"] >= rows["reach0.9"]).all() and ((rows["reach0.9"] * 3) % 1 < 1e-6).all()  # of three maps
    assert tables["allowed_ratio"].empty  # ratios want all of a layer's maps
    whole = at_size.study(net, others, IMAGES, Sample(sample.splits, 6, 10**6), ["main"]).run()
    assert set(whole["allowed_ratio"].layer) == {"main"}
    assert set(checks.source) == {TRAINED} and len(checks) == 3  # layers' stages
    assert checks[["effective_rank", "mean_rank"]].to_numpy().min() > 0 and checks.cka.max() <= 1.000001


def test_some_targets_from_all_sources_are_what_all_targets_give():
    net, splits = network(), Splits(np.arange(8), np.arange(8, 16), np.arange(16, 24))

    def median(count, seed=0):
        rows = at_size.study(net, {}, IMAGES, Sample(splits, count, 10**6), ["main"], seed).run()["checks"]
        assert len(rows) == 1
        study = controls.network_study(net, {SHUFFLED_WEIGHTS: net}, IMAGES, [3], [0.9], seed, ["main"],
                                       Sample(splits, count, 10**6))
        return study.run()["redundancy"].query("source == 'trained'").r2.iloc[0]
    seeds = {int(Sample(splits, 1, 1).targets_of(5, seed)[0]): seed for seed in range(40)}
    assert len(seeds) == 5
    assert np.median([median(1, seed) for seed in seeds.values()]) == pytest.approx(median(5))
    r2 = np.array([[1, 0.2], [0.5, 1], [0.4, 0.9]])
    assert best_sources(r2, np.array([0, 1])).tolist() == [1, 2]


def test_as_many_sources_as_targets_are_not_taken_for_the_same_maps():
    r2 = np.array([[0.9, 0.2], [0.5, 0.8]])
    assert best_sources(r2).tolist() == [1, 0] and best_sources(r2, np.arange(0)).tolist() == [0, 1]


def test_large_maps_get_fewer_images_and_the_same_to_report():
    sample = Sample(Splits(np.arange(32), np.arange(32, 64), np.arange(64, 96)), 32, 32 * 28 * 28)
    for size, count in ((7, 32), (28, 32), (56, 8), (112, 8)):
        splits = sample.splits_of(size, size)
        assert (len(splits.fit), len(splits.choose), len(splits.report)) == (count, count, 32)
    assert len(sample.targets_of(1152, 0)) == 32 and sample.targets_of(5, 0).tolist() == [0, 1, 2, 3, 4]


@pytest.fixture
def imagenette(tmp_path):
    """Names are all that counts: files of one pixel."""
    for split, own in (("train", 70), ("val", 66)):
        (tmp_path / split / "n01440764").mkdir(parents=True)
        for place in range(own):
            for name in ("ILSVRC2012_val_", "n01440764_"):
                Image.new("RGB", (1, 1)).save(tmp_path / split / "n01440764" / f"{name}{place:04}.png")
    return tmp_path


@pytest.mark.parametrize("name", at_size.SETS)
def test_no_photograph_is_fitted_and_reported(name, imagenette):
    found = at_size.photographs_of(imagenette, name)
    assert not set(found.fitted) & set(found.reported) and set(found.reported) <= set(found.judged)
    assert len(set(found.fitted)) == at_size.FIT + at_size.CHOOSE and len(set(found.reported)) == at_size.REPORT
    own = [("ILSVRC2012_val_" in file, file.split("/")[-3]) for file in (*found.fitted, *found.reported)]
    fitted, reported = own[:len(found.fitted)], own[len(found.fitted):]
    if name != at_size.OURS:  # ImageNet's validation photographs alone, which no network was trained on
        assert all(validation for validation, _ in own)
    if name != at_size.HALVES:  # those to report are no training photographs of ours
        assert {split for _, split in fitted} == {"train"} and {split for _, split in reported} == {"val"}
    splits = found.sample.splits
    assert [len(splits.fit), len(splits.choose), len(splits.report)] == [at_size.FIT, at_size.CHOOSE, at_size.REPORT]


def test_a_folder_of_other_photographs_is_refused(tmp_path, imagenette):
    with pytest.raises(InputError, match="photographs: all given; allowed are halves, train-val, shared"):
        at_size.photographs_of(imagenette, "all")
    for file in imagenette.rglob("ILSVRC*"):
        file.rename(file.with_name(file.name.replace("ILSVRC2012_val_", "holiday")))
    with pytest.raises(InputError, match="holds 0 to fit and 0 to report of shared; wanted are 64 and 64"):
        at_size.photographs_of(imagenette, "shared")
    with pytest.raises(InputError, match="image: .*train does not exist"):
        at_size.photographs_of(tmp_path / "nowhere", "halves")
