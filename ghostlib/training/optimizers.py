"""MindSpore's optimizers by the names that Config knows, and what they remember between steps; a new one goes here."""

from mindspore import Parameter, Tensor, nn, ops

from ghostlib.config import Config

BETAS = 0.9, 0.999  # of AdamW; Kingma and Ba 2015
SQUARES = 0.9  # how fast RMSProp forgets squares; MobileNetV3's recipe
# By what a bundle calls them, the attributes that hold an optimizer's memory, a Parameter for each weight.
MEMORY = {"momentum": {"momentum": "moments"}, "adamw": {"moment1": "moments1", "moment2": "moments2"},
          "nesterov": {"momentum": "accum", "begun": "stat"},  # nn.SGD's, with a flag for whether it has begun
          "rmsprop": {"mean_square": "ms", "momentum": "moment"}}


def make_optimizer(net: nn.Cell, config: Config) -> nn.Optimizer:
    """The optimizer of a run; its rate is set at each step.

    Weight decay applies to all weights or, without `decay_all`, to all but biases and BatchNorm's; without `decay_norm`, to
    all but BatchNorm's. The groups say so even where it is all: a plain list of weights MindSpore decays without those named
    gamma and beta.
    """
    weights = net.trainable_params()
    names = {id(weight): name for name, weight in net.parameters_and_names()}
    decayed, others = ([w for w in weights if _is_decayed(w, names[id(w)], config) == wanted] for wanted in (True, False))
    groups = [{"params": part, "weight_decay": decay}
              for part, decay in ((decayed, config.weight_decay), (others, 0.0)) if part]
    groups.append({"order_params": weights})
    if config.optimizer == "adamw":
        return nn.AdamWeightDecay(groups, config.peak_lr, *BETAS, config.epsilon)
    if config.optimizer == "rmsprop":
        kind = ExactRMSProp if config.device == "CPU" else nn.RMSProp
        return kind(groups, config.peak_lr, SQUARES, config.momentum, config.epsilon)
    if config.nesterov:  # MindSpore 2.10's Momentum takes use_nesterov and, on a CPU, does not look ahead
        return nn.SGD(groups, config.peak_lr, config.momentum, nesterov=True)
    return nn.Momentum(groups, config.peak_lr, config.momentum)


class ExactRMSProp(nn.RMSProp):
    """MindSpore's RMSProp with its operator spelled out.

    On a CPU that operator takes an approximate root for most weights and the exact one for those that its threads are left
    with, so that a run depended on how the work was shared out; off by 5e-4 of a weight after three steps it was as well.
    """

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        gradients = self.decay_weight(gradients)
        rate = self.get_lr()
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        rule = ops.partial(_rmsprop, self.decay, self.epsilon, self.momentum, rate)
        return self.hyper_map(rule, self._parameters, self.ms, self.moment, gradients)


def _rmsprop(decay: float, epsilon: float, momentum: float, rate: Tensor, weight: Tensor, square: Tensor, moment: Tensor,
             gradient: Tensor) -> Tensor:
    squares = ops.assign(square, decay * square + (1 - decay) * gradient * gradient)
    moved = ops.assign(moment, momentum * moment + rate * gradient / ops.sqrt(squares + epsilon))
    return ops.assign(weight, weight - moved)


def _is_decayed(weight: Parameter, name: str, config: Config) -> bool:
    norm = name.endswith(("gamma", "beta"))
    return (config.decay_all or weight.ndim > 1) and (config.decay_norm or not norm)


def memory_of(optimizer: nn.Optimizer, config: Config) -> dict[str, list[Parameter]]:
    """What an optimizer remembers, by name: for each a Parameter for each of `optimizer.parameters`, in their order."""
    kind = "nesterov" if config.nesterov else config.optimizer
    return {name: list(getattr(optimizer, attribute)) for name, attribute in MEMORY[kind].items()}
