"""What a grid's networks cost: each distinct one counted once, whatever the number of seeds."""

import json
from collections.abc import Iterable

from mindspore.nn.utils import no_init_parameters

from ghostlib.complexity import Complexity, count, recount
from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.models.build import architecture, build

SHAPING = "model", "stem_stride", "image_size"  # what decides how large a layer's maps are


def costs_of(configs: Iterable[Config]) -> list[dict[str, int]]:
    """For each Config the `weights` and `macs` of its network, for one image.

    Of the networks of one model and image size the first is run, to learn how large each layer's maps are; the others are
    built without values and not run.

    Raises:
        InputError: For a network that cannot be built.
    """
    costs: dict[str, dict[str, int]] = {}
    run: dict[tuple, Complexity] = {}  # the first of each kind
    keys = []
    for config in configs:
        fields = architecture(config)
        keys.append(key := json.dumps(fields, sort_keys=True))  # a ratio by layer is a mapping
        if key not in costs:
            kind = tuple(fields[name] for name in SHAPING)
            cost = _like(config, run[kind]) if kind in run else None
            if cost is None:
                cost = count(build(config), (3, config.image_size, config.image_size))
                run.setdefault(kind, cost)
            costs[key] = {"weights": cost.weights, "macs": cost.macs}
    return [costs[key] for key in keys]


def _like(config: Config, known: Complexity) -> Complexity | None:
    """The count of a Config's network by the sizes of another's maps; None if that lacks a layer, such as a shortcut."""
    with no_init_parameters():
        net = build(config)
    try:
        return recount(net, known)
    except InputError:
        return None
