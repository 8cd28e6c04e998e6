"""The cheap operation on a CPU: Ghost modules as one convolution and one pass over memory (`fused.cpp`).

`accelerated` gives a network whose BatchNorms, ReLUs, depthwise convolutions and concatenations run in passes of our
own. It is never needed: where `native.py` has no passes it gives back the network as it is, and MindSpore's operators
compute the same.
"""

import mindspore
import numpy as np
from mindspore import Tensor, nn

from ghostlib.cells import convolution_groups, copy_sharing_weights, keep_names, put_cell
from ghostlib.deploy.agreement import check_agreement
from ghostlib.deploy.fold import FoldedGhost
from ghostlib.ghost import GhostConv2d, GhostModule
from ghostlib.kernels import native
from ghostlib.kernels.options import Activation
from ghostlib.kernels.passes import Fixed, FusedExcite, Mean, Pass
from ghostlib.models.layers import Excite

KERNELS = (1, 3, 5, 7)  # heights and widths of square kernels, with strides of 1 and 2
LINES = ((1, 5), (5, 1))  # heights and widths of others, with a stride of 1: GhostNetV2's attention
KINDS = {type(None): Activation.LINEAR, nn.ReLU: Activation.RELU, nn.ReLU6: Activation.RELU6, nn.HSwish: Activation.HSWISH}


def accelerated(net: nn.Cell, shape: tuple[int, int, int] | None = None) -> nn.Cell:
    """A network that computes what `net` does, and shares its weights, by the passes of `fused.cpp` where it can.

    In training it moves BatchNorm's moving statistics as `net` would; those of maps that a Ghost layer makes and does
    not use (where s does not divide the channels) stay as they are. It runs in graph mode, in float32, and cannot be
    exported: that is for `net`.

    Args:
        net: Any network. What it does not say the order of, is left as it is (`cells.convolution_groups`).
        shape: Of the images on which the two are compared, see `deploy.agreement`.

    Raises:
        InputError: If the two did not compute the same.
    """
    if not native.available():
        return net
    check_agreement(net, _with_passes, "accelerated", shape)
    return _with_passes(net)


def _with_passes(net: nn.Cell) -> nn.Cell:
    fast = copy_sharing_weights(net)
    with keep_names(net):
        _replace(fast)
    shared = set(map(id, net.get_parameters()))
    for name, parameter in fast.parameters_and_names():
        if id(parameter) not in shared:  # made on the way; a graph wants names that differ
            parameter.name = name
    return fast


def _replace(cell: nn.Cell) -> None:
    for keys, first, norm, last in convolution_groups(cell):
        activation = KINDS[type(last)]
        new = _pass_for(first, norm, activation)
        if new is not None:
            put_cell(cell, keys[0], new)
            for key in keys[1:]:
                put_cell(cell, key, nn.Identity())
            continue
        assert first is not None  # a BatchNorm that stands first is replaced above
        folded = any(isinstance(cell._cells[key], nn.Identity) for key in keys)
        if norm is not None or (folded and isinstance(first, nn.Conv2d) and first.has_bias):
            put_cell(cell, keys[1], Pass(first.out_channels, norm or _bias_of(first), activation=activation))
            for key in keys[2:]:
                put_cell(cell, key, nn.Identity())
            if norm is None:
                first.has_bias = False  # the pass adds it
        if isinstance(first, nn.Cell):
            _fuse_inside(first)
            _replace(first)


def _pass_for(first: nn.Cell | None, norm: nn.BatchNorm2d | None, activation: Activation) -> nn.Cell | None:
    """What replaces a group of cells, or None where its first one stays."""
    if first is None:
        assert norm is not None  # it stands first
        return Pass(norm.num_features, norm, activation=activation)
    if type(first) is GhostModule and first.has_ghosts and norm is None and not activation:  # it has its own inside
        return _fused_module(first)
    if isinstance(first, (GhostConv2d, FoldedGhost)) and first.has_ghosts:
        cheap = first.cheap_operation
        folded = isinstance(first, FoldedGhost)
        if cheap.kernel_size[0] not in KERNELS or (cheap.has_bias and not folded):
            return None
        joined = Pass(first.intrinsic, _folded(first) if folded else norm, weight=cheap.weight, ghosts=first.ghosts,
                       activation=activation, joint=True)
        return nn.SequentialCell(first.primary_conv, joined)
    if isinstance(first, nn.Conv2d) and _is_depthwise(first) and not (first.has_bias and norm):
        return Pass(first.in_channels, None, norm or _bias_of(first), weight=first.weight, ghosts=first.out_channels,
                     stride=first.stride[0], activation=activation, keep=False)
    if isinstance(first, nn.AdaptiveAvgPool2d) and first.adaptive_avgpool2d.output_size == (1, 1):
        return Mean()
    if isinstance(first, Excite):
        return FusedExcite()
    return None


def _fuse_inside(module: nn.Cell) -> None:
    """Has a Ghost module that does more than make maps, as GhostNetV2's, get them all from its `primary_conv`."""
    if isinstance(module, GhostModule) and module.has_ghosts and (fused := _fused_module(module)) is not None:
        put_cell(module, "primary_conv", fused)
        put_cell(module, "cheap_operation", nn.Identity())
        module.has_ghosts = False


def _fused_module(module: GhostModule) -> nn.Cell | None:
    (_, convolution, norm1, last), = convolution_groups(module.primary_conv)
    (_, cheap, norm2, _), = convolution_groups(module.cheap_operation)
    if module.kernel not in KERNELS:
        return None
    assert convolution is not None and cheap is not None  # each of the two begins with its convolution
    fused = Pass(module.intrinsic, norm1 or _bias_of(convolution), norm2 or _bias_of(cheap), weight=cheap.weight,
                  ghosts=module.ghosts, activation=KINDS[type(last)])
    convolution.has_bias = False  # the pass adds it
    return nn.SequentialCell(convolution, fused)


def _is_depthwise(c: nn.Conv2d) -> bool:
    height, width = c.kernel_size
    square = height == width and height in KERNELS and c.stride in ((1, 1), (2, 2))
    padding = c.padding if isinstance(c.padding, tuple) else (c.padding,) * 4
    return (c.group == c.in_channels and c.in_channels > 1 and (square or (c.kernel_size in LINES and c.stride == (1, 1)))
            and c.dilation == (1, 1) and c.pad_mode == "pad"
            and padding == (height // 2, height // 2, width // 2, width // 2))


def _bias_of(convolution: nn.Conv2d) -> Fixed | None:
    if not convolution.has_bias:
        return None
    return Fixed(Tensor(np.ones(convolution.bias.shape, np.float32)), convolution.bias)


def _folded(ghost: FoldedGhost) -> Fixed:
    """What a folded Ghost convolution does to its intrinsic maps and to their ghosts, as one normalisation of both.

    As parameters: what depends on weights must be no constant of a compiled graph, which may be kept (compile_cache.py).
    """
    scale, shift = ghost.affine.weight.asnumpy().reshape(-1), ghost.affine.bias.asnumpy()
    both = (np.concatenate([scale, np.ones(ghost.ghosts, np.float32)]),
            np.concatenate([shift, ghost.cheap_operation.bias.asnumpy()[:ghost.ghosts]]))
    return Fixed(*(mindspore.Parameter(Tensor(values), requires_grad=False) for values in both))
