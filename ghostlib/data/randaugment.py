"""RandAugment as timm defines `rand-m9-n2-mstd0.5`: two random operations out of fifteen on each image.

Each of the two is drawn with replacement and done with probability 1/2, at a magnitude from N(9, 0.5) kept between 0
and 10. What a magnitude means follows timm's table for the kind without "increasing": posterising and solarising get
*weaker* with it. MindSpore's C++ operations do the work where they agree with Pillow's to one grey level of rounding;
where they do not (equalising, and all that moves pixels) Pillow itself does it. tests/data/test_augment.py holds each to
Pillow.

Source: Cubuk et al., arXiv 1909.13719; timm/data/auto_augment.py for the magnitudes.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

LAYERS, MAGNITUDE, DEVIATION, PROBABILITY = 2, 9.0, 0.5, 0.5
GREATEST = 10.0
MEAN_COLOUR = (124, 116, 104)  # of ImageNet, what uncovered corners are filled with

Operation = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def _signed(value: float, rng: np.random.Generator) -> float:
    return -value if rng.random() < 0.5 else value


def _enhanced(name: str) -> Operation:
    def change(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
        return enhance(name, image, 0.1 + 1.8 * level)
    return change


def enhance(name: str, image: np.ndarray, factor: float) -> np.ndarray:
    """Color, Contrast, Brightness or Sharpness by a factor; 1 changes nothing, 0 takes it all away."""
    from mindspore.dataset import vision

    operation = {"Color": vision.AdjustSaturation, "Contrast": vision.AdjustContrast,
                 "Brightness": vision.AdjustBrightness, "Sharpness": vision.AdjustSharpness}[name]
    return operation(factor)(image)


def posterize(image: np.ndarray, bits: int) -> np.ndarray:
    """Keeps the highest `bits` of each value, at least one, as Pillow wants."""
    from mindspore.dataset import vision

    return vision.Posterize(max(1, bits))(image)


def solarize(image: np.ndarray, threshold: int) -> np.ndarray:
    """Inverts what is not below the threshold; 256 and more change nothing."""
    from mindspore.dataset import vision

    return vision.Solarize((threshold, 255))(image) if threshold < 256 else image


def solarize_add(image: np.ndarray, addition: int) -> np.ndarray:
    """Adds, at most 128, to what is darker than 128, so that nothing overflows."""
    return image + np.uint8(addition) * (image < 128)


def move(image: np.ndarray, matrix: tuple[float, ...]) -> np.ndarray:
    """Pillow's affine transform: output (x, y) shows input (a x + b y + c, d x + e y + f), bilinear."""
    picture = Image.fromarray(image)
    return np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, matrix,
                                        resample=Image.Resampling.BILINEAR, fillcolor=MEAN_COLOUR))


def rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Pillow's rotation about the middle, counter-clockwise, bilinear."""
    return np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.BILINEAR, fillcolor=MEAN_COLOUR))


def auto_contrast(image: np.ndarray) -> np.ndarray:
    """Stretches each channel to the whole range."""
    from mindspore.dataset import vision

    return vision.AutoContrast()(image)


def equalize(image: np.ndarray) -> np.ndarray:
    """Pillow's equalisation of each channel's histogram; MindSpore's differs by up to three grey levels."""
    return np.asarray(ImageOps.equalize(Image.fromarray(image)))


def invert(image: np.ndarray) -> np.ndarray:
    """The negative."""
    return 255 - image


# What each does at a level between 0 and 1, a tenth of the magnitude.
OPERATIONS: dict[str, Operation] = {
    "AutoContrast": lambda image, level, rng: auto_contrast(image),
    "Equalize": lambda image, level, rng: equalize(image),
    "Invert": lambda image, level, rng: invert(image),
    "Rotate": lambda image, level, rng: rotate(image, _signed(30 * level, rng)),
    "Posterize": lambda image, level, rng: posterize(image, int(4 * level)),
    "Solarize": lambda image, level, rng: solarize(image, int(256 * level)),
    "SolarizeAdd": lambda image, level, rng: solarize_add(image, min(128, int(110 * level))),
    "Color": _enhanced("Color"),
    "Contrast": _enhanced("Contrast"),
    "Brightness": _enhanced("Brightness"),
    "Sharpness": _enhanced("Sharpness"),
    "ShearX": lambda image, level, rng: move(image, (1, _signed(0.3 * level, rng), 0, 0, 1, 0)),
    "ShearY": lambda image, level, rng: move(image, (1, 0, 0, _signed(0.3 * level, rng), 1, 0)),
    "TranslateX": lambda image, level, rng: move(image, (1, 0, _signed(0.45 * level, rng) * image.shape[1], 0, 1, 0)),
    "TranslateY": lambda image, level, rng: move(image, (1, 0, 0, 0, 1, _signed(0.45 * level, rng) * image.shape[0])),
}


def randaugment(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Changes one photograph (H, W, 3) uint8; a pure function of the image and the generator."""
    names = list(OPERATIONS)
    for choice in rng.integers(0, len(names), LAYERS):
        if rng.random() < PROBABILITY:
            level = np.clip(rng.normal(MAGNITUDE, DEVIATION), 0, GREATEST) / GREATEST
            image = OPERATIONS[names[choice]](image, float(level), rng)
    return image


JITTERED = "Brightness", "Contrast", "Color"


def jitter(picture: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Changes brightness, contrast and saturation of a photograph (H, W, 3) uint8, in random order, each by a factor between
    1 - strength and 1 + strength; a copy. Source: torchvision's ColorJitter, as which mindcv's `color_jitter` acts."""
    for place in rng.permutation(len(JITTERED)):
        picture = enhance(JITTERED[place], picture, rng.uniform(1 - strength, 1 + strength))
    return picture
