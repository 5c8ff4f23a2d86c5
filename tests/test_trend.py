"""The tests behind verdicts: by hand where a hand can, and by simulation where it cannot."""

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from widthwise.analysis.inference import (
    holm,
    is_flat,
    is_mixed,
    mean_interval,
    page_p_value,
    paired_p_value,
    retreats,
    slopes,
    theil_sen_slope,
)
from widthwise.analysis.verdicts import Response, judge

PARAMETERS = numpy.array([15_708, 35_144, 97_182, 248_154, 758_592, 2_613_444])


def study(mean, deviation, seeds, generator, seed_deviation=0.1):
    """Responses of a simulated study: a mean for each size, noise a run, and an offset a seed."""
    noise = deviation * generator.standard_normal((seeds, len(mean)))
    return numpy.asarray(mean) + noise + seed_deviation * generator.standard_normal((seeds, 1))


def verdict_on(values, feature="end_value", diverged=None):
    """The verdict on one response; what is infinite has diverged unless told otherwise."""
    diverged = ~numpy.isfinite(values) if diverged is None else diverged
    sizes = [f"width{i}" for i in range(values.shape[1])]
    return judge(Response(values, diverged, PARAMETERS, sizes), feature, page_p_value(values)[0])


def verdicts_of(mean, deviation, seeds, studies=150, feature="end_value"):
    generator = numpy.random.default_rng(0)
    found = []
    for _ in range(studies):
        found.append(verdict_on(study(mean, deviation, seeds, generator), feature))
    return {verdict: found.count(verdict) / studies for verdict in set(found)}


def test_pages_test_by_hand():
    # Three seeds that all rank three sizes in order: one of (3!)^3 = 216 outcomes, and its mirror image.
    rising = numpy.array([[1, 2, 3], [2, 4, 9], [0, 1, 5]])
    assert page_p_value(rising) == (pytest.approx(2 / 216), 1)
    assert page_p_value(rising[:, ::-1]) == (pytest.approx(2 / 216), -1)


def test_an_infinite_response_is_ranked_highest():
    rising = numpy.array([[1, 2, math.inf], [2, 4, 9], [0, 1, math.inf]])
    assert page_p_value(rising) == (pytest.approx(2 / 216), 1)


def test_slopes_are_per_doubling_of_parameters():
    values = numpy.array([[1.0, 3.0, 5.0], [0.0, 1.0, 2.0]])
    assert slopes(values, [100, 200, 400]) == pytest.approx([2, 1])
    assert theil_sen_slope(values[:1], [100, 200, 400]) == pytest.approx(2)


def test_an_interval_by_hand():
    # Mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.3027.
    found = mean_interval([1.0, 2.0, 3.0])
    half = 4.3027 / 3**0.5
    assert (found.estimate, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half), 1e-4)
    assert math.isnan(mean_interval([1.0, math.inf]).estimate)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert (adjusted >= numpy.array(p_values) - 1e-12).all()
    assert (numpy.diff(adjusted[numpy.argsort(p_values, kind="stable")]) >= 0).all()


def test_paired_test_of_equal_differences_is_a_sign_test():
    assert paired_p_value(numpy.array([0.0, 0.0])) == 1
    assert paired_p_value(numpy.array([0.2, 0.2, 0.2])) == pytest.approx(2 / 8)
    assert paired_p_value(numpy.array([0.2, 0.2, 0.2]), "greater") == pytest.approx(1 / 8)
    assert paired_p_value(numpy.array([-0.2, -0.2]), "greater") == 1
    assert paired_p_value(numpy.array([0.2, math.inf])) == 1
    assert paired_p_value(numpy.array([0.1, 0.3, 0.2])) == stats.ttest_1samp([0.1, 0.3, 0.2], 0).pvalue


def test_times_that_two_seeds_share_are_no_certainty():
    values = numpy.log2(numpy.array([[192, 96, 96, 96, 96, 192]] * 2))
    assert verdict_on(values, "steps_to_midway") == "undecided"


def test_flat_needs_every_size_within_the_margin():
    level = numpy.array([[0.5, 0.51, 0.52], [0.6, 0.61, 0.62], [0.4, 0.41, 0.42]])
    margins = numpy.array([0.05, 0.05])
    assert is_flat(level, margins)
    assert not is_flat(level + numpy.array([0, 0.06, 0]), margins)
    assert not is_flat(numpy.where(level == 0.62, math.inf, level), margins)


def test_a_response_retreats_where_every_seed_goes_back_and_the_mean_by_more_than_the_margin():
    values = numpy.array([[0.0, 0.3, 0.2, 0.5], [0.1, 0.42, 0.3, 0.6], [0.0, 0.31, 0.2, 0.5]])
    assert retreats(values, 1, margin=0.05)
    assert not retreats(values, 1, margin=0.2)
    assert retreats(values, -1, margin=0.2)
    one_seed_does_not = values + numpy.array([[0, 0, 0.3, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert not retreats(one_seed_does_not, 1, margin=0.05)
    assert retreats(numpy.where(values == 0.42, math.inf, values), 1, margin=0.05)


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_trend_is_found(seeds):
    assert verdicts_of(numpy.linspace(0, 0.5, 6), 0.05, seeds).get("rises", 0) > 0.95
    assert verdicts_of(numpy.linspace(0.5, 0, 6), 0.05, seeds).get("falls", 0) > 0.95


def test_power_with_much_noise():
    # A rise of 0.5 nats over noise of 0.2: what Page's test finds, the guard against a U does not take back.
    assert verdicts_of(numpy.linspace(0, 0.5, 6), 0.2, 5).get("rises", 0) > 0.7
    assert verdicts_of(numpy.linspace(0, 0.5, 6), 0.2, 3).get("rises", 0) > 0.5


@pytest.mark.parametrize("seeds", [3, 5])
def test_without_a_trend_false_positives_stay_at_the_level(seeds):
    found = verdicts_of(numpy.zeros(6), 0.2, seeds, studies=400)
    # 5% of 400 is 20; a rate of 5% gives 31 or more in under one of a hundred such simulations.
    assert found.get("rises", 0) + found.get("falls", 0) + found.get("mixed", 0) <= 30 / 400
    assert found.get("flat", 0) <= 0.05


@pytest.mark.parametrize("seeds", [3, 5])
def test_what_is_level_within_the_margin_is_flat_with_little_noise(seeds):
    found = verdicts_of(numpy.zeros(6), 0.004, seeds)
    assert found.get("flat", 0) > 0.9


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("lowest", [0.25, 0.35, 0.5, 0.65])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_u_is_never_flat_nor_rising(seeds, lowest, sign):
    # Both arms are deeper than the margin of 0.05 nats, and several times the noise.
    mean = sign * 1.6 * (numpy.linspace(0, 1, 6) - lowest) ** 2
    found = verdicts_of(mean, 0.02, seeds)
    assert found.keys() <= {"mixed", "undecided"}
    assert found.get("mixed", 0) > (0.9 if seeds == 5 else 0.3)


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("size", range(6))
def test_one_width_that_explodes_is_never_called_flat_nor_falling(seeds, size):
    mean = numpy.zeros(6)
    mean[size] = 1
    found = verdicts_of(mean, 0.02, seeds)
    towards = {0: {"falls"}, 5: {"rises"}}.get(size, set())
    assert found.keys() <= {"mixed", "undecided"} | towards
    if size in (2, 3):
        assert found.get("mixed", 0) > 0.9


@pytest.mark.parametrize("seeds", [3, 5])
def test_diverged_runs_are_ranked_not_dropped(seeds):
    values = study(numpy.linspace(0, 0.5, 6), 0.02, seeds, numpy.random.default_rng(0))
    some, all_of_a_size = values.copy(), values.copy()
    some[0, -1] = math.inf
    all_of_a_size[:, -1] = math.inf
    assert verdict_on(some) == "rises"
    assert verdict_on(all_of_a_size) == "diverged"


def test_times_that_were_never_reached_are_ranked_last():
    values = numpy.log2([[math.inf, math.inf, 400, 200, 100, 50]] * 3)
    none_diverged = numpy.zeros(values.shape, dtype=bool)
    assert verdict_on(values, "steps_to_midway", none_diverged) == "falls"
    # The same times, because the smallest two diverged, are a divergence.
    assert verdict_on(values, "steps_to_midway") == "diverged"


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover_the_true_slope(seeds):
    generator = numpy.random.default_rng(1)
    mean = 0.07 * numpy.log2(PARAMETERS)
    studies = 2000
    covered = 0
    for _ in range(studies):
        interval = mean_interval(slopes(study(mean, 0.1, seeds, generator), PARAMETERS))
        covered += interval.low < 0.07 < interval.high
    assert covered / studies == pytest.approx(0.95, abs=0.015)


def test_mixed_is_rare_where_the_response_is_monotone():
    generator = numpy.random.default_rng(2)
    mean = numpy.array([0, 0, 0, 0.3, 0.3, 0.3])
    found = [is_mixed(study(mean, 0.05, 5, generator), PARAMETERS) for _ in range(300)]
    assert sum(found) / 300 < 0.08
