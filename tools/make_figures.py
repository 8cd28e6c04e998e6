"""Rebuilds figures/ from what is committed: `make figures`. No training, seconds."""

import base64
import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
from PIL import Image

from ghostlib import figures, results
from ghostlib.studies import ablation, paper

TARGET = Path("figures")
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


figures.style()
TARGET.mkdir(exist_ok=True)
train = "notebooks/train.ipynb"
stacked([picture_of(train, "fig_ghost_maps"), picture_of(train, "fig_curves")]).save(TARGET / "tour.png", **AS_PNG)
picture_of("notebooks/complexity.ipynb", "fig_speedup").save(TARGET / "speedup.png", **AS_PNG)
figures.fig_module(16, 16, 16, kernel_size=3, kernel=3).savefig(TARGET / "ghost_module.png")
redundancy = "notebooks/redundancy.ipynb"
picture_of(redundancy, "fig_matched_maps").save(TARGET / "matched_maps.png", **AS_PNG)
picture_of(redundancy, "fig_filter").save(TARGET / "filter.png", **AS_PNG)
picture_of(redundancy, "fig_ghost_maps").save(TARGET / "ghost_maps.png", **AS_PNG)
picture_of(redundancy, "fig_controls").save(TARGET / "controls.png", **AS_PNG)
for name, draw in (("redundancy", figures.fig_by_depth), ("allowed_ratio", figures.fig_allowed_ratio)):
    rows = results.read_table(f"data/results/{name}.csv")
    draw(rows[(rows.s == 1) & (rows["filter"] == 3)]).savefig(TARGET / f"{name}.png")
rows = ablation.named(results.read_table("data/results/ablate_cifar10.csv"))
table = ablation.with_speeds(ablation.summary(rows), results.read_table("data/results/ablation_speed.csv"))
allocation = results.read_table("data/results/allocation.csv")
for name, figure in (
        ("ablation", figures.fig_accuracy(rows, table, ablation.published(table.network))),
        ("contrasts", figures.fig_contrasts(ablation.asked(rows), ablation.MARGIN)), ("cost", figures.fig_cost(table)),
        ("layer_ratios", figures.fig_layer_ratios(allocation, uniform=2)),
        ("rivals", figures.fig_rivals(paper.networks([5, 6, 7]), paper.rivals([5, 6, 7]), paper.reported([5, 6, 7])))):
    figure.savefig(TARGET / f"{name}.png")
picture_of("notebooks/explore.ipynb", "still").save(TARGET / "explorer.png", **AS_PNG)
plt.close("all")
print(*sorted(map(str, TARGET.glob("*.png"))), sep="\n")
