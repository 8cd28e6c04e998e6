"""What MindSpore runs on: the one place that configures it."""

import os

import mindspore

from ghostlib import processor
from ghostlib.errors import InputError, in_a_line

ONEDNN_ISA = "ONEDNN_MAX_CPU_ISA"
OLDER_ISA = "DNNL_MAX_CPU_ISA"  # its name in oneDNN 2.2, which MindSpore up to 2.7 is built with


def avoid_reference_convolutions() -> None:
    """Keeps MindSpore's CPU convolutions off oneDNN's unoptimised reference code on processors with AVX-512.

    There the oneDNN inside MindSpore 2.10 computes 3 x 3 and depthwise convolutions by `ref:any`, measured 17 to 140
    times slower than its AVX2 code (docs/performance.md). oneDNN reads the variable at its first convolution and never
    again; a value that the user has set is respected.
    """
    if "avx512f" in processor.flags():
        for name in (ONEDNN_ISA, OLDER_ISA):
            os.environ.setdefault(name, "AVX2")


def use_device(device: str) -> None:
    """Makes MindSpore compile graphs for "CPU" or "Ascend".

    Raises:
        InputError: Where that device is not there, or the process has already run on another.
    """
    avoid_reference_convolutions()
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    before = mindspore.get_context("device_target")  # which set_device changes even where it refuses
    if before == device:
        return  # once something has run, MindSpore refuses even the same device
    try:
        mindspore.set_device(device)
    except (RuntimeError, ValueError) as error:
        why = in_a_line(error, None)
        if "has been initialized" in why or "can not be modified" in why:
            raise InputError(f"device: {device!r} given; this process has already run on {before}: restart it") from None
        raise InputError(f"device: {device!r} given; MindSpore has no such device here ({why[:90]} ...); "
                         f"'ghostlib doctor' lists what there is") from None
