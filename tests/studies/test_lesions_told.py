"""What is said of lesions follows their numbers, and the figures show all of them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from ghostlib import figures
from ghostlib.redundancy.sources import ALL, GHOSTS, INTRINSIC, LIKELY, MEAN, OWN, PREDICTED, UNLIKELY
from ghostlib.studies import lesions, map_guides
from ghostlib.studies.copies import SQUASHED

HALF = "With half of one module's ghosts replaced by their mean GhostNet 0.5"
LOST = {(GHOSTS, MEAN): 3.0, (GHOSTS, PREDICTED): 1.0, (GHOSTS, OWN): 0.0, (INTRINSIC, MEAN): 5.0,
        (INTRINSIC, PREDICTED): 2.0, (ALL, MEAN): 9.0, (ALL, PREDICTED): 4.0}


def overall(seeds=1, plain=True, width=0.5, own=0.0):
    """A GhostNet whose lesions cost what LOST says, and a plain twin."""
    def row(seed, s, first, second, value):
        around = {f"{name}{end}": value + shift for name in ("lost", "nats", "per_share")
                  for end, shift in (("", 0.1 * seed), ("_low", -width), ("_high", width))}
        return {"network": f"ghostnet {'0.5' if s > 1 else '0.395'}", "s": s, "d": 3, "epochs": 15, "seed": seed,
                "first": first, "second": second, "modules": 32, "photographs": 1000, "intact": 85.0,
                "data_fingerprint": SQUASHED, **around}
    table, lost = [], {**LOST, (GHOSTS, OWN): own}
    for seed in range(seeds):
        for (first, second), (others, s) in (((GHOSTS, INTRINSIC), ({}, 2)),
                                             ((LIKELY, UNLIKELY), ({GHOSTS: LIKELY, INTRINSIC: UNLIKELY}, 1))):
            kinds = {(others.get(what, what), how): value for (what, how), value in lost.items() if s > 1 or how != OWN}
            table += [row(seed, s, f"{what}: {how}", np.nan, value) for (what, how), value in kinds.items()]
            pairs = [((first, how), (second, how)) for how in (MEAN, PREDICTED)]
            pairs += [((what, MEAN), (what, PREDICTED)) for what in (first, second, ALL)]
            table += [row(seed, s, ": ".join(one), ": ".join(other), kinds[one] - kinds[other]) for one, other in pairs]
    rows = lesions.named(pd.DataFrame(table))
    return rows if plain else rows[rows.s > 1]


def single(sign=-1, seeds=1, what=GHOSTS):
    """Maps whose cost falls (or rises) with R2 within each module, while deeper modules, where both are higher, hide it."""
    table = [{"network": network, "s": s, "d": 3, "epochs": 15, "seed": seed, "depth": depth, "channel": channel,
              "what": what, "r2": depth + channel / 10, "share": (channel * 3) % 8, "lost": 0.0,
              "nats": 10 * depth + sign * channel + (seed if channel == 3 else 0)}
             for network, s in (("ghostnet 0.5", 2), ("ghostnet 0.395", 1)) for seed in range(seeds) for depth in range(1, 5)
             for channel in range(8)]
    return lesions.named(pd.DataFrame(table))


def per_module(spread=0.0, seeds=1):
    """Modules that lose what LOST says, and the plain twin's; ghosts lose `spread` more in one, less in the next."""
    names = {"ghostnet 0.5": {}, "ghostnet 0.395": {GHOSTS: LIKELY, INTRINSIC: UNLIKELY}}
    return lesions.named(pd.DataFrame([
        {"network": network, "s": 1 if others else 2, "d": 3, "epochs": 15, "seed": seed, "depth": depth,
         "what": others.get(what, what), "how": how, "share": 10.0, "lost": value + moved, "low": value + moved - 1,
         "high": value + moved + 1, "nats": 0.1}
        for network, others in names.items() for seed in range(seeds) for depth in range(1, 5)
        for (what, how), value in LOST.items()
        for moved in [spread * (-1) ** depth * (what == GHOSTS and how == MEAN)]]))


@pytest.mark.parametrize(("changes", "said"), [
    ({}, f"**Answer.** Yes, ghosts do something. {HALF}, s = 2, 15 epochs (1 seed) loses 3.00 points, 95 % interval over "
         "photographs 2.50 to 3.50, on average over 32 modules (95 % interval over 4 modules 3.00 to 3.00). Intact it "
         "recognises 85.0 % of 1,000 test photographs (squashed copy; as many of each class). Cross-entropy, which tells "
         "small changes better, changes by "),
    ({}, "Of 4 modules the median module loses 3.0 points."),
    ({}, "Half of the intrinsic maps cost more (loss with ghosts replaced minus loss with intrinsic maps replaced: -2.00 "
         "points, 95 % interval over photographs -2.50 to -1.50; over 4 modules -2.00 to -2.00)."),
    ({}, "predict best, costs 3.00 points, 95 % interval over photographs 2.50 to 3.50. That is less than a quarter"),
    ({}, "(thin GhostNet 0.395, 15 epochs, 1 seed, 85.0 % top-1) a quarter of a module's maps, drawn from the half that "),
    ({}, "Replaced by what the best filters make of other maps, the loss is 1.00 points, 95 % interval over photographs"),
    ({"plain": False}, "A plain twin, trained for as long, is not measured yet."),
    ({"width": 9}, f"Not shown. {HALF}"),
    ({"width": 9}, "Whether half of the intrinsic maps cost more or less is undecided (loss with"),
    ({"seeds": 3}, "95 % interval over 3 networks and photographs 2.45 to 3.57"),
    ({"seeds": 3}, "Each by itself, by an interval over photographs, 3 of the 3 networks lose."),
    ({"seeds": 3, "width": 9}, "Each by itself, by an interval over photographs, 0 of the 3 networks lose.")])
def test_the_answer_follows_the_numbers(changes, said):
    told = lesions.answer(overall(**changes), single(), per_module())
    assert said in told and "Replaced by what the best filters make of unrelated maps, the loss is " in told


@pytest.mark.parametrize(("spread", "said", "of_ghosts", "of_the_twin"), [
    (0.5, "Half of the intrinsic maps cost more (", "Yes, ghosts do something. ", "2.50 to 3.50. That is less than a"),
    (9.0, "Whether half of the intrinsic maps cost more or less is undecided (", "Yes, in some modules. ",
     "2.50 to 3.50. That is not shown to differ from a quarter drawn")])
def test_what_photographs_say_is_said_only_where_modules_say_it_too(spread, said, of_ghosts, of_the_twin):
    told = lesions.answer(overall(), single(), per_module(spread))
    assert said in told and of_ghosts in told and of_the_twin in told
    table = lesions.differences(overall(), per_module(spread)).loc["GhostNet 0.5, s = 2, 15 epochs"]
    verdicts = table.loc[f"{GHOSTS}: {MEAN} − {INTRINSIC}: {MEAN}"]
    word = "costs less" if spread < 1 else lesions.UNDECIDED
    assert verdicts["verdict on top-1"] == verdicts["verdict on 10 %"] == word
    assert verdicts["top-1, over modules"].startswith("-2.00 (")


def test_an_interval_over_networks_holds_what_other_photographs_would_change():
    """Networks that agree to the last digit are judged on the same photographs all the same."""
    rows = overall(3).assign(lost=3.0, lost_low=2.5, lost_high=3.8)
    one = lesions.estimate(lesions.rows_of(rows, rows.name.iloc[0], f"{GHOSTS}: {MEAN}"), "lost")
    assert one == pytest.approx((3.0, 2.5, 3.8, one.over)) and one.over == "3 networks and photographs"


def test_what_each_of_several_networks_shows_is_shown_though_they_differ_much():
    """0.8, 1.5 and 3.2 points, each clearly above 0, have a mean whose interval over three networks is not."""
    rows = overall(3)
    of_ghosts = (rows.s == 2) & (rows["first"] == f"{GHOSTS}: {MEAN}") & rows.second.isna()
    for seed, lost in enumerate((0.8, 1.5, 3.2)):
        rows.loc[of_ghosts & (rows.seed == seed), ["lost", "lost_low", "lost_high"]] = lost, lost - 0.5, lost + 0.5
    told = lesions.answer(rows, single(seeds=3), per_module(9.0, seeds=3))
    assert f"Yes, in some modules. {HALF}" in told and "loses 1.83 points, 95 % interval over 3 networks and" in told
    rows.loc[of_ghosts & (rows.seed == 0), "lost_low"] = -0.1
    assert f"Not shown. {HALF}" in lesions.answer(rows, single(seeds=3), per_module(9.0, seeds=3))


def test_a_mean_above_0_shows_that_some_modules_lose_though_one_network_alone_does_not():
    rows = overall(6)
    of_ghosts = (rows.s == 2) & (rows["first"] == f"{GHOSTS}: {MEAN}") & rows.second.isna()
    for seed, lost in enumerate((3.0, 3.1, 2.9, 3.0, 3.2, 0.4)):
        rows.loc[of_ghosts & (rows.seed == seed), ["lost", "lost_low", "lost_high"]] = lost, lost - 0.5, lost + 0.5
    told = lesions.answer(rows, single(seeds=6), per_module(9.0, seeds=6))
    assert f"Yes, in some modules. {HALF}" in told and "photographs, 5 of the 6 networks lose." in told


def test_another_network_with_ghosts_is_told_too():
    longer = lesions.named(overall(plain=False).drop(columns="name").assign(epochs=80, intact=90.0))
    told = lesions.answer(pd.concat([overall(3), longer]), single(), per_module())
    assert f"{HALF}, s = 2, 15 epochs (3 seeds) loses" in told and "Intact it recognises 85.0 % of 1,000" in told
    assert told.endswith("**GhostNet 0.5, s = 2, 80 epochs** (1 seed, 90.0 % top-1) loses 3.00 points, 95 % interval over "
                         "photographs 2.50 to 3.50, with half of one module's ghosts replaced by their mean. Its modules "
                         "are not recorded.")


def test_the_share_of_variance_is_divided_by_alike_over_photographs_and_over_modules():
    """The mean loss over the mean share, not the mean of quotients, which a module with a tiny share rules."""
    rows = per_module()
    ghosts = (rows.what == GHOSTS) & (rows.how == MEAN) & (rows.s == 2)
    rows.loc[ghosts & (rows.depth == 1), "share"] = 0.01
    own = rows[ghosts]
    found = lesions.over_modules(rows, rows.name.iloc[0], f"{GHOSTS}: {MEAN}", value="per_share")
    assert rows.name.iloc[0] == own.name.iloc[0] and found.mean == pytest.approx(10 * own.lost.mean() / own.share.mean())


def test_without_ghosts_there_is_no_answer():
    without = overall()[overall().s == 1]
    assert lesions.answer(without, single(), per_module()) == "**Answer.** None yet: no network with ghosts is recorded."


@pytest.mark.parametrize(("sign", "said"), [(-1, "The better others predict a map, the less its loss costs"),
                                            (1, "The better others predict a map, the more its loss costs")])
def test_maps_are_compared_within_modules(sign, said):
    told = lesions.answer(overall(), single(sign), per_module())
    assert said in told and f"without it is {sign:+.2f}, 95 % interval over 4 modules" in told
    table = map_guides.table(single(sign)).reset_index()
    assert float(table["all maps at once"][0]) > 0.5  # depth hides it
    assert f"({sign:+.2f} within modules) and with" in map_guides.at_once(single(sign))
    assert len(map_guides.correlations(single(seeds=2)).query("cost == 'lost'")) == 0  # no map changed an answer


def test_how_few_modules_make_the_mean_is_told():
    rows = per_module()
    ghosts = (rows.what == GHOSTS) & (rows.how == MEAN)
    rows.loc[ghosts & (rows.depth == 2), ["lost", "low", "high"]] = 51, 50, 52
    rows.loc[ghosts & (rows.depth == 4), ["lost", "low", "high"]] = 0, -1, 1
    name = "GhostNet 0.5, s = 2, 15 epochs"
    told = lesions.few(rows, single(), name)
    assert told == ("Module 2 loses 51 of the 57 points that all lose in sum; the median "
                    "module loses 3.0 points.")
    assert told in lesions.answer(overall(), single(), rows)
    maps = single()
    for lost, said in ((20, "lose in sum; the"), (40, "lose in sum, where one ghost alone (map 3) costs 40.0; the")):
        maps.loc[(maps.depth == 2) & (maps.channel == 3), "lost"] = lost
        assert said in lesions.few(rows, maps, name)
    # Of another network map 3 is another map: what each loses by its own worst one counts.
    other = rows.assign(seed=1, lost=rows.lost.where(rows.depth != 2, 2), low=rows.low.where(rows.depth != 2, 1))
    both = pd.concat([rows, other])
    gains = pd.concat([rows, rows.assign(seed=1, lost=rows.lost.where(rows.depth != 2, -0.4))])
    two = pd.concat([maps, single(seeds=2).query("seed == 1").assign(lost=0.2)])
    assert "in 1 of 2 networks one ghost alone" in lesions.few(gains, two, name)  # what gains has no loss to make
    assert ("Module 2 loses 26 of the 32 points that all lose in sum (means over 2 networks), where in 1 of 2 networks one "
            "ghost alone costs more than half of that network's loss there;") in lesions.few(
                both, pd.concat([maps, single(seeds=2).query("seed == 1")]), name)
    assert "In 1 of 4 modules it still cost clearly more (intervals over photographs apart), in module 2 of GhostNet 0.5, " \
        "s = 2, 15 epochs: 51.0 points against 9.0. So it matters which maps are drawn." in lesions.on_the_draw(rows)
    assert "In 0 of 4 modules it still cost clearly more (intervals over photographs apart). Each" in lesions.on_the_draw(
        per_module())
    assert "In 1 of 8 modules of 2 networks it still cost" in lesions.on_the_draw(both) and ", seed 0: 51" in \
        lesions.on_the_draw(both)


def test_tables_hold_every_network_and_replacement():
    table = lesions.summary(overall())
    assert len(table) == 13 and table["top-1 lost, points"].iloc[0] == "+3.00 (+2.50 to +3.50)"
    assert len(lesions.differences(overall(), per_module())) == 10


def test_the_figures_show_every_network_and_module():
    figure = figures.fig_lesions(overall(2))
    assert [len(ax.get_yticks()) for ax in figure.axes] == [13, 13]
    by_depth = figures.fig_lesions_by_depth(per_module().query("s == 2"))
    assert len(by_depth.axes) == 1 and len(by_depth.axes[0].lines) == 7  # six replacements and 0
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        f"{name}, 15 epochs (95 % over 2 networks and photographs)"
        for name in ("GhostNet 0.5, s = 2", "thin GhostNet 0.395")]
    mixed = pd.concat([single(seeds=2).query("s == 1"), single().query("s == 2")])
    assert figures.fig_guides(mixed).legends[0].get_texts()[-1].get_text() == (
        "its 95 % interval over networks; of a single network over modules")
    guides = figures.fig_guides(single())
    assert [text.get_text() for text in guides.legends[0].get_texts()][-2:] == ["mean over modules",
                                                                              "its 95 % interval over modules"]
    assert [len(line.get_xdata()) for line in guides.axes[0].lines if line.get_marker() not in ("None", "")] == [4, 4]
    plt.close("all")


def test_the_twin_is_a_plain_network_that_was_trained_for_as_long():
    rows = overall()
    assert "In the plain twin (thin GhostNet 0.395, 15 epochs, 1 seed, 85.0 % top-1) a quarter of a module's maps" in \
        lesions.answer(rows, single(), per_module())
    longer = lesions.named(rows.drop(columns="name").assign(epochs=rows.epochs.where(rows.s > 1, 80)))
    assert "A plain twin, trained for as long, is not measured yet." in lesions.answer(longer, single(), per_module())


def test_one_module_alone_has_no_interval():
    alone = single()[lambda own: own.depth == 1]
    assert map_guides.guided(alone, alone.name.iloc[0]).told(2, "").endswith("of 1 module alone")


def test_how_long_it_took_is_told_beside_the_goal():
    rows = overall(3).assign(seconds=lambda own: 400 + 150 * own.seed)
    assert "took 400 to 700 seconds" in lesions.took(rows) and "2 of 6 networks took longer." in lesions.took(rows)
