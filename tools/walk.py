"""Types the commands of the README, of the pages behind its doors and of those that these lead to, in a fresh clone: `make
walk`. What installs, and `make tour`, runs before all of them.

A command is followed by a mark that readers do not see: `<!-- quick -->` for seconds (the suite runs these as well, in
tests/test_readme.py), `<!-- walk -->` for minutes, or `<!-- not run: WHY -->`; a block of indented lines has its mark above
it. In PAGES all commands are marked, in BLOCKS those that stand in blocks. The clone is of what is committed, in a folder
with a space in its name. Commands run in the order of the pages, so that later ones find what earlier ones left.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PAGES = "README.md", "docs/see.md", "docs/measure.md", "docs/train.md", "docs/comparison.md"
BLOCKS = "docs/installing.md", "docs/deploying.md", "docs/any_network.md", "docs/ascend.md"
PROGRAMS = "ghostlib", "papermill", "make", "jupyter", "conda", "pip", "msrun", "ray"
COMMAND = re.compile(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`(?:<!-- (.*?) -->)?", re.DOTALL)
BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^>]*?) -->\n+)?(?P<lines>(?:^ {4}\S.*\n?)+)", re.MULTILINE)
IN_BLOCK = re.compile(rf"(?:{'|'.join(PROGRAMS)}) [^#]+")
SAID = 2000  # characters of what a failed command said


class Command(NamedTuple):
    words: str
    mark: str


def all_commands(text: str) -> list[Command]:
    """Those in a page's sentences and tables, and those in its blocks, in the order of the page; "" for no mark."""
    inside = [(found.start(), Command(" ".join(found[1].split()), found[2] or "")) for found in COMMAND.finditer(text)]
    return [command for _, command in sorted(inside + in_blocks(text))]


def in_blocks(text: str) -> list[tuple[int, Command]]:
    """Those on lines of their own, indented; each with its place in the page."""
    return [(block.start(), Command(found[0].strip(), block["mark"] or "")) for block in BLOCK.finditer(text)
            for line in block["lines"].splitlines() if (found := IN_BLOCK.match(line.strip()))]


def marked(page: Path) -> list[Command]:
    """Those of a page that must have a mark."""
    text = page.read_text()
    return [command for _, command in in_blocks(text)] if f"docs/{page.name}" in BLOCKS else all_commands(text)


def walk(clone: Path) -> list[str]:
    """Types all commands in a clone; those that failed."""
    path = f"{clone / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    typed = ["make tour", *(command.words for page in (*PAGES, *BLOCKS) for command in marked(clone / page)
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
