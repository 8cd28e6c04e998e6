"""From files to batches: scikit-learn's digits, CIFAR-10, or a folder with one subfolder for each class.

Whatever is random here is a function of seed, epoch and rank: the order of the images of seed and epoch alone, so that
the ranks share one order out, their augmentation of all three.
"""

import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from ghostlib.augment import augment, erase
from ghostlib.config import Config
from ghostlib.errors import InputError, RunError
from ghostlib.randaugment import randaugment
from ghostlib.randomness import AUGMENT, ORDER, PICTURE, stream

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of pixels in [0, 1]; mindcv recipe
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training images
DIGITS_MEAN, DIGITS_STD = (0.310,) * 3, (0.319,) * 3  # of the training digits at 32 x 32

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
CIFAR_RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, green and blue planes
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # printed on the page that offers the archive
CIFAR_FOLDER = "cifar-10-batches-bin"
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Batch(NamedTuple):
    """Normalised images (N, 3, H, W) float32, labels (N,) int32; the first `valid` are real, the rest padding."""

    images: np.ndarray
    labels: np.ndarray
    valid: int


class Batches(Protocol):
    """One split of a dataset, in batches of one fixed size, as a compiled graph wants them.

    `len()` is the number of batches an epoch has, `images` the number of images in the split, `labels` their (N,)
    labels in order.
    """

    images: int
    labels: np.ndarray

    def __len__(self) -> int: ...

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        """The batches of one epoch; training drops an incomplete last batch, testing pads it."""
        ...

    def picture(self, index: int) -> np.ndarray:
        """One image as it is looked at: (H, W, 3) uint8."""
        ...


@dataclass(frozen=True)
class Data:
    """A dataset's two splits and the names of its classes, in the order of the labels."""

    train: Batches
    test: Batches
    classes: Sequence[str]


def load(config: Config, rank: int = 0, ranks: int = 1) -> Data:
    """The dataset that a Config names.

    Args:
        config: Fields dataset, data_dir, image_size, batch_size, augment, seed, workers and num_classes are used.
        rank, ranks: Which share of the training images to give, of how many.

    Raises:
        InputError: For a missing or unusable file or folder, or fewer training images than one batch.
    """
    data = {"digits": _digits, "cifar10": _cifar10, "imagefolder": _folder}[config.dataset](config, rank, ranks)
    if len(data.classes) != config.num_classes:
        raise InputError(f"num_classes: {config.num_classes} given; {config.data_dir} has {len(data.classes)}")
    if config.epochs and not len(data.train):
        raise InputError(f"batch_size: {config.batch_size} given; {ranks} device(s) share {data.train.images} training "
                         f"images, allowed are 1 to {data.train.images // ranks}")
    return data


def _order(images: int, config: Config, epoch: int, rank: int, ranks: int) -> np.ndarray:
    """This rank's share of one epoch's shuffled indices; every rank gets equally many.

    With repeated augmentation an image comes `config.repeats` times in a row, shared out over the ranks, and the epoch
    is cut to its usual length, so that it shows fewer different images (Hoffer et al. 2020, as timm does it).
    """
    shuffled = np.repeat(stream(config.seed, ORDER, epoch).permutation(images), config.repeats)
    return shuffled[rank::ranks][:images // ranks]


class ArrayBatches:
    """Batches of images held in memory.

    Args:
        pictures: (N, 3, H, W) uint8.
        labels: (N,) integers.
        config: Fields batch_size, augment, erasing, repeats and seed are used.
        mean, std: Of each channel, for pixels in [0, 1].
        training: Shuffled, augmented and without an incomplete batch; else in order, unchanged, none dropped.
        rank, ranks: Which share of an epoch to give, of how many.
    """

    def __init__(self, pictures: np.ndarray, labels: np.ndarray, config: Config, mean: Sequence[float],
                 std: Sequence[float], training: bool = False, rank: int = 0, ranks: int = 1):
        self.images = len(pictures)
        self.labels = labels.astype(np.int32)
        self._pictures = pictures
        self._config, self._training = config, training
        self._batch_size = config.batch_size
        self._scale = np.float32(1 / 255 / np.array(std))[:, None, None]
        self._shift = np.float32(np.array(mean) / np.array(std))[:, None, None]
        self._rank, self._ranks = rank, ranks

    def __len__(self) -> int:
        if self._training:
            return self.images // self._ranks // self._batch_size
        return -(-self.images // self._batch_size)

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        config = self._config
        order = (_order(self.images, config, epoch, self._rank, self._ranks) if self._training
                 else np.arange(self.images))
        rng = stream(config.seed, AUGMENT, epoch, self._rank)
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            index = order[start:start + self._batch_size]
            pictures = self._pictures[index]
            if self._training:
                pictures = augment(pictures, config.augment, rng)
            images = pictures * self._scale - self._shift
            if self._training and config.erasing:
                erase(images, config.erasing, rng)
            yield _padded(images, self.labels[index], self._batch_size)

    def picture(self, index: int) -> np.ndarray:
        return self._pictures[index].transpose(1, 2, 0)


def _padded(images: np.ndarray, labels: np.ndarray, batch_size: int) -> Batch:
    missing = batch_size - len(images)
    if missing:
        images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        labels = np.concatenate([labels, np.zeros(missing, labels.dtype)])
    return Batch(np.ascontiguousarray(images, np.float32), labels.astype(np.int32), batch_size - missing)


def _split_arrays(config: Config, train, test, mean, std, classes, rank: int, ranks: int) -> Data:
    return Data(ArrayBatches(*train, config, mean, std, True, rank, ranks),
                ArrayBatches(*test, config, mean, std), classes)


def _digits(config: Config, rank: int, ranks: int) -> Data:
    """1,797 handwritten digits of 8 x 8 pixels, enlarged; a third, the same for every seed, is for testing."""
    from skimage.transform import resize
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    size = config.image_size
    enlarged = resize(digits.images / 16, (len(digits.images), size, size), order=1)
    pictures = np.repeat(np.round(enlarged * 255).astype(np.uint8)[:, None], 3, axis=1)
    train_x, test_x, train_y, test_y = train_test_split(pictures, digits.target, test_size=1 / 3, random_state=0,
                                                        stratify=digits.target)
    return _split_arrays(config, (train_x, train_y), (test_x, test_y), DIGITS_MEAN, DIGITS_STD, list("0123456789"),
                         rank, ranks)


def _cifar10(config: Config, rank: int, ranks: int) -> Data:
    """CIFAR-10 in its binary layout: five training files and one for testing."""
    folder = Path(config.data_dir) / CIFAR_FOLDER
    if not folder.is_dir():
        raise InputError(f"data_dir: {config.data_dir} holds no {CIFAR_FOLDER}; "
                         f"'ghostlib fetch cifar10 --data-dir {config.data_dir}' downloads it")
    train = [_read_cifar(folder / f"data_batch_{number}.bin") for number in range(1, 6)]
    test = _read_cifar(folder / "test_batch.bin")
    pictures, labels = (np.concatenate(parts) for parts in zip(*train))
    return _split_arrays(config, (pictures, labels), test, CIFAR_MEAN, CIFAR_STD, CIFAR_CLASSES, rank, ranks)


def _read_cifar(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        size = path.stat().st_size
        records = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted is a CIFAR-10 binary file") from None
    if not size or size % CIFAR_RECORD:
        raise InputError(f"{path}: {size:,} bytes, truncated or no CIFAR-10 file; allowed are whole records of "
                         f"{CIFAR_RECORD} bytes")
    records = records.reshape(-1, CIFAR_RECORD)
    labels = records[:, 0]
    if labels.max() >= len(CIFAR_CLASSES):
        raise InputError(f"{path}: label {labels.max()} in record {labels.argmax()}; allowed are 0 to 9")
    return records[:, 1:].reshape(-1, 3, 32, 32), labels


def fetch_cifar10(data_dir: str | Path, url: str = CIFAR_URL, md5: str = CIFAR_MD5) -> Path:
    """Downloads and unpacks CIFAR-10's binary archive (162 MB), with progress and its hash checked.

    Args:
        data_dir: Where the folder `cifar-10-batches-bin` goes; made if need be.
        url, md5: Another copy of the archive.

    Returns:
        The folder; nothing is downloaded when it is there already.

    Raises:
        RunError: If the download fails or its hash is wrong; nothing is left behind.
    """
    import pooch

    target = Path(data_dir) / CIFAR_FOLDER
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix="cifar10-") as scratch:
        try:
            archive = pooch.retrieve(url, f"md5:{md5}", path=scratch, fname="cifar10.tar.gz", progressbar=True)
        except ValueError as error:  # pooch's word for a wrong hash
            raise RunError(f"{url}: wrong hash, nothing was kept; {str(error).splitlines()[0]}") from None
        except OSError as error:
            raise RunError(f"{url}: cannot be downloaded ({str(error).splitlines()[0]})") from None
        Path(data_dir).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=data_dir) as unpacked:
            try:
                with tarfile.open(archive) as tar:
                    tar.extractall(unpacked, filter="data")
                (Path(unpacked) / CIFAR_FOLDER).rename(target)
            except (tarfile.TarError, OSError) as error:
                raise RunError(f"{url}: no archive of {CIFAR_FOLDER} ({error})") from None
    return target


def _folder(config: Config, rank: int, ranks: int) -> Data:
    """data_dir/train and data_dir/val, each with one folder of photographs for each class."""
    root = Path(config.data_dir)
    if not root.is_dir():
        raise InputError(f"data_dir: {root} does not exist; wanted is a folder with train/ and val/, a folder in each "
                         f"for each class")
    train_files, train_labels, classes = list_folder(root / "train")
    test_files, test_labels, test_classes = list_folder(root / "val")
    if classes != test_classes:
        odd = sorted(set(classes) ^ set(test_classes))
        raise InputError(f"data_dir: train/ and val/ in {root} differ in their class folders: {', '.join(odd[:5])}"
                         f"{', ...' if len(odd) > 5 else ''}; wanted are the same in both")
    train = FolderBatches(train_files, train_labels, config, rank, ranks, training=True)
    return Data(train, FolderBatches(test_files, test_labels, config), classes)


def list_folder(folder: Path) -> tuple[list[Path], np.ndarray, list[str]]:
    """The images below a folder with one subfolder for each class.

    Returns:
        Their paths, their labels (N,) and the names of the classes; all in alphabetical order.

    Raises:
        InputError: For a missing folder, one without classes, an empty class, or a file that is no image by its name.
    """
    if not folder.is_dir():
        raise InputError(f"data_dir: {folder} does not exist; wanted is a folder with one subfolder for each class")
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise InputError(f"data_dir: {folder} has no class folders; wanted is one subfolder for each class")
    files, labels = [], []
    for label, name in enumerate(classes):
        images = sorted(entry for entry in (folder / name).iterdir() if not entry.name.startswith("."))
        if not images:
            raise InputError(f"data_dir: class folder {folder / name} is empty; wanted is at least one image in each")
        for path in images:
            if path.suffix.lower() not in SUFFIXES:
                raise InputError(f"data_dir: {path} is no image; allowed are {', '.join(SUFFIXES)}")
        files += images
        labels += [label] * len(images)
    return files, np.array(labels, np.int32), classes


class _Files:
    """What MindSpore's dataset reads from: encoded bytes, label and place in the epoch of its i-th image."""

    def __init__(self, files: Sequence[Path], labels: np.ndarray, order: np.ndarray):
        self._files, self._labels, self._order = files, labels, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        index = self._order[i]
        return np.fromfile(self._files[index], np.uint8), self._labels[index], np.int64(i)


class FolderBatches:
    """Batches of photographs, decoded and augmented by MindSpore's C++ operations in `config.workers` threads.

    Training takes a random crop of 8 to 100 % of the area (mindcv recipe) and a mirror image half of the time, then
    RandAugment and random erasing, as `config.augment` and `.erasing` say; testing takes the centre after scaling the
    shorter side to image_size / crop_ratio. The random crops depend on `config.workers` too.
    """

    def __init__(self, files: Sequence[Path], labels: np.ndarray, config: Config, rank: int = 0, ranks: int = 1,
                 training: bool = False):
        self.images = len(files)
        self.labels = labels
        self._files, self._config = files, config
        self._rank, self._ranks, self._training = rank, ranks, training

    def __len__(self) -> int:
        if self._training:
            return self.images // self._ranks // self._config.batch_size
        return -(-self.images // self._config.batch_size)

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        from mindspore import dataset

        config = self._config
        order = (_order(self.images, config, epoch, self._rank, self._ranks) if self._training
                 else np.arange(self.images))
        rng = stream(config.seed, AUGMENT, epoch, self._rank)
        # The random operations take their seeds from here when the pipeline is built.
        dataset.config.set_seed(int(rng.integers(2**31)))
        images = dataset.GeneratorDataset(_Files(self._files, self.labels, order), ["image", "label", "place"],
                                          shuffle=False)
        images = images.map(self._decode(), "image", num_parallel_workers=config.workers)
        if self._training and config.augment == "randaugment":
            def change(image: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                return randaugment(image, stream(config.seed, PICTURE, epoch, self._rank, int(place))), place
            images = images.map(change, ["image", "place"], num_parallel_workers=config.workers)
        images = images.map(self._normalise(), "image", num_parallel_workers=config.workers)
        batches = images.batch(config.batch_size, drop_remainder=self._training)
        try:
            for pictures, labels, _ in batches.create_tuple_iterator(num_epochs=1, output_numpy=True):
                if self._training and config.erasing:
                    pictures = erase(pictures.copy(), config.erasing, rng)
                yield _padded(pictures, labels, config.batch_size)
        except RuntimeError as error:
            broken = self._broken(order)
            why = f"{broken} cannot be read as an image; allowed are whole JPEG, PNG and BMP files"
            raise RunError(f"data_dir: {why if broken else error}") from error

    def _decode(self) -> list:
        from mindspore.dataset import vision

        size, how = self._config.image_size, self._config.augment
        if self._training and how != "none":
            operations = [vision.RandomCropDecodeResize(size, (0.08, 1.0), (3 / 4, 4 / 3), self._interpolation())]
        else:
            operations = [vision.Decode(), *self._centre()]
        if self._training and how in ("crop+flip", "randaugment"):
            operations.append(vision.RandomHorizontalFlip(0.5))
        return operations

    def _centre(self) -> list:
        from mindspore.dataset import vision

        size = self._config.image_size
        return [vision.Resize(round(size / self._config.crop_ratio), self._interpolation()), vision.CenterCrop(size)]

    def _interpolation(self):
        from mindspore.dataset.vision import Inter

        return {"bilinear": Inter.BILINEAR, "bicubic": Inter.BICUBIC}[self._config.interpolation]

    def _normalise(self) -> list:
        from mindspore.dataset import vision

        scaled = [[255 * value for value in values] for values in (IMAGENET_MEAN, IMAGENET_STD)]
        return [vision.Normalize(*scaled), vision.HWC2CHW()]

    def _broken(self, order: np.ndarray) -> Path | None:
        """The first file of an epoch that cannot be decoded, if that is what went wrong."""
        from mindspore.dataset import vision

        for index in order:
            try:
                vision.Decode()(np.fromfile(self._files[index], np.uint8))
            except (RuntimeError, ValueError, TypeError):
                return self._files[index]
        return None

    def picture(self, index: int) -> np.ndarray:
        from mindspore.dataset import vision

        image = vision.Decode()(np.fromfile(self._files[index], np.uint8))
        for operation in self._centre():
            image = operation(image)
        return image
