"""Fine-tuning beside training anew: pairs on the same photographs, rates by the rule, words by the interval."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from ghostlib import figures
from ghostlib.errors import InputError
from ghostlib.studies import fine_tuning

ALIKE = {"lr": 0.05, "image_size": 128, "test_images": 1208, "data_fingerprint": "092109c2"}


def rows(gain, sizes=fine_tuning.SIZES, spread=0.01):
    rng = np.random.default_rng(1)
    return pd.DataFrame([{"data_dir": f"data/few/{size}_{seed}", "weights_from": "x.safetensors" if tuned else None,
                          "seed": seed, **ALIKE, "top1": 0.6 + size / 500 + tuned * gain + spread * rng.normal()}
                         for size in sizes for seed in range(5) for tuned in (False, True)])


@pytest.mark.parametrize(("gain", "said"), [
    (0.2, "photographs, 128 x 128 (squashed copy), were right: with 5 photographs of each class 81 % instead of 61 % ("),
    (-0.2, "with any number of photographs of each class, and loses with 5, 10, 20 and 50 (p "),
    (0.0, "is not shown to beat training anew with any number of photographs of each class (p ")])
def test_the_answer_follows_the_draws(gain, said):
    own = fine_tuning.named(rows(gain))
    assert said in fine_tuning.answer(own)
    assert ("beats training anew with 5, 10, 20 and 50 photographs of each " in fine_tuning.answer(own)) == (gain > 0)
    assert list(fine_tuning.gains(own)) == [5, 10, 20, 50] and fine_tuning.gains(own)[5].seeds == (0, 1, 2, 3, 4)


def test_without_both_starts_there_is_no_answer():
    own = fine_tuning.named(rows(0.2))
    assert "Not known yet" in fine_tuning.answer(own[own.network == fine_tuning.TUNED])


@pytest.mark.parametrize("there", [{"seed": [0]}, {"seed": [0, 1, 2, 3]}, {"photographs": [5, 10, 20]}])
def test_an_unfinished_study_counts_no_wins(there):
    own = fine_tuning.named(rows(0.2))
    own = own[own.isin(there)[list(there)].all(axis=1)]
    told = fine_tuning.answer(own)
    assert told.startswith(f"**Fine-tuning.** Not known yet, {len(own)} of 40 runs are recorded (squashed copy): so far w")


def test_four_questions_are_corrected_together():
    """One number of photographs alone stands out, by a p-value that is small for one question and not for four."""
    one = pd.DataFrame([{"data_dir": f"data/few/{size}_{seed}", "weights_from": "x" if tuned else None, "seed": seed,
                         **ALIKE, "top1": 0.6 + tuned * (0.01 * gain if size == 5 else 0.01 * (-1)**seed)}
                        for size in fine_tuning.SIZES for seed, gain in enumerate((1, 4, 2, 5, 1))
                        for tuned in (False, True)])
    own = fine_tuning.named(one)
    assert 0.0125 < fine_tuning.gains(own)[5].p_value < 0.05
    assert "is not shown to beat training anew with any number" in fine_tuning.answer(own)


@pytest.mark.parametrize(("column", "value"), [("lr", 0.2), ("weights_from", "another")])
def test_starts_that_are_not_alike_are_refused(column, value):
    own = rows(0.2)
    own.loc[1, column] = value  # a fine-tuned one
    with pytest.raises(InputError, match=f"rows: fine-tuned with {column} .*{value}.*; allowed is one for all runs"):
        fine_tuning.counted(own)
    assert len(fine_tuning.counted(rows(0.2))) == 40


def test_a_run_on_what_another_seed_drew_is_refused():
    with pytest.raises(InputError, match="data_dir: data/few/5_0 given for a run of seed 1; .* few/5_1"):
        fine_tuning.named(rows(0).assign(data_dir="data/few/5_0"))


def test_rates_are_the_best_and_the_smaller_of_two():
    own = fine_tuning.named(pd.concat([rows(0, [20], 0).iloc[:2].assign(lr=rate, top1=top1)
                                       for rate, top1 in ((0.0125, 0.5), (0.05, 0.7), (0.2, 0.7))]))
    assert fine_tuning.rates(own) == {"fine-tuned": 0.05, "trained anew": 0.05}


def test_another_dataset_is_refused():
    with pytest.raises(InputError, match="data_dir: data/flowers is no dataset of the fine-tuning study"):
        fine_tuning.named(rows(0).assign(data_dir="data/flowers"))


def test_the_figure_shows_every_draw():
    own = fine_tuning.named(rows(0.1))
    figure = figures.fig_few(own, fine_tuning.summary(own))
    assert sum(len(line.get_xdata()) for line in figure.axes[0].lines if line.get_alpha()) == len(own)
    plt.close(figure)
