"""Notebooks as files: which code a stored output came from, and outputs fit to be stored."""

import hashlib

from nbformat import NotebookNode

HASH = "code_hash"


def code_hash(notebook: NotebookNode) -> str:
    """A hash of a notebook's code cells; outputs, prose and a cell that papermill injected do not change it."""
    cells = [cell.source.strip() for cell in notebook.cells
             if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])]
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()[:16]


def tidy(notebook: NotebookNode) -> NotebookNode:
    """An executed notebook made ready to commit: no clock times, its code's hash in its metadata; in place."""
    notebook.metadata.pop("papermill", None)
    notebook.metadata[HASH] = code_hash(notebook)
    for cell in notebook.cells:
        for key in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
    return notebook
