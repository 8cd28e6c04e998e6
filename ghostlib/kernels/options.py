"""What a pass of `fused.cpp` is told besides its arrays, and the check that Python and C++ mean the same by it.

MindSpore's operators take nothing but arrays, so the options travel as the numbers of one. C++ names them in a list of
its own, from which it makes the struct that it reads; whoever changes one of the two without the other is told so as
soon as the library is loaded.
"""

import ctypes
from enum import IntEnum
from typing import NamedTuple

Mode = IntEnum("Mode", "NONE GIVEN BATCH", start=0)  # a name's place is its number, as in an enum of C++
Activation = IntEnum("Activation", "LINEAR RELU RELU6 HSWISH", start=0)


class Options(NamedTuple):
    """The options of a pass, in the order in which they travel.

    Attributes:
        mode1, mode2: What normalises the maps and their ghosts: nothing, a given mean and variance, or those of the batch.
        stride: Of the depthwise convolution.
        activation: What follows each normalisation.
        keep: Whether the normalised maps are part of the output.
        joint: Whether one normalisation follows both branches.
        ghosts: How many maps the depthwise convolution makes.
        eps: Added to each variance.
        momentum: The share of moving statistics that a pass leaves as it was.
    """

    mode1: Mode
    mode2: Mode
    stride: int
    activation: Activation
    keep: bool
    joint: bool
    ghosts: int
    eps: float
    momentum: float


def check(library: ctypes.CDLL) -> None:
    """Raises `RuntimeError` unless the compiled passes have the options, modes and activations that stand here, in order."""
    for function, ours in (("pass_options", Options._fields), ("pass_modes", tuple(Mode.__members__)),
                           ("pass_activations", tuple(Activation.__members__))):
        names = getattr(library, function)
        names.restype = ctypes.c_char_p
        theirs = names().decode()
        if theirs != ", ".join(ours):
            raise RuntimeError(f"{function}: fused.cpp has {theirs}; options.py has {', '.join(ours)}")
