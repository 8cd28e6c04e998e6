"""Paths as people write them, and what becomes of them: the one place through which every path from outside goes."""

import os
import re
import site
import sysconfig
from pathlib import Path

from ghostlib.errors import InputError

CHECKOUT = Path(__file__).parents[1]
# Where pip puts pyproject.toml's data-files: beside its environment, or in the user's own folders.
PLACES = tuple(Path(base) / "share" / "ghostlib" for base in (sysconfig.get_path("data"), site.getuserbase()))
INSTALLED = next((place for place in PLACES if place.is_dir()), PLACES[0])
VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")


def expand(text: str | Path, field: str) -> str:
    """A path with `~` and `$VARIABLES` replaced, as a shell would; one whose `$` is part of a name that is there, as it is.

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
    if "$" in given and os.path.lexists(given):
        return given

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


def lab() -> Path:
    """The folder with the lab's own notebooks, parameter files, published tables and weights: the checkout that this package
    lies in, else where pip put them."""
    # os.path's answer, which is no where Path's is an error: for somebody who may not read where the checkout lies.
    return CHECKOUT if os.path.isdir(CHECKOUT / "notebooks" / "params") else INSTALLED


def of_lab(path: str | Path) -> Path:
    """A path below notebooks/ as it is seen from the current folder; what is not there, in `lab`'s. Any other as it is.

    So `ghostlib train notebooks/params/train_smoke.yaml` works wherever it is typed.
    """
    here, there = Path(path), lab() / path
    try:
        return there if here.parts[:1] == ("notebooks",) and not here.exists() and there.exists() else here
    except OSError:  # such as a name that is too long for a file's: whoever opens it says so
        return here


def where_the_labs_are() -> str:
    """A clause that says where the lab's own parameter files are."""
    params = lab() / "notebooks" / "params"
    return f"the lab's own are in {params}" if os.path.isdir(params) else "the lab's own come with a checkout of ghostlib"
