import sys
import mindspore
from mindspore import nn
from mindspore.nn import Cell
from mindspore.ops import functional as F
#
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/ops/operations/manually_defined')
from mindspore.ops._primitive_cache import _get_cache_prim
from mindspore.ops.operations.manually_defined.ops_def import Rank

def rank_opt(input_x):
    _get_cache_prim_var = _get_cache_prim(Rank)
    rank_op = _get_cache_prim_var()
    rank_op_var = rank_op(input_x)
    return rank_op_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.cell import Cell
from mindspore.nn.layer.conv import _Conv

class _ConvOpt(_Conv, Cell):

    def __init__(self):
        Cell.__init__(self)
        for key, value in _Conv.__dict__.items():
            if not key.startswith('__'):
                setattr(_ConvOpt, key, value)
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.normalization import _BatchNorm

class _BatchNormOpt(_BatchNorm, Cell):

    def __init__(self):
        Cell.__init__(self)
        for key, value in _BatchNorm.__dict__.items():
            if not key.startswith('__'):
                setattr(_BatchNormOpt, key, value)
#
sys.path.insert(0, '/work/main/ghostlib')
from ghostlib.ghost import _GhostCell

class _GhostCellOpt(_GhostCell, nn.Cell):

    def __init__(self):
        nn.Cell.__init__(self)
        for key, value in _GhostCell.__dict__.items():
            if not key.startswith('__'):
                setattr(_GhostCellOpt, key, value)
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/ops/auto_generate')
from mindspore.ops.auto_generate.gen_ops_prim import *
from mindspore.ops.auto_generate.pyboost_inner_prim import *
from mindspore.ops.operations.manually_defined.ops_def import *
from mindspore.ops.auto_generate.gen_ops_def import zeros_op

def zeros_opt(size, dtype=None):
    zeros_op_var = zeros_op(size, dtype)
    return zeros_op_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.pooling import _PoolNd

class _PoolNdOpt(_PoolNd, Cell):

    def __init__(self):
        Cell.__init__(self)
        for key, value in _PoolNd.__dict__.items():
            if not key.startswith('__'):
                setattr(_PoolNdOpt, key, value)
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.activation import ReLU
from mindspore.train.amp import amp_cast

class ReLUOpt_17(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_18(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/ghostlib/models')
from mindspore import Tensor, nn
from ghostlib.models.resnet import Block

class BlockOpt_8(Block, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.shortcut = IdentityOpt(self.shortcut)
        self.body[0] = GhostConv2dOpt(self.body[0])
        self.body[1] = BatchNorm2dOpt(self.body[1])
        self.body[2] = ReLUOpt_17(self.body[2])
        self.body[3] = GhostConv2dOpt(self.body[3])
        self.body[4] = BatchNorm2dOpt(self.body[4])
        self.relu = ReLUOpt_18(self.relu)

    def construct(self, x) -> Tensor:
        shortcut_var = self.shortcut(x)
        body_var = self.body(x)
        add_var = body_var + shortcut_var
        relu_var = self.relu(add_var)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_15(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_16(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/ghostlib/models')

class BlockOpt_7(Block, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.shortcut = IdentityOpt(self.shortcut)
        self.body[0] = GhostConv2dOpt(self.body[0])
        self.body[1] = BatchNorm2dOpt(self.body[1])
        self.body[2] = ReLUOpt_15(self.body[2])
        self.body[3] = GhostConv2dOpt(self.body[3])
        self.body[4] = BatchNorm2dOpt(self.body[4])
        self.relu = ReLUOpt_16(self.relu)

    def construct(self, x) -> Tensor:
        shortcut_var = self.shortcut(x)
        body_var = self.body(x)
        add_var = body_var + shortcut_var
        relu_var = self.relu(add_var)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_13(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_14(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/ghostlib/models')
from mindspore import Tensor, nn, ops
from ghostlib.ghost import Ratio, ghostify
from ghostlib.models.resnet import PaddedShortcut
#
sys.path.insert(0, '/work/main/ghostlib/models')

class BlockOpt_6(Block, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.shortcut = PaddedShortcutOpt(self.shortcut)
        self.body[0] = GhostConv2dOpt(self.body[0])
        self.body[1] = BatchNorm2dOpt(self.body[1])
        self.body[2] = ReLUOpt_13(self.body[2])
        self.body[3] = GhostConv2dOpt(self.body[3])
        self.body[4] = BatchNorm2dOpt(self.body[4])
        self.relu = ReLUOpt_14(self.relu)

    def construct(self, x) -> Tensor:
        shortcut_var = self.shortcut(x)
        body_var = self.body(x)
        add_var = body_var + shortcut_var
        relu_var = self.relu(add_var)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_11(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_12(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/ghostlib/models')

class BlockOpt_5(Block, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.shortcut = IdentityOpt(self.shortcut)
        self.body[0] = GhostConv2dOpt(self.body[0])
        self.body[1] = BatchNorm2dOpt(self.body[1])
        self.body[2] = ReLUOpt_11(self.body[2])
        self.body[3] = GhostConv2dOpt(self.body[3])
        self.body[4] = BatchNorm2dOpt(self.body[4])
        self.relu = ReLUOpt_12(self.relu)

    def construct(self, x) -> Tensor:
        shortcut_var = self.shortcut(x)
        body_var = self.body(x)
        add_var = body_var + shortcut_var
        relu_var = self.relu(add_var)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_9(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_10(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/ghostlib/models')

class BlockOpt_4(Block, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.shortcut = IdentityOpt(self.shortcut)
        self.body[0] = GhostConv2dOpt(self.body[0])
        self.body[1] = BatchNorm2dOpt(self.body[1])
        self.body[2] = ReLUOpt_9(self.body[2])
        self.body[3] = GhostConv2dOpt(self.body[3])
        self.body[4] = BatchNorm2dOpt(self.body[4])
        self.relu = ReLUOpt_10(self.relu)

    def construct(self, x) -> Tensor:
        shortcut_var = self.shortcut(x)
        body_var = self.body(x)
        add_var = body_var + shortcut_var
        relu_var = self.relu(add_var)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_7(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_8(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.pooling import MaxPool2d

class MaxPool2dOpt(MaxPool2d, _PoolNdOpt):

    def __init__(self, obj):
        _PoolNdOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        expand_batch = False
        compare_var = x.ndim == 3
        if compare_var:
            x = x.unsqueeze(0)
            expand_batch = True
        if self.use_pad:
            x = x.unsqueeze(2)
            out = self.max_pool(x)
            isinstance_var = isinstance(out, tuple)
            if isinstance_var:
                subscript_var_1 = out[1]
                squeeze_var_1 = subscript_var_1.squeeze(2)
                subscript_var = out[0]
                squeeze_var = subscript_var.squeeze(2)
                out = (squeeze_var, squeeze_var_1)
            else:
                out = out.squeeze(2)
        else:
            out = self.max_pool(x)
        if expand_batch:
            isinstance_var_1 = isinstance(out, tuple)
            if isinstance_var_1:
                subscript_var_3 = out[1]
                squeeze_var_3 = subscript_var_3.squeeze(0)
                subscript_var_2 = out[0]
                squeeze_var_2 = subscript_var_2.squeeze(0)
                out = (squeeze_var_2, squeeze_var_3)
            else:
                out = out.squeeze(0)
        and_var = self.use_pad and (not self.return_indices)
        if and_var:
            subscript_var_4 = out[0]
            return subscript_var_4
        return out
#
sys.path.insert(0, '/work/main/ghostlib/models')

class PaddedShortcutOpt(PaddedShortcut, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.subsample = MaxPool2dOpt(self.subsample)

    def construct(self, x) -> Tensor:
        x = self.subsample(x)
        n, _, height, width = x.shape
        tuple_var_1 = (n, self.extra, height, width)
        zeros_var = zeros_opt(tuple_var_1, x.dtype)
        tuple_var = (x, zeros_var)
        concat_var = self.concat(tuple_var)
        return concat_var
#
sys.path.insert(0, '/work/main/ghostlib/models')

class BlockOpt_3(Block, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.shortcut = PaddedShortcutOpt(self.shortcut)
        self.body[0] = GhostConv2dOpt(self.body[0])
        self.body[1] = BatchNorm2dOpt(self.body[1])
        self.body[2] = ReLUOpt_7(self.body[2])
        self.body[3] = GhostConv2dOpt(self.body[3])
        self.body[4] = BatchNorm2dOpt(self.body[4])
        self.relu = ReLUOpt_8(self.relu)

    def construct(self, x) -> Tensor:
        shortcut_var = self.shortcut(x)
        body_var = self.body(x)
        add_var = body_var + shortcut_var
        relu_var = self.relu(add_var)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_5(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_6(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/ghostlib/models')

class BlockOpt_2(Block, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.shortcut = IdentityOpt(self.shortcut)
        self.body[0] = GhostConv2dOpt(self.body[0])
        self.body[1] = BatchNorm2dOpt(self.body[1])
        self.body[2] = ReLUOpt_5(self.body[2])
        self.body[3] = GhostConv2dOpt(self.body[3])
        self.body[4] = BatchNorm2dOpt(self.body[4])
        self.relu = ReLUOpt_6(self.relu)

    def construct(self, x) -> Tensor:
        shortcut_var = self.shortcut(x)
        body_var = self.body(x)
        add_var = body_var + shortcut_var
        relu_var = self.relu(add_var)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_3(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_4(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/ghostlib/models')

class BlockOpt_1(Block, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.shortcut = IdentityOpt(self.shortcut)
        self.body[0] = GhostConv2dOpt(self.body[0])
        self.body[1] = BatchNorm2dOpt(self.body[1])
        self.body[2] = ReLUOpt_3(self.body[2])
        self.body[3] = GhostConv2dOpt(self.body[3])
        self.body[4] = BatchNorm2dOpt(self.body[4])
        self.relu = ReLUOpt_4(self.relu)

    def construct(self, x) -> Tensor:
        shortcut_var = self.shortcut(x)
        body_var = self.body(x)
        add_var = body_var + shortcut_var
        relu_var = self.relu(add_var)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_1(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/ghostlib')
from ghostlib.ghost import GhostConv2d

class GhostConv2dOpt(GhostConv2d, _GhostCellOpt):

    def __init__(self, obj):
        _GhostCellOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt_2(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.basic import Identity

class IdentityOpt(Identity, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        return input
#
sys.path.insert(0, '/work/main/ghostlib/models')

class BlockOpt(Block, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.shortcut = IdentityOpt(self.shortcut)
        self.body[0] = GhostConv2dOpt(self.body[0])
        self.body[1] = BatchNorm2dOpt(self.body[1])
        self.body[2] = ReLUOpt_1(self.body[2])
        self.body[3] = GhostConv2dOpt(self.body[3])
        self.body[4] = BatchNorm2dOpt(self.body[4])
        self.relu = ReLUOpt_2(self.relu)

    def construct(self, x) -> Tensor:
        shortcut_var = self.shortcut(x)
        body_var = self.body(x)
        add_var = body_var + shortcut_var
        relu_var = self.relu(add_var)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')

class ReLUOpt(ReLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        input = amp_cast(input, mindspore.float16)
        relu_var = self.relu(input)
        relu_var = amp_cast(relu_var, mindspore.float32)
        return relu_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.ops.primitive import _primexpr
from mindspore.nn.layer.normalization import BatchNorm2d

class BatchNorm2dOpt(BatchNorm2d, _BatchNormOpt):

    def __init__(self, obj):
        _BatchNormOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self._check_input_dim = obj.__class__._check_input_dim

    @staticmethod
    @_primexpr
    def _check_input_dim(shape, cls_name):
        dim = len(shape)
        _check_dim(dim, 4, cls_name)
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.conv import Conv2d

class Conv2dOpt(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore import ops
from mindspore.nn.layer.basic import Dense

class DenseOpt(Dense, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x_var = amp_cast(x, mindspore.float16)
        x_shape = self.shape_op(x_var)
        x_shape = amp_cast(x_shape, mindspore.float32)
        len_var_1 = len(x_shape)
        compare_var_1 = len_var_1 != 2
        if compare_var_1:
            subscript_var = x_shape[-1]
            usub_var = -1
            tuple_var = (usub_var, subscript_var)
            x_var_4 = amp_cast(x, mindspore.float16)
            tuple_var = amp_cast(tuple_var, mindspore.float16)
            x = self.reshape(x_var_4, tuple_var)
            x = amp_cast(x, mindspore.float32)
        x_var_1 = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        x = self.matmul(x_var_1, weight_var)
        x = amp_cast(x, mindspore.float32)
        if self.has_bias:
            x_var_3 = amp_cast(x, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            x = self.bias_add(x_var_3, bias_var)
            x = amp_cast(x, mindspore.float32)
        if self.activation_flag:
            x = self.activation(x)
        len_var = len(x_shape)
        compare_var = len_var != 2
        if compare_var:
            subscript_var_2 = ops.shape(x)[-1]
            tuple_var_1 = (subscript_var_2,)
            subscript_var_1 = x_shape[:-1]
            out_shape = subscript_var_1 + tuple_var_1
            x_var_2 = amp_cast(x, mindspore.float16)
            out_shape = amp_cast(out_shape, mindspore.float16)
            x = self.reshape(x_var_2, out_shape)
            x = amp_cast(x, mindspore.float32)
        return x

    def extend_repr(self):
        s = f'input_channels={self.in_channels}, output_channels={self.out_channels}'
        if self.has_bias:
            s += f', has_bias={self.has_bias}'
        if self.activation_flag:
            s += f', activation={self.activation}'
        return s
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.basic import Flatten

class FlattenOpt(Flatten, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def check_axis_valid(self, axis, ndim):
        """Check if axis is within valid range for given ndim."""
        if axis < -ndim or axis >= ndim:
            raise ValueError("'start_dim' or 'end_dim' out of range.")

    def construct(self, x):
        x_rank = rank_opt(x)
        ndim = x_rank if x_rank != 0 else 1
        self.check_axis_valid(self.start_dim, ndim)
        self.check_axis_valid(self.end_dim, ndim)
        flatten_var = ops.flatten(x, start_dim=self.start_dim, end_dim=self.end_dim)
        return flatten_var
#
sys.path.insert(0, '/work/main/.venv/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.pooling import AdaptiveAvgPool2d

class AdaptiveAvgPool2dOpt(AdaptiveAvgPool2d, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        adaptive_avgpool2d_var = self.adaptive_avgpool2d(input)
        return adaptive_avgpool2d_var
#
sys.path.insert(0, '/work/main/ghostlib/models')
from ghostlib.models.resnet import ResNet

class ResNetOpt(ResNet, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.stem[0] = Conv2dOpt(self.stem[0])
        self.stem[1] = BatchNorm2dOpt(self.stem[1])
        self.stem[2] = ReLUOpt(self.stem[2])
        self.stages[0][0] = BlockOpt(self.stages[0][0])
        self.stages[0][1] = BlockOpt_1(self.stages[0][1])
        self.stages[0][2] = BlockOpt_2(self.stages[0][2])
        self.stages[1][0] = BlockOpt_3(self.stages[1][0])
        self.stages[1][1] = BlockOpt_4(self.stages[1][1])
        self.stages[1][2] = BlockOpt_5(self.stages[1][2])
        self.stages[2][0] = BlockOpt_6(self.stages[2][0])
        self.stages[2][1] = BlockOpt_7(self.stages[2][1])
        self.stages[2][2] = BlockOpt_8(self.stages[2][2])
        self.pool = AdaptiveAvgPool2dOpt(self.pool)
        self.flatten = FlattenOpt(self.flatten)
        self.classifier = DenseOpt(self.classifier)

    def construct(self, x) -> Tensor:
        stem_var = self.stem(x)
        stages_var = self.stages(stem_var)
        pool_var = self.pool(stages_var)
        flatten_var = self.flatten(pool_var)
        classifier_var = self.classifier(flatten_var)
        return classifier_var
#