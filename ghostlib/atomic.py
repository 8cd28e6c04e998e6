"""Files that are written in one step: whole, or as they were before."""

import errno
import os
import uuid
from contextlib import suppress
from pathlib import Path

from ghostlib.errors import InputError, RunError

PART = ".part"  # ends the name of what is being written


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file in one step, into a folder that is made if need be: whoever reads it sees the old one or the new one,
    whole. Of several who write it at once, one comes last.

    Raises:
        RunError: If it cannot be written; the old one is intact.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # else a power cut could leave the new name with the old or no content
            os.replace(temporary, path)
        except BaseException:  # an interrupt, too
            with suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror})") from None


def remove_parts(path: Path) -> None:
    """Removes what processes that were killed while they wrote a file left of it; for whoever writes it alone."""
    with suppress(OSError):
        for left in path.parent.iterdir():
            if left.name.startswith(f".{path.name}.") and left.name.endswith(PART):
                left.unlink()


def check_target(path: Path, field: str) -> None:
    """Refuses a file that could not be written in the end; to be called before what takes long. Writing makes its folder.

    Args:
        path: The file, there or not.
        field: What it is called where it was given, for the error.

    Raises:
        InputError: For a folder, and for a file in one that cannot be made or written to.
    """
    try:
        if not path.name or path.is_dir():
            raise InputError(f"{field}: {path} is a folder; allowed is the name of a file")
        above = next(one for one in path.absolute().parents if os.path.lexists(one))
        if not above.is_dir():
            raise InputError(f"{field}: {path} cannot be written, {above} is no folder; allowed is a file in one of yours")
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise InputError(f"{field}: {path} cannot be written ({error.strerror}); allowed is a file in a folder of "
                         f"yours") from None


def write_text(path: Path, text: str) -> None:
    """Writes a text file in one step (`write_bytes`), as UTF-8; bytes of file names that are none are escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))
