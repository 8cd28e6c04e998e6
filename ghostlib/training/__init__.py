"""From a Config to a trained network: loop, step with its optimizer, schedule, ranks, checkpoint, evaluation, a file each.

What is handed on here is looked up when it is first asked for: the launcher, which starts a run's processes and watches
them, lives in this package and needs no MindSpore.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ghostlib.training.evaluation import Evaluation, answers, evaluate
    from ghostlib.training.launch import Launch
    from ghostlib.training.loop import Run, train
    from ghostlib.training.run_folder import LAST
    from ghostlib.training.schedule import learning_rate
    from ghostlib.training.setup import build, config_of, prepare

_HOMES = {**dict.fromkeys(("Evaluation", "answers", "evaluate"), "evaluation"), "Launch": "launch",
          "learning_rate": "schedule", "LAST": "run_folder",
          **dict.fromkeys(("Run", "train"), "loop"), **dict.fromkeys(("build", "config_of", "prepare"), "setup")}

__all__ = ["LAST", "Evaluation", "Launch", "Run", "answers", "build", "config_of", "evaluate", "learning_rate", "prepare",
           "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
