"""What weights say of the network they are for and of the images it was made for, so that nobody needs to."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ghostlib.errors import InputError
from ghostlib.weights.kinds import is_safetensors
from ghostlib.weights.sources import MINDCV, locate

FIELDS = ("model", "width", "ratio", "kernel", "stem_stride", "num_classes", "dropout", "dataset", "data_dir", "image_size",
          "interpolation", "crop_ratio")  # of Config: the network, and the images as it wants them
# GhostNet on ImageNet as published: mindcv's configs/ghostnet, timm's config.json. Six photographs that come with the lab
# stand in for ImageNet's.
GHOSTNET = {"model": "ghostnet", "ratio": 2, "kernel": 3, "stem_stride": 2, "num_classes": 1000, "dataset": "examples",
            "image_size": 224, "crop_ratio": 0.875}
PUBLISHED: dict[str, dict[str, Any]] = {
    **{name: {**GHOSTNET, "width": int(name[-3:]) / 100, "interpolation": "bilinear"} for name in MINDCV},
    "timm/ghostnet_100.in1k": {**GHOSTNET, "width": 1.0, "interpolation": "bicubic"}}


def described(source: str | Path | None) -> dict[str, Any]:
    """Fields of Config that weights say by themselves.

    Args:
        source: As for `load_weights`: a published short name, of which nothing is downloaded here; a file that a run of ours
            wrote; or None.

    Returns:
        Those of FIELDS that are known; none for weights that say nothing, such as another project's file.

    Raises:
        InputError: For a source that `locate` refuses.
    """
    if source is None:
        return {}
    if str(source) in PUBLISHED:
        return dict(PUBLISHED[str(source)])
    path = locate(source)
    if not is_safetensors(path):
        return {}
    try:
        with safe_open(path, "numpy") as file:
            config = json.loads((file.metadata() or {}).get("config", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"weights: {source} cannot be read ({' '.join(str(error).split())[:160]})") from None
    return {name: config[name] for name in FIELDS if name in config}
