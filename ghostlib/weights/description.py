"""What weights say of the network they are for and of the images it was made for, so that nobody needs to."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ghostlib.config import GHOST_NETWORKS, WITH_STEM
from ghostlib.errors import InputError, in_a_line
from ghostlib.weights.kinds import is_safetensors
from ghostlib.weights.sources import locate

FIELDS = ("model", "width", "ratio", "kernel", "stem_stride", "num_classes", "dropout", "dataset", "data_dir", "image_size",
          "interpolation", "crop_ratio")  # of Config: the network, and the images as it wants them
# What is published for ImageNet: mindcv's configs/*/README.md, timm's configurations (1.0.31). Six photographs that come
# with the lab stand in for ImageNet's.
IMAGENET = {"kernel": 3, "num_classes": 1000, "dataset": "examples", "image_size": 224, "crop_ratio": 0.875}
NAMES = {  # by model and width, what is published for it
    ("ghostnet", 0.5): ("mindcv/ghostnet_050",),
    ("ghostnet", 1.0): ("mindcv/ghostnet_100", "timm/ghostnet_100.in1k"),
    ("ghostnet", 1.3): ("mindcv/ghostnet_130",),
    ("ghostnetv2", 1.0): ("timm/ghostnetv2_100.in1k",),
    ("ghostnetv2", 1.3): ("timm/ghostnetv2_130.in1k",),
    ("ghostnetv2", 1.6): ("timm/ghostnetv2_160.in1k",),
    ("mobilenet_v2", 0.5): ("timm/mobilenetv2_050.lamb_in1k",),
    ("mobilenet_v2", 0.75): ("mindcv/mobilenet_v2_075",),
    ("mobilenet_v2", 1.0): ("mindcv/mobilenet_v2_100", "timm/mobilenetv2_100.ra_in1k"),
    ("mobilenet_v2", 1.4): ("mindcv/mobilenet_v2_140", "timm/mobilenetv2_140.ra_in1k"),
    ("mobilenet_v3_small", 0.5): ("timm/mobilenetv3_small_050.lamb_in1k",),
    ("mobilenet_v3_small", 0.75): ("timm/mobilenetv3_small_075.lamb_in1k",),
    ("mobilenet_v3_small", 1.0): ("mindcv/mobilenet_v3_small_100", "timm/mobilenetv3_small_100.lamb_in1k"),
    ("mobilenet_v3_large", 1.0): ("mindcv/mobilenet_v3_large_100", "timm/mobilenetv3_large_100.ra_in1k"),
    ("resnet50", 1.0): ("mindcv/resnet50", "timm/resnet50.tv_in1k")}


def _interpolation(name: str) -> str:
    """timm scales test images by bicubic interpolation, but for what it took over from torchvision."""
    return "bicubic" if name.startswith("timm/") and ".tv_" not in name else "bilinear"


PUBLISHED: dict[str, dict[str, Any]] = {
    name: {**IMAGENET, "model": model, "width": width, "ratio": 2 if model in GHOST_NETWORKS else 1,
           "stem_stride": 2 if model in WITH_STEM else None, "interpolation": _interpolation(name)}
    for (model, width), names in NAMES.items() for name in names}
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
    config = run_of(source)
    return {name: config[name] for name in FIELDS if name in config}


def classes_of(source: str | Path) -> tuple[str, ...]:
    """The names of the classes that weights were trained on, in the order of their logits; none if they do not say.

    Raises:
        InputError: For a source that `locate` refuses.
    """
    return () if str(source) in PUBLISHED else tuple(_metadata(source, "data").get("classes", ()))


def run_of(source: str | Path) -> dict[str, Any]:
    """All fields of Config of the run that wrote weights; none for weights that do not say."""
    return {} if str(source) in PUBLISHED else _metadata(source, "config")


def held_out(source: str | Path) -> float:
    """Which share of its training images a run held out to test with (`val_share`); 0 for weights that do not say."""
    return float(run_of(source).get("val_share", 0.0))


def _metadata(source: str | Path, key: str) -> dict[str, Any]:
    """What a file that a run of ours wrote holds beside its tensors under a key; nothing for another project's."""
    path = locate(source)
    if not is_safetensors(path):
        return {}
    try:
        with safe_open(path, "numpy") as file:
            held = json.loads((file.metadata() or {}).get(key, "{}"))
            return held if isinstance(held, dict) else {}
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"weights: {source} cannot be read ({in_a_line(error)})") from None
