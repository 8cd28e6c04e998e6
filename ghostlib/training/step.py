"""One training step, compiled: forward, backward and the optimizer's update."""

import mindspore
from mindspore import Parameter, Tensor, nn, ops

from ghostlib.config import Config
from ghostlib.kernels import all_finite

GROWTH = 2000  # good steps after which a dynamic loss scale doubles; mindcv recipe


class TrainStep(nn.Cell):
    """Called with what `Feed` gives it, images (N, 3, H, W), labels (N,), the learning rate and `feed.extras`, it returns
    the loss and how many images were right; of mixed ones the label of which there is more is the right one.

    With `config.accumulate` a step is made of so many calls, each with BatchNorm's statistics of its own images, and its
    gradient is the mean of theirs; only the last call changes weights.

    A step whose gradient is not finite changes no weight and no momentum. Of many ranks each calls it with its own
    images; the gradients are averaged before anything else is made of them, so that all change their weights alike.

    Args:
        net: Images to logits (N, classes).
        optimizer: Over the network's trainable weights.
        config: Fields label_smoothing, clip, loss_scale and accumulate, `mixed` and `dynamic_scale` are used.
        ranks: Over how many ranks gradients are averaged.

    Attributes:
        scale: What the loss is multiplied by, so that small gradients do not vanish in half precision. A dynamic one is
            halved by a step that overflows and doubled after GROWTH good ones in a row (mindcv recipe).
        good: Good steps since the scale last changed.
        bad: How many steps in a row, up to now, had no finite gradient.
    """

    def __init__(self, net: nn.Cell, optimizer: nn.Optimizer, config: Config, ranks: int = 1):
        super().__init__()
        self.net = net
        self.optimizer = optimizer
        self.loss = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
        self.clip = config.clip
        self.each = ops.HyperMap()
        self.all_finite = all_finite()
        self.dynamic = config.dynamic_scale
        self.scaled = config.loss_scale != 1 or self.dynamic
        self.scale = Parameter(Tensor(config.loss_scale, mindspore.float32), "loss_scale", requires_grad=False)
        self.good = Parameter(Tensor(0, mindspore.int32), "good_steps", requires_grad=False)
        self.bad = Parameter(Tensor(0, mindspore.int32), "bad_steps", requires_grad=False)
        self.ranks = ranks
        if ranks > 1:
            self.average = nn.DistributedGradReducer(optimizer.parameters, True, ranks)
        self.gradients = ops.value_and_grad(self.forward, None, optimizer.parameters, has_aux=True)
        self.parts = config.accumulate
        if self.parts > 1:
            self.sums = optimizer.parameters.clone("accumulated", init="zeros")
        self.has_dropout, self.mixed = config.dropout > 0, config.mixed

    def forward(self, images: Tensor, labels: Tensor, extras: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        logits = self.net(images, extras[0]) if self.has_dropout else self.net(images)
        logits = logits.astype(mindspore.float32)  # mindcv recipe: the loss in float32, whatever the network is in
        loss = self.loss(logits, labels)
        if self.mixed:
            others, own = extras[self.has_dropout], extras[self.has_dropout + 1]
            loss = own * loss + (1 - own) * self.loss(logits, others)
        return loss * self.scale, loss, logits

    def construct(self, images: Tensor, labels: Tensor, rate: Tensor, *extras: Tensor) -> tuple[Tensor, ...]:
        ops.assign(self.optimizer.learning_rate, rate)
        outputs, gradients = self.gradients(images, labels, extras)
        loss, logits = outputs[1], outputs[2]
        right = (logits.argmax(axis=1) == labels).astype(mindspore.float32)
        if self.mixed:
            others, own = extras[self.has_dropout], extras[self.has_dropout + 1]
            right = ops.select(own < 0.5, (logits.argmax(axis=1) == others).astype(mindspore.float32), right)
        if self.parts == 1:
            self._update(gradients)
        else:
            self.each(ops.assign_add, self.sums, gradients)
            if extras[-1]:
                self._update(self.each(ops.partial(_part_of, self.parts), self.sums))
                self.each(_clear, self.sums)
        return loss, right.sum()

    def _update(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Whether weights were changed; without a value MindSpore's graph would call Python, and could not be kept."""
        if self.scaled:
            gradients = self.each(ops.partial(_unscale, self.scale), gradients)
        if self.ranks > 1:
            gradients = self.average(gradients)
        finite = self.all_finite(gradients)
        if self.clip > 0:
            gradients = ops.clip_by_global_norm(gradients, self.clip)
        if finite:
            self.optimizer(gradients)
        ops.assign(self.bad, (self.bad + 1) * (1 - finite.astype(mindspore.int32)))
        if self.dynamic:
            return self._rescale(finite)
        return finite

    def _rescale(self, finite: Tensor) -> Tensor:
        """Computed and not branched, or MindSpore 2.10 compiles the whole step a second time."""
        good = (self.good + 1) * finite.astype(mindspore.int32)
        grown = (good == GROWTH).astype(mindspore.float32)
        factor = ops.select(finite, 1 + grown, Tensor(0.5, mindspore.float32))
        ops.assign(self.scale, ops.maximum(self.scale * factor, Tensor(1.0, mindspore.float32)))
        ops.assign(self.good, good * (good != GROWTH).astype(mindspore.int32))
        return finite


def _unscale(scale: Tensor, gradient: Tensor) -> Tensor:
    return gradient.astype(mindspore.float32) / scale


def _part_of(parts: int, total: Tensor) -> Tensor:
    return total / parts


def _clear(total: Tensor) -> Tensor:
    return ops.assign(total, ops.zeros_like(total))
