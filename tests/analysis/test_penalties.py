"""Penalties and their ratios: by size, and against the reference."""

import itertools
import math

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from widthwise.analysis.penalties import end_penalties, penalties, penalty_ratios

PARAMETERS = (100, 800, 6400)  # each 8 times the one before
SEEDS = 4
REFERENCES = {"strong": "plain"}
CUBE_ROOT = numpy.array([0.02, 0.04, 0.08])


def scattered(ends, *, seed=0):
    """Penalties (seeds, sizes) whose geometric means are `ends`; every seed scatters by about 2%."""
    logs = 0.02 * numpy.random.default_rng(seed).standard_normal((SEEDS, len(ends)))
    return numpy.asarray(ends) * numpy.exp(logs - logs.mean(axis=0))


def runs_of(ends, *, start_factor=2.0, diverged=()):
    """The columns of runs.csv that count. `ends` maps a circumstance to its penalties, shape (seeds, sizes).

    A penalty starts as `start_factor` times its end. `diverged` names runs as (circumstance, seed, parameters): they
    have the bound of a loss instead.
    """
    rows = []
    for name, of_circumstance in ends.items():
        for (seed, place), end in numpy.ndenumerate(of_circumstance):
            lost = (name, seed, PARAMETERS[place]) in diverged
            rows.append(
                {
                    "circumstance": name,
                    "size": f"width{2**place}",
                    "parameters": PARAMETERS[place],
                    "seed": seed,
                    "diverged": lost,
                    "data_loss_starting_loss": 0.7,
                    "objective_starting_loss": 0.7 + start_factor * end,
                    "data_loss_end_value": 0.7 if lost else 0.3,
                    "objective_end_value": 0.9 if lost else 0.3 + end,
                    "penalty_drift": math.nan if lost else -0.03 * place,
                }
            )
    return pandas.DataFrame(rows)


def ratios_of(runs, expected=None):
    """The table of ratios, by circumstance and reference ("" for the ratio of sizes)."""
    ends = end_penalties(runs, runs["circumstance"].unique())
    table = penalty_ratios(runs, ends, REFERENCES, expected or {})
    return table.assign(reference=table["reference"].fillna("")).set_index(["circumstance", "reference"])


def penalties_of(runs, circumstance="plain"):
    """One circumstance's rows of the table of penalties."""
    return penalties(runs, end_penalties(runs, [circumstance]))


def test_a_known_ratio_power_and_contrast_are_found():
    runs = runs_of({"plain": scattered(CUBE_ROOT), "strong": scattered(2.2 * CUBE_ROOT, seed=1)})
    found = ratios_of(runs)
    assert list(found.index) == [("plain", ""), ("strong", ""), ("strong", "plain")]
    by_size = found.loc[("plain", "")]
    assert by_size["ratio"] == pytest.approx(4)
    assert by_size["power"] == pytest.approx(1 / 3)
    assert 3.5 < by_size["ci_low"] < 4 < by_size["ci_high"] < 4.5
    against = found.loc[("strong", "plain")]
    assert against["ratio"] == pytest.approx(2.2)
    assert 2.1 < against["ci_low"] < 2.2 < against["ci_high"] < 2.3
    assert math.isnan(against["power"])
    assert set(found["seeds"]) == {SEEDS}
    assert found[["expected_low", "expected_high", "agrees"]].isna().all(axis=None)


def test_a_table_of_penalties_has_start_and_end_of_every_size():
    table = penalties_of(runs_of({"plain": scattered(CUBE_ROOT)}))
    assert table["end"].to_list() == pytest.approx(CUBE_ROOT)
    assert table["start"].to_list() == pytest.approx(2 * CUBE_ROOT)
    assert ((table["ci_low"] < CUBE_ROOT) & (table["ci_high"] > CUBE_ROOT)).all()
    assert table["size"].to_list() == ["width1", "width2", "width4"]
    assert table["parameters"].to_list() == list(PARAMETERS)
    assert table["level"].to_list() == [SEEDS, 0, 0]
    assert set(table["seeds"]) == {SEEDS}


ENDS = arrays(float, len(PARAMETERS), elements=st.floats(1e-2, 10))


@settings(deadline=None)
@given(plain=ENDS, strong=ENDS, factor=st.floats(0.01, 100))
def test_a_factor_of_all_penalties_is_one_of_the_contrast_and_of_no_ratio_of_sizes(plain, strong, factor):
    plain, strong = scattered(plain), scattered(strong, seed=1)
    before, after = (ratios_of(runs_of({"plain": plain, "strong": times * strong})) for times in (1, factor))
    expected = before[["ratio", "ci_low", "ci_high"]].mul(
        [factor if reference else 1 for _, reference in before.index], axis="rows"
    )
    numpy.testing.assert_allclose(after[["ratio", "ci_low", "ci_high"]], expected, rtol=1e-6)
    numpy.testing.assert_allclose(after["power"], before["power"], atol=1e-6)
    # The reference's penalties, as many times larger, undo it.
    both = ratios_of(runs_of({"plain": factor * plain, "strong": factor * strong}))
    numpy.testing.assert_allclose(both["ratio"], before["ratio"], rtol=1e-6)


def test_sizes_of_which_a_run_diverged_are_left_out():
    ends = {"plain": scattered(CUBE_ROOT), "strong": scattered([0.03, 0.08, 0.32])}
    runs = runs_of(ends, diverged=[("strong", 2, 6400)])
    assert penalties_of(runs, "strong")["parameters"].to_list() == [100, 800]
    assert list(ratios_of(runs).index) == [("plain", "")]  # nothing stands in for the largest
    middle = runs_of(ends, diverged=[("strong", 2, 800)])
    assert ratios_of(middle).loc[("strong", ""), "ratio"] == pytest.approx(0.32 / 0.03)
    assert ratios_of(middle).loc[("strong", "plain"), "ratio"] == pytest.approx(4)
    smallest = runs_of(ends, diverged=[("strong", 2, 100)])
    assert list(ratios_of(smallest).index) == [("plain", ""), ("strong", "plain")]
    lost = [("strong", seed, size) for seed, size in itertools.product(range(SEEDS), PARAMETERS)]
    assert penalties_of(runs_of(ends, diverged=lost), "strong").empty
    assert list(ratios_of(runs_of(ends, diverged=lost)).index) == [("plain", "")]


def test_where_there_is_no_penalty_there_is_no_ratio():
    ends = scattered(CUBE_ROOT)
    ends[:, 0] = 0
    assert ratios_of(runs_of({"plain": ends})).empty
    assert penalties_of(runs_of({"plain": ends}))["parameters"].to_list() == [800, 6400]
    # A penalty may be too small to be told before training, and has an end.
    table = penalties_of(runs_of({"plain": scattered(CUBE_ROOT)}, start_factor=0))
    assert table["end"].to_list() == pytest.approx(CUBE_ROOT)
    assert table["start"].isna().all()


@pytest.mark.parametrize(
    ("low", "high", "agrees"),
    [
        (3, 8, "yes"),
        (3.9, 4.1, "undecided"),  # narrower than the interval
        (4, 8, "undecided"),
        (1, 4, "undecided"),
        (4.5, 8, "no"),
        (1, 3.5, "no"),
    ],
)
def test_a_ratio_agrees_if_its_interval_lies_within_what_was_expected(low, high, agrees):
    runs = runs_of({"plain": scattered(CUBE_ROOT), "strong": scattered(4 * CUBE_ROOT, seed=1)})
    expected = {("plain", None): (low, high), ("strong", "plain"): (4.5, 9)}
    found = ratios_of(runs, expected)
    assert found.loc[("plain", ""), ["expected_low", "expected_high", "agrees"]].to_list() == [low, high, agrees]
    assert found.loc[("strong", "plain"), "agrees"] == "no"
    assert pandas.isna(found.loc[("strong", ""), "agrees"])


def test_one_seed_decides_nothing():
    runs = runs_of({"plain": scattered(CUBE_ROOT)[:1]})
    found = ratios_of(runs, {("plain", None): (0.001, 1000)}).loc[("plain", "")]
    assert found["ratio"] == pytest.approx(4, rel=0.2)
    assert (found["ci_low"], found["ci_high"], found["agrees"]) == (0, math.inf, "undecided")
