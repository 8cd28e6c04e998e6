"""Layers that several families share, such as dropout whose noise can be given, so that a stopped run resumes exactly."""

import numpy as np
from mindspore import Tensor, nn


class Dropout(nn.Cell):
    """Features (N, features) with each dropped at probability p in training; the others grow by 1 / (1 - p).

    MindSpore's own operator keeps the state of its generator where no checkpoint can reach it. So the noise may come
    as an input: `noise` draws it, as a pure function of the generator that it is given. Without that input MindSpore's
    operator is used.

    Args:
        p: Probability of dropping a feature.
        features: How many features there are.
    """

    def __init__(self, p: float, features: int):
        super().__init__()
        self.p = p
        self.features = features
        self.own = nn.Dropout(p=p)

    def noise(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """Factors (batch, features) float32: 0 for what is dropped, 1 / (1 - p) for what is kept."""
        kept = rng.random((batch, self.features), np.float32) >= self.p
        return kept.astype(np.float32) / np.float32(1 - self.p)

    def construct(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        if kept is None:
            return self.own(x)
        return x * kept.astype(x.dtype)
