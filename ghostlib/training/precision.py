"""Mixed precision by MindSpore's levels: which layers compute in half precision; weights stay in float32.

MindSpore's own `auto_mixed_precision` is not used: version 2.10 fails on GhostNet at O1, writes source files into the
current folder there, and renames the parameters at O2. What is the same for all levels is `Cell.to_float`.
"""

import mindspore
from mindspore import nn

from ghostlib.config import Config


def set_precision(net: nn.Cell, config: Config) -> None:
    """Makes a network's layers compute as `config.amp` says, in place.

    O0: all in float32. O1: convolutions and dense layers in half precision, the rest in float32 where the two meet.
    O2: all but BatchNorm in half precision. O3: all (mindcv recipe). `config.amp_dtype` is the half precision's type.
    """
    half = getattr(mindspore, config.amp_dtype)
    if config.amp in ("O2", "O3"):
        net.to_float(half)
    for _, cell in net.cells_and_names():
        if config.amp == "O1" and isinstance(cell, (nn.Conv2d, nn.Dense)):
            cell.to_float(half)
        if config.amp in ("O1", "O2") and isinstance(cell, nn.BatchNorm2d):
            cell.to_float(mindspore.float32)
