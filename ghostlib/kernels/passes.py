"""The cells whose work `fused.cpp` does: passes over memory, means, gates, and a look at many gradients at once.

`fused.py` puts them in the place of MindSpore's. Each has a gradient of its own.
"""

from collections.abc import Callable

import mindspore
import numpy as np
from mindspore import Tensor, amp, nn, ops

from ghostlib.kernels import native
from ghostlib.kernels.options import Activation, Mode, Options


class Fixed:
    """A scale and a bias in the guise of a BatchNorm whose statistics are fixed: mean 0, variance 1."""

    eps, momentum = 0.0, 0.0

    def __init__(self, gamma: Tensor, beta: Tensor):
        zeros = np.zeros(beta.shape, np.float32)
        self.gamma, self.beta, self.moving_mean, self.moving_variance = gamma, beta, Tensor(zeros), Tensor(zeros + 1)


def _arrays_of(norm) -> tuple | None:
    return (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance) if norm else None


class Pass(nn.Cell):
    """One pass of `fused.cpp`: (N, maps, H, W) to (N, maps + ghosts, H, W), or the ghosts alone.

    Args:
        maps: Channels of the input.
        norm1, norm2: What normalises the maps and their ghosts, or None; if `joint`, `norm1` does so for both.
        weight: Depthwise kernels (maps * (s - 1), 1, d, d), or None.
        ghosts: How many maps the depthwise convolution makes.
        stride: Its stride, 1 or 2; 2 only where the maps themselves are not kept.
        activation: What follows each normalisation.
        keep: Whether the normalised maps are part of the output.
        joint: Whether the depthwise convolution takes the input as it is, one normalisation following both.
    """

    def __init__(self, maps: int, norm1, norm2=None, weight: mindspore.Parameter | None = None, ghosts: int = 0,
                 stride: int = 1, activation: Activation = Activation.LINEAR, keep: bool = True, joint: bool = False):
        super().__init__()
        path = native.library()
        some = norm1 or norm2
        fixed = Tensor(np.ones(1, np.float32)), Tensor(np.zeros(1, np.float32))
        self.weight = weight if weight is not None else Tensor(np.zeros((1, 1, 1, 1), np.float32))
        # Each an attribute of its own: of Parameters in a tuple a Cell does not know, and what it does not know a graph
        # from the compile cache would take for constants.
        self.gamma1, self.beta1, self.mean1, self.variance1 = _arrays_of(norm1) or fixed + fixed
        self.gamma2, self.beta2, self.mean2, self.variance2 = _arrays_of(norm2) or fixed + fixed
        self.given = fixed  # in the place of statistics that are not read

        def options(training: bool) -> Tensor:
            mode1, mode2 = ((Mode.BATCH if training and not isinstance(norm, Fixed) else Mode.GIVEN) if norm else Mode.NONE
                            for norm in (norm1, norm1 if joint else norm2))
            momentum = 1 - some.momentum if some else 0  # MindSpore's cell keeps 1 - momentum
            sent = Options(mode1=mode1, mode2=mode2, stride=stride, activation=activation, keep=keep, joint=joint,
                           ghosts=ghosts, eps=some.eps if some else 0, momentum=momentum)
            return Tensor(np.array(sent, np.float32))

        self.train_options, self.test_options = options(True), options(False)
        self.moves1, self.moves2 = (norm is not None and not isinstance(norm, Fixed) for norm in (norm1, norm2))
        out_channels = (maps if keep else 0) + ghosts

        def shapes(x, *_):
            return (x[0], out_channels, (x[2] - 1) // stride + 1, (x[3] - 1) // stride + 1), (2 * maps + 2 * ghosts + 2,)

        def types(x, *_):
            return x, x

        def gradient_shapes(x, weight, gamma1, beta1, gamma2, beta2, *_):
            return x, weight, gamma1, beta1, gamma2, beta2

        def gradient_types(*types):
            return types[:6]

        back = ops.Custom(f"{path}:pass_backward", gradient_shapes, gradient_types, "aot")

        def bprop(x, weight, gamma1, beta1, mean1, variance1, gamma2, beta2, mean2, variance2, options, out, dout):
            dx, dweight, dgamma1, dbeta1, dgamma2, dbeta2 = back(x, weight, gamma1, beta1, gamma2, beta2, out[1], dout[0],
                                                                 options)
            return (dx, dweight, dgamma1, dbeta1, ops.zeros_like(mean1), ops.zeros_like(variance1), dgamma2, dbeta2,
                    ops.zeros_like(mean2), ops.zeros_like(variance2), ops.zeros_like(options))

        self.run = ops.Custom(f"{path}:pass_forward", shapes, types, "aot", bprop=bprop)
        # In PyNative mode MindSpore keeps what it inferred for equal operators, and takes those of all passes for equal.
        self.run.add_prim_attr("geometry", f"{maps} {ghosts} {stride} {keep}")
        self.statistics = _MovingStatistics(self) if self.moves1 or self.moves2 else None

    def construct(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.run(x, self.weight, self.gamma1, self.beta1, self.mean1, self.variance1,
                            self.gamma2, self.beta2, self.mean2, self.variance2, self.test_options)[0]
        # What is assigned to may be no input of what is differentiated: MindSpore 2.6 refuses that.
        mean1, variance1 = self.given if self.moves1 else (self.mean1, self.variance1)
        mean2, variance2 = self.given if self.moves2 else (self.mean2, self.variance2)
        out, kept = self.run(x, self.weight, self.gamma1, self.beta1, mean1, variance1,
                             self.gamma2, self.beta2, mean2, variance2, self.train_options)
        if self.statistics is not None:
            out = ops.depend(out, self.statistics(kept))
        return out


class _MovingStatistics(nn.Cell):
    """Moves the statistics of a pass by what it kept; a cell with a gradient of its own, none, so that nobody looks for one
    inside, where parameters are assigned to. One operator an array: MindSpore 2.5 and 2.6 refuse to assign to one of several
    arrays that an operator made out of one another."""

    def __init__(self, of: Pass):
        super().__init__()
        self.moves1, self.moves2, self.options = of.moves1, of.moves2, of.train_options
        self.mean1, self.variance1, self.mean2, self.variance2 = of.mean1, of.variance1, of.mean2, of.variance2
        self.which = [Tensor(np.array([number], np.float32)) for number in range(4)]
        self.run = ops.Custom(f"{native.library()}:pass_statistics", lambda _kept, moving, *_: moving, _first, "aot")

    def construct(self, kept: Tensor) -> Tensor:
        if self.moves1:
            ops.assign(self.mean1, self.run(kept, self.mean1, self.options, self.which[0]))
            ops.assign(self.variance1, self.run(kept, self.variance1, self.options, self.which[1]))
        if self.moves2:
            ops.assign(self.mean2, self.run(kept, self.mean2, self.options, self.which[2]))
            ops.assign(self.variance2, self.run(kept, self.variance2, self.options, self.which[3]))
        return kept

    def bprop(self, kept, out, dout):
        return (ops.zeros_like(kept),)


class Mean(nn.Cell):
    """(N, C, H, W) to (N, C, 1, 1)."""

    def __init__(self):
        super().__init__()
        back = ops.Custom(f"{native.library()}:mean_backward", _first, _first, "aot")

        def bprop(x, _, dout):
            return (back(x, dout),)

        self.run = ops.Custom(f"{native.library()}:mean_forward", lambda x: (x[0], x[1], 1, 1), _first, "aot", bprop=bprop)

    def construct(self, x: Tensor) -> Tensor:
        return self.run(x)


class FusedExcite(nn.Cell):
    """As `models.layers.Excite`: (N, C, H, W) and (N, C, h, w) to (N, C, H, W)."""

    def __init__(self):
        super().__init__()
        back = ops.Custom(f"{native.library()}:gate_backward", _first_two, _first_two, "aot")

        def bprop(x, gate, _, dout):
            dx, dgate = back(x, gate, dout)
            return dx, dgate

        self.run = ops.Custom(f"{native.library()}:gate_forward", _first, _first, "aot", bprop=bprop)

    def construct(self, x: Tensor, gate: Tensor) -> Tensor:
        return self.run(x, gate)


class _AllFinite(nn.Cell):
    """Whether all numbers of many float32 arrays are finite, in one operator instead of four for each of them."""

    def __init__(self):
        super().__init__()
        self.run = ops.Custom(f"{native.library()}:all_finite", lambda *_: (1,), _first, "aot")

    def construct(self, arrays: tuple[Tensor, ...]) -> Tensor:
        return self.run(*arrays).reshape(()) > 0


def all_finite() -> Callable[[tuple[Tensor, ...]], Tensor]:
    """A function of float32 gradients that says whether all their numbers are finite: ours, or `amp.all_finite`."""
    return _AllFinite() if native.available() else amp.all_finite


def _first(x, *_):
    return x


def _first_two(x, gate, *_):
    return x, gate
