"""YAML from outside, read so that nothing in it is lost or becomes something else without a word."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from ghostlib.errors import InputError, in_a_line
from ghostlib.paths import expand, of_lab, where_the_labs_are

NULLS = ("null", "Null", "NULL", "~")  # what YAML writes for nothing; an empty value is no such word


class _Twice(yaml.YAMLError):
    """A key that stands twice in one mapping, of which YAML would keep the last."""


class _Loader(yaml.SafeLoader):
    """A safe loader without dates, which refuses a key that is given twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own name for it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines and name != "<<":  # YAML's merge may stand several times
                raise _Twice(f"{name}: given twice, in lines {lines[name]} and {line}; allowed is once")
            lines[name] = line
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path, texts: Collection[str] = ()) -> dict[str, Any]:
    """The mapping in a YAML file.

    Args:
        path: The file.
        texts: Keys of the mapping that hold texts: their plain values are taken as written, so that `run_dir: 007` and
            `run_dir: 2024-01-05` are names, and an empty one is an empty text. Only null is nothing.

    Raises:
        InputError: For a file that cannot be read, is no YAML or no mapping, or gives a key twice.
    """
    path = of_lab(expand(path, "file"))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted is a YAML file of parameters; "
                         f"{where_the_labs_are()}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not YAML in UTF-8 ({error}); wanted are lines 'name: value'") from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value in texts:
                    _as_written(value)
        values = loader.construct_document(node) if node is not None else None
    except _Twice as error:
        raise InputError(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({in_a_line(error, None)}); wanted are lines 'name: value'") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds a {type(values).__name__}, not a mapping; wanted are lines 'name: value'")
    return values


def read_value(text: str, is_text: bool) -> Any:
    """What a value on the command line means, read as in a file.

    Raises:
        ValueError: If it is no YAML.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return text if is_text else None
        if is_text:
            _as_written(node)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _as_written(node: yaml.Node) -> None:
    """Makes a plain value, whatever YAML takes it for, the text that stands there; null stays nothing."""
    if isinstance(node, yaml.ScalarNode) and node.style is None and node.value not in NULLS:
        node.tag = "tag:yaml.org,2002:str"
