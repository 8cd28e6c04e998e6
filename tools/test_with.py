"""Runs tests with another MindSpore, in an environment of its own beside .venv: `make test-with MINDSPORE=...`.

    python tools/test_with.py "mindspore-dev==2.6.0.dev20250323" [words for pytest]

pip alone would install two: mindspore-dev does not satisfy `mindspore>=2.5`, so a second one would be fetched into the same
folder, and which of the two a test then imports is anybody's guess.
"""

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

# Asked of the new environment: what ghostlib and its extras want, and which MindSpores are there.
WANTED = ("import json; from importlib.metadata import requires; "
          "print(json.dumps([one.split(';')[0] for one in requires('ghostlib')]))")
THERE = ("import json; from importlib.metadata import distributions; print(json.dumps(sorted({f'{one.name}=={one.version}' "
         "for one in distributions() if one.name and one.name.lower().replace('_', '-').startswith('mindspore')})))")

BESIDE = r"(mindspore|ghostlib|playwright|openvino)\b"  # what is not installed with it: itself, and what `make` leaves out


def main(requirement: str, *words: str) -> int:
    name = re.match(r"[\w.-]+", requirement)
    if not name or not name[0].lower().startswith("mindspore"):
        sys.exit(f"MINDSPORE: {requirement!r} given; wanted is a requirement as pip takes it, such as mindspore==2.7.0")
    folder = Path(".venv-" + re.sub(r"[^\w.]+", "-", requirement).strip("-"))
    python = str(folder / "bin" / "python")

    def pip(*arguments: str) -> None:  # which complains that ghostlib wants `mindspore` even where all is well
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments],
                              capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"pip install {' '.join(arguments)}:\n{done.stderr}")

    def ask(code: str) -> list[str]:
        return json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout)

    print(f"{requirement}, into {folder} ...", flush=True)
    if not folder.exists():
        venv.create(folder, with_pip=True)
    pip("--no-deps", "-e", ".")
    pip(requirement, *(one for one in ask(WANTED) if not re.match(BESIDE, one)))
    there = ask(THERE)
    if len(there) != 1 or there[0].split("==")[0].lower() != name[0].lower():
        sys.exit(f"{folder}: holds {' and '.join(there) or 'no MindSpore'}; wanted is {requirement} alone: remove it")
    print(f"tests with {there[0]}", flush=True)
    return subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup",
                           *words]).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
