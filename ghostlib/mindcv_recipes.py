"""mindcv's recipes for GhostNet, MobileNets and ResNet-50: its YAML files, read as they are, in our names.

Every key is translated, or refused by name if its value asks for what ghostlib does not do. A key that a file leaves
out has mindcv's default, not ours. Source: mindcv's config.py and configs, commit 51b0636.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ghostlib.errors import InputError, nearest

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]  # of ImageNet's channels, in its units; ours as well
CARDS = 8  # its README starts the recipes with `msrun --worker_num 8`
MODEL = re.compile(r"(ghostnet|mobilenet_v2|mobilenet_v3_small|mobilenet_v3_large)_(050|075|100|130|140)")
UNIQUE = {"mode", "distribute", "num_parallel_workers", "val_while_train", "dataset_download", "drop_remainder",
          "image_resize", "crop_pct", "re_prob", "auto_augment", "aug_repeats", "ckpt_path", "keep_checkpoint_max",
          "ckpt_save_dir", "epoch_size", "dataset_sink_mode", "amp_level", "scheduler", "min_lr", "decay_epochs", "opt",
          "loss_scale_type", "drop_overflow_update", "use_nesterov"}  # names that no parameter of ours has

Fields = dict[str, Any]


class _Refused(Exception):
    """What a key allows."""


def _only(*allowed: Any) -> Callable[[Any], Fields]:
    """A key that ghostlib needs no field for, since it always does what these values ask."""
    def read(value: Any) -> Fields:
        if value not in allowed:
            raise _Refused(" or ".join(map(repr, allowed)))
        return {}
    return read


def _near(*allowed: float) -> Callable[[Any], Fields]:
    def read(value: Any) -> Fields:
        if not isinstance(value, (list, tuple)) or [round(part, 3) for part in value] != list(allowed):
            raise _Refused(repr(list(allowed)))
        return {}
    return read


def _as(field: str) -> Callable[[Any], Fields]:
    return lambda value: {field: value}


def _any(value: Any) -> Fields:
    """A key whose value decides nothing here: of a log, of files, or of what the values allowed elsewhere turn off."""
    return {}


def _one_of(field: str, names: Mapping[Any, Any]) -> Callable[[Any], Fields]:
    def read(value: Any) -> Fields:
        if value not in names:
            raise _Refused(" or ".join(map(repr, names)))
        return {field: names[value]}
    return read


def _model(value: Any) -> Fields:
    name = MODEL.fullmatch(str(value))
    if str(value) == "resnet50":
        return {"model": "resnet50", "width": 1.0}
    if not name:
        raise _Refused("ghostnet, mobilenet_v2, mobilenet_v3_small or mobilenet_v3_large with a width, such as "
                       "ghostnet_100, or resnet50")
    return {"model": name[1], "width": int(name[2]) / 100}


def _validation(value: Any) -> Fields:
    """ghostlib always tests the trained network; without it while training, once at the end."""
    return {} if value else {"val_interval": 10**6}


# mindcv's key: its default, and what becomes of a value.
KEYS: dict[str, tuple[Any, Callable[[Any], Fields]]] = {
    "mode": (0, _only(0)),  # graph mode
    "distribute": (False, _one_of("devices", {True: CARDS, False: 1})),
    "num_parallel_workers": (8, _as("workers")),
    "val_interval": (1, _as("val_interval")),
    "val_while_train": (False, _validation),  # after val_interval, which it overrules
    "log_interval": (100, _any),
    "seed": (42, _as("seed")),
    "device_target": ("Ascend", _one_of("device", {"Ascend": "Ascend", "CPU": "CPU"})),
    "dataset": ("imagenet", _one_of("dataset", {"imagenet": "imagefolder", "cifar10": "cifar10"})),
    "data_dir": ("./", _as("data_dir")),
    "train_split": ("train", _only("train")),
    "val_split": ("val", _only("val", "test")),  # test is CIFAR-10's, see below
    "num_samples": (None, _only(None, 0)),  # both mean all
    "shuffle": (True, _only(True)),
    "eval_shuffle": (False, _any),
    "dataset_download": (False, _only(False)),
    "batch_size": (128, _as("batch_size")),
    "drop_remainder": (True, _only(True)),
    "image_resize": (224, _as("image_size")),
    "scale": ([0.08, 1.0], _near(0.08, 1.0)),
    "ratio": ([0.75, 1.333], _near(0.75, 1.333)),  # of a crop's sides; not the Ghost module's s
    "hflip": (0.5, _only(0.5)),
    "vflip": (0.0, _only(0)),
    "color_jitter": (0.4, _any),  # see below
    "interpolation": ("bilinear", _one_of("interpolation", {"bilinear": "bilinear", "bicubic": "bicubic"})),
    "crop_pct": (0.875, _as("crop_ratio")),
    "re_prob": (0.0, _as("erasing")),
    "re_scale": ([0.02, 0.33], _near(0.02, 0.33)),
    "re_ratio": ([0.3, 3.3], _near(0.3, 3.3)),
    "re_value": (0, _only(0)),
    "re_max_attempts": (10, _only(10)),
    "mean": (MEAN, _near(*MEAN)),
    "std": (STD, _near(*STD)),
    "auto_augment": (None, _one_of("augment", {"randaug-m9-mstd0.5": "randaugment", None: "crop+flip"})),
    "aug_splits": (0, _only(0)),
    "mixup": (0.0, _any),  # these three: see below
    "cutmix": (0.0, _any),
    "cutmix_prob": (1.0, _any),
    "aug_repeats": (0, lambda value: {"repeats": value or 1}),
    "model": ("", _model),
    "num_classes": (1000, _as("num_classes")),
    "in_channels": (3, _only(3)),
    "drop_rate": (0.2, _as("dropout")),  # GhostNet's own default there
    "drop_path_rate": (None, _only(None, 0)),
    "pretrained": (False, _only(False)),
    "ckpt_path": ("", lambda value: {"weights": value or None}),
    "resume_opt": (False, _only(False)),
    "keep_checkpoint_max": (10, _any),  # we keep the last and the best, whatever these three say
    "ckpt_save_interval": (1, _any),
    "ckpt_save_policy": ("latest_k", _any),
    "ckpt_save_dir": ("./ckpt", _as("run_dir")),
    "epoch_size": (90, _as("epochs")),
    "dataset_sink_mode": (True, _as("sink")),
    "ema": (False, _only(True, False)),  # see below
    "ema_decay": (0.9999, _any),  # of ema
    "clip_grad": (False, _only(False)),
    "clip_value": (15.0, _any),  # of clip_grad
    "layer_decay": (None, _only(None)),
    "gradient_accumulation_steps": (1, _as("accumulate")),
    "amp_level": ("O0", _as("amp")),
    "amp_cast_list": (None, _only(None)),
    "val_amp_level": ("O0", _only("O0")),  # of its validate.py; its train.py, like ours, tests as amp_level says
    "loss": ("CE", _only("CE")),
    "reduction": ("mean", _only("mean")),
    "aux_factor": (0.0, _only(0)),
    "label_smoothing": (0.0, _as("label_smoothing")),
    "scheduler": ("cosine_decay", _one_of("schedule", {"cosine_decay": "cosine", "constant": "constant"})),
    "min_lr": (1e-6, _as("lr_end")),
    "lr": (0.001, _as("lr")),
    "warmup_epochs": (3, _as("warmup_epochs")),
    "warmup_factor": (0.0, _only(0)),
    "decay_epochs": (None, _any),  # held to epoch_size below
    "decay_rate": (0.9, _any),  # of schedules that are refused, as are the milestones
    "multi_step_decay_milestones": ([30, 60, 90], _any),
    "lr_epoch_stair": (False, _only(False)),
    "num_cycles": (1, _only(1)),
    "cycle_decay": (1.0, _any),  # from one cycle to the next
    "opt": ("adam", _one_of("optimizer", {"momentum": "momentum", "rmsprop": "rmsprop"})),  # its AdamW is another than ours
    "momentum": (0.9, _as("momentum")),
    "weight_decay": (1e-6, _as("weight_decay")),
    "weight_decay_filter": ("disable", _one_of("decay_norm", {"disable": True, "auto": False})),  # auto is MindSpore's own
    "eps": (1e-10, _any),  # rmsprop's, see below
    "loss_scale_type": ("fixed", _one_of("loss_scale_dynamic", {"dynamic": True, "fixed": False})),
    "drop_overflow_update": (False, _any),  # an overflowing step is always dropped
    "loss_scale": (1.0, _as("loss_scale")),
    "use_nesterov": (False, _as("nesterov")),
}


def _mixing(complete: Mapping[str, Any]) -> Fields:
    """mindcv's mixup and cutmix are the parameters of two distributions, 0 for none, and cutmix_prob, in spite of its name,
    the share of batches that are mixed; of both, each gets half (mindcv/data/loader.py and mixup.py)."""
    alphas = {kind: complete[kind] for kind in ("mixup", "cutmix") if complete[kind]}
    return {name: value for kind, alpha in alphas.items()
            for name, value in ((kind, complete["cutmix_prob"] / len(alphas)), (f"{kind}_alpha", float(alpha)))}


def is_recipe(values: Mapping[str, Any]) -> bool:
    """Whether a mapping of parameters is in mindcv's names."""
    return len(UNIQUE & values.keys()) >= 3


def translate(values: Mapping[str, Any], source: str | Path) -> Fields:
    """Our fields for a recipe in mindcv's names.

    Args:
        values: What its YAML file holds.
        source: The file, for errors.

    Raises:
        InputError: Naming a key that is unknown or has a value which ghostlib does not offer.
    """
    for key in values:
        if key not in KEYS:
            raise InputError(f"{key}: {source} is a recipe of mindcv's, and ghostlib reads no such key in one; "
                             f"{nearest(str(key), KEYS)}")
    fields: Fields = {"decay_all": True}
    complete = {key: values.get(key, default) for key, (default, _) in KEYS.items()}
    for key, (_, read) in KEYS.items():
        try:
            fields |= read(complete[key])
        except (_Refused, TypeError) as error:
            allowed = error if isinstance(error, _Refused) else f"a value such as {KEYS[key][0]!r}"
            raise InputError(f"{key}: {complete[key]!r} given in {source}, a recipe of mindcv's; allowed is "
                             f"{allowed}") from None
    span, whole, warmup = (complete[key] for key in ("decay_epochs", "epoch_size", "warmup_epochs"))
    if span is not None and isinstance(whole, int) and isinstance(warmup, int) and span != whole - warmup:
        raise InputError(f"decay_epochs: {span!r} given in {source}; allowed is epoch_size - warmup_epochs, the rest of "
                         f"the run")
    of_cifar = complete["dataset"] == "cifar10"  # where mindcv calls the test images so, and never jitters colours
    if complete["val_split"] == "test" and not of_cifar:
        raise InputError(f"val_split: 'test' given in {source}, a recipe of mindcv's; allowed is 'val'")
    # It jitters unless there is an auto_augment, also where the key is left out.
    jitter = complete["color_jitter"]
    if not of_cifar and complete["auto_augment"] is None and jitter not in (None, 0, [0, 0, 0]):
        one = jitter[0] if isinstance(jitter, (list, tuple)) and len(set(jitter)) == 1 and len(jitter) == 3 else jitter
        if isinstance(one, bool) or not isinstance(one, (int, float)) or not 0 < one < 1:
            raise InputError(f"color_jitter: {jitter!r} given in {source}, a recipe of mindcv's; allowed is a number below "
                             f"1, or three that are equal")
        fields["jitter"] = float(one)
    if complete["opt"] == "rmsprop":
        fields["epsilon"] = complete["eps"]
    if fields["model"] == "resnet50":
        fields["dropout"] = 0.0  # its ResNet takes no drop_rate
    if complete["ema"]:
        fields["ema"] = complete["ema_decay"]
    fields |= _mixing(complete)
    # The rate is meant for the recipe's cards, on however many it runs.
    batch = complete["batch_size"]
    return fields | ({"lr_batch": batch * CARDS} if isinstance(batch, int) else {})
