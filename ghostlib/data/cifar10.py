"""CIFAR-10: 60,000 small photographs in ten classes, read from its binary layout, or fetched."""

from pathlib import Path

import numpy as np

from ghostlib.config import Config
from ghostlib.data import archives
from ghostlib.data.batches import Data, in_memory
from ghostlib.errors import InputError

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training images
RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, green and blue planes
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # printed on the page that offers the archive
FOLDER = "cifar-10-batches-bin"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load(config: Config, rank: int, ranks: int) -> Data:
    """CIFAR-10 in its binary layout: five training files and one for testing."""
    folder = Path(config.data_dir) / FOLDER
    if not folder.is_dir():
        raise InputError(f"data_dir: {config.data_dir} holds no {FOLDER}; "
                         f"'ghostlib fetch cifar10 --data-dir {config.data_dir}' downloads it")
    train = [_read(folder / f"data_batch_{number}.bin") for number in range(1, 6)]
    test = _read(folder / "test_batch.bin")
    pictures, labels = (np.concatenate(parts) for parts in zip(*train))
    return in_memory(config, (pictures, labels), test, MEAN, STD, CLASSES, rank, ranks)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        size = path.stat().st_size
        records = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted is a CIFAR-10 binary file") from None
    if not size or size % RECORD:
        raise InputError(f"{path}: {size:,} bytes, truncated or no CIFAR-10 file; allowed are whole records of "
                         f"{RECORD} bytes")
    records = records.reshape(-1, RECORD)
    labels = records[:, 0]
    if labels.max() >= len(CLASSES):
        raise InputError(f"{path}: label {labels.max()} in record {labels.argmax()}; allowed are 0 to 9")
    return records[:, 1:].reshape(-1, 3, 32, 32), labels


def fetch(data_dir: str | Path, url: str = URL, md5: str = MD5) -> Path:
    """Downloads and unpacks CIFAR-10's binary archive (162 MB), see `archives.fetch`.

    Args:
        data_dir: Where the folder `cifar-10-batches-bin` goes; made if need be.
        url, md5: Another copy of the archive.
    """
    return archives.fetch(url, md5, FOLDER, Path(data_dir) / FOLDER)
