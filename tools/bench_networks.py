"""How fast the networks of the ablation, of the paper's Tables 5 to 7 and GhostNet's rivals are here, each alone.

    python tools/bench_networks.py ablation data/results/ablation_speed.csv
    python tools/bench_networks.py paper data/results/paper_speed.csv
    python tools/bench_networks.py rivals data/results/rivals_speed.csv

Each network is measured several times in turn, so that a slow moment of the machine is not one network's. Needs a machine
that does nothing else; two, twelve and fifteen minutes.
"""

import sys

import pandas as pd

from ghostlib import bench, results, sweep
from ghostlib.config import Config
from ghostlib.progress import progress_bar
from ghostlib.studies import ablation, catalogue, paper, rivals

TURNS = {"ablation": 5, "paper": 2, "rivals": 2}
GRID = "notebooks/params/ablate_cifar10.yaml"
PAPER_BATCH = 32


def of_ablation() -> dict[str, Config]:
    """The grid's networks, by the names that the ablation gives them."""
    planned = sweep.read(GRID)
    configs = [config for config in map(planned.config, planned.points) if config.seed == 0]
    rows = pd.DataFrame([results.make_row(config, top1=0.0) for config in configs])
    return dict(zip(ablation.named(rows).network, configs))


def of_paper() -> dict[str, Config]:
    """The networks of Tables 5 to 7, at the sizes that the paper gives them, in batches of 32."""
    return _configs(paper.networks([5, 6, 7]))


def of_rivals() -> dict[str, Config]:
    """GhostNet, its successor, and the rivals of Table 7 at widths from 0.75 on, at 224 x 224 in batches of 32."""
    successor = catalogue.models().query("model == 'ghostnetv2' and width == 1").assign(network="GhostNetV2 1.0", ratio=2)
    successor = successor.assign(kernel=3, dataset="imagenet")
    return _configs(pd.concat([paper.networks([7]), successor, rivals.built([7]).query("width >= 0.75")]))


def _configs(rows: pd.DataFrame) -> dict[str, Config]:
    return {row.network: Config.of({"model": row.model, "width": row.width, "ratio": row.ratio, "kernel": row.kernel,
                                    "num_classes": row.num_classes, "image_size": row.image_size,
                                    "dataset": row.dataset if row.dataset == "cifar10" else "imagefolder",
                                    "batch_size": PAPER_BATCH})
            for row in rows.itertuples()}


def main(which: str, target: str) -> None:
    configs, rows = {"ablation": of_ablation, "paper": of_paper, "rivals": of_rivals}[which](), []
    with progress_bar(TURNS[which] * len(configs), "networks") as bar:
        for turn in range(TURNS[which]):
            for network, config in configs.items():
                rows += [{"network": network, "turn": turn, "batch_size": config.batch_size, **row}
                         for row in bench.speed(config)]
                bar.update(1)
    results.write_table(target, pd.DataFrame(rows).round(3).assign(**results.provenance()))


if __name__ == "__main__":
    main(*sys.argv[1:])
