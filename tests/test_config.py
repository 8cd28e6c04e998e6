"""The schema: what is refused, in which words, and what is understood."""

import datetime
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import nbformat
import pytest
import yaml

from ghostlib.config import TEXTS, Config, Dataset, Model
from ghostlib.errors import InputError


@pytest.mark.parametrize(("values", "message"), [
    ({"epoch": 3}, "epoch: no such parameter; did you mean epochs?"),
    ({"learning_rat": 3}, "learning_rat: no such parameter; known: model, width"),
    ({"lr": float("nan")}, "lr: nan given; allowed is a finite number"),
    ({"lr": "fast"}, "lr: 'fast' given; allowed is a valid number"),
    ({"lr": 0}, "lr: 0 given; allowed is greater than 0"),
    ({"ratio": 0}, "ratio: 0 given; allowed are integers from 1"),
    ({"ratio": {"blocks.0.0.ghost1": 0}}, "ratio: layer blocks.0.0.ghost1: 0 given; allowed are integers from 1"),
    ({"ratio": {}}, "ratio: {} given"),
    ({"kernel": 4}, "kernel: 4 given; allowed are odd integers"),
    ({"kernel": 33}, "kernel: 33 given; larger than the 32 x 32 image"),
    ({"batch_size": 0}, "batch_size: 0 given; allowed is greater than or equal to 1"),
    ({"batch_size": "64"}, "batch_size: '64' given; allowed is a valid integer"),
    ({"decay_all": "False"}, "decay_all: 'False' given; allowed is a valid boolean"),
    ({"model": "ghostnt"}, "model: 'ghostnt' given; allowed is 'ghostnet', 'ghostnetv2', 'vgg16'"),
    ({"new_head": True}, "new_head: True given; there are no weights"),
    ({"lr_scaling": True}, "lr_scaling: True given; lr_batch says what lr is meant for"),
    ({"sink": True}, "sink: True given; MindSpore has no dataset sink on a CPU; allowed there is false"),
    ({"amp_dtype": "bfloat16"}, "amp_dtype: 'bfloat16' given; MindSpore has no bfloat16 convolution on a CPU"),
    ({"devices": 0}, "devices: 0 given; allowed is greater than or equal to 1"),
    ({"port": 80}, "port: 80 given; allowed is greater than or equal to 1024"),
    ({"epochs": 5, "warmup_epochs": 5}, "warmup_epochs: 5 given; allowed is less than epochs (5)"),
    ({"schedule": "steps"}, "milestones: [] given; schedule steps wants at least one epoch"),
    ({"milestones": [1]}, "milestones: [1] given; schedule cosine wants an empty list"),
    ({"schedule": "steps", "milestones": [3, 2]}, "milestones: [3, 2] given; allowed are ascending epochs"),
    ({"lr_end": 1.0}, "lr_end: 1.0 given; allowed is at most lr"),
    ({"model": "resnet20", "dropout": 0.2}, "dropout: 0.2 given; resnet20 has none"),
    ({"model": "vgg16", "stem_stride": 1}, "stem_stride: 1 given; vgg16 has no such option"),
    ({"num_classes": 100}, "num_classes: 100 given; digits has 10"),
    ({"dataset": "cifar10", "image_size": 64}, "image_size: 64 given; cifar10 is 32 x 32"),
    ({"image_size": 30}, "image_size: 30 given; digits are 8 x 8"),
    ({"model": "vgg16", "image_size": 16}, "image_size: 16 given; vgg16 halves the map five times"),
])
def test_what_cannot_work_is_refused_in_one_line(values, message):
    with pytest.raises(InputError) as error:
        Config.of(values)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


TEXT_FIELDS = [name for name, field in Config.model_fields.items() if field.annotation in (str, str | None)]


@pytest.mark.parametrize("field", TEXT_FIELDS)
@pytest.mark.parametrize("given", ["", " ", "\t\n"])
def test_an_empty_text_is_not_nothing(field, given):
    """As a variable of the shell that is not set leaves: every text field, by name."""
    with pytest.raises(InputError) as error:
        Config.of({field: given})
    assert str(error.value).startswith(f"{field}: {given!r} given, an empty text; allowed is a")
    assert ("or null" in str(error.value)) == (field == "weights")


def test_all_texts_are_read_as_texts():
    assert set(TEXT_FIELDS) == set(TEXTS)


@pytest.mark.parametrize(("given", "read"), [
    (20240105, "20240105"), (datetime.date(2024, 1, 5), "2024-01-05"), (1.5, "1.5"), (Path("a/b"), "a/b")])
def test_what_papermill_made_of_a_text_is_a_text_again(given, read):
    assert Config.of({"run_dir": given}).run_dir == read


def test_paths_are_expanded_once_for_all(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    config = Config.of({"run_dir": "~/runs/one", "data_dir": "$HOME/data", "weights": "~/w.safetensors"})
    assert (config.run_dir, config.data_dir, config.weights) == (
        "/somewhere/runs/one", "/somewhere/data", "/somewhere/w.safetensors")
    assert Config.of({"weights": "https://host/~user/$x"}).weights == "https://host/~user/$x"
    with pytest.raises(InputError, match=r"^data_dir: '\$SCRATCH_/x' given; the variable SCRATCH_ is not set"):
        Config.of({"data_dir": "$SCRATCH_/x"})


@pytest.mark.parametrize("given", [None, ""])
def test_nothing_is_not_judged(given):
    with pytest.raises(InputError, match="^weights: (null|'') given"):
        Config().to_judge(given)
    assert Config(epochs=20, warmup_epochs=5, devices=2, new_head=True, weights="a").to_judge("b") == Config(
        epochs=0, weights="b")


def test_a_random_network_is_judged_only_with_a_word():
    assert not Config(epochs=0).trained and "random weights" in Config(epochs=0).remarks()[0]
    assert Config(epochs=0, weights="a").trained and Config().trained and not Config().remarks()


def test_everything_wrong_is_said_at_once():
    with pytest.raises(InputError) as error:
        Config.of({"lr": -1.0, "epochs": -1})
    assert "lr: -1.0" in str(error.value) and "epochs: -1" in str(error.value)


def test_what_yaml_and_papermill_make_of_numbers_is_understood():
    config = Config.of({"lr": "1e-3", "batch_size": 1e2, "ratio": {"blocks.0.0.ghost1": 4}})
    assert (config.lr, config.batch_size, config.ratio) == (0.001, 100, {"blocks.0.0.ghost1": 4})


def test_a_loss_scale_is_static_on_a_cpu_unless_told_and_that_is_said():
    half = Config(amp="O3", loss_scale=1024.0)
    assert not half.dynamic_scale
    assert half.remarks() == ["loss_scale: static on a CPU, at 1024; loss_scale_dynamic: true would make it the other"]
    told = Config(amp="O3", loss_scale_dynamic=True)
    assert told.dynamic_scale and not told.remarks()
    on_npu = Config(amp="O3", device="Ascend")
    assert on_npu.dynamic_scale and on_npu.remarks()[0].startswith("loss_scale: dynamic on an NPU")
    assert not Config(device="Ascend").dynamic_scale and not Config().remarks()


def test_yaml_there_and_back(tmp_path):
    config = Config(ratio={"blocks.0.0.ghost1": 4}, lr=0.025, weights=None)
    (tmp_path / "run.yaml").write_text(config.to_yaml())
    assert Config.load(tmp_path / "run.yaml") == config
    assert Config.load(tmp_path / "run.yaml", {"seed": 5}).seed == 5


@pytest.mark.parametrize(("text", "message"), [("- 1\n- 2\n", "not a mapping"), ("", "not a mapping"),
                                               ("lr: [", "not YAML"), (None, "cannot be read")])
def test_a_file_that_is_no_mapping_is_refused_by_name(text, message, tmp_path):
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=f"params.yaml.*{message}"):
        Config.load(path)


@pytest.fixture
def notebook(tmp_path):
    """A notebook with parameters of its own, one of which no cell reads."""
    source = "lr = 0.2\nseed = 3\ntau = 0.9  # its own\nepoch = 2"
    parameters = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    cells = [parameters, nbformat.v4.new_code_cell("%matplotlib inline"), nbformat.v4.new_code_cell("print(tau)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "own.ipynb")
    return tmp_path / "own.ipynb"


def test_a_notebooks_names_become_a_config_and_misspelt_ones_do_not(notebook):
    names = {"In": ["x"], "Out": {}, "_private": 1, "exit": object(), "pd": sys, "lr": 0.2, "seed": 3, "tau": 0.9}
    assert Config.of_notebook(notebook, names) == Config(lr=0.2, seed=3)
    for misspelt, line in (("epocs", "did you mean epochs"), ("tua", "did you mean tau"),
                           ("epoch", "did you mean epochs")):  # the last one is in its cell, and nothing comes of it
        with pytest.raises(InputError, match=f"{misspelt}: no such parameter; {line}"):
            Config.of_notebook(notebook, {**names, misspelt: 2})
    # Not the default, without a word:
    assert Config.of_notebook(notebook, {**names, "run_dir": Path("a")}).run_dir == "a"
    # Without its file, by the cells that it ran; the last is papermill's.
    ran = {**names, "In": ["", "lr = 0.2\ntau = 0.9", "# Parameters\ntua = 2"], "tua": 2}
    with pytest.raises(InputError, match="tua: no such parameter; did you mean tau"):
        Config.of_notebook("none.ipynb", ran)
    assert Config.of_notebook("none.ipynb", {**ran, "tua": sys}) == Config(lr=0.2, seed=3)
    notebook.write_text("{")
    with pytest.raises(InputError, match="notebook: .*own.ipynb cannot be read"):
        Config.of_notebook(notebook, names)


def test_a_notebook_finds_its_parameters_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Config.of_notebook("notebooks/redundancy.ipynb", {"tau": 0.9, "lr": 0.2}) == Config(lr=0.2)


def test_a_ratio_that_is_not_given_is_the_models_own():
    """A default of 2 for everyone would silently build ghosts into a MobileNet, a VGG or a ResNet."""
    for model in get_args(Model):
        own = 2 if model.startswith("ghostnet") else 1
        for given in ({}, {"ratio": None}):
            assert Config.of({"model": model, **given}).ratio == own
        assert Config.of({"model": model, "ratio": 3}).ratio == 3
    assert Config().ratio == 2 and Config(model="vgg16").model_dump()["ratio"] == 1  # as it is stored


def test_changes_to_a_config_are_checked_as_a_whole():
    config = Config(epochs=3, warmup_epochs=2)
    assert config.having(lr=0.2) == Config(epochs=3, warmup_epochs=2, lr=0.2)
    for changes, line in (({"epochs": 2}, "warmup_epochs: 2 given; allowed is less than epochs"),
                          ({"kernel": 2}, "kernel: 2"), ({"epocs": 2}, "epocs: no such parameter; did you mean epochs")):
        with pytest.raises(InputError, match=line):
            config.having(**changes)


def test_the_models_are_those_that_exist():
    from ghostlib import data, models
    assert set(get_args(Model)) == set(models.MODELS) and set(get_args(Dataset)) == set(data.DATASETS)


def test_params_files_are_runs(root):
    files = sorted((root / "notebooks" / "params").glob("train_*.yaml"))
    assert files
    for path in files:
        Config.load(path)


def test_every_field_says_where_its_default_comes_from(root):
    source = (root / "ghostlib" / "config.py").read_text()
    for field in Config.model_fields:
        comment = re.search(rf"^    {field}: .*?  # (.*)$", source, re.MULTILINE)
        assert comment, field
        assert re.match(r"(paper|mindcv recipe|ours|He et al\. 2016)\b", comment[1]), f"{field}: {comment[1]}"


@pytest.mark.parametrize("statement", ["import ghostlib.config", "import ghostlib.results", "import ghostlib.figures",
                                       "from click.testing import CliRunner; from ghostlib.__main__ import main; "
                                       "assert CliRunner().invoke(main, ['--help']).exit_code == 0"])
def test_plotting_and_help_do_without_mindspore(statement):
    done = subprocess.run([sys.executable, "-c", f"{statement}; import sys; print('mindspore' in sys.modules)"],
                          capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_dependencies_stand_once_and_the_same(root):
    """environment.yml wants the same packages as pyproject.toml with all that `make` installs."""
    environment = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in environment if isinstance(entry, dict))
    told = (root / "pyproject.toml").read_text().split("\ndependencies = [")[1].split("\nbrowser = ")[0]
    wanted = [one for one in re.findall(r'"([^"]+)"', re.sub(r"#.*", "", told)) if not one.startswith("ghostlib[")]
    assert sorted(pip) == sorted([*wanted, "-e ."])
    assert "python=3.11" in environment


def test_a_layers_name_that_yaml_reads_as_a_number_is_a_name():
    assert Config.of({"model": "resnet20", "ratio": {1: 2}}).ratio == {"1": 2}
