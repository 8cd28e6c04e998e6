"""Types the commands in the sentences and tables of the README and of the pages behind its doors, in a fresh clone: `make
walk`. Blocks of commands on lines of their own are typed by nobody; what installs and `make tour` runs before all of them.

A command in those pages is followed by a mark that readers do not see: `<!-- quick -->` for seconds (the suite runs these as
well, in tests/test_readme.py), `<!-- walk -->` for minutes, or `<!-- not run: WHY -->`. The clone is of what is committed,
in a folder with a space in its name. Commands run in the order of the pages, so that later ones find what earlier ones left.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGES = "README.md", "docs/see.md", "docs/measure.md", "docs/train.md", "docs/comparison.md"
PROGRAMS = "ghostlib", "papermill", "make"
COMMAND = re.compile(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`(?:<!-- (.*?) -->)?", re.DOTALL)
SAID = 2000  # characters of what a failed command said


class Command(NamedTuple):
    words: str
    mark: str


def commands(text: str) -> Iterator[Command]:
    """Those of a page that are marked, in order."""
    return (Command(" ".join(words.split()), mark) for words, mark in COMMAND.findall(text) if mark)


def unmarked(text: str) -> list[str]:
    """Those of a page that nobody runs and that do not say why."""
    return [words for words, mark in COMMAND.findall(text) if not mark]


def walk(clone: Path) -> list[str]:
    """Types all commands in a clone; those that failed."""
    path = f"{clone / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    typed = ["make tour", *dict.fromkeys(command.words for page in PAGES for command in commands((clone / page).read_text())
                                         if not command.mark.startswith("not run"))]
    failed = []
    for words in dict.fromkeys(typed):
        began = time.monotonic()
        done = subprocess.run(words, shell=True, cwd=clone, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        print(f"{'well' if done.returncode == 0 else 'FAILED'}  {time.monotonic() - began:5.0f} s  {words}", flush=True)
        if done.returncode:
            failed.append(words)
            print(f"{done.stdout[-SAID:]}{done.stderr[-SAID:]}", flush=True)
    return failed


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch) / "a clone"
        subprocess.run(["git", "clone", "--quiet", ".", str(here)], check=True)
        lost = walk(here)
    print(f"{len(lost)} failed" if lost else "all are well")
    sys.exit(bool(lost))
