"""Where files are kept that can be made or fetched again: downloads, the compiled kernel, compiled graphs, decoded
photographs; and by what it is known that the code which made them is still the same."""

import functools
import hashlib
import os
import stat
import tempfile
from pathlib import Path

import platformdirs

import ghostlib

VARIABLE = "GHOSTLIB_CACHE"  # names another folder


def cache_folder() -> Path:
    """The folder for all of them, which need not exist yet: GHOSTLIB_CACHE, else the user's cache, else a temporary one.

    A process without a home (`docker run -u 12345`) has no cache of its own: it gets a folder that is kept for its number
    until the machine tidies up. It must be that user's alone, since a library is loaded from it; where somebody else was
    there first, each process has one of its own.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    try:
        own = Path(platformdirs.user_cache_dir("ghostlib", appauthor=False))
    except RuntimeError:  # platformdirs from 4.4 on says so, an older one gives "~" back
        own = Path("~")
    return own if own.is_absolute() else _temporary()


@functools.cache
def _temporary() -> Path:
    folder = Path(tempfile.gettempdir()) / f"ghostlib-cache-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="ghostlib-cache-"))


def sources() -> str:
    """A hash of ghostlib's own code, Python and C++."""
    folder, digest = Path(ghostlib.__file__).parent, hashlib.sha256()
    for path in sorted(path for kind in ("py", "cpp", "hpp") for path in folder.rglob(f"*.{kind}")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
