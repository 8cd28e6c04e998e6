"""From a bundle alone to names for pictures and to files for other programs, and every way in which that can go wrong."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import ROOT
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from ghostlib import training
from ghostlib.commands import main
from ghostlib.config import Config
from ghostlib.data import examples, files, imagenette, load
from ghostlib.deploy import export, predict
from ghostlib.deploy.card import card_of
from ghostlib.errors import InputError, RunError
from ghostlib.kernels import native
from ghostlib.models.build import build
from ghostlib.weights import description
from ghostlib.weights.digest import with_digest

pytestmark = pytest.mark.xdist_group("exported")  # one worker trains the two networks, not every one
SMALL = {"model": "mobilenet_v3_small", "width": 0.25, "epochs": 1, "batch_size": 4}


def photographs_in(folder):
    """A dataset in folders: two classes of six photographs, each seen in a few parts."""
    for split, parts in (("train", 4), ("val", 3)):
        for number, name in enumerate(examples.LABELS):
            picture = examples.photograph(name)
            for part in range(parts):
                target = folder / split / ("indoors" if number % 2 else "outdoors")
                target.mkdir(parents=True, exist_ok=True)
                seen = picture.crop((10 * part, 5 * part, picture.width - 20, picture.height - 30))
                seen.save(target / f"{name}{part}.png")
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A network trained for one epoch on photographs; the bundle, and nothing else, is kept."""
    folder = tmp_path_factory.mktemp("of photographs")
    photographs_in(folder / "pictures")
    config = Config(**SMALL, dataset="imagefolder", data_dir=str(folder / "pictures"), num_classes=2, image_size=64,
                    run_dir=str(folder / "run"), crop_ratio=0.8)
    training.train(config)
    return folder / "run" / "last.safetensors"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("of digits")
    training.train(Config(**SMALL | {"batch_size": 600}, run_dir=str(folder / "run")))
    return folder / "run" / "last.safetensors"


@pytest.mark.parametrize("engine", ["onnxruntime", "kernel"])
def test_predict_agrees_with_validate_picture_by_picture(engine, bundle):
    config = Config.load(bundle.parent / "config.yaml").to_judge(str(bundle))
    net, data, _ = training.prepare(config)
    expected = training.answers(training.evaluate(net, data.test), data.test, data.classes)
    files = [f"{config.data_dir}/val/{name}" for name in expected.image]
    table, unreadable = predict.predict(predict.load(str(bundle), engine), files)
    first = table[table["rank"] == 1]
    assert unreadable == [] and list(first.answer) == list(expected.answer)
    np.testing.assert_allclose(first.probability, expected.probability, atol=2e-5)
    assert list(table.groupby("image").probability.sum().round(6)) == [1.0] * len(files)  # of two classes both are told


def test_the_six_examples_are_prepared_as_pictures_of_ones_own_are(tmp_path):
    """So that `validate` and `predict` say the same of them."""
    config = Config.of({"dataset": "examples", "num_classes": 1000, "image_size": 96, "epochs": 0,
                        "interpolation": "bicubic"})
    names = [str(tmp_path / f"{name}.png") for name in examples.LABELS]
    for name, path in zip(examples.LABELS, names):
        examples.photograph(name).save(path)
    own, theirs = (next(batches.epoch()).images for batches in (load(config).test, files.batches_of(names, config)))
    np.testing.assert_array_equal(own[:6], theirs[:6])


@pytest.mark.parametrize("engine", ["", "onnxruntime"])
def test_answers_say_which_engine_gave_them(engine, bundle, tmp_path):
    words = ["validate", str(bundle.parent / "config.yaml"), "--weights", str(bundle), "--answers", str(tmp_path / "a.csv")]
    done = CliRunner().invoke(main, [*words, *(["--engine", engine] if engine else [])])
    assert done.exit_code == 0, done.stderr
    table = pd.read_csv(tmp_path / "a.csv")
    own = engine or ("kernel" if native.available() else "mindspore")
    assert len(table) == 18 and set(table.engine) == {own}
    assert list(table.columns) == ["image", "label", "answer", "probability", "engine"]


@pytest.mark.slow
def test_predict_sees_a_digit_as_validate_does(digits, tmp_path):
    """Where a dataset's images are seen whole, pictures are: no middle is cut out."""
    config = Config.load(digits.parent / "config.yaml").to_judge(str(digits))
    net, data, _ = training.prepare(config)
    expected = training.answers(training.evaluate(net, data.test), data.test, data.classes).head(20)
    files = []
    for place in range(20):
        files.append(str(tmp_path / f"{place}.png"))
        Image.fromarray(np.ascontiguousarray(data.test.picture(place))).save(files[-1])
    table, _ = predict.predict(predict.load(str(digits), "onnxruntime"), files, top=1)
    assert list(table.answer) == list(expected.answer)
    np.testing.assert_allclose(table.probability, expected.probability, atol=2e-5)


def test_what_cannot_be_read_is_named_and_ends_nothing(bundle, tmp_path, ghostlib_command):
    Image.fromarray(np.zeros((80, 90, 3), np.uint8)).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_text("<html>")
    done = ghostlib_command("predict", ".", "--weights", bundle, "--engine", "onnxruntime", "--csv", "told.csv")
    assert done.returncode == 1, done.stderr  # not all are answered
    assert done.stdout.startswith("good.png: ") and done.stdout.count("%") == 2
    assert "bad.jpg (an HTML page" in done.stderr
    told = pd.read_csv(tmp_path / "told.csv")
    assert list(told.columns) == ["image", "rank", "answer", "probability", "engine"] and set(told.engine) == {"onnxruntime"}
    (tmp_path / "good.png").unlink()
    (tmp_path / "told.csv").unlink()
    done = ghostlib_command("predict", "*.jpg", "--weights", bundle, "--engine", "onnxruntime", "--csv", "told.csv")
    assert done.returncode == 2 and done.stderr.endswith("ghostlib: IMAGE: none of 1 can be read\n")
    assert not (tmp_path / "told.csv").exists()


@pytest.mark.parametrize("text", ["lr: 0.1\n", "model: mobilenet_v3_small\nwidth: 0.25\n"])
def test_what_a_parameter_file_leaves_out_the_weights_say(text, bundle, tmp_path, monkeypatch):
    """Its defaults are digits of 32 x 32 in ten classes, which a network of photographs of 64 x 64 was not made for."""
    monkeypatch.chdir(tmp_path)
    examples.photograph("chelsea").save("a.png")
    (tmp_path / "mine.yaml").write_text(text)
    words = ["predict", "--weights", str(bundle), "--engine", "mindspore", "a.png"]
    alone, beside = (CliRunner().invoke(main, [*words, *params]) for params in ([], ["mine.yaml"]))
    assert beside.exit_code == 0, beside.stderr
    assert beside.stdout == alone.stdout
    (tmp_path / "mine.yaml").write_text("modle: ghostnet\n")
    done = CliRunner().invoke(main, ["predict", "a.png", "mine.yaml", "--weights", str(bundle)])
    assert done.exit_code == 2 and done.stderr.startswith("ghostlib: modle: no such parameter; did you mean model?")


@pytest.mark.parametrize(("words", "message"), [
    (["nowhere.png", "--weights", "{bundle}"], "image: nowhere.png does not exist; allowed are pictures, folders"),
    (["empty", "--weights", "{bundle}"], "image: empty is a folder without a picture"),
    (["a.png", "--weights", "{bundle}", "--engine", "tensorrt"], "engine: 'tensorrt' given; allowed are auto, "),
    (["a.png", "--weights", "foreign.safetensors"], "weights: foreign.safetensors does not say what network it is for"),
    (["a.png", "--weights", "{bundle}", "-p", "width", "0.5"], "weights: {bundle} does not fit this network"),
    (["a.png", "--weights", "{bundle}", "-p", "device", "Ascend"], "device: given, and is no field of a network or its"),
    (["a.png", "--weights", "none.onnx"], "weights: none.onnx cannot be read, there is no such file"),
    (["a.png", "--weights", "$NOT_SET_HERE/none.onnx"], "weights: '$NOT_SET_HERE/none.onnx' given; the variable NOT_SET"),
    (["a.png", "x.yaml", "y.yaml", "--weights", "{bundle}"], "PARAMS.yaml: x.yaml, y.yaml given; allowed is one"),
    (["x.yaml", "--weights", "{bundle}"], "IMAGE: none given beside x.yaml; allowed are pictures, folders"),
    (["a.png"], "Missing option '--weights'")])
def test_predict_says_what_is_wrong_in_one_line(words, message, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    Image.fromarray(np.zeros((80, 90, 3), np.uint8)).save(tmp_path / "a.png")
    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "foreign.safetensors")
    done = CliRunner().invoke(main, ["predict", *(word.format(bundle=bundle) for word in words)])
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr.strip().splitlines()[-1].startswith(f"ghostlib: {message.format(bundle=bundle)}"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", export.FORMATS)
def test_an_exported_file_says_all_by_itself(kind, bundle, tmp_path):
    target = tmp_path / f"made.{kind}"
    told = export.export(str(bundle), target)
    assert "mobilenet_v3_small, 2 classes, images of 64 x 64" in told[0]
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    if kind == "mindir":
        held = target.read_bytes()  # MindSpore's own format: its loader hands on no user_info
        assert b"indoors" in held and b"outdoors" in held and str(bundle.parents[1]).encode() not in held
    else:
        said = said_of(target)
        assert said["classes"] == ["indoors", "outdoors"] and said["size"] == 64 and said["resize"] == 80
        assert said["config"]["data_dir"] == "-"  # whoever gets the file need not know where its maker's pictures lie
        assert said["made_by"]["commit"] and said["mean"] == [0.485, 0.456, 0.406]
        files = sorted(map(str, (bundle.parents[1] / "pictures" / "val").rglob("*.png")))
        one, _ = predict.predict(predict.load(str(bundle), "mindspore"), files)
        other, _ = predict.predict(predict.load(str(target)), files)
        assert list(one.answer) == list(other.answer)
        np.testing.assert_allclose(one.probability, other.probability, atol=2e-5)


def test_the_lines_in_the_docs_run_without_ghostlib_and_mindspore(bundle, tmp_path):
    export.export(str(bundle), tmp_path / "made.onnx")
    page = (ROOT / "docs" / "deploying.md").read_text()
    lines = page.partition("<!-- run -->\n```python\n")[2].partition("```")[0]
    hidden = "import sys; sys.modules['ghostlib'] = sys.modules['mindspore'] = None\n"
    picture = bundle.parents[1] / "pictures" / "val" / "indoors" / "camera0.png"
    words = [sys.executable, "-c", hidden + lines, tmp_path / "made.onnx", picture]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout.strip() in ("indoors", "outdoors"), done.stderr
    table, _ = predict.predict(predict.load(str(tmp_path / "made.onnx")), [str(picture)], top=2)
    if abs(table.probability[0] - table.probability[1]) > 0.05:  # another filter scales the picture
        assert done.stdout.strip() == table.answer[0]


@pytest.mark.slow
def test_half_precision_and_8_bits_come_with_what_they_cost(bundle, tmp_path):
    pictures = bundle.parents[1] / "pictures" / "val"
    whole = export.export(str(bundle), tmp_path / "whole.onnx")
    for precision, options in (("half", {}), ("int8", {"calibration": pictures})):
        target = tmp_path / f"{precision}.onnx"
        told = export.export(str(bundle), target, precision=precision, judge=training.evaluate, **options)
        assert told[1].startswith("before: top-1 ") and "of 18 images" in told[1] and told[2].startswith("after:  top-1 ")
        assert target.stat().st_size < 0.6 * (tmp_path / "whole.onnx").stat().st_size
    assert len(whole) == 1
    told = export.export(str(bundle), tmp_path / "judged.onnx", test=pictures, judge=training.evaluate)
    assert "0 answers differ" in told[2]
    (tmp_path / "others" / "cats").mkdir(parents=True)
    examples.photograph("chelsea").save(tmp_path / "others" / "cats" / "one.png")
    with pytest.raises(InputError, match=r"test: .*others holds cats, which the network does not know; .*named indoors, "):
        export.export(str(bundle), tmp_path / "no.onnx", test=tmp_path / "others", judge=training.evaluate)
    assert not (tmp_path / "no.onnx").exists()


def test_8_bits_want_pictures_that_can_be_read(bundle, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "bad.jpg").write_text("<html>")
    with pytest.raises(InputError, match=r"int8: .*pictures given; none of its 1 pictures can be read: .*bad.jpg \(an HTML"):
        export.export(str(bundle), tmp_path / "no.onnx", precision="int8", calibration=tmp_path / "pictures")
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_8_bits_are_calibrated_with_pictures_of_all_classes(bundle, tmp_path, monkeypatch):
    """Those of the first class here cannot be read: were they all, nothing could be made."""
    monkeypatch.setattr(export, "CALIBRATION", 2)
    for name in ("first/1", "first/2", "second/3"):
        picture = (tmp_path / "pictures" / name).with_suffix(".png")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text("<html>")
    examples.photograph("coffee").save(picture)
    export.export(str(bundle), tmp_path / "made.onnx", precision="int8", calibration=tmp_path / "pictures")
    assert (tmp_path / "made.onnx").exists()
    assert files.spread(["a", "b", "c", "d", "e"], 3) == ["a", "c", "e"] and files.spread(["a", "b"], 3) == ["a", "b"]


SYNSETS = "n01440764", "n02124075"  # a tench and an Egyptian cat


def test_a_network_is_judged_on_what_it_was_not_trained_on(bundle, tmp_path, monkeypatch):
    """What its run held out, where it did, but not of other data; and not on other classes, however many."""
    card, source = card_of(str(bundle)), str(bundle)
    assert description.held_out(source) == 0 and export._labelled(card, source, None, {}).images == 18
    monkeypatch.setattr(export, "held_out", lambda _: 0.5)  # of train/, though there is a val/
    assert export._labelled(card, source, None, {}).images == 12
    assert export._labelled(card, source, None, {"data_dir": card.config.data_dir}).images == 18
    for name in ("cats", "dogs"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.zeros((80, 90, 3), np.uint8)).save(tmp_path / "pictures" / name / f"{number}.png")
    others = replace(card, config=card.config.having(data_dir=str(tmp_path / "pictures")))
    with pytest.raises(InputError, match="holds other classes than the network knows: class 'indoors' is missing .*--test"):
        export._labelled(others, source, None, {})


def test_what_a_run_held_out_its_weights_say(tmp_path):
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "w.safetensors", {"config": json.dumps({"val_share": 0.2})})
    assert description.held_out(tmp_path / "w.safetensors") == 0.2
    assert "val_share" not in description.described(tmp_path / "w.safetensors")  # which is of its data and of no others
    assert description.held_out("timm/ghostnet_100.in1k") == 0


def test_a_file_whose_graph_and_words_differ_is_refused(bundle, tmp_path):
    target = tmp_path / "made.onnx"
    export.export(str(bundle), target)
    for change, said in (({"classes": ["one"]}, "says classes 1 and its graph has 2"),
                         ({"config": {**said_of(target)["config"], "image_size": 96}}, "says height 96 and its graph has"),
                         ({"config": [1]}, "does not say what its images and classes are")):
        model = onnx.load(target)
        told = {**said_of(target), **change}
        del model.metadata_props[:]
        for key, value in told.items():
            model.metadata_props.add(key=key, value=json.dumps(value))
        onnx.save(model, tmp_path / "changed.onnx")
        with pytest.raises(InputError, match=said):
            predict.load(str(tmp_path / "changed.onnx"), "onnxruntime")


def said_of(path):
    """What an exported file says of itself."""
    return {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}


@pytest.fixture
def of_synsets(bundle, tmp_path):
    """As if the bundle's pictures had lain in folders that are named as ImageNet's are; it, and such a folder."""
    with safe_open(bundle, "numpy") as file:
        told = file.metadata()
    told["data"] = json.dumps({**json.loads(told["data"]), "classes": SYNSETS})
    weights = load_file(bundle)
    save_file(weights, tmp_path / "own.safetensors", with_digest(weights, told))
    for synset, name in zip(SYNSETS, ("coffee", "chelsea")):
        (tmp_path / "val" / synset).mkdir(parents=True)
        examples.photograph(name).save(tmp_path / "val" / synset / "one.png")
    return tmp_path / "own.safetensors", tmp_path / "val"


def test_synsets_are_told_in_words(of_synsets, bundle):
    assert card_of(str(of_synsets[0])).classes == ("tench", "Egyptian cat")
    assert card_of(str(bundle)).classes == ("indoors", "outdoors")
    assert examples.in_words(("n01440764", "mine")) == ("n01440764", "mine")
    assert examples.in_words(tuple(imagenette.CLASSES)) == tuple(imagenette.CLASSES.values())


def test_folders_of_synsets_are_known(of_synsets, tmp_path):
    """To a network of one's own, and to one whose classes are all of ImageNet's, in their order."""
    source, val = of_synsets
    told = export.export(str(source), tmp_path / "own.onnx", test=val, judge=training.evaluate)
    assert "of 2 images" in told[1] and "0 answers differ" in told[2]
    published = export._labelled(card_of("timm/ghostnet_100.in1k"), "timm/ghostnet_100.in1k", val, {})
    assert published.labels.tolist() == [0, examples.LABELS["chelsea"] + 4]
    words = export._labelled(replace(card_of(str(source)), classes=("mine", SYNSETS[0], SYNSETS[1])), str(source),
                             val, {})
    assert words.labels.tolist() == [1, 2]  # a name as it stands goes before what it means


def test_a_fixed_batch_is_checked_calibrated_and_asked_with_what_there_is(bundle, tmp_path, monkeypatch):
    """Fewer pictures than it takes at a time, and more; found by a path that no shell has seen."""
    pictures = bundle.parents[1] / "pictures" / "val"
    files = sorted(map(str, pictures.rglob("*.png")))
    assert len(files) == 18
    expected, _ = predict.predict(predict.load(str(bundle), "mindspore"), files)
    monkeypatch.setenv("EXPORTED_HERE", str(tmp_path))
    for size in (4, 20):  # more than the six photographs by which a file is checked
        export.export(str(bundle), tmp_path / f"{size}.onnx", batch=size)
        for some in (files, files[:3]):
            table, _ = predict.predict(predict.load(f"$EXPORTED_HERE/{size}.onnx"), some)
            assert list(table.answer) == list(expected.answer[:len(table)]) and len(table) == 2 * len(some)
            np.testing.assert_allclose(table.probability, expected.probability[:len(table)], atol=2e-5)
    export.export(str(bundle), tmp_path / "int8.onnx", batch=4, precision="int8", calibration=pictures)
    table, _ = predict.predict(predict.load(str(tmp_path / "int8.onnx"), "onnxruntime"), files[:3])
    assert len(table) == 6


@pytest.mark.parametrize("precision", ["half", "int8"])
def test_a_small_file_that_answers_no_numbers_is_not_written(precision, bundle, tmp_path, monkeypatch):
    """What half precision costs is told; that float16 overflows to nothing is no cost."""
    monkeypatch.setattr(export, "_write_onnx", lambda *_: lambda images: np.full((len(images), 2), np.nan))
    (tmp_path / "out").mkdir()
    pictures = bundle.parents[1] / "pictures" / "val"
    with pytest.raises(RunError, match=r"no.onnx: not written: its logits differ .* by inf of the largest; allowed is any"):
        export.export(str(bundle), tmp_path / "out" / "no.onnx", precision=precision, calibration=pictures)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "width", "ratio", "kernel", "size"), [
    ("ghostnet", 0.25, 2, 3, 64), ("ghostnetv2", 0.25, 3, 5, 64), ("vgg16", 0.125, 4, 1, 32), ("resnet20", 0.25, 2, 7, 32),
    ("resnet56", 0.25, 1, 3, 32), ("resnet50", 0.125, 2, 3, 64), ("mobilenet_v2", 0.25, 2, 3, 64),
    ("mobilenet_v3_small", 0.25, 1, 3, 64), ("mobilenet_v3_large", 0.25, 4, 3, 64)])
def test_every_family_is_exported_as_mindir_for_several_images_at_a_time(model, width, ratio, kernel, size, tmp_path):
    """Checked by `export` itself: six photographs, four at a time. A file in its place is refused as for ONNX."""
    given = {"model": model, "width": width, "ratio": ratio, "kernel": kernel, "dataset": "examples", "num_classes": 1000,
             "image_size": size}
    weights = {name: weight.asnumpy() for name, weight in build(Config(**given)).parameters_and_names()}
    save_file(weights, tmp_path / "own.safetensors")
    target = tmp_path / "made.mindir"
    told = export.export(str(tmp_path / "own.safetensors"), target, batch=4, given=given)
    assert f"{model}, 1,000 classes, images of {size} x {size}" in told[0] and target.stat().st_size > 1e5
    with pytest.raises(InputError, match="target: .*made.mindir is there"):
        export.export(str(tmp_path / "own.safetensors"), target, given=given)


def test_a_file_that_computes_something_else_is_not_written(bundle, tmp_path, monkeypatch):
    from ghostlib.deploy import onnx_graph
    monkeypatch.setitem(onnx_graph.KINDS, onnx_graph.nn.HSwish, onnx_graph._one("Relu"))
    with pytest.raises(RunError, match=r"wrong.onnx: not written: its logits differ from the network's by"):
        export.export(str(bundle), tmp_path / "wrong.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("words", "message"), [
    (["there.onnx"], "target: there.onnx is there; allowed is the name of a new file"),
    (["made.tflite"], "format: 'tflite' given; allowed are onnx, mindir"),
    (["made"], "format: made ends in none; allowed are names that end in .onnx or .mindir, or --format"),
    (["made.bin", "--format", "onx"], "format: 'onx' given; allowed are onnx, mindir"),
    (["made.onnx", "-p", "width", "0.5"], "weights: {digits} does not fit this network"),
    (["nowhere/made.onnx"], "target: nowhere is no folder"),
    (["made.mindir", "--half"], "format: 'mindir' given; half is offered for onnx"),
    (["made.mindir", "--joined"], "format: 'mindir' given; joined is offered for onnx"),
    (["made.onnx", "--half", "--int8", "."], "--half: given with --int8; allowed is one of them")])
def test_export_says_what_is_wrong_in_one_line(words, message, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.onnx").write_text("mine")
    done = CliRunner().invoke(main, ["export", *words, "--weights", str(digits)])
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr.startswith(f"ghostlib: {message.format(digits=digits)}"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"] and (tmp_path / "there.onnx").read_text() == "mine"


def test_published_names_say_all_but_the_images():
    card = card_of("timm/ghostnet_100.in1k")
    assert len(card.classes) == 1000 and card.classes[0] == "tench" and card.config.interpolation == "bicubic"
    assert json.loads(card.metadata()["resize"]) == 256


def test_a_bundle_without_names_of_classes_gets_numbers(digits, tmp_path):
    with safe_open(digits, "numpy") as file:
        config = file.metadata()["config"]
    save_file(load_file(digits), tmp_path / "old.safetensors", {"config": config})
    assert card_of(str(tmp_path / "old.safetensors")).classes[3] == "class 3"


def test_the_module_needs_no_mindspore_for_onnx_files(bundle, tmp_path):
    export.export(str(bundle), tmp_path / "made.onnx")
    code = ("import sys; sys.modules['mindspore'] = None\nfrom ghostlib.deploy import engines; import numpy as np\n"
            f"print(engines.of_file({str(tmp_path / 'made.onnx')!r})(np.zeros((2, 3, 64, 64), np.float32)).shape)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 2)", done.stderr
