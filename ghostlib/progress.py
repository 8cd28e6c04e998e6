"""Progress bars with rate and time left: drawn over on a terminal, updated in place in a notebook."""

import io
import sys
from typing import Any

from tqdm import tqdm

from ghostlib.errors import printable


class _NotebookBar(tqdm):
    """A bar in one output of its own, so that an executed notebook keeps its last state and not its history."""

    _handle = None

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:  # type: ignore[override]  # stubs say None
        from IPython.display import display
        text = {"text/plain": str(self) if msg is None else msg}
        if self._handle is None:
            self._handle = display(text, raw=True, display_id=True)
        else:
            self._handle.update(text, raw=True)
        return True


class Relay:
    """Passes on what another process says: as it is on a terminal; in a notebook whole lines are printed and a line that
    is drawn over, as a progress bar is, keeps one output of its own, so that only its last state is stored."""

    def __init__(self):
        self._handle, self._open = None, ""

    def write(self, text: str) -> None:
        if not _in_notebook():
            sys.stderr.write(text)
            sys.stderr.flush()
            return
        from IPython.display import display
        *lines, self._open = (self._open + text).split("\n")
        for line in lines:
            whole = line.rpartition("\r")[2].rstrip()
            if whole:
                print(whole)
        shown = next((part for part in reversed(self._open.split("\r")) if part.strip()), "")
        if shown:
            output = {"text/plain": shown.rstrip()}
            if self._handle is None:
                self._handle = display(output, raw=True, display_id=True)
            else:
                self._handle.update(output, raw=True)


def tell(bar: tqdm, text: str) -> None:
    """Says a line above a bar. What it is said to may be closed or unable to print it: that ends nothing."""
    try:
        bar.write(printable(text))
    except UnicodeError:
        bar.write(text.encode("ascii", "backslashreplace").decode())
    except (OSError, ValueError):
        pass


def _in_notebook() -> bool:
    return hasattr(sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None, "kernel")


def progress_bar(total: float, unit: str, shown: bool = True) -> tqdm:
    """A bar for work of so many units; on a terminal it goes when the work is done, in a notebook it stays.

    More than a million units are counted in thousands, millions and so on, as 1.2T.
    """
    notebook = _in_notebook()
    options: dict[str, Any] = {"total": total, "unit": f" {unit}", "disable": not shown, "leave": notebook,
                               "mininterval": 0.5, "unit_scale": total > 1e6}
    return _NotebookBar(**options, file=io.StringIO(), ncols=100) if notebook else tqdm(**options)
