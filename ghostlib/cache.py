"""Where files are kept that can be made or fetched again: downloads, the compiled kernel, compiled graphs."""

import os
import tempfile
from pathlib import Path

import platformdirs

VARIABLE = "GHOSTLIB_CACHE"  # names another folder


def cache_folder() -> Path:
    """The folder for all of them, which need not exist yet: GHOSTLIB_CACHE, else the user's cache, else a temporary one.

    A process without a home (`docker run -u 12345`) has no cache of its own: it gets a folder that is kept for its number
    until the machine tidies up.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    try:
        own = Path(platformdirs.user_cache_dir("ghostlib", appauthor=False))
    except RuntimeError:  # platformdirs from 4.4 on says so, an older one gives "~" back
        own = Path("~")
    return own if own.is_absolute() else Path(tempfile.gettempdir()) / f"ghostlib-cache-{os.getuid()}"
