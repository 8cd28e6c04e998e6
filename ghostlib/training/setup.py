"""From a Config to what is trained: network, data and cost, everything that can be refused refused."""

from pathlib import Path

from mindspore import nn

from ghostlib import processor
from ghostlib.complexity import Complexity, count
from ghostlib.config import Config
from ghostlib.data import load
from ghostlib.data.batches import Data
from ghostlib.device import use_device
from ghostlib.errors import InputError, some
from ghostlib.models.build import build
from ghostlib.paths import expand
from ghostlib.training.checkpoint import check_classes
from ghostlib.training.distributed import Ranks
from ghostlib.training.run_folder import LAST, goes_on
from ghostlib.weights import load_weights


def config_of(run_dir: str | Path) -> Config:
    """A finished run's Config, changed to look at what it ended with: its weights, each image once and as it is, one device;
    where no NPU is, the CPU, in float32."""
    run_dir = Path(expand(run_dir, "run_dir"))
    config = Config.load(run_dir / "config.yaml").to_judge(str(run_dir / LAST))
    config = config.having(augment="none", erasing=0.0, repeats=1)
    if config.device == "Ascend" and not processor.npus():
        return config.having(device="CPU", amp="O0", amp_dtype="float16")
    return config


def prepare(config: Config, ranks: Ranks = Ranks()) -> tuple[nn.Cell, Data, Complexity]:
    """Network, data and cost of a run, everything that can be refused refused, and nothing written.

    Raises:
        InputError: For a device that is not there, unusable data or weights, or layers that do not exist.
    """
    use_device(config.device)
    data = load(config, ranks.rank, ranks.size)
    net = build(config)
    cost = count(net, (3, config.image_size, config.image_size))
    if config.epochs and config.batch_size == 1:
        _check_single(cost)
    if config.epochs and config.accumulate > len(data.train):
        raise InputError(f"accumulate: {config.accumulate} given; an epoch has {len(data.train)} batch(es); allowed is at "
                         f"most that, or a smaller batch_size")
    if config.weights and not goes_on(config):  # else its bundle holds what became of them
        if not config.new_head:
            check_classes(config.weights, data.contents.classes)
        load_weights(net, config.weights, config.new_head)
    return net, data, cost


def _check_single(cost: Complexity) -> None:
    """Refuses to train on single images where BatchNorm would see one value of each channel.

    It would give its shift, whatever the image shows, and pass no gradient on: such a network "trains" and learns nothing.
    """
    norms = cost.table[cost.table.type == "normalisation"]
    single = [layer for layer, shape in zip(norms.layer, norms.output) if shape[1:] in ((), (1, 1))]
    if single:
        raise InputError(f"batch_size: 1 given; BatchNorm {some(single)} would see one value for each channel and learn "
                         f"nothing; allowed are 2 and more, or larger images")
