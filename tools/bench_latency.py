"""How long networks take to answer for one image and for 32, by each engine, with one and two threads; a CSV file.

    .venv/bin/python tools/bench_latency.py data/results/latency.csv --turns 3
    .venv/bin/python tools/bench_latency.py data/results/latency_layers.csv --layers
    .venv/bin/python tools/bench_latency.py data/results/photographs_latency.csv --study photographs --threads 1

Needs a machine that does nothing else. Each network, engine and number of threads is a process of its own; within a turn
they come in random order, and a turn is whole before the next begins. What the file already holds of this machine is not
measured again, so it may be stopped at any time and the same command goes on; rows of another machine stay, and are not
compared with. --layers tells ONNX Runtime's operators apart, one image, one thread.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from ghostlib import latency, processor, results
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.deploy import engines
from ghostlib.models.build import build
from ghostlib.progress import progress_bar
from ghostlib.studies import latency as of_latency
from ghostlib.studies import photographs_latency as of_photographs
from ghostlib.studies import speeds

KEY = ["network", "engine", "threads", "turn"]  # of one machine
STUDIES = {"latency": of_latency, "photographs": of_photographs}  # each names its networks, and their Configs
BATCHES = 1, 32


def costs(config: Config) -> dict[str, float]:
    cost = count(build(config), (3, config.image_size, config.image_size))
    return {"weights": cost.weights, "macs": cost.macs, "bytes": cost.bytes_moved}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("csv", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--study", choices=STUDIES, default="latency", help="whose networks")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--layers", action="store_true")
    parser.add_argument("--engines", nargs="+", default=engines.installed(), choices=engines.ENGINES)
    options = parser.parse_args()
    study = STUDIES[options.study]
    # Joins: those of the files' maps (deploy.joins).
    here = {"joins": "apart", "instruction_sets": processor.instruction_sets(), **results.provenance(),
            **{name: results.version_of(name) for name in engines.OF_ONNX}}
    if options.layers:
        rows = [{"network": name, **row} for name in study.NETWORKS for row in latency.measure_layers(study.config_of(name))]
        results.write_table(options.csv, pd.DataFrame(rows).round(5).assign(**here))
        return
    table = results.read_table(options.csv) if options.csv.exists() else pd.DataFrame(columns=KEY)
    known: dict[str, dict[str, float]] = {}
    jobs = [(turn, name, engine, threads) for turn in range(options.turns) for name in study.NETWORKS
            for engine in options.engines for threads in options.threads]
    shuffled = sorted((jobs[place] for place in np.random.default_rng(0).permutation(len(jobs))), key=lambda job: job[0])
    own = speeds.of_machine(table, here) if len(table) else table
    if len(own) and set(own.get("joins", [""])) != {here["joins"]}:
        parser.error(f"{options.csv}: holds times of this machine by files of another form; allowed is a new file")
    done = set(zip(own.turn.astype(int), own.network, own.engine, own.threads.astype(int)))
    left = [job for job in shuffled if job not in done]
    with progress_bar(len(left), "measurements") as bar:
        for turn, name, engine, threads in left:
            config = study.config_of(name)
            if name not in known:
                known[name] = costs(config)
            rows = [{"network": name, "turn": turn, **row, **known[name]} for row in
                    latency.measure(config, engine, BATCHES, threads)]
            fresh = pd.DataFrame(rows).round(4).assign(**here)
            table = pd.concat([table, fresh]) if len(table) else fresh
            results.write_table(options.csv, table)
            bar.update(1)


if __name__ == "__main__":
    main()
