"""GhostNet 1.0 as ONNX in three forms, call by call in turn: with joined maps, with maps left apart, and the authors' own.

    .venv/bin/python tools/bench_graphs.py --authors DIR --torch DIR/bin/python

DIR as for tools/bench_implementations.py. All three forms are ready in one process and answer the same images one after the
other, so that a machine whose speed changes slows all of them; what counts is how many times as long a form takes as the
first one in the same turn. In a turn they come in random order, each twice, and the second call counts: threads of the form
before may go on spinning into the first. Each engine and number of images has a process of its own, --rounds times.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
JOINED, APART, AUTHORS = "joined", "apart", "the authors'"  # the forms, the first one what others are compared with
TURNS = {1: 300, 32: 30}  # calls of each form, by the number of images
SIZE, WARM = 224, 3


def write(folder: Path, options) -> dict[str, str]:
    """The three files."""
    from bench_implementations import run

    from ghostlib.config import Config
    from ghostlib.deploy import fold_batchnorm
    from ghostlib.deploy.onnx_graph import as_onnx
    from ghostlib.device import use_device
    from ghostlib.models.build import build
    use_device("CPU")
    files = {form: str(folder / f"{number}.onnx") for number, form in enumerate((JOINED, APART, AUTHORS))}
    config = Config.of({"model": "ghostnet", "width": 1.0, "num_classes": 1000, "dataset": "imagefolder", "data_dir": "-",
                        "image_size": SIZE})
    folded = fold_batchnorm(build(config).set_train(False), (3, SIZE, SIZE))
    for form in (JOINED, APART):
        Path(files[form]).write_bytes(as_onnx(folded, (3, SIZE, SIZE), apart=form == APART).SerializeToString())
    options.batch, options.mindcv, options.photographs = 1, "", ""  # which an export does not ask for
    run(options, "export", "ghostnet", "export", "--export", files[AUTHORS])
    return files


def times(files: dict[str, str], engine: str, batch: int) -> list[dict[str, float | str]]:
    """A row for each form: median and least milliseconds, and the median of the turns' ratios to the first form."""
    from ghostlib.deploy import engines
    images = np.random.default_rng(0).normal(size=(batch, 3, SIZE, SIZE)).astype(np.float32)
    ready = {form: engines.of_file(file, engine) for form, file in files.items()}
    taken: dict[str, list[float]] = {form: [] for form in ready}
    order = np.random.default_rng(1)
    for turn in range(-WARM, TURNS[batch]):
        for form in order.permutation(list(ready)):
            ready[form](images)
            start = time.perf_counter()
            ready[form](images)
            if turn >= 0:
                taken[form].append(1e3 * (time.perf_counter() - start))
    return [{"form": form, "ms": float(np.median(own)), "least_ms": min(own),
             "ratio": float(np.median(np.array(own) / taken[JOINED]))} for form, own in taken.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("authors", "torch"):
        parser.add_argument(f"--{option}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--csv", default="data/results/joins_apart.csv")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(times(**json.loads(options.child))))
        return

    import pandas as pd
    from tqdm import tqdm

    from ghostlib import processor, results
    from ghostlib.deploy import engines
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), options)
        for number, engine, batch in tqdm([(number, engine, batch) for number in range(1, options.rounds + 1)
                                           for engine in engines.OF_ONNX for batch in TURNS]):
            words = json.dumps({"files": files, "engine": engine, "batch": batch})
            done = subprocess.run([sys.executable, __file__, "--child", words], capture_output=True, text=True, env={
                **os.environ, "OMP_NUM_THREADS": str(options.threads), "PYTHONPATH": str(ROOT)})
            if done.returncode:
                sys.exit(f"{engine}: {done.stderr}")
            rows += [{"engine": engine, "batch": batch, "round": number, **row}
                     for row in json.loads(done.stdout.splitlines()[-1])]
    table = pd.DataFrame(rows).round(4).assign(threads=options.threads, instruction_sets=processor.instruction_sets(),
                                               **results.provenance())
    results.write_table(options.csv, table)
    print(table.groupby(["engine", "batch", "form"], sort=False)[["ms", "ratio"]].median().round(2).to_string())


if __name__ == "__main__":
    main()
