"""Executes notebooks at their defaults and stores their outputs: `make notebooks`, or with paths for only those."""

import sys
import tempfile
from pathlib import Path

import nbformat

from ghostlib.notebook import execute, slim, tidy

LARGEST = 1_000_000  # bytes, pictures included

for name in sys.argv[1:] or sorted(map(str, Path("notebooks").rglob("[!.]*.ipynb"))):
    print(name, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        done = Path(scratch) / "done.ipynb"
        execute(name, done)
        notebook = tidy(nbformat.read(done, as_version=4))
    if "tutorials" not in name:  # nbval compares their pictures byte by byte
        slim(notebook)
    nbformat.write(notebook, name)
    if Path(name).stat().st_size > LARGEST:
        sys.exit(f"{name}: {Path(name).stat().st_size:,} bytes; allowed are {LARGEST:,}: fewer or smaller pictures")
