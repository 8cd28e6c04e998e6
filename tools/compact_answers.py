"""A sweep's kept answers, of all its runs in one small table.

    python tools/compact_answers.py notebooks/params/photographs.yaml

writes data/results/NAME_answers.csv: one row for each test image, and a column for each run with the number of the class
that it answered. Runs that the table has and whose files are gone stay.
"""

import argparse

from ghostlib import results, sweep
from ghostlib.studies.answers import compact, merged
from ghostlib.sweep.rows import kept_file

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("grid", help="the sweep, which keeps answers.csv")
    points = sweep.read(parser.parse_args().grid)
    target = points.recorded.with_name(f"{points.name}_answers.csv")
    kept = {point.key: path for point in points.points if (path := kept_file(points, point, "answers.csv")).exists()}
    if not kept:
        parser.exit(1, f"{points.folder}: no answers.csv of a run is kept there; {target} stays as it is\n")
    table = compact({key: results.read_table(path) for key, path in kept.items()})
    if target.exists():
        table = merged(results.read_table(target), table)
    results.write_table(target, table)
    print(f"{target}: answers of {table.shape[1] - 2} runs to {len(table):,} images, {len(kept)} of them found now")
