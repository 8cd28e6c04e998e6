"""Rebuilds figures/ from what is committed: `make figures`. No training, seconds.

What Ghost layers show needs a trained network, which is not committed: the pictures of it are made anew where `make tour`
has left its run, and stay as they are elsewhere.
"""

import base64
import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from ghostlib import figures, results
from ghostlib.studies import ablation, paper, rivals

TARGET, TOUR = Path("figures"), Path("data/runs/tour")
AS_PNG: Any = {"dpi": (150, 150), "optimize": True}
GAP = 24  # pixels between pictures put below one another


def picture_of(notebook: str, function: str) -> Image.Image:
    """The stored picture below the cell of a notebook that calls a function."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code" and f".{function}(" in cell.source:
            stored = next(output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {}))
            return Image.open(io.BytesIO(base64.b64decode(stored))).convert("RGB")
    raise LookupError(f"{notebook}: no cell calls {function}")


def stacked(pictures: list[Image.Image]) -> Image.Image:
    """Pictures below one another, centred on white."""
    width = max(picture.width for picture in pictures)
    height = sum(picture.height for picture in pictures) + GAP * (len(pictures) + 1)
    page, top = Image.new("RGB", (width + 2 * GAP, height), "white"), GAP
    for picture in pictures:
        page.paste(picture, (GAP + (width - picture.width) // 2, top))
        top += picture.height + GAP
    return page


def as_picture(figure: Figure) -> Image.Image:
    """A figure as it would be saved."""
    stored = io.BytesIO()
    figure.savefig(stored)
    return Image.open(stored).convert("RGB")


def of_the_tour() -> tuple[Image.Image, Image.Image]:
    """The tour of a digit with its curves, and what the same network makes of a photograph that it was not trained for."""
    from ghostlib import data, features, training
    from ghostlib.explorer.pictures import squares

    config = training.config_of(TOUR)
    net, split, _ = training.prepare(config)
    net.set_train(False)
    cells, counts = dict(net.cells_and_names()), features.ghost_layers(net)

    def drawn(picture: np.ndarray, image: np.ndarray, numbers: list[int], title: str) -> Image.Image:
        names = [list(counts)[number] for number in numbers]
        maps = features.activations(net, image, names)
        kernels = {name: cells[name].cheap_operation[0].weight.asnumpy()[:cells[name].ghosts, 0] for name in names}
        return as_picture(figures.fig_ghost_maps(picture, {name: (maps[name][0], counts[name], kernels[name])
                                                           for name in names}, title=title))
    digit = drawn(split.test.picture(0), next(split.test.epoch()).images[:1], [0, 1, 2], "a test digit")
    curves = as_picture(figures.fig_curves(pd.read_csv(TOUR / "history.csv")))
    photograph, dataset = squares("chelsea", 96)[0], data.DATASETS[config.dataset]
    scaled = (photograph / 255 - dataset.mean) / dataset.std
    image = scaled.transpose(2, 0, 1)[None].astype(np.float32)
    return stacked([digit, curves]), drawn(photograph, image, [0, 1, 4], "a photograph\nnetwork trained on digits")


figures.style()
TARGET.mkdir(exist_ok=True)
picture_of("notebooks/complexity.ipynb", "fig_speedup").save(TARGET / "speedup.png", **AS_PNG)
figures.fig_module(16, 16, 16, kernel_size=3, kernel=3).savefig(TARGET / "ghost_module.png")
train, redundancy = "notebooks/train.ipynb", "notebooks/redundancy.ipynb"
if (TOUR / "last.safetensors").exists():
    tour, ghost_maps = of_the_tour()
    tour.save(TARGET / "tour.png", **AS_PNG)
    ghost_maps.save(TARGET / "ghost_maps.png", **AS_PNG)
else:
    print(f"{TOUR} is not there: tour.png and ghost_maps.png stay as they are; `make tour`, then they are made anew")
    if not (TARGET / "tour.png").exists():
        stacked([picture_of(train, "fig_ghost_maps"), picture_of(train, "fig_curves")]).save(TARGET / "tour.png", **AS_PNG)
    if not (TARGET / "ghost_maps.png").exists():
        picture_of(redundancy, "fig_ghost_maps").save(TARGET / "ghost_maps.png", **AS_PNG)
picture_of(redundancy, "fig_matched_maps").save(TARGET / "matched_maps.png", **AS_PNG)
picture_of(redundancy, "fig_filter").save(TARGET / "filter.png", **AS_PNG)
picture_of(redundancy, "fig_controls").save(TARGET / "controls.png", **AS_PNG)
for name, draw in (("redundancy", figures.fig_by_depth), ("allowed_ratio", figures.fig_allowed_ratio)):
    rows = results.read_table(f"data/results/{name}.csv")
    draw(rows[(rows.s == 1) & (rows["filter"] == 3)]).savefig(TARGET / f"{name}.png")
rows = ablation.named(results.read_table("data/results/ablate_cifar10.csv"))
table = ablation.with_speeds(ablation.summary(rows), results.read_table("data/results/ablation_speed.csv"))
allocation = results.read_table("data/results/allocation.csv")
for name, figure in (
        ("ablation", figures.fig_accuracy(rows, table, ablation.published(table.network))),
        ("contrasts", figures.fig_contrasts(ablation.contrasts_of(rows), ablation.MARGIN)),
        ("cost", figures.fig_cost(table)),
        ("layer_ratios", figures.fig_layer_ratios(allocation, uniform=2)),
        ("rivals", figures.fig_rivals(paper.drawn(), rivals.published([5, 6, 7]), paper.reported([3, 4, 5, 6, 7])))):
    figure.savefig(TARGET / f"{name}.png")
picture_of("notebooks/explore.ipynb", "still").save(TARGET / "explorer.png", **AS_PNG)
plt.close("all")
print(*sorted(map(str, TARGET.glob("*.png"))), sep="\n")
