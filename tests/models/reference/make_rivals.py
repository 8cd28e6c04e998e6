"""Makes rivals.npz: timm's MobileNetV2, V3, GhostNetV2 and ResNet-50 in PyTorch, for weights and images from `formula`.

Of each the logits, the tensors' shapes and the multiply-adds.

Needs torch and timm, which the tests do not: pip install torch timm; python tests/models/reference/make_rivals.py
"""

import json
from pathlib import Path

import numpy as np
import timm
import torch
from formula import images, tensor

SIZES = ((224, 224), (192, 160))
WIDTHS = {"mobilenetv2": ("035", "050", "100", "140"), "mobilenetv3_large": ("075", "100"),
          "mobilenetv3_small": ("050", "075", "100"), "ghostnetv2": ("100", "130", "160")}
NAMES = [f"{family}_{width}" for family, widths in WIDTHS.items() for width in widths] + ["resnet50"]
GAINS = {"mobilenetv2": 1.6, "mobilenetv3_large": 1.25, "mobilenetv3_small": 1.35, "ghostnetv2": 1.0,
         "resnet50": 1.4}  # see formula.tensor


def multiply_adds(net: torch.nn.Module, x: torch.Tensor) -> int:
    """Of convolutions and dense layers, for one image."""
    total, hooks = 0, []

    def count(layer, _, out):
        nonlocal total
        positions = out[0, 0].numel() if isinstance(layer, torch.nn.Conv2d) else 1
        total += layer.weight.numel() * positions

    for layer in net.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            hooks.append(layer.register_forward_hook(count))
    net(x[:1])
    for hook in hooks:
        hook.remove()
    return total


stored: dict[str, np.ndarray] = {"versions": np.array(f"torch {torch.__version__}, timm {timm.__version__}")}
for name in NAMES:
    net = timm.create_model(name, pretrained=False).eval()
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    gain = GAINS[name.rpartition("_")[0] or name]
    net.load_state_dict({key: torch.from_numpy(tensor(key, shape, gain)) for key, shape in shapes.items()})
    with torch.no_grad():
        for height, width in SIZES:
            x = torch.from_numpy(images(2, height, width))
            stored[f"{name}.{height}x{width}"] = net(x).numpy()
        stored[f"{name}.macs"] = np.array(multiply_adds(net, torch.from_numpy(images())))
    stored[f"{name}.gain"] = np.array(gain)
    stored[f"{name}.shapes"] = np.array(json.dumps(shapes))
    print(name, len(shapes), stored[f"{name}.macs"], stored[f"{name}.224x224"].std(),
          np.abs(np.diff(stored[f"{name}.224x224"], axis=0)).max())
np.savez_compressed(Path(__file__).with_name("rivals.npz"), **stored)
