"""Makes mindcv.npz: mindcv's own ResNet-50, MobileNetV2 and V3, for weights and images from `formula`.

Of each the names and shapes of its parameters and its logits. Needs mindcv's source on the path, which the tests do not:
PYTHONPATH=MINDCV python tests/models/reference/make_mindcv.py
"""

import json
from pathlib import Path

import mindspore
import numpy as np
from formula import images, tensor
from mindcv.models import mobilenetv2, mobilenetv3, resnet
from mindspore import Tensor

MAKERS = {"resnet50": resnet.resnet50, "mobilenet_v2_100": mobilenetv2.mobilenet_v2_100,
          "mobilenet_v3_large_100": mobilenetv3.mobilenet_v3_large_100,
          "mobilenet_v3_small_100": mobilenetv3.mobilenet_v3_small_100}
GAINS = {"resnet50": 1.4, "mobilenet_v2_100": 1.6, "mobilenet_v3_large_100": 1.25, "mobilenet_v3_small_100": 1.35}
SIZES = 224, 225  # of the second all sides that are halved are odd: padding by "same" is padding on both sides

mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
stored: dict[str, np.ndarray] = {"versions": np.array(f"mindcv at 51b0636, MindSpore {mindspore.__version__}")}
for name, make in MAKERS.items():
    net = make().set_train(False)
    shapes = {key: tuple(parameter.shape) for key, parameter in net.parameters_and_names()}
    for key, parameter in net.parameters_and_names():
        parameter.set_data(Tensor(tensor(key, shapes[key], GAINS[name])))
    for size in SIZES:
        stored[f"{name}.{size}"] = net(Tensor(images(2, size, size))).asnumpy()
    stored[f"{name}.gain"] = np.array(GAINS[name])
    stored[f"{name}.shapes"] = np.array(json.dumps(shapes))
    print(name, len(shapes), stored[f"{name}.224"].std(), np.abs(np.diff(stored[f"{name}.224"], axis=0)).max())
np.savez_compressed(Path(__file__).with_name("mindcv.npz"), **stored)
