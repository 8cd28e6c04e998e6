"""Trains a Ghost network on real digits and says what came of it: `make tour`. The executed notebook lies beside the run."""

import os
from pathlib import Path

from ghostlib.notebook import execute
from ghostlib.training.launch import UNATTENDED

FOLDER = Path("data/runs/tour")

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.environ.update({**UNATTENDED, **os.environ})
    print("training a Ghost network on digits, in notebooks/train.ipynb: one to five minutes on two cores ...", flush=True)
    execute("notebooks/train.ipynb", FOLDER / "train.ipynb", {"overwrite": True}, watched=True)
