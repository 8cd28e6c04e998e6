"""The networks that can be built, at the sizes that are published: `data/paper/models.csv`, and as text."""

import re
from collections.abc import Mapping
from typing import Any, get_args

import pandas as pd

from ghostlib.config import Config, Model
from ghostlib.studies.paper import PUBLISHED

NAMES = {"ghostnet": "GhostNet", "ghostnetv2": "GhostNetV2", "mobilenet_v2": "MobileNetV2",
         "mobilenet_v3_small": "MobileNetV3-Small", "mobilenet_v3_large": "MobileNetV3-Large",
         "efficientnet_lite0": "EfficientNet-Lite0", "pfld_ghostnet": "a face-landmark GhostNet"}

EPOCHS = 15  # of the counted runs of the photographs study; a network that was trained for longer says so in its name


def network_of(config: Config) -> str:
    """What rows of measured networks call one of a sweep: its model, width and, where they are not EPOCHS, its epochs. Rows
    of lesions have a column of epochs, and say model and width alone."""
    return f"{config.model} {config.width:g}" + ("" if config.epochs == EPOCHS else f", {config.epochs} epochs")


def epochs_of(rows: pd.DataFrame) -> list[float]:
    """For how many epochs each row's network was trained, as `network_of` says it; nan where others trained it."""
    said = [re.search(r", (\d+) epochs$", network) for network in rows.network]
    return [float(found[1]) if found else float(EPOCHS) if network.split()[0] in get_args(Model) else float("nan")
            for network, found in zip(rows.network, said)]


def network_names(rows: pd.DataFrame) -> list[str]:
    """What each row's network is called: `network` is a model with its width, or the name of an ONNX file; `s`, and a `d`
    that is not 3, say more."""
    told = []
    for network, s, d in zip(rows.network, rows.s, rows.d):
        model, _, width = network.partition(" ")
        thin = "thin " if s == 1 and model.startswith("ghostnet") else ""
        ghosts = (f", s = {int(s)}" + (f", d = {int(d)}" if d > 0 and d != 3 else "")) if s > 1 else ""
        told.append(thin + NAMES.get(model, model) + (f" {width}" if width else "") + ghosts)
    return told


def models() -> pd.DataFrame:
    """Rows of `data/paper/models.csv`: the published sizes of what `ghostlib.models` builds: model, width, image_size,
    num_classes, weights and macs (counted here), top1 in percent as published, by whom (`whose`), source."""
    return pd.read_csv(PUBLISHED / "models.csv")


def as_text(table: pd.DataFrame, weights: Mapping[str, Mapping[str, Any]]) -> str:
    """The same as text: a line for each size, with the short names of weights that are published for it.

    Args:
        table: Of `models`.
        weights: By short name the fields of Config that it is for: `weights.description.PUBLISHED`.
    """
    names = [", ".join(name for name, of in weights.items() if (of["model"], of["width"]) == (row.model, row.width))
             for row in table.itertuples()]
    top1 = [f"{row.top1} ({row.whose})" if pd.notna(row.top1) else "" for row in table.itertuples()]
    shown = pd.DataFrame({"model": table.model, "width": table.width.map("{:g}".format),
                          "weights, M": (table.weights / 1e6).map("{:.2f}".format),
                          "multiply-adds, M": (table.macs / 1e6).map("{:.0f}".format), "image": table.image_size,
                          "published top-1, %": top1, "published weights": names})
    text = shown.to_string(index=False, justify="left", formatters={
        column: f"{{:<{max(map(len, [column, *shown[column].astype(str)]))}}}".format
        for column in ("model", "published top-1, %", "published weights")})
    return "\n".join(map(str.rstrip, text.splitlines()))
