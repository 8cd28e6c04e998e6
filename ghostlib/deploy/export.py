"""A trained network as a file for other programs: ONNX or MINDIR, checked before it is there."""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import nn

from ghostlib.data import DATASETS, examples, files
from ghostlib.data import load as load_data
from ghostlib.data.batches import Batches
from ghostlib.data.contents import difference_of_classes
from ghostlib.data.folders import FolderBatches
from ghostlib.data.listing import Listing, scan
from ghostlib.data.picture import Normalisation
from ghostlib.deploy import engines
from ghostlib.deploy.card import Card, card_of, network_of
from ghostlib.deploy.engines import TOLERANCE, Logits
from ghostlib.deploy.fold import fold_batchnorm
from ghostlib.errors import InputError, RunError, some
from ghostlib.weights import classes_of
from ghostlib.weights.description import held_out

FORMATS = "onnx", "mindir"
CALIBRATION = 128  # pictures, at most, spread over all there are, from which the range of 8-bit numbers is taken


@dataclass(frozen=True)
class _Network:
    """What is exported: folded, and what is known of it."""

    card: Card
    folded: nn.Cell

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3, self.card.config.image_size, self.card.config.image_size


def export(source: str, target: str | Path, kind: str | None = None, batch: int | None = None, precision: str = "",
           calibration: Path | None = None, test: Path | None = None, given: Mapping[str, Any] | None = None,
           judge: Callable[[Logits, Batches], Any] | None = None, joined: bool = False) -> list[str]:
    """Writes a trained network, whole and checked or not at all.

    BatchNorm is folded into the convolutions. The file holds what `Card.metadata` says. Its logits for six photographs are
    compared with those of MindSpore's operators; in float32 they may differ by TOLERANCE of the largest.

    Args:
        source: What `weights` may be.
        target: The file; must not be there.
        kind: One of FORMATS; None takes what the name ends in.
        batch: A fixed batch size; None leaves it free in ONNX and is 1 in MINDIR.
        precision: "" for float32; "half", or "int8", which ONNX Runtime's quantiser makes of the pictures in `calibration`.
            Either is written only together with the accuracy before and after.
        calibration: A folder of pictures.
        test: A folder with a folder for each class, for that accuracy; None takes the network's own test images.
        given: Fields of Config that the source does not say.
        judge: What says how good logits are on test images, as `training.evaluate` does.
        joined: Whether maps are joined as in the network also where ONNX runs quicker without (`joins.split_joins`), so that
            each layer can be looked into. In half precision and 8 bits they always are: a sum of parts is rounded once more.

    Returns:
        Lines that say what was written and how it was checked.

    Raises:
        InputError: For a target that is there, an unknown format, or what cannot be made of this network.
        RunError: For a file that does not compute what the network does; nothing is left of it.
    """
    target = Path(target)
    kind = _check(target, kind, precision, joined)
    network = _load(source, given)
    judged = _labelled(network.card, source, test, given or {}) if judge and (precision or test) else None
    images = photographs(network.card)
    expected = engines.reference(network.folded, images)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        made = Path(scratch) / f"made.{kind}"
        write = _write_onnx if kind == "onnx" else _write_mindir
        run = write(network, made, batch, precision, calibration, joined)
        error = engines.difference(run(images), expected)
        allowed = np.inf if precision else TOLERANCE  # what it costs is told; that it answers at all is not up to anybody
        if not (np.isfinite(error) and error <= allowed):
            raise RunError(f"{target}: not written: its logits differ from the network's by {error:.1g} of the largest; "
                           f"allowed is {'any number' if precision else f'{TOLERANCE:g}'}")
        lines = [f"{target}: {made.stat().st_size / 1e6:.1f} MB, {network.card.config.model}, "
                 f"{len(network.card.classes):,} classes, images of {network.shape[1]} x {network.shape[2]}; logits for "
                 f"{len(images)} photographs differ by {error:.1g} of the largest"]
        if judge and judged is not None:
            before = judge(engines.OF_CELLS["kernel"](network.folded), judged)
            after = judge(run, judged)
            lines += [f"before: {before}", f"after:  {after}; "
                      f"{(before.predictions != after.predictions).sum():,} answers differ"]
        os.replace(made, target)
    return lines


def _check(target: Path, kind: str | None, precision: str, joined: bool) -> str:
    kind = kind or target.suffix.lstrip(".").lower()
    if not kind:
        raise InputError(f"format: {target} ends in none; allowed are names that end in .{' or .'.join(FORMATS)}, or "
                         f"--format")
    if kind not in FORMATS:
        raise InputError(f"format: {kind!r} given; allowed are {some(FORMATS)}")
    if os.path.lexists(target):
        raise InputError(f"target: {target} is there; allowed is the name of a new file")
    if not target.parent.is_dir():
        raise InputError(f"target: {target.parent} is no folder; allowed is a file in one that is there")
    if (asked := precision or ("joined" if joined else "")) and kind != "onnx":
        raise InputError(f"format: {kind!r} given; {asked} is offered for onnx")
    return kind


def _load(source: str, given: Mapping[str, Any] | None) -> _Network:
    card = card_of(source, dict(given or {}))
    return _Network(card, fold_batchnorm(network_of(card, source), (3, card.config.image_size, card.config.image_size)))


def photographs(card: Card) -> np.ndarray:
    """Six of scikit-image's photographs (6, 3, H, W), prepared for a network."""
    dataset = DATASETS[card.config.dataset]
    return Normalisation(dataset.mean, dataset.std)(examples.prepared(card.config))


def _write_onnx(network: _Network, path: Path, batch: int | None, precision: str, calibration: Path | None, joined: bool
                ) -> Logits:
    from ghostlib.deploy.onnx_graph import as_onnx

    apart = not joined and not precision
    model = as_onnx(network.folded, network.shape, batch, precision == "half", apart=apart)
    if precision == "int8":
        model = _quantised(model, network.card, path.parent, calibration, batch or 1)
    for name, value in network.card.metadata().items():
        model.metadata_props.add(key=name, value=value)
    path.write_bytes(model.SerializeToString())
    return engines.of_file(path, "onnxruntime").logits


def _quantised(model, card: Card, scratch: Path, calibration: Path | None, size: int):
    """The model in 8 bits, by ONNX Runtime's own quantiser: weights for each channel, activations from pictures, so many at
    a time; the last ones are filled up with themselves, as nothing else may widen the ranges."""
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    pictures = files.spread(files.find([str(calibration)], "int8"), CALIBRATION)  # the first ones are of one class
    batches = files.batches_of(pictures, card.config.having(batch_size=size))
    images = [np.resize(batch.images[:len(batch.places)], batch.images.shape) for batch in batches.epoch()]
    if not images:
        raise InputError(f"int8: {calibration} given; none of its {len(pictures)} pictures can be read: "
                         f"{batches.names(batches.broken)}")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            given = next(self.left, None)
            return None if given is None else {model.graph.input[0].name: given}

    whole, ready, made = (scratch / f"{name}.onnx" for name in ("whole", "ready", "int8"))
    onnx.save(model, whole)
    quant_pre_process(str(whole), str(ready), skip_symbolic_shape=True)
    quantization.quantize_static(str(ready), str(made), Reader(), per_channel=True)
    return onnx.load(made)


def _write_mindir(network: _Network, path: Path, batch: int | None, *_: Any) -> Logits:
    import mindspore
    from mindspore import Tensor

    def tell(model: Any) -> None:
        for name, value in network.card.metadata().items():
            model.user_info[name] = value

    images = Tensor(np.zeros((batch or 1, *network.shape), np.float32))
    mindspore.export(network.folded, images, file_name=str(path.with_suffix("")), file_format="MINDIR", custom_func=tell)
    loaded = nn.GraphCell(mindspore.load(str(path)))
    return partial(engines.in_batches, lambda images: loaded(Tensor(images)).asnumpy(), size=batch or 1)


def _labelled(card: Card, source: str, folder: Path | None, given: Mapping[str, Any]) -> Batches:
    """Images with labels: those below a folder, or the network's own test images; of its own dataset, those that its run
    held out."""
    if folder is None:
        own_data = not {"dataset", "data_dir"} & set(given)
        a_folder = ("allowed is a folder (--test) with a folder of pictures for each class, so that it can be said what it "
                    "costs")
        try:
            own = load_data(card.config.having(val_share=held_out(source) if own_data else 0.0))
        except (InputError, RunError) as error:
            raise InputError(f"test: the network's own test images are not here ({error}); {a_folder}") from None
        if (then := classes_of(source)) and (other := difference_of_classes(then, own.contents.classes)):
            raise InputError(f"test: {card.config.data_dir} holds other classes than the network knows: {other}; {a_folder}")
        return own.test
    listing, known = scan(folder, "test"), {name: number for number, name in enumerate(card.classes)}
    words = dict(zip(examples.imagenet_synsets(), examples.imagenet_classes()))  # as a card tells such classes
    numbers = [known.get(name, known.get(words.get(name, ""))) for name in listing.classes]
    if unknown := [name for name, number in zip(listing.classes, numbers) if number is None]:
        raise InputError(f"test: {folder} holds {some(unknown)}, which the network does not know; allowed are folders "
                         f"named {some(known)}, or after ImageNet's synsets for them")
    labels = np.array([numbers[label] for label in listing.labels])
    dataset = DATASETS[card.config.dataset]
    return FolderBatches(Listing(listing.folder, listing.files, labels, card.classes), card.config, mean=dataset.mean,
                         std=dataset.std)
