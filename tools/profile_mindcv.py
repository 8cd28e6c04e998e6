"""Why mindcv's GhostNet 1.0 is slower here than ours: its step taken apart, cause by cause and operator by operator.

    .venv/bin/python tools/profile_mindcv.py --mindcv CHECKOUT

Each contender is the one before it with one cause removed, alone in a process of its own, all of them in turn and that
--rounds times; the best round counts, for whatever else the machine does can only slow one down. All are trained by our
step. Writes data/results/mindcv_causes.csv (images a second) and mindcv_operators.csv (a step's milliseconds by operator).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_implementations import ROOT, SIZE, best

CONTENDERS = ("mindcv", "without slices that cut nothing", "and with AdaptiveAvgPool2d for ops.mean",
              "ghostlib, MindSpore's operators", "ghostlib")
STEPS = 3  # profiled


def network(name: str, checkout: str):
    """A contender's network, and what is run of it in training."""
    from mindspore import nn, ops

    if name.startswith("ghostlib"):
        from ghostlib.kernels import fused
        from ghostlib.models import ghostnet
        net = ghostnet(dropout=0.0)
        return net, fused.accelerated(net)
    sys.path.insert(0, checkout)
    from mindcv.models.ghostnet import GhostModule, ghostnet_100
    from mindcv.models.layers.pooling import GlobalAvgPooling
    net = ghostnet_100(pretrained=False)
    if name != "mindcv":
        def construct(self, x):
            first = self.primary_conv(x)
            return ops.concat((first, self.cheap_operation(first)), axis=1)
        for _, cell in net.cells_and_names():
            if isinstance(cell, GhostModule):  # every one of GhostNet 1.0 has an even number of channels
                assert cell.oup % 2 == 0
        GhostModule.construct = construct
    if name.startswith("and"):
        def replace(parent):
            for key, child in parent._cells.items():
                if isinstance(child, GlobalAvgPooling) and child.keep_dims:
                    setattr(parent, key, nn.AdaptiveAvgPool2d(1))
                else:
                    replace(child)
        replace(net)
    return net, net


def measure(options) -> dict:
    """Images a second in training and evaluation, and milliseconds a training step spends in each kind of operator."""
    import numpy as np
    from mindspore import Tensor, float32
    from mindspore.profiler import ProfilerActivity, profile, tensorboard_trace_handler

    from ghostlib.config import Config
    from ghostlib.deploy import fold_batchnorm
    from ghostlib.device import use_device
    from ghostlib.kernels import fused
    from ghostlib.training.optimizers import make_optimizer
    from ghostlib.training.step import TrainStep
    use_device("CPU")
    config = Config(dropout=0.0, num_classes=1000, dataset="imagefolder", data_dir="-", image_size=SIZE,
                    batch_size=options.batch)
    net, fast = network(options.child, options.mindcv)
    rng = np.random.default_rng(0)
    images = Tensor(rng.normal(size=(options.batch, 3, SIZE, SIZE)).astype(np.float32))
    labels, rate = Tensor(rng.integers(0, 1000, options.batch).astype(np.int32)), Tensor(0.01, float32)
    step = TrainStep(fast, make_optimizer(net, config), config).set_train(True)
    found = {"training": best(lambda: step(images, labels, rate)[0].asnumpy(), options.batch)}
    with tempfile.TemporaryDirectory() as folder:
        with profile(activities=[ProfilerActivity.CPU], on_trace_ready=tensorboard_trace_handler(folder)):
            for _ in range(STEPS):
                step(images, labels, rate)[0].asnumpy()
        found["operators"] = operators(Path(folder))
    own = options.child.startswith("ghostlib")
    test = (fused.accelerated(fold_batchnorm(net)) if own else net).set_train(False)
    found["evaluation"] = best(lambda: test(images).asnumpy(), options.batch)
    return found


def operators(folder: Path) -> dict[str, tuple[float, float]]:
    """Operator: how often a step calls it and the milliseconds that takes, as the profiler counted."""
    import pandas as pd

    table = pd.read_csv(next(folder.rglob("cpu_op_type_info_*.csv")))
    return {row.op_type: (row.type_occurrences / STEPS, row.total_compute_time / STEPS) for row in table.itertuples()}


def child(options, name: str) -> dict:
    environment = {**os.environ, "GHOSTLIB_KERNEL": "off" if "operators" in name else "on", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, __file__, "--mindcv", options.mindcv, "--batch", str(options.batch), "--child", name]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mindcv", required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options)))
        return

    import pandas as pd
    from tqdm import tqdm

    from ghostlib import results
    turns = [(number, name) for number in range(options.rounds) for name in CONTENDERS]
    found = [{"contender": name, "round": number, **child(options, name)} for number, name in tqdm(turns)]
    about = {"batch": options.batch, "rounds": options.rounds, **results.provenance()}
    speeds = pd.DataFrame(found).drop(columns="operators").groupby("contender", sort=False).max().drop(columns="round")
    results.write_table("data/results/mindcv_causes.csv", speeds.round(2).reset_index().assign(**about))
    spent = [{"contender": one["contender"], "operator": name, "calls": calls, "ms": ms}
             for one in found if one["round"] == options.rounds - 1 for name, (calls, ms) in one["operators"].items()]
    results.write_table("data/results/mindcv_operators.csv", pd.DataFrame(spent).round(2).assign(**about))
    print(speeds.round(1).to_string())


if __name__ == "__main__":
    main()
