"""The devices of one run: each a process of its own, a rank, started by MindSpore's msrun; alone there is one.

What the ranks must agree on goes through sums over all of them (MindSpore's AllReduce): exact for counts, and the one
collective that works on CPUs and NPUs alike.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, ops

from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.training.launch import WHOLE, process_count


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is. Rank 0 writes files and shows progress."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def sum(self, array: np.ndarray) -> np.ndarray:
        """The element-wise sum over all ranks, float32; all of them must call this."""
        array = np.ascontiguousarray(array, np.float32)
        return array if self.size == 1 else ops.AllReduce()(Tensor(array)).asnumpy()

    def end(self) -> None:
        """Waits until all ranks have come here, which is when all is written, and tells whoever started them."""
        if self.size > 1:
            self.sum(np.zeros(1))
            if folder := os.environ.get(WHOLE):
                Path(folder, str(self.rank)).touch()

    def share(self, parameters: Iterable[Parameter]) -> None:
        """Gives every rank the values that these parameters have on rank 0, bit for bit."""
        self._replace(list(parameters), lambda own: own if self.first else np.zeros_like(own))

    def average_statistics(self, parameters: Mapping[str, Parameter]) -> None:
        """Gives every rank the mean of all ranks' running statistics, each gathered on other images, so that they
        test, and store, one and the same network.

        Args:
            parameters: By the names that the network gives them. What a Parameter calls itself is that of the cell which it
                was last put into: a pass of `ghostlib.kernels` calls a moving_mean mean1. Others are left.
        """
        statistics = [p for name, p in parameters.items() if name.endswith(("moving_mean", "moving_variance"))]
        self._replace(statistics, lambda own: own / self.size)

    def _replace(self, parameters: list[Parameter], part) -> None:
        """Sets parameters to the sum over ranks of what `part` makes of them, in one message."""
        if self.size == 1 or not parameters:
            return
        flat = self.sum(part(np.concatenate([p.asnumpy().astype(np.float32).ravel() for p in parameters])))
        for parameter, values in zip(parameters, np.split(flat, np.cumsum([p.size for p in parameters])[:-1])):
            parameter.set_data(Tensor(values.reshape(parameter.shape), parameter.dtype))


def join(config: Config) -> Ranks:
    """This process's place among those of its run; waits until all have come.

    Raises:
        InputError: If the run wants another number of devices than there are processes.
    """
    size = process_count()
    if (size or 1) != config.devices:
        raise InputError(f"devices: {config.devices} given; " + (
            f"msrun started {size} process(es), allowed is as many" if size else
            "this process is alone; 'ghostlib train' and ghostlib.training.launch start as many as a run wants"))
    if size is None:
        return Ranks()
    mindspore.set_auto_parallel_context(parallel_mode="data_parallel", gradients_mean=True)
    with _patient_threads() if config.device == "CPU" else nullcontext():
        mindspore.communication.init()  # of msrun's scheduler this is all the work: there it returns when the others end
    return Ranks(mindspore.communication.get_rank(), mindspore.communication.get_group_size())


@contextmanager
def _patient_threads() -> Iterator[None]:
    """Threads that start meanwhile do not push this one aside when they wake, where the system can tell them not to.

    MindSpore 2.10's thread for connections otherwise meets connections whose state this thread has yet to set, and forgets
    them: on a busy machine two processes took minutes to find each other.
    """
    if not hasattr(os, "SCHED_BATCH") or os.sched_getscheduler(0) != os.SCHED_OTHER:
        yield
        return
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # which threads inherit
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
