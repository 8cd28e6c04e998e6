"""Executes notebooks at their defaults and stores their outputs.

    python tools/run_notebooks.py            # those whose code, recorded inputs or answer changed: `make notebooks`
    python tools/run_notebooks.py --all      # all of them, as after a change of figures or tables: `make notebooks ALL=1`
    python tools/run_notebooks.py notebooks/train.ipynb ...

What is not executed is left alone to the byte.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat

from ghostlib.notebook import execute, is_current, read, slim, tidy
from ghostlib.studies import contents

LARGEST = 1_000_000  # bytes, pictures included
LAST = "notebooks/index.ipynb"  # shows what the others found: made anew each time, and after them
NOTE_INPUTS = Path(__file__).with_name("note_inputs.py")


def run(name: str) -> None:
    """Executes one notebook and stores it."""
    with tempfile.TemporaryDirectory() as scratch:
        done, inputs = Path(scratch) / "done.ipynb", Path(scratch) / "inputs"
        os.environ.update(PYTHONSTARTUP=str(NOTE_INPUTS.absolute()), GHOSTLIB_INPUTS=str(inputs))
        execute(name, done)
        notebook = tidy(nbformat.read(done, as_version=4), inputs.read_text().splitlines())
    if "tutorials" not in name:  # nbval compares their pictures byte by byte
        slim(notebook)
    nbformat.write(notebook, name)
    if Path(name).stat().st_size > LARGEST:
        sys.exit(f"{name}: {Path(name).stat().st_size:,} bytes; allowed are {LARGEST:,}: fewer or smaller pictures")


if __name__ == "__main__":
    named = [word for word in sys.argv[1:] if word != "--all"]
    there = sorted(map(str, Path("notebooks").rglob("[!.]*.ipynb")), key=lambda name: (name == LAST, name))
    for name in named or there:
        told = contents.is_told(name.removeprefix("notebooks/").removesuffix(".ipynb"))
        if not named and "--all" not in sys.argv and name != LAST and told and is_current(read(name)):
            print(f"{name}: as it was", flush=True)
            continue
        print(name, flush=True)
        run(name)
