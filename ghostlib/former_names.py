"""Names that layers had in earlier versions, so that what was written with them is still read.

Until version 0.2 the ResNets' layers were called stages.0.0.body.0 and so on; now they have torchvision's names.
"""

import json
import re
import warnings
from collections.abc import Mapping
from typing import Any

import pandas as pd

BODY = "conv1", "bn1", "relu1", "conv2", "bn2", "relu2", "conv3", "bn3"  # what body.0, body.1 and so on are now
STEM = "conv1", "bn1", "relu", "maxpool"
BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.(body\.(\d)|shortcut|relu)(?=\.|$)")


def current_name(name: str) -> str:
    """What a ResNet's layer, or one of its tensors, is called now; any other name as it is.

    >>> current_name("stages.0.2.body.3.weight"), current_name("stages.3.0.shortcut.1.gamma"), current_name("features.0")
    ('layer1.2.conv2.weight', 'layer4.0.downsample.1.gamma', 'features.0')
    """
    if found := BLOCK.match(name):
        part = found[3]
        if found[4] is not None:
            if int(found[4]) >= len(BODY):
                return name
            part = BODY[int(found[4])]
        elif part == "shortcut":
            part = "downsample"
        return f"layer{int(found[1]) + 1}.{found[2]}.{part}{name[found.end():]}"
    if (found := re.match(r"stem\.(\d)(?=\.|$)", name)) and int(found[1]) < len(STEM):
        return STEM[int(found[1])] + name[found.end():]
    return re.sub(r"^classifier(?=\.(weight|bias)$|$)", "fc", name)


def current_names(named: Any) -> Any:
    """A mapping by layer with the names of now, and a remark if there was a former one; anything else as it is."""
    if not isinstance(named, Mapping):
        return named
    former = [name for name in named if current_name(str(name)) != str(name)]  # YAML makes a number of a key 1:
    if not former:
        return named
    remark(former)
    return {current_name(str(name)): value for name, value in named.items()}


def in_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Recorded rows with the names of now in the columns layer and ratio (by layer, as JSON) of ResNets, and a remark."""
    if "model" not in rows:
        return rows
    resnets = rows.model.astype(str).str.startswith("resnet")
    former: list[str] = []
    for column in {"layer", "ratio"} & set(rows):
        own = rows.loc[resnets, column]
        now = own.map(_layer_now if column == "layer" else _ratio_now)
        if (changed := own[own.astype(str) != now.astype(str)]).size:
            rows = rows.assign(**{column: rows[column].astype(object).where(~resnets, now.reindex(rows.index))})
            former += [found[0] for text in changed if (found := re.search(r"(stages|stem|classifier)[.\w]*", str(text)))]
    if former:
        remark(former)
    return rows


def _layer_now(name: Any) -> Any:
    return current_name(name) if isinstance(name, str) else name


def _ratio_now(ratio: Any) -> Any:
    if not (isinstance(ratio, str) and ratio.startswith("{")):
        return ratio
    return json.dumps({current_name(name): value for name, value in json.loads(ratio).items()})


def remark(former: list[str]) -> None:
    """Says that former names were read, by the first of them."""
    more = f", and {len(former) - 1} more" if len(former) > 1 else ""
    warnings.warn(f"{former[0]} is a former name, read as {current_name(former[0])}{more}", RuntimeWarning, stacklevel=3)
