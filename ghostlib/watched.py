"""Notebooks executed by papermill while somebody looks on: what a bar in them says is shown on the terminal as it moves."""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines

NAME = "ghostlib-watched"
"""Of the engine, for `papermill.execute_notebook`."""
ERASE = "\r\x1b[K"  # to the line's beginning, and what stood there goes


def in_short(text: str, columns: int) -> str:
    """A bar's last line without the bar itself, so that figures and accuracy fit into a narrow terminal.

    >>> in_short(" 43%|████▎     | 7168/16758 [00:31<00:41, 231 images/s, epoch 6, test 96.2 %]", 80)
    '43% 7168/16758 [00:31<00:41, 231 images/s, epoch 6, test 96.2 %]'
    """
    return re.sub(r"\|[^|]*\| *", " ", text.strip().rpartition("\n")[2]).strip()[:columns - 1]


class _Client(PapermillNotebookClient):
    """Sees each message of the kernel before papermill does; a bar is a display of nothing but text (`progress`)."""

    def process_message(self, msg: Mapping[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        data = msg["content"].get("data", {})
        if msg["msg_type"] in ("display_data", "update_display_data") and set(data) == {"text/plain"}:
            sys.stderr.write(ERASE + in_short(data["text/plain"], shutil.get_terminal_size().columns))
            sys.stderr.flush()
        return super().process_message(msg, cell, cell_index)


class _Watched(Engine):
    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, start_timeout: int = 60,
                                 extra_arguments: Sequence[str] = (), shutdown_kernel: str = "immediate",
                                 iopub_timeout: int = 4, **_: Any) -> None:
        try:
            _Client(nb_man, kernel_name=kernel_name, startup_timeout=start_timeout, extra_arguments=list(extra_arguments),
                    shutdown_kernel=shutdown_kernel, iopub_timeout=iopub_timeout).execute()
        finally:
            sys.stderr.write(ERASE)
            sys.stderr.flush()


papermill_engines.register(NAME, _Watched)
