"""One training step, compiled: forward, backward and the optimizer's update; a new optimizer goes into `make_optimizer`."""

import mindspore
from mindspore import Parameter, Tensor, nn, ops

from ghostlib.config import Config
from ghostlib.kernels import all_finite

GROWTH = 2000  # good steps after which a dynamic loss scale doubles; mindcv recipe


class TrainStep(nn.Cell):
    """Called with images (N, 3, H, W), labels (N,), the learning rate, and dropout's noise if the network has dropout,
    it returns the loss and how many images were right.

    A step whose gradient is not finite changes no weight and no momentum. Of many ranks each calls it with its own
    images; the gradients are averaged before anything else is made of them, so that all change their weights alike.

    Args:
        net: Images to logits (N, classes).
        optimizer: Over the network's trainable weights.
        config: Fields label_smoothing, clip and loss_scale, and `dynamic_scale`, are used.
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

    def forward(self, images: Tensor, labels: Tensor, kept: Tensor | None) -> tuple[Tensor, ...]:
        logits = self.net(images) if kept is None else self.net(images, kept)
        logits = logits.astype(mindspore.float32)  # mindcv recipe: the loss in float32, whatever the network is in
        loss = self.loss(logits, labels)
        return loss * self.scale, loss, logits

    def construct(self, images: Tensor, labels: Tensor, rate: Tensor,
                  kept: Tensor | None = None) -> tuple[Tensor, ...]:
        ops.assign(self.optimizer.learning_rate, rate)
        outputs, gradients = self.gradients(images, labels, kept)
        loss, logits = outputs[1], outputs[2]
        right = (logits.argmax(axis=1) == labels).astype(mindspore.float32).sum()
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
            self._rescale(finite)
        return loss, right

    def _rescale(self, finite: Tensor) -> None:
        """Computed and not branched, or MindSpore 2.10 compiles the whole step a second time."""
        good = (self.good + 1) * finite.astype(mindspore.int32)
        grown = (good == GROWTH).astype(mindspore.float32)
        factor = ops.select(finite, 1 + grown, Tensor(0.5, mindspore.float32))
        ops.assign(self.scale, ops.maximum(self.scale * factor, Tensor(1.0, mindspore.float32)))
        ops.assign(self.good, good * (good != GROWTH).astype(mindspore.int32))


def _unscale(scale: Tensor, gradient: Tensor) -> Tensor:
    return gradient.astype(mindspore.float32) / scale


def make_optimizer(net: nn.Cell, config: Config) -> nn.Optimizer:
    """Momentum SGD whose rate the step sets.

    Weight decay applies to all weights or, without `decay_all`, to all but biases and BatchNorm's. The groups say so
    even where it is all: a plain list of weights MindSpore decays without those named gamma and beta.
    """
    weights = net.trainable_params()
    decayed = [w for w in weights if config.decay_all or w.ndim > 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}]
    if len(decayed) < len(weights):
        groups.append({"params": [w for w in weights if w.ndim == 1], "weight_decay": 0.0})
    return nn.Momentum([*groups, {"order_params": weights}], config.peak_lr, config.momentum)
