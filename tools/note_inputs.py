"""Run first in a notebook's kernel (PYTHONSTARTUP): writes down which recorded files it reads, one a line.

The lines go into the file that GHOSTLIB_INPUTS names; paths are those seen from the folder in which the kernel started, the
top of the lab, wherever the notebook goes afterwards.
"""


def _watch() -> None:
    import os
    import sys

    top = os.getcwd()
    recorded = tuple(os.path.join(top, *names, "") for names in (
        ("data", "paper"), ("data", "results"), ("data", "weights"), ("notebooks", "params")))
    told = os.open(os.environ["GHOSTLIB_INPUTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | os.PathLike) and str(arguments[1] or "r").startswith("r"):
            path = os.path.abspath(arguments[0])
            if path.startswith(recorded):
                os.write(told, f"{os.path.relpath(path, top)}\n".encode())
    sys.addaudithook(note)


_watch()
del _watch  # the notebook's names are its own
