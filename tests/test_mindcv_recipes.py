"""mindcv's recipes: its own files are read as they are, and ours for ImageNet are the same runs."""

import pytest
import yaml

from ghostlib import mindcv_recipes
from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.training.schedule import learning_rate

# What the three files of configs/ghostnet say, in their words; 130 has aug_repeats too.
RECIPE = {
    "mode": 0, "distribute": True, "num_parallel_workers": 8, "val_while_train": True, "dataset": "imagenet",
    "data_dir": "/path/to/imagenet", "shuffle": True, "dataset_download": False, "batch_size": 128,
    "drop_remainder": True, "image_resize": 224, "scale": [0.08, 1.0], "ratio": [0.75, 1.333], "hflip": 0.5,
    "interpolation": "bilinear", "crop_pct": 0.875, "re_prob": 0.25, "auto_augment": "randaug-m9-mstd0.5",
    "model": "ghostnet_100", "num_classes": 1000, "pretrained": False, "ckpt_path": "", "keep_checkpoint_max": 30,
    "ckpt_save_dir": "./ckpt", "epoch_size": 600, "dataset_sink_mode": True, "amp_level": "O3", "loss": "CE",
    "label_smoothing": 0.1, "scheduler": "cosine_decay", "min_lr": 1e-7, "lr": 0.4, "warmup_epochs": 20,
    "decay_epochs": 580, "opt": "momentum", "momentum": 0.9, "weight_decay": 2e-5, "loss_scale_type": "dynamic",
    "drop_overflow_update": True, "loss_scale": 16777216, "use_nesterov": False}
PLACES = {"data_dir", "run_dir", "resume"}  # where things lie, which is no part of a recipe


def load(tmp_path, **changes):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, **changes}))
    return Config.load(path)


@pytest.mark.parametrize("name", ["050", "100", "130"])
def test_ours_and_theirs_are_the_same_run(name, root, tmp_path):
    theirs = load(tmp_path, model=f"ghostnet_{name}", **({"aug_repeats": 3} if name == "130" else {}))
    ours = Config.load(root / "notebooks" / "params" / f"imagenet_ghostnet_{name}.yaml")
    assert theirs.model_dump(exclude=PLACES) == ours.model_dump(exclude=PLACES)
    assert (theirs.data_dir, theirs.run_dir) == ("/path/to/imagenet", "./ckpt")
    assert ours.width == int(name) / 100 and ours.global_batch == ours.lr_batch == 1024 and not ours.remarks()


def test_our_recipes_name_their_source_and_hold_nothing_but_fields(root):
    for path in sorted((root / "notebooks" / "params").glob("imagenet_ghostnet_*.yaml")):
        text = path.read_text()
        assert "mindcv's configs/ghostnet/ghostnet_" in text and "commit 51b0636" in text
        assert set(yaml.safe_load(text)) <= set(Config.model_fields)


@pytest.mark.parametrize(("changes", "message"), [
    ({"epochs": 3}, "epochs: .* is a recipe of mindcv's, and ghostlib reads no such key in one; did you mean"),
    ({"amp_lvl": "O3"}, "amp_lvl: .* reads no such key in one; did you mean .*amp_level"),
    ({"model": "vgg16"}, "model: 'vgg16' given in .*; allowed is ghostnet, mobilenet_v2, .*, or resnet50"),
    ({"ema": "yes"}, "ema: 'yes' given in .*; allowed is True or False"),
    ({"mixup": 0.2, "cutmix_prob": 1.5}, "mixup: 1.5 given"),
    ({"mode": 1}, "mode: 1 given in .*; allowed is 0"),
    ({"auto_augment": "randaug-m7-mstd0.5"}, "auto_augment: 'randaug-m7-mstd0.5' given in"),
    ({"scale": [0.3, 1.0]}, "scale: .*allowed is .0.08, 1.0."),
    ({"opt": "adam"}, "opt: 'adam' given in .*; allowed is 'momentum'"),
    ({"decay_epochs": 500}, "decay_epochs: 500 given in .*; allowed is epoch_size - warmup_epochs"),
    ({"scale": ["a", "b"]}, "scale: .*allowed is a value such as .0.08, 1.0."),
    ({"opt": ["momentum"]}, "opt: .*allowed is a value such as 'adam'"),
    ({"batch_size": "many"}, "batch_size: 'many' given"),
    ({"lr": "fast"}, "lr: 'fast' given; allowed is a valid number")])
def test_what_ghostlib_does_not_do_is_refused_by_its_name_there(changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load(tmp_path, **changes)


def test_every_key_is_known_and_one_left_out_has_their_default(tmp_path):
    assert set(RECIPE) <= set(mindcv_recipes.KEYS)
    path = tmp_path / "short.yaml"
    path.write_text(yaml.safe_dump({key: RECIPE[key] for key in ("model", "epoch_size", "opt", "scheduler",
                                                                 "auto_augment")}))
    config = Config.load(path)
    assert (config.lr, config.label_smoothing, config.dropout, config.devices, config.seed) == (0.001, 0.0, 0.2, 1, 42)


def test_without_validation_while_training_the_network_is_tested_once_at_the_end(tmp_path):
    assert load(tmp_path, val_while_train=False).val_interval == load(tmp_path, val_while_train=False,
                                                                      val_interval=5).val_interval == 10**6
    assert load(tmp_path, val_interval=5).val_interval == 5


def test_changes_are_in_our_names_and_the_rate_is_scaled_only_when_asked(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    one = Config.load(path, {"devices": 1})
    assert one.peak_lr == 0.4
    assert one.remarks() == ["lr: 0.4 is meant for 1,024 images a step, this run has 128; lr_scaling: true would make "
                             "it 0.05"]
    scaled = Config.load(path, {"devices": 1, "lr_scaling": True})
    assert scaled.peak_lr == pytest.approx(0.05) and scaled.remarks()[0].endswith("this run has 128; scaled to 0.05")


# What mindcv's config.py offers besides, at values that ask for what is done anyway; then at some that do not.
@pytest.mark.parametrize(("key", "same", "other"), [
    ("train_split", ["train"], ["training", "", None]), ("val_split", ["val"], ["validation", "test", "train"]),
    ("num_samples", [None, 0], [1000]), ("vflip", [0, 0.0], [0.5]), ("in_channels", [3], [1]),
    ("re_scale", [[0.02, 0.33]], [[0.02, 0.2]]), ("re_ratio", [[0.3, 3.3]], [[0.3, 3.333]]),
    ("re_value", [0], ["random", 128]), ("re_max_attempts", [10], [1]),
    ("mean", [[123.675, 116.28, 103.53]], [[127.5, 127.5, 127.5], [0.485, 0.456, 0.406]]),
    ("std", [[58.395, 57.12, 57.375]], [[127.5, 127.5, 127.5]]),
    ("aug_splits", [0], [3]), ("mixup", [0, 0.0], []), ("cutmix", [0.0], []),
    ("drop_path_rate", [None, 0.0], [0.1]), ("resume_opt", [False], [True]), ("ema", [False], [2]),
    ("clip_grad", [False], [True]), ("layer_decay", [None], [0.75]), ("gradient_accumulation_steps", [1], []),
    ("amp_cast_list", [None], ["[nn.Conv1d, nn.Conv2d]"]), ("val_amp_level", ["O0"], ["O2", "O3"]),
    ("reduction", ["mean"], ["sum"]), ("aux_factor", [0.0], [0.4]), ("warmup_factor", [0.0], [0.01]),
    ("lr_epoch_stair", [False], [True]), ("num_cycles", [1], [2]), ("weight_decay_filter", ["disable"], ["norm_and_bias"]),
    # Logs and files; and what belongs to something that is off.
    ("log_interval", [1, 100], []), ("ckpt_save_interval", [1, 5], []), ("ckpt_save_policy", [None, "top_k"], []),
    ("eval_shuffle", [False, True], []), ("cutmix_prob", [0.0, 1.0], []), ("ema_decay", [0.9999, 0.9], []),
    ("clip_value", [15.0, 1], []), ("decay_rate", [0.9, 0.97], []), ("cycle_decay", [1.0, 0.5], []),
    ("eps", [1e-10, 1e-3], []), ("multi_step_decay_milestones", [[30, 60, 90]], []),
    ("color_jitter", [0.4, None, [0.4, 0.4, 0.4]], [])])
def test_a_key_that_says_what_is_done_anyway_is_taken(key, same, other, tmp_path):
    assert key not in RECIPE
    plain = load(tmp_path)
    assert all(load(tmp_path, **{key: value}) == plain for value in same)
    for value in other:
        with pytest.raises(InputError, match=f"^{key}: .* given in .*recipe.yaml, a recipe of mindcv's; allowed is "):
            load(tmp_path, **{key: value})


def test_the_test_images_of_cifar10_are_called_test_there(tmp_path):
    cifar = {"dataset": "cifar10", "num_classes": 10, "image_resize": 32, "auto_augment": None}
    assert load(tmp_path, val_split="test", **cifar) == load(tmp_path, **cifar)


def test_colours_that_mindcv_would_jitter_are_jittered_also_where_the_key_is_left_out(tmp_path):
    """Its default is 0.4, which acts where there is no auto_augment."""
    for value in (None, 0.0, [0.0, 0.0, 0.0]):
        assert load(tmp_path, auto_augment=None, color_jitter=value).jitter == 0
    for value in (0.3, [0.3, 0.3, 0.3]):
        assert load(tmp_path, auto_augment=None, color_jitter=value).jitter == 0.3
    assert load(tmp_path, auto_augment=None).jitter == 0.4 and load(tmp_path).jitter == 0
    with pytest.raises(InputError, match="^color_jitter: .0.4, 0.4, 0.1. given in .*; allowed is a number below 1, or "):
        load(tmp_path, auto_augment=None, color_jitter=[0.4, 0.4, 0.1])
    cifar = {"dataset": "cifar10", "num_classes": 10, "image_resize": 32}  # where mindcv has no jitter
    assert load(tmp_path, auto_augment=None, **cifar).augment == "crop+flip"
    assert load(tmp_path, auto_augment=None, **cifar).jitter == 0


# What the files of configs/mobilenetv2 and mobilenetv3 say otherwise than those of configs/ghostnet.
MOBILE = {key: value for key, value in RECIPE.items() if key not in ("re_prob", "auto_augment", "loss_scale_type",
                                                                     "drop_overflow_update")}
MOBILE |= {"min_lr": 0.0, "warmup_epochs": 4, "loss_scale": 1024}
MOBILENETS = {
    "mobilenet_v2_100": {"model": "mobilenet_v2_100", "batch_size": 256, "epoch_size": 320, "decay_epochs": 316,
                         "weight_decay": 4e-5},
    "mobilenet_v3_large": {"model": "mobilenet_v3_large_100", "batch_size": 75, "epoch_size": 420, "decay_epochs": 416,
                           "lr": 1.08, "weight_decay_filter": "auto"},
    "mobilenet_v3_small": {"model": "mobilenet_v3_small_100", "batch_size": 75, "epoch_size": 470, "decay_epochs": 466,
                           "lr": 0.77, "weight_decay_filter": "auto", "color_jitter": 0.4}}


@pytest.mark.parametrize("name", MOBILENETS)
def test_recipes_of_mobilenets_are_the_same_run_as_ours(name, root, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**MOBILE, **MOBILENETS[name]}))
    theirs = Config.load(path)
    file = root / "notebooks" / "params" / f"imagenet_{name}.yaml"
    ours = Config.load(file)
    assert theirs.model_dump(exclude=PLACES) == ours.model_dump(exclude=PLACES)
    assert ours.ratio == 1 and ours.global_batch == ours.lr_batch and not ours.remarks()
    assert set(yaml.safe_load(file.read_text())) <= set(Config.model_fields) and "commit 51b0636" in file.read_text()


def test_ghostnetv2s_recipe_is_a_run(root):
    config = Config.load(root / "notebooks" / "params" / "imagenet_ghostnetv2_100.yaml")
    assert (config.model, config.ratio, config.optimizer, config.ema, config.schedule) == (
        "ghostnetv2", 2, "rmsprop", 0.9999, "stairs")
    rates = [learning_rate(config, 1251 * epoch, 1251) for epoch in (3, 4, 5, 100, 449)]
    assert rates == pytest.approx([0.064 * 0.973**stairs for stairs in (1, 1, 2, 41, 187)])
    assert learning_rate(config, 1251, 1251) == pytest.approx(0.064 / 3)


def test_other_options_of_theirs_are_read(tmp_path):
    both = load(tmp_path, mixup=0.2, cutmix=1.0)
    assert (both.mixup, both.mixup_alpha, both.cutmix, both.cutmix_alpha) == (0.5, 0.2, 0.5, 1.0)
    one = load(tmp_path, mixup=0.8, cutmix_prob=0.4)
    assert (one.mixup, one.mixup_alpha, one.cutmix) == (0.4, 0.8, 0.0)
    rest = load(tmp_path, ema=True, ema_decay=0.999, gradient_accumulation_steps=4, use_nesterov=True)
    assert (rest.ema, rest.accumulate, rest.nesterov) == (0.999, 4, True) and load(tmp_path).ema == 0
    assert (load(tmp_path, opt="rmsprop", eps=0.01).epsilon, load(tmp_path, model="resnet50").dropout) == (0.01, 0.0)
