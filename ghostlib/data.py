"""From files to batches: scikit-learn's digits, CIFAR-10, or a folder with one subfolder for each class.

Whatever is random here is a function of seed, epoch and rank: the order of the images of seed and epoch alone, so that
the ranks share one order out, their augmentation of all three.
"""

import os
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from ghostlib.batches import ArrayBatches, Data
from ghostlib.config import Config
from ghostlib.errors import InputError, RunError
from ghostlib.folders import load_folders, save_folder

CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training images
DIGITS_MEAN, DIGITS_STD = (0.310,) * 3, (0.319,) * 3  # of the training digits at 32 x 32

PHOTOGRAPHS = ("astronaut", "brick", "chelsea", "coffee", "grass", "hubble_deep_field", "immunohistochemistry",
               "retina")  # of scikit-image, those that come with it; two are greyscale
SQUARE = 128  # pixels cut out of a photograph

CIFAR_RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, green and blue planes
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # printed on the page that offers the archive
CIFAR_FOLDER = "cifar-10-batches-bin"
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load(config: Config, rank: int = 0, ranks: int = 1) -> Data:
    """The dataset that a Config names.

    Args:
        config: Fields dataset, data_dir, image_size, batch_size, augment, seed, workers and num_classes are used.
        rank, ranks: Which share of the images to give, of how many.

    Raises:
        InputError: For a missing or unusable file or folder, or fewer training images than one batch.
    """
    cores = os.cpu_count() or 1
    if config.workers > cores:
        raise InputError(f"workers: {config.workers} given; this machine has {cores} cores, allowed are 1 to {cores}")
    data = {"digits": _digits, "cifar10": _cifar10, "imagefolder": load_folders}[config.dataset](config, rank, ranks)
    if len(data.classes) != config.num_classes:
        raise InputError(f"num_classes: {config.num_classes} given; {config.data_dir} has {len(data.classes)}")
    if config.epochs and not len(data.train):
        raise InputError(f"batch_size: {config.batch_size} given; {ranks} device(s) share {data.train.images} training "
                         f"images, allowed are 1 to {data.train.images // ranks}")
    return data


def _split_arrays(config: Config, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], mean, std,
                  classes, rank: int, ranks: int) -> Data:
    return Data(ArrayBatches(*train, config, mean, std, True, rank, ranks),
                ArrayBatches(*test, config, mean, std, False, rank, ranks), classes)


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


def write_photographs(data_dir: str | Path) -> Path:
    """Cuts scikit-image's photographs into a small dataset in folders: real pictures, nothing to download.

    A class is one photograph; its training images are random squares of the left three fifths, its test images of the
    right two fifths, so that no pixel is in both.

    Returns:
        The folder `photographs` with train/ and val/; nothing is done when it is there already.
    """
    import skimage.data

    target = Path(data_dir) / "photographs"
    if target.is_dir():
        return target
    Path(data_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".photographs-", dir=data_dir) as scratch:
        for number, name in enumerate(PHOTOGRAPHS):
            picture, rng = getattr(skimage.data, name)(), np.random.default_rng(number)
            border = 3 * picture.shape[1] // 5
            for split, part, count in (("train", picture[:, :border], 40), ("val", picture[:, border:], 20)):
                corners = rng.integers((0, 0), np.array(part.shape[:2]) - SQUARE, (count, 2))
                save_folder(Path(scratch) / "photographs" / split,
                            [part[top:top + SQUARE, left:left + SQUARE] for top, left in corners], [name] * count)
        (Path(scratch) / "photographs").rename(target)
    return target
