"""Gives a recorded sweep's rows today's keys; was run once, when a key stopped depending on the notebook's code.

    python tools/rekey_recorded.py notebooks/params/ablate_cifar10.yaml 2835390db2030c2c

The second word is the hash of the code cells (`notebook.code_hash`) that made the rows: in the old keys, from now on their
column `code`. Rows that have their new keys already stay as they are.
"""

import hashlib
import json
import sys

import pandas as pd

from ghostlib import results, sweep

COLUMNS = ["point", "notebook", "code"]  # with which a row begins


def old_key(parameters: dict, code: str) -> str:
    """A point's key as it was: of its parameters and of the notebook's code."""
    return hashlib.sha256(f"{json.dumps(parameters, sort_keys=True)}\0{code}".encode()).hexdigest()[:16]


def rekeyed(table: pd.DataFrame, planned: sweep.Sweep, code: str) -> pd.DataFrame:
    """The table, all text, with new keys and the column `code`; ends with one line at a row that is no point's."""
    keys = {old_key(planned.parameters(point), code): point.key for point in planned.points}
    known = table.point.isin(keys) | table.point.isin(keys.values())
    if not known.all():
        sys.exit(f"{planned.recorded}: point: {', '.join(table.point[~known])} is no point of the grid made by code {code}")
    made = table.get("code", pd.Series(code, table.index)).where(~table.point.isin(keys), code)
    table = table.assign(point=table.point.replace(keys), code=made)
    return table[COLUMNS + [column for column in table if column not in COLUMNS]]


if __name__ == "__main__":
    planned = sweep.read(sys.argv[1])
    as_text = pd.read_csv(planned.recorded, dtype=str, keep_default_na=False)  # as written: no number is rounded
    results.write_table(planned.recorded, rekeyed(as_text, planned, sys.argv[2]))
    print(f"{planned.recorded}: {len(as_text)} rows")
