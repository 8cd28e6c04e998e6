"""The cheap operation on a CPU: passes of our own in C++, compiled where they first run, never needed."""

from ghostlib.kernels.fused import accelerated
from ghostlib.kernels.passes import all_finite

__all__ = ["accelerated", "all_finite"]
