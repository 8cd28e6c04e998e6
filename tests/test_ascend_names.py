"""docs/ascend.md lists every MindSpore name that ghostlib uses, and where; read from the sources, without MindSpore."""

import ast
import re

import pytest


def names_in(tree):
    """The names of MindSpore in a module, without the leading "mindspore.", as in nn.Conv2d."""
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound |= {one.asname or "mindspore": one.name if one.asname else "mindspore" for one in node.names
                      if one.name.split(".")[0] == "mindspore"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mindspore":
            bound |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}

    def whole(node):
        if isinstance(node, ast.Name):
            return bound.get(node.id)
        before = whole(node.value) if isinstance(node, ast.Attribute) else None
        return before and f"{before}.{node.attr}"
    return {name.removeprefix("mindspore.") for node in ast.walk(tree) if (name := whole(node)) and name != "mindspore"}


@pytest.fixture(scope="module")
def rows(root):
    """The cells of each row of the tables."""
    tables = (root / "docs/ascend.md").read_text().partition("## Every MindSpore name")[2].partition("### Doubts")[0]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in tables.splitlines() if line.startswith("| `")]


def test_every_name_that_is_used_stands_in_the_tables(root, rows):
    used = {name: str(path.relative_to(root)) for path in sorted((root / "ghostlib").rglob("*.py"))
            for name in names_in(ast.parse(path.read_text()))}
    assert {"nn.Conv2d", "set_device", "Tensor", "dataset.vision.Resize", "nn.utils.no_init_parameters"} <= set(used)
    listed = " ".join(code for row in rows for code in re.findall(r"`([^`]*)`", row[0]))
    missing = {name: path for name, path in used.items() if not re.search(rf"\b{name.rpartition('.')[2]}\b", listed)}
    assert not missing


def test_they_are_used_where_the_tables_say(root, rows):
    """Each file is there."""
    named = {name for row in rows for name in re.findall(r"[\w/]+\.py", row[1])}
    assert len(named) > 20
    assert not [name for name in named if not (root / "ghostlib" / name).exists() and not (root / name).exists()]
