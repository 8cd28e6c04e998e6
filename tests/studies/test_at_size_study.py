"""What is said of full-size networks follows their rows: other rows, other words; no interval over networks from one."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from ghostlib import figures
from ghostlib.redundancy.sources import GREY, OTHER_IMAGE, SCRAMBLED, SHUFFLED_WEIGHTS, TRAINED, UNTRAINED
from ghostlib.studies import at_size, borne_out, crosschecks

R2 = {TRAINED: 0.6, UNTRAINED: 0.5, SHUFFLED_WEIGHTS: 0.3, SCRAMBLED: 0.6, GREY: 0.4, OTHER_IMAGE: 0.1}


def rows(network="ghostnet 0.5", s=2, seeds=(0,), layers=10, photographs="train-val", **changes):
    """Rows of at_size_redundancy.csv: layers alternate between two kinds, and R2 rises a little with depth and seed."""
    r2, table = {**R2, **changes}, []
    for seed in seeds:
        for layer in range(layers):
            for stage in ("convolution", "BatchNorm", "ReLU"):
                for source, value in r2.items():
                    gap = r2[TRAINED] - value + 0.01 * seed
                    table.append({"network": network, "s": s, "d": 3, "seed": seed, "photographs": photographs, "filter": 3,
                                  "layer": f"l{layer}", "depth": layer + 1, "deep": layer / 9, "channels": 8 + layer % 3,
                                  "size": 28, "stage": stage, "source": source,
                                  "kind": ("primary", "cheap operation")[layer % 2],
                                  "r2": value + 0.01 * layer, "gap": gap, "gap_low": gap - 0.02, "gap_high": gap + 0.02,
                                  "reach0.9": 0.6 if layer < 4 else 0.1})
    return at_size.named(pd.DataFrame(table))


def test_one_network_has_no_interval_over_networks_and_several_have():
    [before, mixed] = at_size.effects(rows()).itertuples()
    assert (before.control, mixed.control) == (UNTRAINED, SHUFFLED_WEIGHTS) and before.difference == pytest.approx(0.1)
    assert np.isnan([before.low, before.high]).all() and (before.more, before.less, before.layers) == (10, 0, 10)
    several = at_size.effects(rows(seeds=(0, 1, 2)))
    assert several.networks.tolist() == [3, 3] and (several.low < several.difference).all()
    assert "95 % interval over 3 seeds" in at_size.answer(rows(seeds=(0, 1, 2)))
    assert not re.search(r"interval over \d", at_size.answer(rows()))


@pytest.mark.parametrize(("changes", "said"), [
    ({}, "In the one network known before and after training (GhostNet 0.5, s = 2, 1 seed), maps are more alike after it, "
         "however one looks (after the convolution 10 of 10 layers up and 0 down; after the activation 10 of 10 layers up "
         "and 0 down). Shuffling the weights makes maps less alike in most layers of the one network (difference"),
    ({UNTRAINED: 0.9}, "1 seed), maps are less alike after it, however one looks (after the convolution 0 of 10 layers up "),
    ({UNTRAINED: 0.61}, "1 seed), whether maps are more alike after it is not clear (after the convolution 0 of 10 layers"),
    ({SHUFFLED_WEIGHTS: 0.9}, "Shuffling the weights makes maps more alike in most layers of the one network (difference"),
    ({}, "Each layer is judged by its own 95 % interval over photographs; these are 40 looks, and none is corrected"),
    ({}, "In GhostNet 0.5, s = 2: +0.10 against untrained, 10 of 10 layers up and 0 down; +0.30 against shuffled weights")])
def test_the_answer_follows_the_rows(changes, said):
    assert said in at_size.answer(rows(**changes))


def test_what_training_does_is_said_of_networks_alone_that_are_known_before_it():
    alone = rows()[lambda own: own.source != UNTRAINED]
    assert "is not known: no recorded network is known as it was before it. Shuffling the weights m" in at_size.answer(alone)
    two = pd.concat([rows(), rows("mobilenet_v2 0.28", 1)])
    assert "Training makes maps more alike in most layers of all 2 networks known before it (GhostNet 0.5, s = 2 and " \
        "MobileNetV2 0.28)." in at_size.answer(two)
    apart = pd.concat([rows(), rows("mobilenet_v2 0.28", 1, **{UNTRAINED: 0.9})])
    assert "Training makes maps more alike in GhostNet 0.5, s = 2 (1 seed); it makes them less alike in MobileNetV2 0.28 " \
        "(1 seed), the 2 networks known before it. " in at_size.answer(apart)
    unclear = pd.concat([rows(**{UNTRAINED: 0.61}), rows("mobilenet_v2 0.28", 1)])
    assert "What training does to how alike maps are is not clear in GhostNet 0.5, s = 2 (1 seed); it makes them more " \
        "alike in MobileNetV2 0.28 (1 seed), the 2 networks known before it. " in at_size.answer(unclear)
    surer = pd.concat([rows(**{UNTRAINED: 0.61}), rows("mobilenet_v2 0.28", 1, seeds=(0, 1, 2))])
    assert "Training makes maps more alike in MobileNetV2 0.28 (3 seeds); what it does is not clear in GhostNet 0.5, s = " \
        "2 (1 seed), the 2 kinds of network known before it. " in at_size.answer(surer)
    neither = pd.concat([rows(**{UNTRAINED: 0.61}), rows("mobilenet_v2 0.28", 1, **{UNTRAINED: 0.61})])
    assert "are is not clear in GhostNet 0.5, s = 2 (1 seed) and MobileNetV2 0.28 (1 seed), the 2 networks known before " \
        "it. " in at_size.answer(neither)
    none = rows()[lambda own: own.source == TRAINED]
    assert "What shuffling the weights does to how alike maps are is not known: no network is" in at_size.answer(none)


def of_another_look(gap, **where):
    """Rows on a network's own photographs and on shared ones, of which those in `where` have this gap."""
    table = pd.concat([rows(), rows(photographs="shared")], ignore_index=True)
    at = np.logical_and.reduce([table[column] == value for column, value in where.items()])
    table.loc[at, ["gap", "gap_low", "gap_high"]] = gap, gap - 0.02, gap + 0.02
    return table


def test_the_second_set_of_photographs_and_the_activation_are_looks_too():
    every = at_size.answer(of_another_look(0.1, source=UNTRAINED))
    assert "maps are more alike after it, however one looks (" in every and "these are 80 looks" in every
    some = at_size.answer(of_another_look(0.0, source=UNTRAINED, photographs="shared", state="convolution"))
    assert "maps seem more alike after it, in 3 of 4 looks (" in some
    assert "after the convolution, on photographs that all networks share, 0 of 10 layers up and 0 down" in some
    against = at_size.answer(of_another_look(-0.1, source=UNTRAINED, state="activation"))
    assert "whether maps are more alike after it is not clear (" in against
    mixed = at_size.answer(of_another_look(0.0, source=SHUFFLED_WEIGHTS, state="activation"))
    assert "makes maps less alike in most layers of the one network; 2 of 3 other looks, after the activation or on the " \
        "photographs that all share, do not agree (difference" in mixed and "other looks" not in every


def test_two_networks_known_before_training_are_looked_at_more_than_once_too():
    table = of_another_look(-0.1, source=UNTRAINED, state="activation")
    two = pd.concat([table, rows("mobilenet_v2 0.28", 1)])
    assert "known before it (GhostNet 0.5, s = 2 and MobileNetV2 0.28); 2 of 4 other looks, after the activation or on " \
        "the photographs that all share, do not agree. " in at_size.answer(two)


def test_a_few_layers_that_change_much_are_not_outvoted():
    """Six layers of ten a little less alike, four much more: no one way, whatever the count says."""
    table = rows()
    gap = table.layer.map(lambda layer: -0.03 if int(layer[1:]) < 6 else 0.9)
    table = table.assign(gap=gap, gap_low=gap - 0.02, gap_high=gap + 0.02)
    told = at_size.answer(table)
    assert "whether maps are more alike after it is not clear (after the convolution 4 of 10 layers up and 6 down;" in told
    most = table.assign(**{name: -table[name] for name in ("gap",)}, gap_low=-table.gap_high, gap_high=-table.gap_low)
    assert "not clear" in at_size.answer(most)


def test_of_several_seeds_a_layer_is_no_layer_more():
    table = rows(seeds=(0, 1, 2))
    told = at_size.answer(table)
    assert "30 of 30 layers of 3 networks together up and 0 down" in told
    assert "12 of 30 layers of 3 networks together of GhostNet 0.5" in at_size.reach_answer(table)
    assert "(cheap operation, 5 layers) down to" in at_size.kinds_answer(table)
    assert "(3 seeds)" in at_size.side_by_side(pd.concat([rows(seeds=(0, 1, 2), photographs="shared"),
                                                         rows("mobilenet_v2 0.28", 1, photographs="shared")]))
    two = at_size.answer(pd.concat([table, rows("mobilenet_v2 0.28", 1)]))
    assert "Training makes maps more alike in most layers of all 2 kinds of network known before it" in two


def test_a_mean_that_few_layers_make_is_said_of_the_mean():
    """Alike in three seeds: four layers of ten much more alike, six a little less."""
    table = rows(seeds=(0, 1, 2))
    gap = table.layer.map(lambda layer: -0.03 if int(layer[1:]) < 6 else 0.9) + 0.001 * table.seed
    table = table.assign(gap=gap, gap_low=gap - 0.02, gap_high=gap + 0.02)
    assert set(at_size.effects_told(table).verdict) == {f"more alike than {other} on average, not in most layers"
                                                       for other in ("before training", "with shuffled weights")}
    both = at_size.answer(pd.concat([table, rows("mobilenet_v2 0.28", 1)]))
    assert "Training makes maps more alike on average in all 2 kinds of network known before it" in both
    assert "In the one kind of network known before and after training (GhostNet 0.5, s = 2, 3 seeds), maps are more " \
        "alike on average after it, however one looks (after the convolution 12 of 30 layers of 3 networks together " in \
        at_size.answer(table)


def test_networks_of_another_d_are_other_networks():
    both = pd.concat([rows(), rows().drop(columns="name").assign(d=1).pipe(at_size.named)])
    assert list(dict.fromkeys(both.name)) == ["GhostNet 0.5, s = 2", "GhostNet 0.5, s = 2, d = 1"]
    assert at_size.effects(both).networks.tolist() == [1] * 4


def test_of_several_networks_in_figure_1_the_first_is_drawn_and_told():
    drawn = pd.DataFrame([{"network": "a", "layer": "x", "height": 1, "width": 2, "pixels": "00ff"},
                          {"network": "a", "layer": "y", "height": 2, "width": 2, "pixels": "00ff00ff"}])
    assert at_size.maps_of(drawn).tolist() == [[[0, 255]]]
    pairs = pd.DataFrame([{"network": "a", "layer": "x", "d": 3, "chosen": "picked", "r2": 0.5}])
    assert "of one kind alone" in at_size.pairs_answer(pairs)


def test_the_controls_are_compared_where_both_are():
    assert "maps of shuffled weights are less alike than those before training (R² -0.20 on average over 30 layers" in \
        at_size.controls_compared(rows())
    agreed, apart = (at_size.controls_compared(rows(**changes)) for changes in ({}, {UNTRAINED: 0.9}))
    assert "in 30 of 30 both controls give training's effect the same sign. So here shuffled weights could stand" in agreed
    assert "in 0 of 30" in apart and "So here shuffled weights did not stand for a network before training." in apart
    only = rows()[lambda own: own.source != UNTRAINED]
    assert at_size.controls_compared(only) == "No recorded network has both controls."


def test_the_answer_from_cifar_is_borne_out_or_not():
    cifar = pd.concat([rows(seeds=(0, 1, 2), layers=7)]).drop(columns=["name", "state", "network", "photographs"])
    whole = rows(**{TRAINED: 0.95, GREY: 0.96, SCRAMBLED: 1.0})
    table = borne_out.table(whole, cifar)
    assert list(table) == ["CIFAR-10", "GhostNet 0.5, s = 2"]
    own = table["GhostNet 0.5, s = 2"]
    assert own[borne_out.NEARLY] == "yes (R² 0.99, 0.97 to 1.02), not as on CIFAR-10"
    grey, same, things = "another map tell", "a map of the same", "things in the image"
    told = {asked: next(own[name] for name in own.index if asked in name) for asked in (grey, same, things)}
    assert told == {grey: "hardly (-0.010, -0.010 to -0.010), not as on CIFAR-10",
                    same: "yes (+0.850, +0.850 to +0.850), as on CIFAR-10",
                    things: "yes, less alike (-0.050, -0.050 to -0.050), not as on CIFAR-10"}
    assert own[borne_out.ASKED[UNTRAINED]] == "yes, more alike in most layers (+0.450)"
    assert table.loc[borne_out.NEARLY, "CIFAR-10"] == "no (R² 0.63, 0.63 to 0.63 over 3 seeds)"
    alone = borne_out.table(whole, cifar[cifar.seed == 0]).loc[borne_out.ASKED[UNTRAINED], "CIFAR-10"]
    assert alone == "not known: one seed (+0.100)"
    said = borne_out.answer(whole, cifar)
    assert "1 kind of network answers 1 of 4 questions as the small ones did: Does a map of the same image tell" in said
    assert "beyond how smooth it is? CIFAR-10: hardly (+0.000, +0.000 to +0.000 over 3 seeds); Gho" in said
    assert "Not all agree on" in said
    assert "answers 4 of 4 questions" in borne_out.answer(rows(), cifar)
    three = borne_out.table(rows(seeds=(0, 1, 2)), cifar)["GhostNet 0.5, s = 2"]
    assert three[borne_out.ASKED[UNTRAINED]] == "yes, more alike in most layers (+0.110, +0.085 to +0.135 over 3 seeds)"
    assert "4 of 10 layers of GhostNet 0.5, s = 2" in at_size.reach_answer(rows())


def test_what_layers_do_not_agree_on_is_not_clear():
    """A mean beyond 0.02 is no answer where its interval over layers reaches into that."""
    cifar = pd.concat([rows(seeds=(0, 1, 2), layers=7)]).drop(columns=["name", "state", "network", "photographs"])
    mean_of = {}
    for spread in (0.01, 0.06):
        table = rows()
        moved = spread * (-1) ** table.layer.str[1:].astype(int)
        table = table.assign(r2=table.r2 - (table.source == SCRAMBLED) * (0.03 + moved))
        mean_of[spread] = borne_out.table(table, cifar)["GhostNet 0.5, s = 2"].filter(like="things in the image").iloc[0]
        said = borne_out.answer(table, cifar)
        assert ("Not all agree on: Do things" in said) == (spread < 0.02) != ("Not shown for all: Do things" in said)
    assert mean_of == {0.01: "yes, more alike (+0.030, +0.022 to +0.038), not as on CIFAR-10",
                       0.06: "not clear (+0.030, -0.015 to +0.075)"}


def test_layers_too_small_for_the_filter_are_counted_and_kinds_are_told():
    one = rows()
    small = one[one.source == TRAINED].assign(filter=1)
    more = pd.concat([one, small, small[small.layer == "l0"].assign(layer="deep", size=4)])
    assert "Layers with maps of at most 4 × 4 pixels are too small for d = 3 and not judged: of those measured 1 of 11 in " \
        "GhostNet 0.5, s = 2." in at_size.answer(more)
    assert "not judged" not in at_size.answer(one)
    told = at_size.kinds_answer(one)
    assert "from 0.65 (cheap operation, 5 layers) down to 0.64 (primary, 5 layers) in GhostNet 0.5, s = 2." in told
    assert "changes it by: cheap operation +0.10 (5 layers), primary +0.10 (5 layers)." in told


def test_a_table_names_the_control_and_holds_no_empty_interval():
    table = at_size.effects_told(rows())
    assert table.verdict.tolist() == ["more alike than before training in most layers",
                                      "more alike than with shuffled weights in most layers"] * 2  # of either state
    assert "low" not in table and "low" in at_size.effects_told(rows(seeds=(0, 1, 2)))


def test_picked_pairs_are_counted_beside_typical_ones():
    pairs = pd.DataFrame({"network": "a", "layer": "x", "chosen": ["picked"] * 3 + ["typical"] * 3, "d": 3,
                          "r2": [0.31, 0.2, 0.09, 0.16, 0.18, 0.21]})
    assert "Of the 3 pairs picked for their likeness 1 is better than every typical one, and 1 worse" in \
        at_size.pairs_answer(pairs)
    assert "0 are better than every typical one, and 1 worse" in at_size.pairs_answer(pairs[1:])


def test_of_a_networks_own_photographs_and_those_that_all_share_its_own_count():
    both = pd.concat([rows(photographs="shared", **{TRAINED: 0.1}), rows()])
    assert "+0.10 against untrained" in at_size.answer(both) and "-0.40" not in at_size.answer(both)


def checks(table, noise=0.0, turned=False):
    rng = np.random.default_rng(0)
    own = table[(table.source == TRAINED) & (table["filter"] == 3)].copy()
    order = own.r2 + noise * rng.normal(size=len(own))
    return own.assign(effective_rank=-order, mean_rank=order if turned else -order, cka=order).drop(columns=["r2"])


def test_measures_order_layers_alike_where_they_do():
    table = rows(layers=12)
    found = crosschecks.orders(crosschecks.joined(table, checks(table)))
    assert len(found) == 6 and (found.rho > 0.999).all() and (found.low > 0.9).all() and (found.layers == 12).all()
    assert "Others' measures all order layers as ours does" in crosschecks.answer(found)
    turned = crosschecks.orders(crosschecks.joined(table, checks(table, turned=True)))
    told = crosschecks.answer(turned)
    assert "Others' measures do not all order layers as ours does" in told
    assert "HRank's mean rank (low): the other way round (" in told
    random = crosschecks.orders(crosschecks.joined(table, checks(table, noise=10)))
    assert "not known" in crosschecks.answer(random)
    assert "not known in" in crosschecks.in_short(random) or "not known;" in crosschecks.in_short(random)
    assert crosschecks.orders(crosschecks.joined(rows(layers=7), checks(rows(layers=7)))).empty  # too few to say anything


def test_what_layers_differ_in_anyway_is_taken_out():
    rng = np.random.default_rng(0)
    size, channels = rng.permutation(60), rng.permutation(60)
    one, other = size + rng.normal(size=60), size + rng.normal(size=60)
    assert crosschecks._spearman(one, other) > 0.9
    assert abs(crosschecks._partial(one, other, np.column_stack([channels, size]))) < 0.35
    shared = rng.permutation(60)
    assert crosschecks._partial(size + shared, size + 1.1 * shared, np.column_stack([channels, size])) > 0.9


def test_what_is_taken_out_is_counted_both_ways():
    def orders(*changes):
        return pd.DataFrame([{"name": "net", "first": crosschecks.OURS, "second": "CKA", "layers": 20, "rho": rho,
                              "low": rho - 0.2, "high": rho + 0.2, "given": given,
                              "given_low": given - 0.2, "given_high": given + 0.2}
                             for rho, given in changes])
    told = crosschecks.answer(orders((0.1, 0.8), (0.5, 0.4), (0.5, -0.6)))
    assert "of 3 correlations between two measures 1 is stronger, 1 weaker, and 1 has the other sign" in told
    assert "CKA is then alike in 2, the other way round in 1 (net +0.10 becomes +0.80 (+0.60 to +1.00);" in told
    assert "So number and size of maps can hide an agreement or fake one." in told
    assert "can fake an agreement." in crosschecks.answer(orders((0.5, 0.4)))
    assert "can hide an agreement." in crosschecks.answer(orders((0.1, 0.8)))
    low, high = crosschecks._fisher(0.5, 30)
    assert 0.1 < low < 0.2 and 0.7 < high < 0.8


def test_the_figures_show_every_layer_and_network():
    two = pd.concat([rows(), rows("efficientnet_lite0", np.nan, (np.nan,), photographs="halves").assign(seed=0)])
    figure = figures.fig_by_kind(two[two.source.isin([TRAINED, SHUFFLED_WEIGHTS])])
    panels = [ax for ax in figure.axes if ax.lines]
    assert len(panels) == 6 and sum(len(line.get_xdata()) for line in panels[0].lines) == 20
    convolution = two[(two.state == "convolution") & two.source.isin(at_size.CONTROLS)]
    figure = figures.fig_training(convolution)
    assert len(figure.axes) == 2 and [ax.get_title() for ax in figure.axes] == ["GhostNet 0.5, s = 2", "EfficientNet-Lite0"]
    many = figures.fig_training(pd.concat([convolution.assign(name=f"network {number}") for number in range(6)]))
    assert [ax.get_xlabel() != "" for ax in many.axes[:6]] == [False, False, True, True, True, True]  # four abreast
    found = crosschecks.orders(crosschecks.joined(two, checks(two)))
    assert len(figures.fig_orders(found).axes[0].get_yticks()) == 6
    plt.close("all")
