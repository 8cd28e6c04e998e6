"""Cores of its own for each of several processes on a machine."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def own_cores(count: int) -> Iterator[set[int]]:
    """Keeps this process and those it starts to `count` cores that no other such process has.

    Threads that wait by spinning then cost their own process time and not another's: two trainings of a plain network, of
    one thread each on two cores, were a quarter faster so (docs/performance.md).

    A core is held by a lock on a file, which the system lets go when a process dies, however it dies. Where not enough
    are free, or the system cannot hold a process to cores, all stay allowed.

    Yields:
        The cores held; none if all stay allowed.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield set()
        return
    folder = Path(tempfile.gettempdir()) / f"ghostlib-cores-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    allowed, held = os.sched_getaffinity(0), set()
    with ExitStack() as locks:
        for core in sorted(allowed):
            file = locks.enter_context(open(folder / str(core), "w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            held.add(core)
            if len(held) == count:
                break
        if len(held) < count:
            locks.close()  # or others would go without what nobody uses
            held = set()
        os.sched_setaffinity(0, held or allowed)
        try:
            yield held
        finally:
            os.sched_setaffinity(0, allowed)
