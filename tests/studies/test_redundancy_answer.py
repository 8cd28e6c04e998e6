"""What is said of redundancy follows the rows: other rows, other words."""

from conftest import ROOT
from scipy import stats

from ghostlib.redundancy.sources import TRAINED
from ghostlib.results import read_table
from ghostlib.studies.redundancy import OPEN, QUESTIONS, answer, by_layer, differences, summary

ROWS = read_table(ROOT / "data" / "results" / "redundancy.csv").query("s == 1 and filter == 3")
INTRINSIC = read_table(ROOT / "data" / "results" / "intrinsic.csv").query("filter == 3")
ALLOWED = read_table(ROOT / "data" / "results" / "allowed_ratio.csv").query("s == 1 and filter == 3")


def test_the_answer_is_that_of_the_recorded_rows():
    said = answer(ROWS, ALLOWED, 13)
    relu = ROWS[ROWS.stage == "ReLU"].groupby(["source", "seed"]).r2.mean().unstack("source")
    change = 100 * (relu["trained"] - relu["untrained"]).mean()
    assert f"Whether training changes that share after ReLU is open: {change:+.0f} points (95 % interval over 3 " in said
    assert "because they show the same image: even untrained, another map of the same image explains 35 points more" in said
    assert "51 % of a map's variance after the convolution and 32 % after ReLU" in said and "no copies" in said
    assert "more alike in layers 2 and 3 and less alike in layers 6 and 7" in said
    assert "R² ≥ 0.9, none of these 7 layers could be shown to make half" in said


def test_other_rows_give_other_words():
    alike = ROWS.assign(r2=ROWS.r2.where(ROWS.source != TRAINED, 0.95 + 0.001 * ROWS.seed))
    said = answer(alike, ALLOWED.assign(ratio=3.0), 13)
    assert "near copies" in said and "opposite effects" not in said
    unlike = answer(ROWS.assign(r2=ROWS.r2.where(ROWS.source != "maps of another image", 0.9)), ALLOWED, 13)
    assert "because they show the same image is not shown: untrained, another map of the same image explains " in unlike
    assert "7 of these 7 layers could be shown to make half" in said


def test_the_tables_hold_what_the_rows_give_by_hand():
    relu = ROWS[ROWS.stage == "ReLU"].groupby(["source", "seed"]).r2.mean().unstack("source")
    told, whole = summary(ROWS, ALLOWED, INTRINSIC), differences(ROWS)
    for question, (more, less, *_) in QUESTIONS.items():
        change = relu[more] - relu[less]
        interval = stats.ttest_1samp(change, 0).confidence_interval(0.95)
        shown = told.loc[question, "difference of R²"]
        assert shown == whole.loc[f"{more} − {less}", "after ReLU"]
        assert shown == f"{change.mean():+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"
        inner = stats.ttest_1samp(change, 0).confidence_interval(0.9)  # two one-sided tests at 5 %
        little = -0.02 < inner.low and inner.high < 0.02
        assert (told.verdict[question] == OPEN) == (interval.low < 0 < interval.high and not little)
        assert told.verdict[question].startswith("hardly") == little
    assert told.verdict.iloc[-1] == "in 0 of 7 layers"
    layers = by_layer(ROWS)
    assert layers.verdict.tolist() == [OPEN, "more alike", "more alike", OPEN, OPEN, "less alike", "less alike"]
