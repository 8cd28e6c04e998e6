"""A finished run's weights in half precision, small enough to come with the lab, and their own row.

    python tools/publish_weights.py data/runs/photographs_long/KEY.last.safetensors ghostnet_050_imagenette

writes data/weights/NAME.safetensors, which `ghostlib/NAME` then stands for, and records in data/results/weights.csv how
that very file does on the test images, not the run it is from. What the optimizer remembers stays behind. BatchNorm's
running statistics keep their 32 bits: they are few, and 16 have no place for a small variance.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save

from ghostlib import atomic, results, training
from ghostlib.config import Config
from ghostlib.deploy import fold_batchnorm
from ghostlib.errors import some
from ghostlib.kernels import accelerated
from ghostlib.weights import check_finite, described
from ghostlib.weights.digest import with_digest
from ghostlib.weights.load import OPTIMIZER
from ghostlib.weights.sources import OWN_FOLDER

TABLE = Path("data/results/weights.csv")
STATISTICS = "moving_mean", "moving_variance"
OF_THE_RUN = "model", "width", "ratio", "kernel", "dataset", "image_size", "epochs", "augment", "erasing", "lr", "seed"
LARGEST = 3_000_000  # bytes


def halved(source: Path) -> bytes:
    """A bundle as safetensors with the network's tensors alone, and with what it says of network, images and versions."""
    with safe_open(source, "numpy") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(OPTIMIZER)}
    half = {name: array if name.endswith(STATISTICS) else array.astype(np.float16) for name, array in tensors.items()}
    if damage := check_finite(half):
        raise SystemExit(f"{source}: in half precision, {damage}")
    if missing := {"config", "data", "versions"} - set(metadata):
        raise SystemExit(f"{source}: no {some(sorted(missing))} in it; allowed are weights that a run of ours wrote")
    kept = {key: metadata[key] for key in ("config", "data", "versions")}
    return save(half, with_digest(half, kept))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path, help="last.safetensors of a run")
    parser.add_argument("name", help="what it is to be called")
    given = parser.parse_args()
    content, target = halved(given.bundle), OWN_FOLDER / f"{given.name}.safetensors"
    if len(content) > LARGEST:
        parser.exit(1, f"{given.bundle}: {len(content):,} bytes in half precision; allowed are {LARGEST:,}\n")
    target.parent.mkdir(exist_ok=True)
    atomic.write_bytes(target, content)
    with safe_open(given.bundle, "numpy") as file:
        trained = json.loads(file.metadata()["config"])
    config = Config.of({**described(target), "epochs": 0, "weights": str(target)}).to_judge()
    net, data, cost = training.prepare(config)
    outcome = training.evaluate(accelerated(fold_batchnorm(net)), data.test, progress=True)
    low, high = results.wilson_interval(outcome.top1, outcome.count)
    row = {"file": target.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content),
           **{name: trained[name] for name in OF_THE_RUN}, "weights": cost.weights, "macs": cost.macs,
           "top1": outcome.top1, "low": low, "high": high,
           "test_images": outcome.count, "data_fingerprint": data.contents.fingerprint}
    print(f"{TABLE}: {results.record(TABLE, pd.DataFrame([row]).assign(**results.provenance()), ['file'])}")
    print(f"{target}: {len(content):,} bytes, {outcome}")
