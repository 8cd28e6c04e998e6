"""The ablations of ratio s and kernel d as rows: networks by name, what was asked of them, and the paper's column."""

from collections.abc import Iterable, Sequence

import pandas as pd

from ghostlib.studies import paper, speeds
from ghostlib.studies.contrasts import Contrast, contrast, mean_interval, with_interval

PLAIN, THIN, BY_LAYER = "plain", "thin", "by layer"
MARGIN = 0.5  # points of percent; less is nobody's reason to choose a network. Chosen when the runs were known.
# docs/ablation_cifar10.md named them before the runs.
QUESTIONS = {("s2 d3", "s2 d1"): "Does the spatial kernel matter?",
             ("s2 d3", THIN): "Do ghosts beat fewer channels?",
             ("s2 d3", PLAIN): "What do ghosts cost?",
             ("s4 d3", "s2 d3"): "What does a higher ratio cost?",
             (BY_LAYER, "s2 d3"): "Does measured redundancy say where to save?"}


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Recorded runs with their network's name, and top-1 in percent.

    Args:
        rows: As `ghostlib sweep` records them, of one model; the plain network of the largest width is "plain", a
            narrower one "thin".

    Returns:
        The same rows with columns network and accuracy.
    """
    widest = rows.width.max()

    def name(ratio: str, kernel: int, width: float) -> str:
        if str(ratio) == "1":
            return PLAIN if width == widest else THIN
        return BY_LAYER if str(ratio).startswith("{") else f"s{ratio} d{kernel}"
    names = [name(*one) for one in zip(rows.ratio, rows.kernel, rows.width)]
    return rows.assign(network=names, accuracy=100 * rows.top1)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each network of `named` rows, in their order: weights and macs in millions, seeds, accuracy with the 95 %
    interval over seeds (low, high) in percent."""
    table = []
    for network, own in rows.groupby("network", sort=False):
        mean, low, high = mean_interval(own.accuracy)
        table.append({"network": network, "weights": own.weights.iloc[0] / 1e6, "macs": own.macs.iloc[0] / 1e6,
                      "seeds": len(own), "accuracy": mean, "low": low, "high": high})
    return pd.DataFrame(table)


def published(networks: Iterable[str]) -> pd.DataFrame:
    """The paper's accuracies of Ghost-VGG-16 on CIFAR-10 (Tables 3 and 4) for networks of these names: network, accuracy."""
    table = paper.networks([3, 4])
    names = {PLAIN if row.ratio == 1 else f"s{row.ratio} d{row.kernel}": row.top1 for row in table.itertuples()}
    return pd.DataFrame([(name, names[name]) for name in networks if name in names], columns=["network", "accuracy"])


def contrasts_of(rows: pd.DataFrame, questions: Sequence[tuple[str, str]] = tuple(QUESTIONS)) -> list[Contrast]:
    """The contrasts named beforehand, of those networks that `named` rows have."""
    there = set(rows.network)
    return [contrast(rows, first, second, "accuracy") for first, second in questions if {first, second} <= there]


def answers(contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """What was asked and what came of it: question, difference, points (with its 95 % interval over seeds) and verdict."""
    return pd.DataFrame([{"question": QUESTIONS[one.first, one.second], "difference": f"{one.first} − {one.second}",
                          "points": with_interval(*one.interval),
                          "verdict": one.judged(MARGIN)} for one in contrasts])


def by_layer_in_short(rows: pd.DataFrame) -> str:
    """What came of ratios by layer, chosen by how predictable maps are, in a sentence; "" where these runs do not hold
    it."""
    found = contrasts_of(rows, [(BY_LAYER, "s2 d3")])
    return "".join(f"The lab's own attempt is of that kind: a ratio for each layer, chosen by how well its maps can be "
                   f"predicted, minus s = 2 everywhere is {one.judged(MARGIN)} ({one.evidence()})." for one in found)


def answer_on_kernel(rows: pd.DataFrame) -> str:
    """What `named` rows say of d, in sentences; the words follow the seeds."""
    if not (found := contrasts_of(rows, [("s2 d3", "s2 d1")])):
        return "**Answer.** None: these runs do not hold both s2 d3 and s2 d1."
    [one] = found
    first, how = one.told(MARGIN, {
        "better": "Yes. Ghosts that look at neighbours (d = 3) are better than ghosts that are scaled copies (d = 1)",
        "worse": "It matters, and the wrong way: ghosts that look at neighbours (d = 3) are worse than scaled copies",
        "within": "No. Ghosts that look at neighbours (d = 3) are as good as ghosts that are scaled copies (d = 1)"},
        "Not known: whether ghosts should look at neighbours stays open")
    return f"**Answer.** {first}: {how} ({one.evidence()}{one.equivalence(MARGIN)}). {_regime(rows)}"


def answer_on_ratio(rows: pd.DataFrame, measured: pd.DataFrame, longer: pd.DataFrame) -> str:
    """What `named` rows say of ghosts beside fewer channels, in sentences; the words follow the seeds.

    Args:
        rows: Of `named`.
        measured: As for `with_speeds`.
        longer: As `rows`, of longer runs.
    """
    if not {"s2 d3", THIN, PLAIN} <= set(rows.network):
        return "**Answer.** None: these runs do not hold all of s2 d3, thin and plain."
    [thin] = contrasts_of(rows, [("s2 d3", THIN)])
    first, _ = thin.told(MARGIN, {
        "within": "a plain network with fewer channels (thin) is as accurate as the Ghost network (s2 d3)",
        "better": "the Ghost network (s2 d3) is more accurate than a plain one with fewer channels (thin)",
        "worse": "a plain network with fewer channels (thin) is more accurate than the Ghost network (s2 d3)"},
        "whether the Ghost network (s2 d3) or a plain one with fewer channels (thin) is more accurate is undecided")
    own, speed = _of_these(summary(rows), measured), ""
    if {THIN, "s2 d3"} <= set(own.network):
        times = speeds.times_as_fast(own, "s2 d3", THIN, "training")
        speed = f" Turn by turn the Ghost network trains {speeds.as_clause(times)} as thin here."
    return (f"**Answer.** For equal multiply-adds, {first}: the difference is {thin.judged(MARGIN)} ({thin.evidence()}"
            f"{thin.equivalence(MARGIN)}). {after_longer(longer)} {beside_plain(rows)}{speed} {_regime(rows)}")


def after_longer(longer: pd.DataFrame) -> str:
    """What became of s2 d3 beside thin in longer runs, in a sentence."""
    epochs = longer.epochs.iloc[0]
    seeds = longer.groupby("network").seed.agg(set)
    if not {"s2 d3", THIN} <= set(seeds.index) or not seeds["s2 d3"] & seeds[THIN]:
        return f"What {epochs} epochs make of that is not recorded yet."
    one = contrast(longer, "s2 d3", THIN, "accuracy")
    return f"After {epochs} epochs the same difference is {one.judged(MARGIN)} ({one.evidence()})."


def beside_plain(rows: pd.DataFrame) -> str:
    """How s2 d3 stands beside the whole plain network, which it was made cheaper than, in a sentence."""
    macs, one = rows.groupby("network").macs.first(), contrast(rows, "s2 d3", PLAIN, "accuracy")
    return (f"Beside the whole plain network, which takes {macs[PLAIN] / macs['s2 d3']:.1f} times as many multiply-adds, "
            f"the Ghost network is {one.judged(MARGIN)} ({one.evidence()}).")


def _regime(rows: pd.DataFrame) -> str:
    """Under what conditions the rows were made, in a sentence."""
    best = rows.groupby("network").accuracy.mean().max()
    model, dataset = ({"vgg16": "VGG-16", "cifar10": "CIFAR-10"}.get(name, name) for name in
                      (rows.model.iloc[0], rows.dataset.iloc[0]))
    return (f"This was seen in {model} at {rows.width.max():g} of its width, after {rows.epochs.iloc[0]} epochs of "
            f"{dataset}, where the best network is {best:.0f} % right on average; long training may say otherwise.")


def with_speeds(table: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """A summary with the images a second of its networks, as `speeds.summary` gives them; missing where not measured.

    Args:
        table: Of `summary`.
        measured: Columns network, weights, turn, part ("training" or "evaluation") and images_per_second.
    """
    return table.merge(speeds.summary(_of_these(table, measured)), "left", "network")


def costs(table: pd.DataFrame, network: str = "s2 d3") -> str:
    """How many more multiply-adds, or fewer, the other networks of a summary take than one of them."""
    macs = table.set_index("network").macs
    if network not in macs:
        return f"{network} is not among these networks."
    others = (f"{other} {abs(100 * (value / macs[network] - 1)):.2f} % {'more' if value > macs[network] else 'fewer'}"
              for other, value in macs.items() if other != network)
    return f"Multiply-adds compared with {network}: {', '.join(others)}."


def saving(table: pd.DataFrame, measured: pd.DataFrame) -> str:
    """What s2 d3 saves of the plain network's multiply-adds, and how fast it is beside plain and thin where measured.

    Args:
        table, measured: As for `with_speeds`.
    """
    by_name, own = table.set_index("network"), _of_these(table, measured)
    if not {PLAIN, "s2 d3"} <= set(by_name.index):
        return "Without a plain network and s2 d3 nothing can be said about what is saved."
    lines = [f"s2 d3 takes {by_name.macs[PLAIN] / by_name.macs['s2 d3']:.2f} times fewer multiply-adds than plain."]
    for other in (PLAIN, THIN):
        if {other, "s2 d3"} <= set(own.network):
            times = {part: speeds.times_as_fast(own, "s2 d3", other, part) for part in speeds.PARTS}
            lines.append(f"Time of s2 d3 against {other}, turn by turn: "
                         + ", ".join(f"{part} {speeds.as_clause(own)}" for part, own in times.items()) + ".")
    return "\n".join(lines) + ("" if len(lines) > 1 else " Its time was not measured.")


def _of_these(table: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """The measured rows of a summary's networks; a name alone could be another model's, so the weights count, too."""
    return measured[measured.weights / 1e6 == measured.network.map(table.set_index("network").weights)]
