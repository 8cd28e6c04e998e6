"""The command line, a file for each group of commands. MindSpore is imported only by the commands that need it."""

from ghostlib.commands import batch, data, judge, measure, train
from ghostlib.commands.group import main

__all__ = ["batch", "data", "judge", "main", "measure", "train"]
