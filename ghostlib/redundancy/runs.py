"""The redundancy of finished runs' networks, as tables: what `ghostlib redundancy` and `ghostlib allocate` record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mindspore import nn
from numpy.typing import NDArray

from ghostlib import results
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.data.batches import first_images, spread_images
from ghostlib.errors import InputError, check_kernel
from ghostlib.features import stages
from ghostlib.models.build import build
from ghostlib.progress import progress_bar, tell
from ghostlib.redundancy.allocation import allocate, layer_macs, losses
from ghostlib.redundancy.controls import KERNELS, RESAMPLES, THRESHOLDS, network_study, pair_study
from ghostlib.redundancy.layers import LayerStudy
from ghostlib.redundancy.sources import OF_ONE_RUN, TABLES
from ghostlib.redundancy.unfinished import KeptRows, Unfinished
from ghostlib.training.setup import config_of, prepare

IMAGES = 192  # three splits of 64
RATIOS = (1, 2, 3, 4, 5, 6, 7, 8)  # ours: what a layer is offered


@dataclass(frozen=True)
class Subject:
    """A finished run's network, the same network before training, and images it was not trained on.

    Attributes:
        about: What every row of its tables says of it: dataset, model, width, seed, epochs, top1, s and d.
        net, untrained: Both in evaluation state.
        images: (N, 3, H, W), normalised, of the test split (`spread_images`).
    """

    about: dict[str, Any]
    net: nn.Cell
    untrained: nn.Cell
    images: NDArray[Any]


def of_run(run_dir: str | Path, images: int = IMAGES) -> Subject:
    """Reads a finished run; `InputError` where there is none."""
    row = results.read_row(run_dir, {"dataset": str, "model": str, "width": float, "seed": int, "epochs": int, "top1": float,
                                     "kernel": int})
    config = config_of(run_dir)
    net, data, _ = prepare(config)
    about = {name: row[name] for name in ("dataset", "model", "width", "seed", "epochs", "top1")}
    return Subject({**about, "s": row["ratio"], "d": row["kernel"]}, net.set_train(False), build(config).set_train(False),
                   spread_images(data.test, images)[0])


def of_runs(run_dirs: Sequence[str | Path], images: int = IMAGES, progress: bool = True,
            unfinished: Unfinished | None = None) -> dict[str, pd.DataFrame]:
    """All three tables, by the names in TABLES, of several runs; Ghost and plain networks of one seed are compared.

    Args:
        run_dirs: Finished runs.
        images: Of the test split, a third each to fit, to choose and to report.
        progress: Whether to show a bar.
        unfinished: Where finished layers' rows are kept, and where those of an earlier call are that was interrupted.
    """
    studies: list[tuple[Subject, LayerStudy, KeptRows | None]] = []

    def add(one: Subject, study: LayerStudy, **which: str) -> None:
        options = {"kernels": KERNELS, "thresholds": THRESHOLDS, "resamples": RESAMPLES, "seed": one.about["seed"]}
        kept = unfinished.of({**_identity(one, images), **which}, study, options) if unfinished else None
        studies.append((one, study, kept))
    subjects: list[Subject] = []
    told_apart: dict[str, str | Path] = {}
    with progress_bar(len(run_dirs), "runs read", progress) as bar:
        for run_dir in run_dirs:
            one = of_run(run_dir, images)
            if (first := told_apart.setdefault(str(_identity(one, images)), run_dir)) is not run_dir:
                raise InputError(f"{run_dir}: a run of the same {', '.join(OF_ONE_RUN[:-1])} as {first}, by which rows are "
                                 f"told apart; allowed is one of them")
            add(one, network_study(one.net, one.untrained, one.images, KERNELS, THRESHOLDS, int(one.about["seed"])))
            subjects.append(one)
            bar.update(1)
    for ghost, plain in _pairs(subjects):
        add(ghost, pair_study(ghost.net, plain.net, ghost.images, KERNELS, int(ghost.about["seed"])), table="intrinsic")
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    with progress_bar(sum(study.total(kept) for _, study, kept in studies), "multiply-adds", progress) as bar:
        for one, study, kept in studies:
            if kept and progress and (remark := _remark(kept, study)):
                tell(bar, f"note: {remark}")
            for name, table in study.run(bar.update, kept).items():
                tables[name].append(table.assign(**one.about))
    where = {"images": images, **results.provenance()}
    return {name: pd.concat(parts).assign(**where).round(6) for name, parts in tables.items() if parts}


def ratios_of_runs(run_dirs: Sequence[str | Path], like: int = 2, kernel: int = 3, images: int = IMAGES,
                   progress: bool = True) -> pd.DataFrame:
    """A ratio for each layer, from plain networks' redundancy, for the multiply-adds of `like` everywhere.

    Measured on training images, without augmentation: test images choose nothing. The losses are means over the runs.

    Args:
        run_dirs: Finished runs of one plain network, from several seeds.
        like: The uniform ratio whose multiply-adds are the budget, and which layers keep that cannot be measured.
        kernel: d of the ghosts.
        images: Training images, a third each to fit, choose and report.

    Returns:
        One row for each layer and ratio, with columns layer, ratio, loss (nan where not measured), macs and chosen; and what
        all share: networks (how many), images, filter (d), and the commit and machine.

    Raises:
        InputError: For runs that are not of one plain network, or one without a layer whose maps are large enough.
    """
    check_kernel(kernel)
    if like not in RATIOS:
        raise InputError(f"like: {like} given; allowed are {', '.join(map(str, RATIOS))}")
    configs, measured = [config_of(run_dir) for run_dir in run_dirs], []
    first = configs[0]
    for run_dir, config in zip(run_dirs, configs):
        if config.ratio != 1 or _network(config) != _network(first):
            raise InputError(f"{run_dir}: {_network(config)} given; allowed are runs of one plain network, ratio 1")
    with progress_bar(len(configs), "networks", progress) as bar:
        for config in configs:
            net, data, _ = prepare(config)
            measured.append(losses(net, first_images(data.train, images), kernel, RATIOS, config.seed))
            bar.update(1)
    found = pd.concat(measured).groupby(["layer", "ratio"], sort=False).loss.mean().reset_index().astype({"ratio": int})
    costs = {ratio: count(build(first.having(ratio=ratio, kernel=kernel)),
                          (3, first.image_size, first.image_size)) for ratio in RATIOS}
    table = layer_macs(costs, list(stages(net))).merge(found, "left", ["layer", "ratio"])
    table = table[table.groupby("layer").macs.transform("nunique") > 1]  # GhostNet's stem, for one, takes no ratio
    if table.loss.isna().all():
        raise InputError(f"kernel: {kernel} given; no layer that takes a ratio has maps of {2 * kernel} pixels and more; "
                         f"allowed is a smaller one, or a network that sees larger images")
    budget = int(table.macs[(table.ratio == like) & table.loss.notna()].sum())
    chosen = allocate(table[table.loss.notna()], budget)
    taken = [ratio == chosen.get(layer, like) for layer, ratio in zip(table.layer, table.ratio)]
    return table.assign(chosen=taken, networks=len(configs), images=images, filter=kernel, **results.provenance())


def _identity(subject: Subject, images: int) -> dict[str, Any]:
    """What tells one run's rows from another's, as OF_ONE_RUN does."""
    return {name: {**subject.about, "images": images}[name] for name in OF_ONE_RUN}


def _remark(kept: KeptRows, study: LayerStudy) -> str | None:
    """What is said of rows that an interrupted call left; None if there are none."""
    if kept.foreign:
        return f"{kept.folder}: other weights, images, options or code had made what was kept there; it is made again"
    count = len(study.places)
    done = count - len(study.left(kept))
    return f"{kept.folder}: {done} of {count} stages of layers are there and are not made again" if done else None


def _network(config: Config) -> str:
    return f"{config.model}, width {config.width:g}, ratio {config.ratio}, {config.dataset}"


def _pairs(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Subject]]:
    """Ghost networks, each with the plain one of the same model, width and seed, if it is there."""
    same = ("dataset", "model", "width", "seed", "epochs")
    for ghost in subjects:
        if ghost.about["s"] != 1:
            yield from ((ghost, plain) for plain in subjects if plain.about["s"] == 1
                        and all(plain.about[name] == ghost.about[name] for name in same))
