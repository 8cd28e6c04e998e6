"""Every notebook runs, is committed as it ran, and keeps the rules of the house."""

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
import yaml
from click.testing import CliRunner
from conftest import ROOT, hugging_face
from scipy import stats

from ghostlib.__main__ import main
from ghostlib.config import Config
from ghostlib.data import photographs
from ghostlib.deploy.onnx_graph import as_onnx
from ghostlib.errors import InputError
from ghostlib.models import MODELS
from ghostlib.notebook import HASH, INPUTS, WIDGET_STATE, WIDGET_VIEW, code_hash, digests, go_to_top, tidy
from ghostlib.weights import save_weights
from ghostlib.weights.sources import own_names

NOTEBOOKS = sorted(path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
TUTORIALS = [path for path in NOTEBOOKS if path.parent.name == "tutorials"]
STUDIES = [path for path in NOTEBOOKS if path not in TUTORIALS]
LARGEST = 1_000_000  # bytes


def ids(paths):
    return [path.stem for path in paths]


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def smoke(path):
    return ROOT / "notebooks" / "params" / f"{path.stem}_smoke.yaml"


def test_no_notebook_is_left_without_a_test():
    """A study has a smoke params file, with which it is run below; a tutorial is held to its stored outputs."""
    assert TUTORIALS and STUDIES
    assert {path.parent.name for path in NOTEBOOKS} <= {"notebooks", "tutorials"}
    for path in STUDIES:
        assert smoke(path).exists(), f"{path.name} has no {smoke(path).name}"


@pytest.mark.slow
@pytest.mark.parametrize("path", STUDIES, ids=ids(STUDIES))
def test_a_study_runs_with_its_smoke_params(path, tmp_path, monkeypatch):
    values, folder = yaml.safe_load(smoke(path).read_text()) or {}, ROOT
    if "grid" in values:  # the notebook of a sweep runs it, in a folder of its own
        values, folder = {"grid": f"notebooks/params/{smoke(path).name}", "start": True}, tmp_path / "here"
        for shared in ("notebooks", "data/results"):
            (folder / shared).parent.mkdir(parents=True, exist_ok=True)
            (folder / shared).symlink_to(ROOT / shared)
    if values.get("epochs", 0) > 2:  # as few as show that it runs; what comes of all of them stands in the committed outputs
        values |= {"epochs": 2, "warmup_epochs": min(1, values.get("warmup_epochs", 0))}
    if "run_dir" in values:
        values["run_dir"] = str(tmp_path / "run")
    if "photographs" in values.get("data_dir", ""):
        values["data_dir"] = str(photographs.write(tmp_path))
    if values.get("weights"):
        assert CliRunner().invoke(main, ["train", str(ROOT / "notebooks" / "params" / "train_smoke.yaml"), "-p", "run_dir",
                                         str(tmp_path / "weights"), "-p", "width", "0.5"]).exit_code == 0
        values["weights"] = str(tmp_path / "weights" / "last.safetensors")
    monkeypatch.chdir(folder)
    papermill.execute_notebook(path, tmp_path / "executed.ipynb", values, progress_bar=False)
    assert all(cell.execution_count for cell in code_cells(read(tmp_path / "executed.ipynb")) if cell.source.strip())
    assert ("run_dir" in values) == (tmp_path / "run" / "row.json").exists()


PUBLISHED = ("validate", "explore", "redundancy")  # which show a published network by its name alone


@pytest.mark.slow
def test_a_published_network_is_shown_by_its_name_alone(tmp_path, monkeypatch):
    """With weights that were made here: those published are not at hand, and a loopback server stands in for theirs."""
    save_weights(MODELS["ghostnet"](1.0, 2, 3, 1000, stem_stride=2), tmp_path / "made.safetensors")
    monkeypatch.chdir(ROOT)
    with hugging_face("timm/ghostnet_100.in1k", (tmp_path / "made.safetensors").read_bytes(), tmp_path / "hf") as variables:
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        for name in PUBLISHED:
            values = yaml.safe_load((ROOT / "notebooks" / "params" / f"{name}_published_smoke.yaml").read_text())
            assert values == {"weights": "timm/ghostnet_100.in1k"}
            own = {"run_dir": str(tmp_path / "run")} if name == "redundancy" else {}  # where it writes, not what it shows
            executed = papermill.execute_notebook(ROOT / "notebooks" / f"{name}.ipynb", tmp_path / "done.ipynb",
                                                  {**values, **own}, progress_bar=False)
            told = json.dumps(executed, ensure_ascii=False)
            assert {"validate": "width 1: 5,182,508 weights", "explore": "of 112 × 112: 8 intrinsic",
                    "redundancy": "ghostnet at width 1, s = 2"}[name] in told


@pytest.mark.slow
def test_whoever_has_a_resnet_50_gets_the_papers_figure_1(tmp_path, monkeypatch):
    """By nothing but `model` and `weights`, which were made here: 256 maps of the first residual group at 224."""
    net = MODELS["resnet50"](1.0, 1, num_classes=1000)
    save_weights(net, tmp_path / "made.safetensors")
    monkeypatch.chdir(ROOT)
    executed = papermill.execute_notebook(ROOT / "notebooks" / "redundancy.ipynb", tmp_path / "done.ipynb", {
        "model": "resnet50", "weights": str(tmp_path / "made.safetensors"), "images": 6, "kernels": [1],
        "epochs": 1, "run_dir": str(tmp_path / "run")}, progress_bar=False)
    told = json.dumps(executed, ensure_ascii=False)
    assert "resnet50 at width 1, s = 1" in told and "layer1 after output, correlations of the framed pairs" in told
    assert "as the paper's" in told and "<Figure size 1758x1584 with 257 Axes>" in told


@pytest.mark.slow
def test_anybodys_onnx_file_is_looked_at_like_a_network_of_ours(tmp_path, monkeypatch):
    net = as_onnx(MODELS["mobilenet_v3_small"](0.25, num_classes=4).set_train(False), (3, 64, 64))
    (tmp_path / "net.onnx").write_bytes(net.SerializeToString())
    monkeypatch.chdir(ROOT)
    executed = papermill.execute_notebook(ROOT / "notebooks" / "redundancy.ipynb", tmp_path / "done.ipynb", {
        "network": str(tmp_path / "net.onnx"), "folder": str(photographs.write(tmp_path)), "images": 12, "kernels": [1, 3],
        "epochs": 1, "run_dir": str(tmp_path / "run")}, progress_bar=False)
    told = json.dumps(executed, ensure_ascii=False)
    assert "net.onnx, 53 convolutions, 12 photographs" in told and "after ReLU, d = 3: R²" in told
    assert not (tmp_path / "run").exists()  # nothing but the small network with ghosts was trained
    assert " shuffled weights. One layer of one network is an anecdote." in told


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=ids(TUTORIALS))
def test_a_tutorial_gives_its_stored_outputs_to_the_character(path):
    done = subprocess.run([sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", str(path)],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout


@pytest.mark.slow
def test_the_check_of_tutorials_can_fail(tmp_path):
    """The same command on a copy with one stored character changed fails."""
    notebook = read(TUTORIALS[0])
    stream = next(output for cell in code_cells(notebook) for output in cell.outputs if output.output_type == "stream")
    stream.text = stream.text.replace("4608", "4609")
    nbformat.write(notebook, tmp_path / "changed.ipynb")
    done = subprocess.run([sys.executable, "-m", "pytest", "--nbval", "-q", "-x", "-p", "no:cacheprovider",
                           str(tmp_path / "changed.ipynb")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "4609" in done.stdout


def texts(path):
    """What each cell of code printed or gave as text."""
    return [[output.get("text") or output.data.get("text/plain", "") for output in cell.outputs
             if output.output_type != "display_data"] for cell in code_cells(read(path))]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ablate_kernel", "ablate_ratio", "compare"])
def test_stored_numbers_are_those_of_the_recorded_rows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = ROOT / "notebooks" / f"{name}.ipynb"
    papermill.execute_notebook(path, tmp_path / "again.ipynb", progress_bar=False)
    assert texts(tmp_path / "again.ipynb") == texts(path)


def test_the_contrasts_in_the_notebooks_are_what_the_rows_give_by_hand():
    """The printed means and intervals, from the CSV file by nothing but differences and a t test."""
    rows = pd.read_csv(ROOT / "data" / "results" / "ablate_cifar10.csv")
    chosen = {"plain": (rows.ratio == "1") & (rows.width == 0.25), "thin": (rows.ratio == "1") & (rows.width < 0.25),
              "by layer": rows.ratio.str.startswith("{"),
              **{f"s{s} d{d}": (rows.ratio == str(s)) & (rows.kernel == d) for s, d in ((2, 1), (2, 3), (2, 5), (4, 3))}}
    top1 = {name: 100 * rows[mask].set_index("seed").top1 for name, mask in chosen.items()}
    tables = "".join(output.get("data", {}).get("text/html", "") for name in ("ablate_kernel", "ablate_ratio")
                     for cell in code_cells(read(ROOT / "notebooks" / f"{name}.ipynb")) for output in cell.outputs)
    number = r"([+-][\d.]+)"
    found = re.findall(rf"<td>(s\d d\d|by layer) − (s\d d\d|plain|thin)</td>\s*<td>{number} \({number} to {number}\)</td>\s*"
                       r"<td>([^<]*)</td>", tables)
    assert len(found) == 5  # those named beforehand, and no other
    for first, second, *told, verdict in found:
        values = (top1[first] - top1[second]).dropna()
        interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert [float(one) for one in told] == pytest.approx([values.mean(), *interval], abs=0.00501)
        narrow = stats.ttest_1samp(values, 0).confidence_interval(0.9)
        assert (verdict == "within 0.5 points") == (-0.5 < narrow.low and narrow.high < 0.5)
        assert ("more than 0.5" in verdict) == (interval.low > 0.5 or interval.high < -0.5)


@pytest.mark.slow
def test_a_notebook_finds_the_top_of_the_lab_from_its_own_folder(tmp_path):
    """There nbconvert, VS Code and a plain JupyterLab start its kernel."""
    words = ["nbconvert", "--to", "notebook", "--execute", str(ROOT / "notebooks" / "ablate_kernel.ipynb"), "--output-dir"]
    done = subprocess.run([sys.executable, "-m", "jupyter", *words, str(tmp_path)], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr[-2000:]

    def told(path):
        return ["".join(output.get("text", "") for output in cell.outputs) for cell in code_cells(read(path))]
    assert told(tmp_path / "ablate_kernel.ipynb") == told(ROOT / "notebooks" / "ablate_kernel.ipynb")


@pytest.mark.parametrize("start", [".", "notebooks", "notebooks/tutorials", "data/runs/mine"])
def test_the_top_of_the_lab_is_found_from_below_and_nowhere_else(start, tmp_path, monkeypatch):
    for name in ("lab/ghostlib", "lab/notebooks/tutorials", "lab/data/runs/mine", "elsewhere/data"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "lab" / start)
    assert go_to_top() == tmp_path / "lab" == Path.cwd()
    monkeypatch.chdir(tmp_path / "elsewhere" / "data")
    assert go_to_top() == tmp_path / "elsewhere" / "data" == Path.cwd()


@pytest.mark.parametrize("path", STUDIES, ids=ids(STUDIES))
def test_parameters_are_literals_that_papermill_can_show(path):
    tagged = [i for i, cell in enumerate(read(path).cells) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    source = read(path).cells[tagged[0]].source
    values: dict = {}
    exec(source, {}, values)  # literals only: nothing to import, nothing to look up
    shown = set(papermill.inspect_notebook(str(path)))
    assert shown == set(values)
    # A default is Config's, or that of the smoke run, which is then what the committed outputs show; or weights that come
    # with the lab. But notebooks are meant to be run again, and a command is not.
    assert values.pop("overwrite", True)
    if values.get("weights") in own_names():
        values.pop("weights")
    defaults, smoked = Config().model_dump(), yaml.safe_load(smoke(path).read_text()) or {}
    assert not {name: value for name, value in values.items()
                if name in defaults and value not in (None, defaults[name], smoked.get(name))}  # None: as the weights say
    assert f'Config.of_notebook("notebooks/{path.name}", globals()' in next(
        cell.source for cell in read(path).cells[tagged[0] + 1:] if cell.cell_type == "code")


@pytest.mark.parametrize("path", STUDIES, ids=ids(STUDIES))
def test_a_misspelt_parameter_is_refused_in_the_notebook(path, tmp_path, monkeypatch):
    """Its own cells up to the one that makes the Config, what papermill injects among them, without a kernel."""
    monkeypatch.chdir(tmp_path)
    cells = code_cells(read(path))
    parameters = next(i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", []))
    names: dict = {}
    exec("\n".join(cell.source for cell in cells[:parameters + 1]), names)
    names["kernl"] = 3
    with pytest.raises(InputError, match="kernl: no such parameter; did you mean kernel"):
        exec(cells[parameters + 1].source, names)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_papermill_injects_a_misspelt_parameter_where_it_is_refused(tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match="kernl: no such parameter; did you mean kernel"):
        papermill.execute_notebook(ROOT / "notebooks" / "train.ipynb", tmp_path / "executed.ipynb", {"kernl": 3},
                                   progress_bar=False, cwd=tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["executed.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids(NOTEBOOKS))
def test_stored_outputs_are_those_of_this_code(path):
    notebook = read(path)
    cells = [cell for cell in code_cells(notebook) if cell.source.strip()]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert notebook.metadata[HASH] == code_hash(notebook), "changed since it ran: make notebooks"
    assert path.stat().st_size <= LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids(NOTEBOOKS))
def test_no_cell_of_a_stored_table_is_cut(path):
    """pandas ends a long cell in dots unless told; figures.style tells it."""
    tables = [output.data["text/html"] for cell in code_cells(read(path)) for output in cell.outputs
              if "text/html" in output.get("data", {})]
    assert not [cut for table in tables for cut in re.findall(r"<t[dh][^>]*>([^<]*\S\.\.\.)</t[dh]>", table)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids(NOTEBOOKS))
def test_stored_outputs_are_those_of_these_rows(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    inputs = read(path).metadata[INPUTS]  # `make notebooks` stores it, also where nothing is read
    assert all(name.startswith(("data/", "notebooks/")) for name in inputs), "seen from the lab's top"
    assert inputs == digests(inputs), "recorded tables changed since it ran: make notebooks"


def test_only_what_changed_is_executed(tmp_path):
    """A notebook is left alone to the byte until its code or a recorded table that it read is another, also from another
    folder."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data" / "results").mkdir(parents=True)
    table, path = tmp_path / "data" / "results" / "rows.csv", tmp_path / "notebooks" / "one.ipynb"
    table.write_text("a\n1\n")
    (tmp_path / "data" / "other.csv").write_text("no recorded table")
    code = ("import os\nfrom pathlib import Path\nhere = Path.cwd()\nos.chdir('notebooks')\n"
            "print(Path('../data/results/rows.csv').read_text(), (here / 'data/other.csv').read_text())")
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)], metadata={"kernelspec": kernel}), path)

    def stored(*words):
        done = subprocess.run([sys.executable, ROOT / "tools" / "run_notebooks.py", *words], cwd=tmp_path, text=True,
                              capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert done.returncode == 0, done.stderr
        return done.stdout, path.read_bytes()
    said, first = stored()
    assert said == "notebooks/one.ipynb\n" and list(read(path).metadata[INPUTS]) == ["data/results/rows.csv"]
    path.write_bytes(first + b"\n")  # no notebook that was written anew would end so
    assert stored() == ("notebooks/one.ipynb: as it was\n", first + b"\n")
    assert stored("--all") == ("notebooks/one.ipynb\n", first)
    table.write_text("a\n2\n")
    assert stored()[0] == "notebooks/one.ipynb\n" and "".join(texts(path)[0]).startswith("a\n2\n")


def test_stored_tables_have_numbers_for_names():
    """A styled table is stored to the same character whenever it is made, and no other text of its shape is changed."""
    def executed():
        shown = pd.DataFrame({"a": [1]}).style.format(precision=1)
        data = {"text/html": shown.to_html(), "text/plain": repr(shown)}
        cell = nbformat.v4.new_code_cell("shown", id="0", outputs=[
            nbformat.v4.new_output("execute_result", data=data), nbformat.v4.new_output("stream", text="T_01234 at 0x12")])
        return nbformat.writes(tidy(nbformat.v4.new_notebook(cells=[cell])))

    one, other = executed(), executed()
    assert one == other and "T_00000_row0" in one and "T_01234 at 0x12" in one and "Styler object>" in one
    stored = [output.get("data", {}).get(kind, "") for path in NOTEBOOKS for cell in code_cells(read(path))
              for output in cell.outputs for kind in ("text/html", "text/plain")]
    assert not [text for text in stored if re.search(r"<[\w.]+ at 0x[0-9a-f]+>", text)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids(NOTEBOOKS))
def test_a_notebook_reads_like_a_lecture(path):
    notebook = read(path)
    title = notebook.cells[0]
    assert title.cell_type == "markdown" and title.source.startswith("# ")
    for word in ("**Question.**", "**Needs**", "**Takes**"):
        assert word in title.source
    assert any("in doubt" in cell.source for cell in notebook.cells if cell.source.startswith("## "))
    lengths = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    assert statistics.median(lengths) <= 8
    assert all(length <= 25 for length, cell in zip(lengths, code_cells(notebook))
               if "parameters" not in cell.metadata.get("tags", []))  # a list of names is as long as it is


def test_stored_widgets_have_numbers_for_names():
    """The same widgets under other random names, in another order, are stored to the same character."""
    def executed(layout, slider, link):
        view = nbformat.v4.new_output("display_data", data={WIDGET_VIEW: {"model_id": slider}})
        models = {slider: {"state": {"layout": f"IPY_MODEL_{layout}", "value": 1}}, layout: {"state": {}},
                  link: {"state": {"source": [f"IPY_MODEL_{slider}", "value"]}}}
        cell = nbformat.v4.new_code_cell("shown", outputs=[view], id="0")
        state = {name: models[name] for name in sorted(models)}
        return nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {WIDGET_STATE: {"state": state}}})

    one, other = (nbformat.writes(tidy(executed(*(letter * 32 for letter in letters)))) for letters in ("abc", "fed"))
    assert one == other and f"IPY_MODEL_{1:032x}" in one and f'"model_id": "{0:032x}"' in one
    for path in NOTEBOOKS:
        names = read(path).metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
        assert sorted(names) == [f"{number:032x}" for number in range(len(names))], path.name
