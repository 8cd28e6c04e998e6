"""The one schema of a run, shared by papermill, YAML files and the command line.

The defaults are the tour: a small GhostNet on real handwritten digits, minutes on a laptop's CPU. Whatever cannot work
fails here, before anything starts, with the field, the value and what is allowed.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from ghostlib import mindcv_recipes
from ghostlib.errors import InputError, check_kernel, check_ratio, nearest, some
from ghostlib.former_names import current_names
from ghostlib.paths import expand
from ghostlib.yaml_input import read_value, read_yaml

Model = Literal["ghostnet", "ghostnetv2", "vgg16", "resnet20", "resnet56", "resnet50", "mobilenet_v2", "mobilenet_v3_small",
                "mobilenet_v3_large"]
GHOST_NETWORKS = "ghostnet", "ghostnetv2"  # whose own s is 2; all other networks are plain unless told otherwise
WITH_STEM = (*GHOST_NETWORKS, "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")  # whose first stride can be chosen
Dataset = Literal["digits", "cifar10", "imagefolder", "imagenette", "examples"]
PHOTOGRAPHS = "imagefolder", "imagenette"  # datasets of files, whose images are seen in colour and as large as they are


class Config(BaseModel):
    """Everything that decides a run's result, validated and frozen.

    The comment behind a field says where its default comes from: "paper", "mindcv recipe" or "ours". Learning rate and
    weight decay are per step, times are in epochs, sizes in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # The network
    model: Model = "ghostnet"  # ours
    width: float = Field(0.5, gt=0, le=8)  # paper: the smallest of Table 7
    ratio: int | dict[str, int] = 2  # paper: s = 2 in GhostNet; not given or null is the model's own, 1 for all but Ghost
    # networks; or {layer: s}, layers not named are plain
    kernel: int = 3  # paper: d = 3 in GhostNet
    stem_stride: Literal[1, 2] | None = None  # ours: the first convolution's; None takes 1 up to 64 pixels, else 2
    num_classes: int = Field(10, ge=2)  # ours: the digits'
    dropout: float = Field(0.0, ge=0, lt=1)  # ours; mindcv recipe: 0.2

    # The images
    dataset: Dataset = "digits"  # ours: needs no download
    data_dir: str = "data"  # ours; holds cifar-10-batches-bin, imagenette, or train/ and val/ with class folders
    image_size: int = Field(32, ge=8)  # paper: CIFAR-10's size; mindcv recipe: 224
    augment: Literal["none", "crop", "crop+flip", "randaugment"] = "crop"  # ours: a mirrored digit is no digit;
    # mindcv recipe: randaugment, which is crop+flip followed by RandAugment m9 n2 mstd0.5
    jitter: float = Field(0.0, ge=0, lt=1)  # ours: by how much brightness, contrast and colour may change; mindcv: 0.4
    erasing: float = Field(0.0, ge=0, le=1)  # ours: share of images with a rectangle blanked; mindcv recipe: 0.25
    repeats: int = Field(1, ge=1, le=8)  # ours: how often an epoch shows an image; mindcv recipe for 1.3: 3
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"  # mindcv recipe
    crop_ratio: float = Field(0.875, gt=0, le=1)  # mindcv recipe: test images are scaled to 256 for a 224 crop
    workers: int = Field(1, ge=1)  # ours: threads of each device that read and augment images from folders
    decoded: Literal["none", "memory", "disk"] = "none"  # ours: where photographs' pixels are kept once a file is decoded
    val_share: float = Field(0.0, ge=0, lt=1)  # ours: share of training images held out to test with; 0: the dataset's own
    broken_limit: int = Field(100, ge=0)  # ours: unreadable images that a run names and skips before it stops

    # The training
    epochs: int = Field(14, ge=0)  # ours; 0 only evaluates
    batch_size: int = Field(64, ge=1)  # ours: images a step on each device; mindcv recipe: 128 on each of 8
    optimizer: Literal["momentum", "adamw", "rmsprop"] = "momentum"  # mindcv recipe; MindSpore's own. Its AdamW does not
    # correct the bias of its first steps, which a warm-up keeps small
    nesterov: bool = False  # mindcv recipe; momentum that looks ahead
    epsilon: float = Field(1e-8, gt=0)  # ours: beneath AdamW's and RMSProp's root; 1e-3 in MobileNetV3's recipe
    accumulate: int = Field(1, ge=1)  # ours: batches whose gradients make one step
    lr: float = Field(0.05, gt=0)  # ours; mindcv recipe: 0.4 for 1024 images a step
    lr_batch: int | None = Field(None, ge=1)  # ours: images a step, over all devices, that lr is meant for
    lr_scaling: bool = False  # ours: whether lr is multiplied by what a step has over lr_batch
    momentum: float = Field(0.9, ge=0, lt=1)  # mindcv recipe
    weight_decay: float = Field(1e-4, ge=0)  # ours; mindcv recipe: 2e-5
    decay_all: bool = True  # mindcv recipe: decay on biases and BatchNorm too
    decay_norm: bool = True  # mindcv recipe; false: not on BatchNorm, which is MindSpore's own way
    schedule: Literal["cosine", "steps", "stairs", "constant"] = "cosine"  # mindcv recipe
    warmup_epochs: int = Field(0, ge=0)  # ours; mindcv recipe: 20
    lr_end: float = Field(0.0, ge=0)  # ours: where the cosine ends; mindcv recipe: 1e-7
    milestones: list[int] = []  # ours: epochs after which "steps" multiplies the rate by lr_decay
    lr_decay: float = Field(0.1, gt=0, le=1)  # He et al. 2016, for "steps"; 0.973 for "stairs" in GhostNetV2's recipe
    decay_epochs: float = Field(2.4, gt=0)  # ours: how often "stairs" multiplies the rate by lr_decay, as in that recipe
    label_smoothing: float = Field(0.1, ge=0, lt=1)  # mindcv recipe
    mixup: float = Field(0.0, ge=0, le=1)  # ours: share of batches whose images are blended in pairs
    mixup_alpha: float = Field(0.2, gt=0)  # ours: of the blend's Beta distribution, as Zhang et al. 2018
    cutmix: float = Field(0.0, ge=0, le=1)  # ours: share of batches whose images get a rectangle of another
    cutmix_alpha: float = Field(1.0, gt=0)  # ours: of the rectangle's, as Yun et al. 2019
    ema: float = Field(0.0, ge=0, lt=1)  # ours: how slowly an average of the weights moves; 0 has none; mindcv: 0.9999
    clip: float = Field(0.0, ge=0)  # ours: largest norm of the whole gradient; 0 clips nothing, as the mindcv recipe
    amp: Literal["O0", "O1", "O2", "O3"] = "O0"  # ours; mindcv recipe: O3, the whole network in float16
    amp_dtype: Literal["float16", "bfloat16"] = "float16"  # mindcv recipe
    loss_scale: float = Field(1.0, gt=0, le=2.0**127)  # ours; mindcv recipe: starts at 2^24
    loss_scale_dynamic: bool | None = None  # ours: None is static on a CPU and dynamic in half precision on an NPU;
    # mindcv recipe: true, which halves the scale on overflow and doubles it after 2000 good steps
    bad_steps: int = Field(50, ge=1)  # ours: steps in a row without a finite gradient after which a run stops
    val_interval: int = Field(1, ge=1)  # mindcv recipe: epochs between looks at the test images

    # The run
    seed: int = Field(0, ge=0, lt=2**31)  # ours
    device: Literal["CPU", "Ascend"] = "CPU"  # ours: what every machine has; mindcv recipe: Ascend
    devices: int = Field(1, ge=1)  # ours; mindcv recipe: 8, started by MindSpore's msrun
    port: int = Field(8118, ge=1024, le=65535)  # ours: msrun's own, on which the devices' processes meet
    sink: bool = False  # ours: batches queue on the device; mindcv recipe: true
    weights: str | None = None  # ours: a file, URL or short name to start from; None starts from random weights
    new_head: bool = False  # ours: take all of weights but the last layer, which then fits other classes
    run_dir: str = "data/runs/tour"  # ours: everything the run writes
    resume: bool = False  # ours: go on from run_dir/last.safetensors, if it is there
    overwrite: bool = False  # ours: a run that is there, and is not resumed, goes; else it is an error

    @model_validator(mode="before")
    @classmethod
    def _own_ratio(cls, values: Any) -> Any:
        """A ratio that is not given is the model's own, and stored: 2 for everyone would build ghosts into a MobileNet.

        One by layer gets the layers' names of now.
        """
        if not isinstance(values, Mapping):
            return values
        if values.get("ratio") is None:
            return {**values, "ratio": 2 if values.get("model", "ghostnet") in GHOST_NETWORKS else 1}
        if str(values.get("model")).startswith("resnet"):
            return {**values, "ratio": current_names(values["ratio"])}
        return values

    @field_validator("width", "dropout", "lr", "momentum", "weight_decay", "lr_end", "lr_decay", "label_smoothing",
                     "erasing", "crop_ratio", "clip", "loss_scale", "val_share", "epsilon", "mixup", "mixup_alpha", "cutmix",
                     "cutmix_alpha", "ema", "jitter", "decay_epochs", mode="before")
    @classmethod
    def _read_float(cls, value: Any) -> Any:
        """YAML 1.1 reads 1e-3, without a point, as a string."""
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                return value
        return value

    @field_validator("epochs", "batch_size", "image_size", "num_classes", "seed", "workers", "warmup_epochs",
                     "repeats", "broken_limit", "lr_batch", "bad_steps", "val_interval", "devices", "port", "accumulate",
                     mode="before")
    @classmethod
    def _read_int(cls, value: Any) -> Any:
        """Papermill reads 1e3 as a float; a whole one is meant as an integer."""
        return int(value) if isinstance(value, float) and value.is_integer() else value

    @field_validator("data_dir", "weights", "run_dir", mode="before")
    @classmethod
    def _read_text(cls, value: Any, info: ValidationInfo) -> Any:
        """A path, a URL or a short name. A number or a date is a name that papermill or YAML read as more than that."""
        if isinstance(value, (int, float, datetime.date)) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, Path):
            value = str(value)
        if not isinstance(value, str):
            return value
        if not value.strip():
            nothing = " or null" if info.field_name == "weights" else ""
            raise ValueError(f"{value!r} given, an empty text; allowed is a {'source' if nothing else 'folder'}{nothing}")
        if value.startswith(("http://", "https://")):
            return value
        try:
            return expand(value, "")
        except InputError as error:
            raise ValueError(str(error).removeprefix(": ")) from None

    @field_validator("ratio", mode="plain")
    @classmethod
    def _read_ratio(cls, value: Any) -> int | dict[str, int]:
        if isinstance(value, Mapping):
            if not value:
                raise ValueError("{} given; allowed are an integer, or layer names with an integer each")
            return {str(name): _checked(check_ratio, ratio, f"layer {name}") for name, ratio in value.items()}
        return _checked(check_ratio, value)

    @field_validator("kernel", mode="plain")
    @classmethod
    def _read_kernel(cls, value: Any) -> int:
        return _checked(check_kernel, value)

    @model_validator(mode="after")
    def _possible(self) -> "Config":
        """What each field allows by itself can still be impossible together."""
        if self.kernel > self.image_size:
            raise _impossible("kernel", self.kernel, f"larger than the {self.image_size} x {self.image_size} image; "
                              f"allowed are odd integers up to image_size")
        if self.epochs and self.warmup_epochs >= self.epochs:
            raise _impossible("warmup_epochs", self.warmup_epochs, f"allowed is less than epochs ({self.epochs})")
        if self.lr_end > self.lr:
            raise _impossible("lr_end", self.lr_end, f"allowed is at most lr ({self.lr})")
        if (self.schedule == "steps") != bool(self.milestones):
            raise _impossible("milestones", self.milestones, f"schedule {self.schedule} wants "
                              f"{'at least one epoch' if self.schedule == 'steps' else 'an empty list'}")
        if sorted(set(self.milestones)) != self.milestones or any(not 0 < m < self.epochs for m in self.milestones):
            raise _impossible("milestones", self.milestones, f"allowed are ascending epochs between 0 and {self.epochs}")
        if self.dropout and self.model.startswith("resnet"):
            raise _impossible("dropout", self.dropout, f"{self.model} has none; allowed is 0")
        if self.stem_stride and self.model not in WITH_STEM:
            raise _impossible("stem_stride", self.stem_stride, f"{self.model} has no such option; allowed is null")
        fixed = {"digits": 10, "cifar10": 10, "imagenette": 10, "examples": 1000}.get(self.dataset)
        if fixed and self.num_classes != fixed:
            raise _impossible("num_classes", self.num_classes, f"{self.dataset} has {fixed}")
        if self.dataset == "cifar10" and self.image_size != 32:
            raise _impossible("image_size", self.image_size, "cifar10 is 32 x 32; allowed is 32")
        if self.dataset == "digits" and self.image_size % 8:
            raise _impossible("image_size", self.image_size, "digits are 8 x 8 and enlarged; allowed are multiples of 8")
        if self.augment == "randaugment" and self.dataset not in PHOTOGRAPHS:
            raise _impossible("augment", self.augment, f"it is for photographs; {self.dataset} allows none, crop and "
                              f"crop+flip")
        if self.jitter and self.dataset not in PHOTOGRAPHS:
            raise _impossible("jitter", self.jitter, f"it is for photographs; {self.dataset} allows 0")
        if self.nesterov and self.optimizer != "momentum":
            raise _impossible("nesterov", self.nesterov, f"{self.optimizer} has no such option; allowed is false")
        if self.nesterov and not self.momentum:
            raise _impossible("nesterov", self.nesterov, "there is no momentum to look ahead by; allowed is false")
        if self.mixup + self.cutmix > 1:
            raise _impossible("mixup", self.mixup, f"it and cutmix ({self.cutmix:g}) are shares of the same batches; "
                              f"allowed is at most 1 together")
        if self.new_head and not self.weights:
            raise _impossible("new_head", self.new_head, "there are no weights to take the rest from; allowed is false")
        if self.lr_scaling and not self.lr_batch:
            raise _impossible("lr_scaling", self.lr_scaling, "lr_batch says what lr is meant for; allowed is false, or "
                              "an lr_batch")
        if self.device == "CPU" and self.sink:
            raise _impossible("sink", self.sink, "MindSpore has no dataset sink on a CPU; allowed there is false")
        if self.device == "CPU" and self.amp_dtype == "bfloat16":
            raise _impossible("amp_dtype", self.amp_dtype, "MindSpore has no bfloat16 convolution on a CPU; allowed "
                              "there is float16")
        if self.model == "vgg16" and self.image_size < 32:
            raise _impossible("image_size", self.image_size, "vgg16 halves the map five times; allowed are 32 and more")
        return self

    @property
    def global_batch(self) -> int:
        """Images a step, over all devices and parts."""
        return self.batch_size * self.devices * self.accumulate

    @property
    def mixed(self) -> bool:
        """Whether images are mixed with one another."""
        return self.mixup + self.cutmix > 0

    @property
    def peak_lr(self) -> float:
        """The rate after the warm-up: lr, or with `lr_scaling` what linear scaling makes of it (Goyal et al. 2017)."""
        return self.lr * self.global_batch / self.lr_batch if self.lr_scaling and self.lr_batch else self.lr

    @property
    def dynamic_scale(self) -> bool:
        """Whether the loss scale moves: as `loss_scale_dynamic` says, or where it says nothing by device and precision."""
        if self.loss_scale_dynamic is None:
            return self.device == "Ascend" and self.amp != "O0"
        return self.loss_scale_dynamic

    @property
    def trained(self) -> bool:
        """Whether the network that is judged at the end was trained, here or before."""
        return bool(self.epochs) or self.weights is not None

    def remarks(self) -> list[str]:
        """What a user should know before this run starts, one line each."""
        lines = []
        if not self.trained:
            lines.append("epochs: 0, and no weights: a network of random weights is judged, as its row says (trained false)")
        if self.lr_batch and self.lr_batch != self.global_batch:
            scaled = self.lr * self.global_batch / self.lr_batch
            meant = f"lr: {self.lr:g} is meant for {self.lr_batch:,} images a step, this run has {self.global_batch:,}"
            lines.append(f"{meant}; scaled to {scaled:g}" if self.lr_scaling else
                         f"{meant}; lr_scaling: true would make it {scaled:g}")
        if self.accumulate > 1:
            lines.append(f"accumulate: a step's gradient is the mean of {self.accumulate} batches'; BatchNorm sees each of "
                         f"{self.batch_size} images by itself")
        if self.amp != "O0" and self.loss_scale_dynamic is None:
            kind = "dynamic on an NPU, from" if self.dynamic_scale else "static on a CPU, at"
            lines.append(f"loss_scale: {kind} {self.loss_scale:g}; loss_scale_dynamic: "
                         f"{str(not self.dynamic_scale).lower()} would make it the other")
        return lines

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Config":
        """The Config of these fields, the others at their defaults.

        Raises:
            InputError: One line for all that is wrong: each field, its value, what is allowed, and for an unknown name
                the one that was probably meant.
        """
        cls._check_names(values)
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise InputError(some(map(_one_line, error.errors()), between="; ")) from None

    @classmethod
    def load(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> "Config":
        """The Config in a YAML file, ours or mindcv's, with `changes` in place of the fields they name.

        Raises:
            InputError: Also for a file that is missing, no YAML or no mapping.
        """
        return cls.of({**cls.read(path), **(changes or {})})

    @classmethod
    def read(cls, path: str | Path) -> dict[str, Any]:
        """The fields that a YAML file sets, ours or mindcv's: for whom its silence is no choice of a default.

        Raises:
            InputError: For a file that is missing, no YAML or no mapping, or for names that are no fields. Values are not
                looked at.
        """
        values = read_yaml(path, TEXTS)
        values = mindcv_recipes.translate(values, path) if mindcv_recipes.is_recipe(values) else values
        cls._check_names(values)
        return values

    @classmethod
    def _check_names(cls, names: Iterable[Any]) -> None:
        for name in names:
            if name not in cls.model_fields:
                raise InputError(f"{name}: no such parameter; {nearest(str(name), cls.model_fields)}")

    @classmethod
    def of_notebook(cls, notebook: str | Path, names: Mapping[str, Any],
                    unset: Callable[[Any], Mapping[str, Any]] | None = None) -> "Config":
        """The Config of a notebook's parameters: ``config = Config.of_notebook("notebooks/train.ipynb", globals())``.

        Papermill only warns of a parameter that a notebook does not have and sets it all the same. Here every public name
        that holds plain data counts as a parameter, so a misspelt one is refused. Those that are no fields of Config are
        the notebook's own if its parameters cell sets them and another of its cells reads them.

        Args:
            notebook: The notebook's file, as seen from the current folder or the lab's top.
            names: Its globals.
            unset: Makes of the notebook's weights what stands in for a parameter that is None, as `weights.described`
                does; a field that is in neither is at its default.

        Raises:
            InputError: For a misspelt parameter, what Config refuses, or a notebook that cannot be read.
        """
        from ghostlib.notebook import own_parameters, readable
        with readable(notebook):
            own = own_parameters(notebook, names) - set(cls.model_fields)
        given = {name: value for name, value in names.items() if not name.startswith("_") and name not in {"In", "Out", *own}
                 and (_is_plain(value) or name in cls.model_fields)}
        for name in given:
            if name not in cls.model_fields:
                raise InputError(f"{name}: no such parameter; {nearest(name, [*own, *cls.model_fields])}")
        if unset is not None:
            given = {**unset(given.get("weights")), **{name: value for name, value in given.items() if value is not None}}
        return cls.of(given)

    def having(self, **changes: Any) -> "Config":
        """The same with other values of some fields, validated as a whole; `InputError` for what cannot be."""
        return self.of({**self.model_dump(), **changes})

    def to_judge(self, weights: str | None = None) -> "Config":
        """The same, changed to test weights and nothing else, on one device, with the head that they have.

        Args:
            weights: In place of this Config's.

        Raises:
            InputError: Without any: a network of random weights would be judged as if it were somebody's.
        """
        given = self.weights if weights is None else weights
        if given is None:
            raise InputError("weights: null given; allowed is what is to be judged: a file, a URL or a short name")
        return self.having(weights=given, new_head=False, epochs=0, warmup_epochs=0, schedule="cosine", milestones=[],
                           resume=False, devices=1, sink=False)

    def to_yaml(self) -> str:
        """The YAML from which `load` makes this Config again."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False)


TEXTS = ("data_dir", "weights", "run_dir")  # fields that hold any text


def parse(name: str, text: str) -> Any:
    """The value of a field as a command line gives it, read as in a file.

    Raises:
        InputError: If it is no YAML.
    """
    try:
        return read_value(text, name in TEXTS)
    except ValueError:
        raise InputError(f"{name}: {text!r} given; allowed are YAML values, as in a parameter file") from None



def _checked(check: Callable[[int, str], int], value: Any, *where: str) -> int:
    """Runs one of the checks of s and d without its "field: " prefix, which `_one_line` puts in front."""
    try:
        return check(value, where[0]) if where else check(value, "")
    except InputError as error:
        raise ValueError(str(error).removeprefix(": ")) from None


def _impossible(field: str, value: Any, why: str) -> ValueError:
    return ValueError(f"{field}: {value!r} given; {why}")


def _one_line(error: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":
        message = str(error["ctx"]["error"])
        return f"{field}: {message}" if field else message
    return f"{field}: {error['input']!r} given; {error['msg'].replace('Input should be', 'allowed is')}"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, list, tuple, dict))
