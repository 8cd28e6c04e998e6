"""Notebooks as files: executed from end to end, which code a stored output came from, and outputs fit to be stored."""

import ast
import base64
import hashlib
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from PIL import Image

from ghostlib.errors import InputError, in_a_line
from ghostlib.paths import of_lab

HASH, INPUTS, PNG = "code_hash", "inputs", "image/png"
WIDGET_STATE, WIDGET_VIEW = (f"application/vnd.jupyter.widget-{what}+json" for what in ("state", "view"))
INJECTED = "# Parameters"  # how the cell begins in which papermill sets parameters
PATIENCE = 3600  # seconds
TOP = ("ghostlib", "notebooks", "data")  # folders that lie side by side at the top of the lab, and together nowhere else


def go_to_top() -> Path:
    """Makes the top of the lab the current folder, where paths such as data/results/ begin; returns the current folder.

    papermill and `make lab` start kernels there. VS Code, nbconvert and a plain JupyterLab start them in the notebook's
    folder, and then every such path would lead nowhere. Outside a lab nothing is changed.
    """
    here = Path.cwd()
    top = next((folder for folder in (here, *here.parents) if all((folder / name).is_dir() for name in TOP)), here)
    os.chdir(top)
    return top


def read(path: str | Path) -> NotebookNode:
    """A notebook, without nbformat's remarks on what it mends in it, one for each cell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nbformat.read(path, as_version=4)


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Says in one line, as `InputError`, that a notebook cannot be read, whatever nbformat finds wrong with it."""
    try:
        yield
    except Exception as error:
        raise InputError(f"notebook: {path} cannot be read ({in_a_line(error, 200)})") from None


def parameters_of(notebook: NotebookNode) -> dict[str, bool]:
    """The names that a notebook's parameters cell sets, each with whether another of its cells reads it."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    read_elsewhere = {node.id for cell in code if cell not in tagged for node in _nodes(cell.source)
                      if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return {node.id: node.id in read_elsewhere for cell in tagged for node in _nodes(cell.source)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def own_parameters(path: str | Path, names: Mapping[str, Any]) -> set[str]:
    """Which names a running notebook may have as parameters of its own: set in its parameters cell and read by another.

    Where its file is not at hand, as on another machine of a cluster, those that a cell which it ran sets, but for the cell
    in which papermill sets what it was given.

    Args:
        path: Its file, seen from the current folder or from the lab's top.
        names: Its globals.
    """
    if (file := of_lab(path)).is_file():
        return {name for name, is_read in parameters_of(read(file)).items() if is_read}
    return {node.id for source in names.get("In", ()) if not source.startswith(INJECTED) for node in _nodes(source)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _nodes(source: str) -> Iterator[ast.AST]:
    try:
        return ast.walk(ast.parse(source))
    except SyntaxError:  # a line for IPython alone, such as one with a magic command
        return iter(())


def execute(source: str | Path, target: str | Path, parameters: Mapping[str, Any] | None = None,
            watched: bool = False) -> None:
    """Executes a notebook by papermill, in the current folder, with nobody at the keyboard.

    Args:
        source: The notebook.
        target: Where it goes with its outputs, those of a failure too.
        parameters: In place of its own.
        watched: Whether to show on the terminal what its progress bars say, where there is one.

    Raises:
        papermill.PapermillExecutionError: If a cell fails.
    """
    import papermill
    engine = None  # papermill's own
    if watched and sys.stderr.isatty():
        from ghostlib import watched as watching
        engine = watching.NAME
    # Of itself papermill gives a kernel a minute to start, and what it shows four seconds to arrive. On a busy machine that
    # lost a run of an hour and a half at its last cell.
    # A kernel warns each time that other users of this machine might listen to what it says to us; nothing in it is secret.
    papermill.execute_notebook(source, target, parameters, engine_name=engine, progress_bar=False, cwd=Path.cwd(),
                               request_save_on_cell_execute=False, extra_arguments=["--log-level=ERROR"],
                               shutdown_kernel="immediate", start_timeout=PATIENCE, iopub_timeout=PATIENCE)


def code_hash(notebook: NotebookNode) -> str:
    """A hash of a notebook's code cells; outputs, prose and a cell that papermill injected do not change it."""
    cells = [cell.source.strip() for cell in notebook.cells
             if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])]
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()[:16]


def is_current(notebook: NotebookNode) -> bool:
    """Whether a notebook's outputs are those of its code and of the recorded files that it read, as they are now."""
    inputs = notebook.metadata.get(INPUTS)
    return inputs is not None and notebook.metadata.get(HASH) == code_hash(notebook) and inputs == digests(inputs)


def digests(paths: Iterable[str]) -> dict[str, str]:
    """For each file, in order, a hash of its content; "" for one that is not there."""
    return {name: hashlib.sha256(Path(name).read_bytes()).hexdigest()[:16] if Path(name).is_file() else ""
            for name in sorted(set(paths))}


def tidy(notebook: NotebookNode, inputs: Iterable[str] = ()) -> NotebookNode:
    """An executed notebook made ready to commit, in place: no clock times, no random names of widgets and tables, no
    addresses in memory; in its metadata a hash of its code, and of each of the recorded files that it read (`inputs`), seen
    from the lab's top."""
    _number_widgets(notebook)
    _number_tables(notebook)
    notebook.metadata.pop("papermill", None)
    notebook.metadata[HASH], notebook.metadata[INPUTS] = code_hash(notebook), digests(inputs)
    for cell in notebook.cells:
        for key in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
    return notebook


def _number_widgets(notebook: NotebookNode) -> None:
    """Gives widgets numbers for names, in the order in which what is shown leads to them."""
    state = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    if not state:
        return
    names, told = re.compile("|".join(state)), {name: json.dumps(state[name], sort_keys=True) for name in state}
    shown = [output.data[WIDGET_VIEW]["model_id"] for cell in notebook.cells for output in cell.get("outputs", [])
             if WIDGET_VIEW in output.get("data", {})]
    # What nothing shown leads to, such as a link between two sliders, comes last.
    waiting = [*shown, *sorted(state, key=lambda name: names.sub("", told[name]))][::-1]
    numbers: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in state and name not in numbers:
            numbers[name] = f"{len(numbers):032x}"
            waiting += names.findall(told[name])[::-1]

    def numbered(part: Any) -> Any:
        return nbformat.from_dict(json.loads(names.sub(lambda found: numbers[found[0]], json.dumps(part))))

    notebook.metadata.widgets = numbered(notebook.metadata.widgets)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = numbered(cell.outputs)


def _number_tables(notebook: NotebookNode) -> None:
    """Gives pandas' styled tables numbers for names, and takes from what is shown where in memory it lay."""
    numbers: dict[str, str] = {}
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        data = output.get("data", {})
        for kind in {"text/html", "text/plain"} & set(data):
            for name in re.findall(r'<table id="(T_[0-9a-f]+)"', data[kind]):
                numbers.setdefault(name, f"T_{len(numbers):05}")
            data[kind] = re.sub(r"T_[0-9a-f]{5}", lambda found: numbers.get(found[0], found[0]), data[kind])
            data[kind] = re.sub(r"(<[\w.]+(?: object)?) at 0x[0-9a-f]+>", r"\1>", data[kind])


def slim(notebook: NotebookNode) -> NotebookNode:
    """Stored pictures with a palette of 256 colours, a third of the bytes and hard to tell from what they were; in place."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if PNG in output.get("data", {}):
                picture = Image.open(io.BytesIO(base64.b64decode(output.data[PNG])))
                if picture.mode != "P":
                    small = io.BytesIO()
                    picture.convert("RGB").quantize(256).save(small, "PNG", optimize=True)
                    output.data[PNG] = base64.b64encode(small.getvalue()).decode()
    return notebook
