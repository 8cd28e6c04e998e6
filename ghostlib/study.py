"""The redundancy of finished runs' networks, as three tables: what `ghostlib redundancy` records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mindspore import nn

from ghostlib import results
from ghostlib.config import Config
from ghostlib.controls import intrinsic_study, ratio_study, similarity_study
from ghostlib.errors import InputError
from ghostlib.progress import progress_bar
from ghostlib.train import LAST, build, prepare

KERNELS, THRESHOLDS = (1, 3, 5, 7), (0.5, 0.7, 0.9)  # Table 2's d; ours
IMAGES = 192  # three splits of 64
TABLES = "redundancy", "allowed_ratio", "intrinsic"  # files data/results/NAME.csv


@dataclass(frozen=True)
class Subject:
    """A finished run's network, the same network before training, and images it was not trained on.

    Attributes:
        about: What every row of its tables says of it: dataset, model, width, seed, epochs, top1, s and d.
        net, untrained: Both in evaluation state.
        images: (N, 3, H, W), normalised; the first of the test split.
    """

    about: dict[str, Any]
    net: nn.Cell
    untrained: nn.Cell
    images: np.ndarray


def of_run(run_dir: str | Path, images: int = IMAGES) -> Subject:
    """Reads a finished run; `InputError` where there is none."""
    row = results.read_row(run_dir)
    config = Config.load(Path(run_dir) / "config.yaml", {"weights": str(Path(run_dir) / LAST), "epochs": 0,
                                                         "warmup_epochs": 0, "resume": False, "devices": 1})
    net, data, _ = prepare(config)
    about = {name: row[name] for name in ("dataset", "model", "width", "seed", "epochs", "top1")}
    return Subject({**about, "s": row["ratio"], "d": row["kernel"]}, net.set_train(False), build(config).set_train(False),
                   test_images(data, images))


def test_images(data, count: int) -> np.ndarray:
    """The first test images (count, 3, H, W), normalised; `InputError` where there are fewer."""
    parts: list[np.ndarray] = []
    for batch in data.test.epoch():
        parts.append(batch.images[:len(batch.places)])
        if sum(map(len, parts)) >= count:
            return np.concatenate(parts)[:count]
    raise InputError(f"images: {count} given; the test split has {sum(map(len, parts))}")


test_images.__test__ = False  # pytest would take it for a test


def of_runs(run_dirs: Sequence[str | Path], images: int = IMAGES, progress: bool = True) -> dict[str, pd.DataFrame]:
    """All three tables, by the names in TABLES, of several runs; Ghost and plain networks of one seed are compared."""
    subjects = [of_run(run_dir, images) for run_dir in run_dirs]
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    pairs = list(_pairs(subjects))
    with progress_bar(2 * len(subjects) + len(pairs), "study", progress) as bar:
        for one in subjects:
            seed = int(one.about["seed"])
            tables["redundancy"].append(similarity_study(one.net, one.untrained, one.images, KERNELS, seed)
                                        .assign(**one.about))
            bar.update(1)
            tables["allowed_ratio"].append(ratio_study(one.net, one.images, KERNELS, THRESHOLDS, seed)
                                           .assign(**one.about))
            bar.update(1)
        for ghost, plain in pairs:
            tables["intrinsic"].append(intrinsic_study(ghost.net, plain.net, ghost.images, KERNELS,
                                                       int(ghost.about["seed"])).assign(**ghost.about))
            bar.update(1)
    where = {"images": images, **results.provenance()}
    return {name: pd.concat(parts).assign(**where).round(6) for name, parts in tables.items() if parts}


def _pairs(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Subject]]:
    """Ghost networks, each with the plain one of the same model, width and seed, if it is there."""
    same = ("dataset", "model", "width", "seed", "epochs")
    for ghost in subjects:
        if ghost.about["s"] != 1:
            yield from ((ghost, plain) for plain in subjects if plain.about["s"] == 1
                        and all(plain.about[name] == ghost.about[name] for name in same))
