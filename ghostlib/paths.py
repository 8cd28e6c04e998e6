"""Paths as people write them, and what becomes of them: the one place through which every path from outside goes."""

import os
import re
from pathlib import Path

from ghostlib.errors import InputError

VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")


def expand(text: str | Path, field: str) -> str:
    """A path with `~` and `$VARIABLES` replaced, as a shell would.

    YAML files, notebooks and quoted arguments reach no shell; without this, `~/runs` makes a folder that is called `~`.

    Args:
        text: The path as given.
        field: Where it was given, for an error.

    Raises:
        InputError: For an empty path, a variable that is not set or is empty, and a user who is not known.
    """
    given = str(text)
    if not given.strip():
        raise InputError(f"{field}: {given!r} given; allowed is a path")

    def value_of(found: re.Match) -> str:
        name = found[1] or found[2]
        value = os.environ.get(name)
        if not value:
            raise InputError(f"{field}: {given!r} given; the variable {name} is {'not set' if value is None else 'empty'}")
        return value
    path = os.path.expanduser(VARIABLE.sub(value_of, given))
    if path.startswith("~"):
        raise InputError(f"{field}: {given!r} given; whose folder {path.split('/')[0]} is, is not known here; ./~... is a "
                         f"folder of that name")
    return path
