"""Makes ghostnet.npz: logits of timm's GhostNet in PyTorch, for weights and images from `formula`.

Needs torch and timm, which the tests do not: pip install torch timm; python tests/models/reference/make_ghostnet.py
"""

import json
from pathlib import Path

import numpy as np
import timm
import torch
from formula import images, tensor

stored: dict[str, np.ndarray] = {"versions": np.array(f"torch {torch.__version__}, timm {timm.__version__}")}
for name in ("ghostnet_050", "ghostnet_100", "ghostnet_130"):
    net = timm.create_model(name, pretrained=False).eval()
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    net.load_state_dict({key: torch.from_numpy(tensor(key, shape)) for key, shape in shapes.items()})
    with torch.no_grad():
        stored[f"{name}.logits"] = net(torch.from_numpy(images())).numpy()
    stored[f"{name}.shapes"] = np.array(json.dumps(shapes))
    print(name, len(shapes), stored[f"{name}.logits"].std(), stored[f"{name}.logits"][:, :4])
np.savez_compressed(Path(__file__).with_name("ghostnet.npz"), **stored)
