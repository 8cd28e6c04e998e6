"""How soon the explorer answers: seconds from a choice to the new page, for the table in docs/performance.md."""

import time
from collections.abc import Callable

from ghostlib.config import Config
from ghostlib.explorer.panel import Panel
from ghostlib.explorer.views import Explorer

NETWORKS = {
    "24 maps of 64 x 64, GhostNet 0.5 at 128": (dict(model="ghostnet", width=0.5, image_size=128, dataset="imagenette"),
                                                "blocks.1.0.ghost1"),
    "16 maps of 32 x 32, VGG-16 at a quarter": (dict(model="vgg16", width=0.25, ratio=1), "features.3"),
    "64 maps of 56 x 56, ResNet-50 at 224": (dict(model="resnet50", ratio=1, image_size=224, dataset="imagefolder",
                                                  num_classes=1000), "layer1.0.conv1"),
    "64 of 256 maps of 56 x 56, the same": (dict(model="resnet50", ratio=1, image_size=224, dataset="imagefolder",
                                                 num_classes=1000), "layer1.0.conv3")}


def seconds(act: Callable[[], None]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


for name, (fields, layer) in NETWORKS.items():
    config = Config.of(fields)
    following = Explorer(config, "astronaut").layers
    page = Panel(config, "astronaut", layer, 2, 3)
    [column] = page.columns
    choices = {"another map silenced": [(column.silent, column.silent.options[number][1]) for number in (1, 2, 3)],
               "another s": [(page.ratio, value) for value in (3, 4, 5)],
               "another d, 1, 5, 7": [(page.kernel, value) for value in (1, 5, 7)],
               "a d that was chosen before": [(page.kernel, value) for value in (1, 5, 7)],
               "the next pair": [(page.pair, value) for value in (2, 3, 4)],
               "another picture": [(page.image, value) for value in ("coffee", "astronaut")],
               "another layer": [(column.layer, following[following.index(layer) + 1])]}
    print(name)
    for what, settings in choices.items():
        taken = [seconds(lambda one=chooser, new=value: setattr(one, "value", new)) for chooser, value in settings]  # type: ignore[misc]
        print(f"  {what}: {', '.join(f'{one:.2f}' for one in taken)} s")
