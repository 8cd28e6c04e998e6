"""One check in its own process: ``python -m ghostlib.acceptance.one NAME FOLDER`` leaves FOLDER/NAME.json."""

import sys
from pathlib import Path

from ghostlib.acceptance import FAILED, PASSED, SKIPPED, checks
from ghostlib.atomic import write_text
from ghostlib.config import Config
from ghostlib.errors import InputError, RunError, in_a_line
from ghostlib.results import to_json


def main(name: str, folder: Path) -> None:
    """Runs a function of `checks.py`; what it raises is what is told."""
    config = Config.load(folder / "params.yaml")
    try:
        told, measured = getattr(checks, name)(config, folder)
        status = PASSED
    except checks.NotHere as reason:
        status, told, measured = SKIPPED, str(reason), {}
    except (InputError, RunError, AssertionError, RuntimeError, ValueError, TypeError, OSError) as error:
        status, told, measured = FAILED, in_a_line(error, 300), {}
    write_text(folder / f"{name}.json", to_json({"status": status, "told": told, "measured": measured}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
