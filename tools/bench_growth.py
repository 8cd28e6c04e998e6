"""How what grows with a study takes longer: points of a grid, rows of a table, images in a folder.

    python tools/bench_growth.py data/results/growth.csv            # five minutes
    python tools/bench_growth.py data/results/growth.csv images     # one of grid, rows and images; the table's others stay

Works in a temporary folder, which goes: for the images it makes 1.3 million hard links. Each figure is one of a process
of its own. Prints, beside the table, what one more point, row or image takes (slope).
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import yaml
from tqdm import tqdm

from ghostlib import results, sweep
from ghostlib.sweep.rows import store
from ghostlib.sweep.table import Table

ROOT = Path(__file__).parents[1]
WIDTHS, RATIOS, KERNELS = [round(0.25 + 0.05 * step, 2) for step in range(10)], [2, 3, 4, 5], [1, 3, 5, 7]
GRIDS = {"10 networks, 25 seeds": (1, 1, 25), "40 networks, 25 seeds": (4, 1, 25), "160 networks, 25 seeds": (4, 4, 25),
         "40 networks, 100 seeds": (4, 1, 100)}  # of GhostNet at ten widths: ratios, kernels, seeds
LAST = 100  # finished runs over which the driver's work is averaged, the last of a grid
ROWS = 1_000, 10_000
IMAGES, CLASSES = (12_812, 128_117, 1_281_167), 1000  # ImageNet's, a tenth and a hundredth of them
SCAN = """
import re, sys, time
from pathlib import Path
from ghostlib.data import listing
def memory(kind):  # of this process alone; what getrusage tells begins at its parent's
    return int(re.search(rf"{kind}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
before = memory("VmRSS")
start, work = time.perf_counter(), time.process_time()
found = listing.scan(Path(sys.argv[1]))
listing.fingerprint([found])
print(len(found.files), time.perf_counter() - start, time.process_time() - work,
      memory("VmHWM") - before, memory("VmRSS") - before)
"""


def in_child(*words: str) -> tuple[str, float, float]:
    """What a Python process says, its seconds, and the processor's."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (done.stdout, time.perf_counter() - start,
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and the processor's seconds, of a piece of work."""
    start, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - processor


def row_of(planned: sweep.Sweep, point: sweep.Point) -> dict:
    """A row such as a run of the training notebook hands back."""
    return {**results.make_row(planned.config(point), weights=1_234_567, macs=12_345_678, conv_macs=12_000_000, top1=0.9876,
                               top5=0.9987, test_images=360, broken_images=0, seconds=61.5),
            "wall_seconds": 66.6, "npus": "", "node": "0" * 56}


def of_grid() -> Iterator[dict]:
    """A dry run of nothing done, a finished run, and a complete grid recognised, for each grid."""
    for name, (ratios, kernels, seeds) in GRIDS.items():
        Path("grid.yaml").write_text(yaml.safe_dump({
            "notebook": str(ROOT / "notebooks" / "train.ipynb"), "params": {"model": "ghostnet"},
            "seeds": list(range(seeds)), "grid": {"width": WIDTHS, "ratio": RATIOS[:ratios], "kernel": KERNELS[:kernels]}}))
        planned = sweep.read("grid.yaml")
        points, shared = planned.points, {"of": name, "count": len(planned.points)}
        said, seconds, processor = in_child("-m", "ghostlib", "sweep", "grid.yaml", "--dry-run")
        assert f"{len(points)} of {len(points)} to run" in said, said[-200:]
        yield {"what": "dry run", **shared, "seconds": seconds, "processor_seconds": processor}

        planned.folder.mkdir(parents=True)
        for point in points[:-LAST]:
            store(planned, point, "{}", row_of(planned, point), {})
        table = Table(planned, sweep.rows_there(planned))
        rows = [(point, row_of(planned, point)) for point in points[-LAST:]]

        def finish(planned: sweep.Sweep = planned, table: Table = table, rows: list = rows) -> None:
            for point, row in rows:
                table.add(store(planned, point, "{}", row, {}))
        seconds, processor = timed(finish)
        yield {"what": "finished run", **shared, "seconds": seconds / LAST, "processor_seconds": processor / LAST}

        seconds, processor = timed(lambda planned=planned, table=table: sweep.write_rows(planned, table._rows))
        yield {"what": "rows.csv written", **shared, "seconds": seconds, "processor_seconds": processor}
        said, seconds, processor = in_child("-m", "ghostlib", "sweep", "grid.yaml")
        assert f"all {len(points)} points are there" in said, said[-200:]
        yield {"what": "complete grid recognised", **shared, "seconds": seconds, "processor_seconds": processor}
        subprocess.run(["rm", "-r", "data"], check=True)


def of_rows() -> Iterator[dict]:
    """A table recorded where there is none, recorded again with as many rows of others, and read."""
    config = results.make_row(sweep.Sweep("", Path(), "", "", {}, (), True).config(sweep.Point("", {})))
    for count in ROWS:
        rows = pd.DataFrame([{"point": f"{number:016x}", **config, "top1": number / count} for number in range(count)])
        for what, work in {"table recorded": lambda rows=rows: results.record("rows.csv", rows, ["point"]),
                           "table recorded again": lambda rows=rows: results.record("rows.csv", rows, ["point"]),
                           "table read": lambda: results.read_table("rows.csv")}.items():
            seconds, processor = timed(work)
            yield {"what": what, "of": "rows of a Config", "count": count, "seconds": seconds,
                   "processor_seconds": processor}
        Path("rows.csv").unlink()


def of_images() -> Iterator[dict]:
    """Folders of as many classes as ImageNet has, listed and known by their fingerprint; memory without Python's own."""
    for count in IMAGES:
        for number in tqdm(range(CLASSES), f"{count:,} links", disable=None):
            folder = Path("train", f"n{number:08d}")
            folder.mkdir(parents=True, exist_ok=True)
            each = count // CLASSES + (number < count % CLASSES)
            (first := folder / f"{folder.name}_0.JPEG").touch()
            for image in range(1, each):
                path = folder / f"{folder.name}_{image}.JPEG"
                if not path.exists():
                    os.link(first, path)
        said = in_child("-c", SCAN, "train")[0]
        files, seconds, processor, memory, kept = map(float, said.split())
        assert files == count
        yield {"what": "folder listed", "of": f"{CLASSES:,} classes", "count": count, "seconds": seconds,
               "processor_seconds": processor, "mebibytes": memory, "kept_mebibytes": kept}


PARTS = {"grid": of_grid, "rows": of_rows, "images": of_images}


def slopes(table: pd.DataFrame) -> pd.Series:
    """Milliseconds that one more takes, from the smallest to the largest count of each kind."""
    def slope(own: pd.DataFrame) -> float:
        first, last = own.loc[own["count"].idxmin()], own.loc[own["count"].idxmax()]
        return 1000 * (last.seconds - first.seconds) / (last["count"] - first["count"])
    return pd.Series({str(what): slope(own) for what, own in table.groupby("what", sort=False)}).rename("ms for one more")


def main(target: str, *wanted: str) -> None:
    path, found = Path(target).absolute(), []
    for part in wanted or PARTS:
        with tempfile.TemporaryDirectory(prefix="ghostlib-growth-") as folder:
            os.chdir(folder)
            for row in PARTS[part]():
                found.append({"part": part, **row})
                print(*row.values(), flush=True)
            os.chdir(path.parent)
    table = pd.DataFrame(found).round(5).assign(**results.provenance())
    if path.exists():
        old = results.read_table(path)
        table = pd.concat([table, old[~old.part.isin(table.part)]])
    results.write_table(path, table)
    print(table.drop(columns=list(results.provenance())).to_string(index=False), slopes(table).to_string(), sep="\n\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
