"""BatchNorm folded into the convolutions before it, for use of a trained network and not for training."""

import copy

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from ghostlib.cells import convolution_groups, put_cell
from ghostlib.deploy.agreement import check_agreement
from ghostlib.ghost import GhostConv2d


def fold_batchnorm(net: nn.Cell, shape: tuple[int, int, int] | None = None) -> nn.Cell:
    """The equal network without the BatchNorms that follow convolutions; `net` is left as it was.

    In evaluation BatchNorm is y = a x + b with a = gamma / sqrt(variance + eps) and b = beta - a mean for each channel:
    the convolution before it takes a into its weights and gets b as its bias. One BatchNorm behind a Ghost convolution
    cannot: the depthwise kernels read the intrinsic maps as they are without it. There the intrinsic maps get a and b
    by a 1 x 1 depthwise convolution of their own.

    Args:
        net: Any network. What it does not say the order of, is left as it is (`cells.convolution_groups`).
        shape: Of the images on which the two are compared, see `agreement`.

    Returns:
        A network in evaluation state, equal to `net` there up to rounding, that is not meant to be trained.

    Raises:
        InputError: If the two did not compute the same.
    """
    check_agreement(net, _folded, "fold_batchnorm", shape)
    return _folded(copy.deepcopy(net))


def _folded(net: nn.Cell) -> nn.Cell:
    """The network itself, changed."""
    net.set_train(False)
    _fold(net)
    for name, parameter in net.parameters_and_names():
        parameter.name = name
    return net


def _fold(cell: nn.Cell) -> None:
    for keys, first, norm, _ in convolution_groups(cell):
        if norm is not None and isinstance(first, nn.Conv2d):
            _take_in(first, *_affine(norm))
        elif norm is not None and isinstance(first, GhostConv2d):
            put_cell(cell, keys[0], FoldedGhost(first, *_affine(norm)))
        elif first is not None:
            _fold(first)
            continue
        else:
            continue
        put_cell(cell, next(key for key in keys if cell._cells[key] is norm), nn.Identity())


def _affine(norm: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    gamma, beta, mean, variance = (p.asnumpy().astype(np.float64) for p in
                                   (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance))
    scale = gamma / np.sqrt(variance + norm.eps)
    return scale, beta - mean * scale


def _take_in(convolution: nn.Conv2d, scale: np.ndarray, shift: np.ndarray) -> None:
    bias = convolution.bias.asnumpy() if convolution.has_bias else 0
    weight = convolution.weight.asnumpy() * scale[:, None, None, None]
    convolution.weight.set_data(Tensor(weight, mindspore.float32))
    shift = Tensor(shift + scale * bias, mindspore.float32)
    if convolution.has_bias:
        convolution.bias.set_data(shift)
    else:
        convolution.bias = Parameter(shift, name=convolution.weight.name.removesuffix("weight") + "bias")
        convolution.has_bias = True


class FoldedGhost(nn.Cell):
    """A Ghost convolution and the BatchNorm after it: the intrinsic maps scaled behind the point where ghosts branch."""

    def __init__(self, ghost: GhostConv2d, scale: np.ndarray, shift: np.ndarray):
        super().__init__()
        self.out_channels, self.intrinsic, self.ghosts = ghost.out_channels, ghost.intrinsic, ghost.ghosts
        m = ghost.intrinsic
        self.primary_conv = ghost.primary_conv
        self.affine = nn.Conv2d(m, m, 1, pad_mode="pad", group=m)
        self.affine.weight.set_data(ops.ones_like(self.affine.weight))
        _take_in(self.affine, scale[:m], shift[:m])
        self.has_ghosts = ghost.has_ghosts
        if ghost.has_ghosts:
            self.cheap_operation = ghost.cheap_operation
            surplus = self.cheap_operation.out_channels - ghost.ghosts  # kernels whose maps are cut off
            _take_in(self.cheap_operation, np.pad(scale[m:], (0, surplus)), np.pad(shift[m:], (0, surplus)))
            self.has_surplus = surplus > 0
        self.concat = ops.Concat(axis=1)

    def construct(self, x: Tensor) -> Tensor:
        x = self.primary_conv(x)
        if not self.has_ghosts:
            return self.affine(x)
        ghosts = self.cheap_operation(x)
        if self.has_surplus:
            ghosts = ghosts[:, :self.ghosts]
        return self.concat((self.affine(x), ghosts))
