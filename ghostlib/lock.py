"""A folder that one process owns: a lock of the operating system, which ends with its holder however that ends."""

import errno
import fcntl
import json
import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from ghostlib.errors import InputError

LOCK = ".lock"  # in the folder that is held; its content says by whom, its time of change that the holder is alive
PATIENCE = 10.0  # seconds that a holder which has just been killed is given to end
POLL = 0.1  # seconds between tries
BEAT = 60.0  # seconds between signs of life
ALIVE = 600.0  # seconds since its last one for which a holder on another host is believed: many disks lock for one host only
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}  # what a disk without locks answers


@contextmanager
def hold(folder: Path, field: str, name: str = LOCK) -> Iterator[None]:
    """Owns a folder from entering the `with` block to leaving it; the folder is made if need be.

    Args:
        folder: What is held. A process that holds it already waits for itself in vain, but for another name.
        field: What the folder is called where it was given, for an error.
        name: The lock file's; another one owns only what is agreed on by it, such as one file of the folder.

    Raises:
        InputError: If another process holds it, saying which, or if the folder cannot be written.
    """
    try:
        made = [one for one in (folder, *folder.parents) if not one.exists()]  # and goes again, if nothing came into it
        descriptor = _acquire(folder / name, field)
    except OSError as error:
        raise InputError(f"{field}: {folder} cannot be written ({error.strerror}); allowed is a folder of yours") from None
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(descriptor, ended), daemon=True)
    try:
        with suppress(OSError):  # a full disk: it is held all the same, and nobody is told by whom
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps({"host": socket.gethostname(), "process": os.getpid(),
                                             "start": datetime.now().isoformat(" ", "seconds")}).encode())
        beat.start()
        yield
    finally:
        ended.set()
        beat.join()
        with suppress(OSError):
            (folder / name).unlink()  # while it is held: who waits for this file sees that it is another one
        os.close(descriptor)
        with suppress(OSError):  # there is something in it
            for one in made:
                one.rmdir()


def _acquire(path: Path, field: str) -> int:
    """The descriptor of the lock file, locked."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # the folder went with its holder, between the two
            if time.monotonic() > deadline:
                raise
            continue
        locked = False
        try:
            locked = _lock(descriptor, path)
            if locked and _is_at(path, descriptor):
                elsewhere = _other_host(descriptor)
                if elsewhere:
                    raise InputError(f"{field}: {path.parent} is held by {elsewhere}; allowed is another folder, or to wait")
                return descriptor
            if not locked and time.monotonic() > deadline:
                raise InputError(f"{field}: {path.parent} is held by {_described(_holder(descriptor))}; allowed is another "
                                 f"folder, or to wait until it ends")
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not locked:
            time.sleep(POLL)


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        warnings.warn(f"{path.parent}: this disk has no locks ({error.strerror}); that no other process on this host works "
                      f"there is not known", RuntimeWarning, stacklevel=5)
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the file that was locked is still the one under its name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> dict:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
        return found if isinstance(found, dict) else {}
    except ValueError:  # being written, or damaged
        return {}


def _described(holder: dict) -> str:
    return (f"process {holder.get('process', '?')} on {holder.get('host', 'some host')}, "
            f"started {holder.get('start', 'at an unknown time')}")


def _other_host(descriptor: int) -> str | None:
    """A holder on another host, whose lock this one may not see, if it has shown signs of life of late."""
    holder = _holder(descriptor)
    age = time.time() - os.fstat(descriptor).st_mtime
    if not holder or holder.get("host") == socket.gethostname() or age > ALIVE:
        return None
    return f"{_described(holder)}, which showed a sign of life {max(age, 0):.0f} s ago and is believed for {ALIVE:.0f} s"


def _beat(descriptor: int, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with suppress(OSError):
            os.utime(descriptor)
