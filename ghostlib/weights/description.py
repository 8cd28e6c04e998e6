"""What weights say of the network they are for and of the images it was made for, so that nobody needs to."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ghostlib.config import GHOST_NETWORKS, WITH_STEM
from ghostlib.errors import InputError
from ghostlib.weights.kinds import is_safetensors
from ghostlib.weights.sources import MINDCV, locate

FIELDS = ("model", "width", "ratio", "kernel", "stem_stride", "num_classes", "dropout", "dataset", "data_dir", "image_size",
          "interpolation", "crop_ratio")  # of Config: the network, and the images as it wants them
# What is published for ImageNet: mindcv's configs/*/README.md, timm's configurations (1.0.31). Six photographs that come
# with the lab stand in for ImageNet's.
IMAGENET = {"kernel": 3, "num_classes": 1000, "dataset": "examples", "image_size": 224, "crop_ratio": 0.875}
TIMM_NAMES = {"ghostnet": ("ghostnet_100.in1k",),
              "ghostnetv2": ("ghostnetv2_100.in1k", "ghostnetv2_130.in1k", "ghostnetv2_160.in1k"),
              "mobilenet_v2": ("mobilenetv2_050.lamb_in1k", "mobilenetv2_100.ra_in1k", "mobilenetv2_140.ra_in1k"),
              "mobilenet_v3_small": ("mobilenetv3_small_050.lamb_in1k", "mobilenetv3_small_075.lamb_in1k",
                                     "mobilenetv3_small_100.lamb_in1k"),
              "mobilenet_v3_large": ("mobilenetv3_large_100.ra_in1k",), "resnet50": ("resnet50.tv_in1k",)}
BILINEAR = "resnet50.tv_in1k",  # timm scales the others' images by bicubic interpolation


def _published(model: str, width: str, interpolation: str) -> dict[str, Any]:
    own = {"ratio": 2 if model in GHOST_NETWORKS else 1, **({"stem_stride": 2} if model in WITH_STEM else {})}
    return {**IMAGENET, **own, "model": model, "width": int(width) / 100 if width else 1.0, "interpolation": interpolation}


def _mindcv(name: str) -> dict[str, Any]:
    model, _, width = name.removeprefix("mindcv/").rpartition("_")
    return _published(model, width, "bilinear") if model else _published(width, "", "bilinear")  # resnet50 has no width


PUBLISHED: dict[str, dict[str, Any]] = {
    **{name: _mindcv(name) for name in MINDCV},
    **{f"timm/{name}": _published(model, name.partition(".")[0].rpartition("_")[2] if "_" in name.partition(".")[0] else "",
                                  "bilinear" if name in BILINEAR else "bicubic")
       for model, names in TIMM_NAMES.items() for name in names}}
"""By short name, the fields of Config for what can be loaded by it."""


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
