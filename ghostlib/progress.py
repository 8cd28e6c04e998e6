"""Progress bars with rate and time left: drawn over on a terminal, updated in place in a notebook."""

import io
import sys

from tqdm import tqdm


class _NotebookBar(tqdm):
    """A bar in one output of its own, so that an executed notebook keeps its last state and not its history."""

    _handle = None

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        from IPython.display import display
        text = {"text/plain": str(self) if msg is None else msg}
        if self._handle is None:
            self._handle = display(text, raw=True, display_id=True)
        else:
            self._handle.update(text, raw=True)
        return True


def progress_bar(total: int, unit: str, shown: bool = True) -> tqdm:
    """A bar for work of so many units; on a terminal it goes when the work is done, in a notebook it stays."""
    ipython = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    notebook = hasattr(ipython, "kernel")
    options = {"total": total, "unit": f" {unit}", "disable": not shown, "leave": notebook, "mininterval": 0.5}
    return _NotebookBar(**options, file=io.StringIO(), ncols=100) if notebook else tqdm(**options)
