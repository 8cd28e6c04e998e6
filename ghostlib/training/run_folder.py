"""A run's folder: what is written there, who may write, and what becomes of a run that is there already."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ghostlib import atomic, results
from ghostlib.atomic import remove_parts
from ghostlib.config import Config
from ghostlib.errors import InputError, RunError
from ghostlib.lock import hold

CONFIG, HISTORY, LAST, BEST, ANSWERS = "config.yaml", "history.csv", "last.safetensors", "best.safetensors", "answers.csv"
AVERAGE = "average.safetensors"
FILES = {results.ROW: "the run as one row", HISTORY: "its curves", CONFIG: "its parameters",
         LAST: "its weights and all that resuming needs", BEST: "the same after its best epoch",
         AVERAGE: "the moving average of its weights",
         ANSWERS: "what it answered to each test image"}
SLACK = 2.0  # seconds by which clocks of a disk and of this machine may differ


def check_unused(config: Config) -> None:
    """Refuses a folder that holds a run, finished or begun, which nobody said to go on with or to replace.

    Raises:
        InputError: Naming what is there and the two ways on.
    """
    if config.resume or config.overwrite:
        return
    there = [name for name in (results.ROW, LAST, BEST, HISTORY) if (Path(config.run_dir) / name).exists()]
    if there:
        kind = "finished" if results.ROW in there else "begun"
        raise InputError(f"run_dir: {config.run_dir} holds a {kind} run ({', '.join(there)}); allowed are resume: true, "
                         f"which goes on with it, overwrite: true, which replaces it, or another folder")


def goes_on(config: Config) -> bool:
    """Whether a run begins where an earlier one's bundle ends."""
    return bool(config.resume and config.epochs and (Path(config.run_dir) / LAST).exists())


@contextmanager
def owned(config: Config, writes: bool = True) -> Iterator[None]:
    """Owns a run's folder (`ghostlib.lock.hold`), so that no other run writes there.

    Args:
        config: The run.
        writes: Whether this process is the one of its run that writes; the others own nothing.

    Raises:
        InputError: For a folder that another process holds, that cannot be written, or that holds a run, see `check_unused`.
    """
    if not writes:
        yield
        return
    with hold(Path(config.run_dir), "run_dir"):
        check_unused(config)  # again: who held the folder until now may have left a run
        yield


def begin(config: Config, resumed: bool) -> None:
    """Takes away what this run replaces and writes its parameters.

    Args:
        config: The run; with `overwrite` everything of an earlier one goes, so that nobody takes that one's curves for this
            one's.
        resumed: Whether it goes on with what is there, of which only the outcome goes.

    Raises:
        InputError: For a folder that cannot be written.
    """
    folder = Path(config.run_dir)
    try:
        for name in (results.ROW, ANSWERS) if resumed else FILES:
            (folder / name).unlink(missing_ok=True)
        for name in FILES:
            remove_parts(folder / name)
        atomic.write_text(folder / CONFIG, config.to_yaml())
    except (OSError, RunError) as error:
        raise InputError(f"run_dir: {folder} cannot be written ({error}); allowed is a folder of yours") from None


def files_of(run_dir: str | Path) -> list[str]:
    """The names of what the latest run in a folder left, its executed notebook among them if there is one.

    What is older than the run's parameters is an earlier run's.
    """
    folder = Path(run_dir)
    since = (folder / CONFIG).stat().st_mtime - SLACK if (folder / CONFIG).exists() else 0.0
    notebooks = sorted(path.name for path in folder.glob("*.ipynb"))
    return [name for name in (*notebooks, *FILES)
            if (folder / name).exists() and (name == CONFIG or (folder / name).stat().st_mtime >= since)]
