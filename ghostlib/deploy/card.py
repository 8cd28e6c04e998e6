"""What one must know of a trained network to use it: how pictures are prepared for it, and what its answers are called."""

import json
from dataclasses import dataclass

from ghostlib import results
from ghostlib.config import Config
from ghostlib.data import DATASETS, imagenette
from ghostlib.data.examples import imagenet_classes, in_words
from ghostlib.data.picture import seen_whole
from ghostlib.errors import InputError, nearest, some
from ghostlib.weights import classes_of, described
from ghostlib.weights.description import FIELDS

IMAGENET = 1000  # classes, whose names are known
ELSEWHERE = "-"  # in the place of a folder that others do not have, and that is none of their business


@dataclass(frozen=True)
class Card:
    """What a bundle, a published name or an exported file says of its network.

    Attributes:
        config: The network and the images as it wants them, changed to judge and not to train.
        classes: The names of its answers, in the order of its logits.
    """

    config: Config
    classes: tuple[str, ...]

    def metadata(self) -> dict[str, str]:
        """As an exported file keeps it; each value is JSON, so that any program can read it.

        `resize` is what a picture's shorter side is scaled to (both sides, if it equals `size` and `whole` is true), `size`
        what is then cut from its middle, `mean` and `std` are of each channel for pixels in [0, 1].
        """
        config, dataset = self.config, DATASETS[self.config.dataset]
        whole = seen_whole(config)
        told = {"classes": list(self.classes), "mean": list(dataset.mean), "std": list(dataset.std),
                "size": config.image_size, "whole": whole,
                "resize": config.image_size if whole else round(config.image_size / config.crop_ratio),
                "interpolation": config.interpolation,
                "config": {name: getattr(config, name) for name in FIELDS} | {"data_dir": ELSEWHERE},
                "made_by": results.provenance()}
        return {name: json.dumps(value) for name, value in told.items()}

    @classmethod
    def of_metadata(cls, metadata: dict[str, str], path: object) -> "Card":
        """That of a file that `metadata` went into; `InputError` for one that somebody else made."""
        try:
            config, classes = dict(json.loads(metadata["config"])), [str(name) for name in json.loads(metadata["classes"])]
        except (KeyError, TypeError, ValueError):
            raise InputError(f"weights: {path} does not say what its images and classes are; allowed is a file that "
                             f"'ghostlib export' wrote") from None
        return cls(Config.of({**config, "epochs": 0}), tuple(classes))


def card_of(source: str, given: dict | None = None) -> Card:
    """What is known of weights.

    Args:
        source: What `weights` may be: a bundle, which says all; a published name; another project's file.
        given: Fields of Config in place of what the source says, or for what it does not say.

    Raises:
        InputError: For a source that says nothing of its network while nothing is given, or a field that is of training, or
            of the device: what is trained is used on the CPU.
    """
    if others := [name for name in given or {} if name not in FIELDS]:
        known = "" if others[0] in Config.model_fields else f"; {nearest(others[0], FIELDS)}"
        raise InputError(f"{others[0]}: given, and is no field of a network or its images{known}; allowed are "
                         f"{some(FIELDS, len(FIELDS))}")
    fields = {**described(source), **(given or {})}
    if "model" not in fields:
        raise InputError(f"weights: {source} does not say what network it is for; allowed are a bundle of a run, a "
                         f"published name, or a PARAMS.yaml beside it")
    config = Config.of({**fields, "epochs": 0}).to_judge(source)
    return Card(config, class_names(source, config))


def network_of(card: Card, source: str):
    """The network of a card with the weights of its source, on the CPU, to judge with."""
    from ghostlib.device import use_device
    from ghostlib.models.build import build
    from ghostlib.weights import load_weights
    use_device("CPU")
    net = build(card.config).set_train(False)
    load_weights(net, source)
    return net


def class_names(source: str | None, config: Config) -> tuple[str, ...]:
    """Names of a network's answers: those that a run wrote down beside its weights, ImageNet's, else numbers.

    ImageNet's synsets, after which folders are named, are told in words.
    """
    if source and (classes := classes_of(source)):
        return in_words(classes)
    if config.dataset == "imagenette":
        return tuple(imagenette.CLASSES.values())
    if config.num_classes == IMAGENET:
        return tuple(imagenet_classes())
    return tuple(f"class {number}" for number in range(config.num_classes))
