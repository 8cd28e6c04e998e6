"""Where a training step of a network goes here, operator by operator, as MindSpore's profiler counts it.

    python tools/profile_step.py data/results/rivals_operators.csv mobilenet_v2 mobilenet_v3_large ghostnet ghostnetv2
    python tools/profile_step.py data/results/operators_128.csv ghostnet --width 0.5 --size 128 --batch 64 --classes 10

With our kernel. Needs a machine that does nothing else; a minute a network.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from mindspore import Tensor
from mindspore.profiler import ProfilerActivity, profile, tensorboard_trace_handler
from profile_mindcv import STEPS, operators

from ghostlib import processor, results
from ghostlib.config import Config
from ghostlib.device import use_device
from ghostlib.kernels import accelerated
from ghostlib.training import build
from ghostlib.training.feed import example
from ghostlib.training.optimizers import make_optimizer
from ghostlib.training.step import TrainStep


def spent(config: Config) -> pd.DataFrame:
    """Operator, calls and milliseconds of one training step."""
    net = build(config)
    step = TrainStep(accelerated(net), make_optimizer(net, config), config).set_train(True)
    inputs = [Tensor(array) for array in example(net, config)]
    inputs[0] = Tensor(np.random.default_rng(0).normal(size=inputs[0].shape).astype(np.float32))
    for _ in range(2):
        step(*inputs)[0].asnumpy()
    with tempfile.TemporaryDirectory() as folder:
        with profile(activities=[ProfilerActivity.CPU], on_trace_ready=tensorboard_trace_handler(folder)):
            for _ in range(STEPS):
                step(*inputs)[0].asnumpy()
        found = operators(Path(folder))
    rows = [{"model": config.model, "operator": name, "calls": calls, "ms": ms} for name, (calls, ms) in found.items()]
    return pd.DataFrame(rows).sort_values("ms", ascending=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", help="the CSV file")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--width", type=float, default=1.0)
    for option, value in (("size", 224), ("batch", 32), ("classes", 1000)):
        parser.add_argument(f"--{option}", type=int, default=value)
    given = parser.parse_args()
    use_device("CPU")
    table = pd.concat([spent(Config(model=model, width=given.width, num_classes=given.classes, dataset="imagefolder",
                                    image_size=given.size, batch_size=given.batch)) for model in given.models]).round(2)
    told = {"width": given.width, "size": given.size, "batch": given.batch, "instruction_sets": processor.instruction_sets()}
    results.write_table(given.target, table.assign(**told, **results.provenance()))
    for name, rows in table.groupby("model", sort=False):
        most = ", ".join(f"{row.operator} {row.ms:.0f}" for row in rows.head(10).itertuples())
        print(f"{name}: {rows.ms.sum():.0f} ms, {most}")


if __name__ == "__main__":
    main()
