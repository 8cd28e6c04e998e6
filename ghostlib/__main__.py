"""The command line: `ghostlib` or `python -m ghostlib`."""

from ghostlib.commands import main

if __name__ == "__main__":
    main(prog_name="ghostlib")
