"""The learning rate as a function of the step; a new schedule goes here. The loop, the notebooks and figures share it."""

import math

from ghostlib.config import Config


def learning_rate(config: Config, step: float, steps_per_epoch: int) -> float:
    """The rate of one step.

    It rises linearly from 0 to `config.peak_lr` over the warm-up. Then it falls as half a cosine from there to lr_end, which
    it would reach one step after the run's last (mindcv recipe), or by lr_decay at each milestone or every decay_epochs
    (timm's, of whole epochs), or not at all. Past the end it stays where it ended.

    Args:
        config: `peak_lr` and the fields lr_end, lr_decay, decay_epochs, schedule, milestones, warmup_epochs and epochs are
            used.
        step: Counted from 0 over the whole run.
        steps_per_epoch: What turns epochs into steps.
    """
    warmup = config.warmup_epochs * steps_per_epoch
    if step < warmup:
        return config.peak_lr * step / warmup
    if config.schedule == "steps":
        passed = sum(step >= milestone * steps_per_epoch for milestone in config.milestones)
        return config.peak_lr * config.lr_decay**passed
    if config.schedule == "stairs":
        return config.peak_lr * config.lr_decay ** (step // steps_per_epoch // config.decay_epochs)
    if config.schedule == "constant":
        return config.peak_lr
    progress = min(1.0, (step - warmup) / max(1, config.epochs * steps_per_epoch - warmup))
    return config.lr_end + (config.peak_lr - config.lr_end) * (1 + math.cos(math.pi * progress)) / 2


def curve(config: Config, steps_per_epoch: int, points: int = 400) -> tuple[list[float], list[float]]:
    """A run's schedule to be drawn: so many epochs, evenly spread, and the rate at each."""
    steps = [config.epochs * steps_per_epoch * i / (points - 1) for i in range(points)]
    return [step / steps_per_epoch for step in steps], [learning_rate(config, step, steps_per_epoch) for step in steps]
