"""The rule behind verdicts: by hand where a hand can, and by its invariants."""

import dataclasses
import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from widthwise.analysis.inference import (
    DECAY,
    END,
    START,
    TIME,
    Interval,
    Response,
    direction,
    holm,
    jackknife_interval,
    judge,
    lies_between,
    seeds_to_halve,
    t_interval,
    t_p_value,
)

PARAMETERS = numpy.array([15_708, 35_144, 97_182, 248_154, 758_592, 2_613_444])
LEVEL = 0.0225
NOISE = 0.002 * numpy.random.default_rng(0).standard_normal((5, 6))


def response(values, *, diverged=None, kind=END, parameters=None, **fields):
    values = numpy.asarray(values, dtype=float)
    diverged = numpy.zeros(values.shape, dtype=bool) if diverged is None else numpy.asarray(diverged)
    parameters = PARAMETERS[: values.shape[1]] if parameters is None else numpy.asarray(parameters)
    return Response(values, diverged, parameters, kind, **fields)


def verdict(values, level=LEVEL, **fields):
    return judge(response(values, **fields), level).verdict


def diverged_at(*places, shape=(5, 6)):
    found = numpy.zeros(shape, dtype=bool)
    for place in places:
        found[place] = True
    return found


# Intervals


def test_an_interval_by_hand():
    # Mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.3027.
    found = t_interval([1.0, 2.0, 3.0], 0.05)
    half = 4.3027 / 3**0.5
    assert (found.estimate, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half), 1e-4)


def test_intervals_of_columns_are_those_of_each():
    sample = numpy.random.default_rng(0).standard_normal((4, 3))
    found = t_interval(sample, 0.01)
    for column in range(3):
        alone = t_interval(sample[:, column], 0.01)
        assert (found.low[column], found.high[column]) == pytest.approx((alone.low, alone.high))


def test_agreement_to_rounding_is_no_certainty():
    assert t_interval([0.2, 0.2, 0.2 + 1e-12], 0.05) == Interval(pytest.approx(0.2), -math.inf, math.inf)
    assert t_interval([0.2], 0.05) == Interval(0.2, -math.inf, math.inf)
    assert t_interval([0.0, 1e-12, -1e-10], 0.05) == Interval(0, 0, 0)
    assert t_p_value(numpy.array([0.2, 0.2, 0.2])) == t_p_value(numpy.zeros(3)) == 1


def test_p_is_the_t_tests():
    assert t_p_value(numpy.array([0.1, 0.3, 0.2])) == pytest.approx(stats.ttest_1samp([0.1, 0.3, 0.2], 0).pvalue)


def test_the_jackknife_of_a_mean_is_its_t_interval():
    sample = numpy.array([1.0, 2.0, 4.0, 4.5])
    without = [numpy.delete(sample, i).mean() for i in range(4)]
    found, plain = jackknife_interval(sample.mean(), without, 0.05), t_interval(sample, 0.05)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


@pytest.mark.parametrize(
    ("low", "high", "way", "equal"),
    [
        (0.1, 0.25, 1, "yes"),
        (-0.2, -0.1, -1, "yes"),
        (0, 0.2, 0, "yes"),
        (-0.1, 0.3, 0, "undecided"),
        (0.3, 0.4, 1, "no"),
    ],
)
def test_a_direction_and_where_a_value_lies_are_read_off_the_interval(low, high, way, equal):
    interval = Interval((low + high) / 2, low, high)
    assert direction(interval) == way
    assert lies_between(interval, -0.25, 0.25) == equal


@pytest.mark.parametrize("level", [0.0025, 0.0225, 0.05])
@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 50])
def test_seeds_to_halve_are_the_fewest_that_halve(seeds, level):
    def reach(n):
        return stats.t.ppf(1 - level / 2, n - 1) / n**0.5

    more = seeds_to_halve(seeds, level)
    assert reach(more) <= reach(seeds) / 2 < reach(more - 1)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    adjusted = holm([0.01, math.nan, 0.02])
    assert adjusted[[0, 2]] == pytest.approx([0.03, 0.04])
    assert math.isnan(adjusted[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert (adjusted >= numpy.array(p_values) - 1e-12).all()
    assert (numpy.diff(adjusted[numpy.argsort(p_values, kind="stable")]) >= 0).all()


# The rule, verdict by verdict


def test_the_change_is_the_slope_times_the_range():
    found = judge(response([[1.0, 3.0, 5.0], [0.0, 1.0, 2.5]], parameters=[100, 200, 400]), 0.05)
    assert found.slope_per_doubling == pytest.approx((2 + 1.25) / 2)
    assert found.change == pytest.approx(2 * found.slope_per_doubling)
    assert (found.seeds, found.sizes, found.diverged) == (2, 3, 0)


def test_a_trend_rises_or_falls():
    rising = numpy.linspace(0, 0.5, 6) + NOISE
    assert verdict(rising) == "rises"
    assert verdict(-rising) == "falls"
    assert verdict(rising, kind=DECAY) == "rises"


def test_a_direction_within_the_margin_is_slight():
    small = judge(response(numpy.linspace(0, 0.03, 6) + NOISE), LEVEL)
    large = judge(response(numpy.linspace(0, 0.06, 6) + NOISE), LEVEL)
    assert (small.verdict, small.slight) == ("rises", True)
    assert (large.verdict, large.slight) == ("rises", False)
    start = judge(response(numpy.linspace(0, 0.03, 6) + NOISE, kind=START), LEVEL)
    assert (start.verdict, start.slight) == ("rises", False)


@pytest.mark.parametrize("back", [0.04, 0.06])
def test_a_response_that_goes_back_by_more_than_the_margin_has_no_direction(back):
    noise = 20 * NOISE[:3]  # too much for `mixed`
    noise -= noise.mean(axis=0)
    mean = numpy.array([0, 0.5, 1.0, 1.0 - back, 1.5, 2.0])
    assert verdict(mean + noise) == ("rises" if back < 0.05 else "undecided")
    assert verdict(-mean + noise) == ("falls" if back < 0.05 else "undecided")


@pytest.mark.parametrize(
    ("parameters", "expected"), [([100, 200, 1600, 3200], "falls"), ([100, 200, 210, 3200], "undecided")]
)
def test_a_time_that_goes_back_by_more_than_the_margin_of_its_doublings_has_no_direction(parameters, expected):
    noise = 20 * NOISE[:3, :4]  # too much for `mixed`
    values = numpy.array([12, 10, 10.15, 8]) + noise - noise.mean(axis=0)
    assert verdict(values, kind=TIME, parameters=parameters, level=0.05) == expected


def test_a_u_is_mixed():
    u_shape = 1.6 * (numpy.linspace(0, 1, 6) - 0.4) ** 2
    assert verdict(u_shape + NOISE) == "mixed"
    assert verdict(-u_shape + NOISE) == "mixed"


def test_a_u_within_the_margin_is_not_mixed():
    u_shape = 0.16 * (numpy.linspace(0, 1, 6) - 0.5) ** 2
    assert verdict(u_shape + NOISE / 10, parameters=100 * 2 ** numpy.arange(6)) == "flat"


def test_flat_needs_every_size_within_the_margin():
    assert verdict(NOISE) == "flat"
    bump = numpy.array([0, 0, 0.06, 0.06, 0, 0])
    assert verdict(NOISE + bump) == "mixed"
    assert verdict(20 * NOISE[:3] + bump) == "undecided"


def test_flat_is_not_a_failure_to_reject():
    noise = 0.2 * numpy.random.default_rng(3).standard_normal((3, 6))
    assert verdict(noise) == "undecided"


def test_runs_that_are_the_same_to_rounding_are_flat():
    found = judge(response(numpy.full((3, 6), 0.7) + 1e-12 * numpy.arange(6)), LEVEL)
    assert (found.verdict, found.change, found.ci_low, found.ci_high, found.p_value) == ("flat", 0, 0, 0, 1)


def test_the_same_difference_in_all_seeds_is_undecided():
    same = numpy.linspace(0, 1, 6) + numpy.arange(3)[:, None]
    found = judge(response(same), LEVEL)
    assert (found.verdict, found.ci_low, found.ci_high) == ("undecided", -math.inf, math.inf)


def test_one_seed_decides_nothing():
    assert verdict(numpy.linspace(0, 1, 6)[None]) == "undecided"
    assert verdict(numpy.zeros((1, 6))) == "undecided"


def test_the_margin_of_times_grows_with_the_doublings():
    # 0.03 doublings of time at one doubling of parameters, 0.15 at three: within log2(1.05) = 0.0704 a doubling.
    times = numpy.array([8, 8.03, 8.1, 8.15]) + NOISE[:, :4]
    within = judge(response(times, kind=TIME, parameters=[100, 200, 400, 800]), 0.05)
    assert (within.verdict, within.slight) == ("rises", True)
    beyond = judge(response(times, kind=TIME, parameters=[100, 110, 120, 130]), 0.05)
    assert (beyond.verdict, beyond.slight) == ("rises", False)


@pytest.mark.parametrize(("at_horizon", "expected"), [(2, "flat"), (3, "undecided")])
def test_times_at_the_horizon_are_not_flat(at_horizon, expected):
    mask = numpy.arange(5)[:, None] < numpy.array([0, 0, 0, 0, 0, at_horizon])
    assert verdict(9 + NOISE, kind=TIME, at_horizon=mask) == expected
    assert not judge(response(9 + NOISE, kind=TIME, at_horizon=mask), 0.05).slight or expected == "flat"


def test_a_contrast_of_times_at_either_horizon_is_not_flat():
    mask = numpy.arange(5)[:, None] < numpy.array([0, 0, 0, 0, 0, 3])
    for ours, theirs in ((mask, mask & False), (mask & False, mask)):
        changed = response(9 + NOISE, kind=TIME, at_horizon=ours)
        reference = response(9 + FLAT, kind=TIME, at_horizon=theirs)
        assert judge(changed.less(reference), LEVEL).verdict == "undecided"


# Divergence

RISING = numpy.linspace(0, 0.5, 6) + NOISE


def test_a_size_that_diverged_in_all_runs_decides():
    lost = diverged_at(*((seed, 2) for seed in range(5)))
    found = judge(response(RISING, diverged=lost), LEVEL)
    assert (found.verdict, found.diverged) == ("diverged", 5)
    assert math.isnan(found.change)
    assert math.isnan(found.p_value)


@pytest.mark.parametrize(
    ("sign", "kind", "place", "expected"),
    [
        (1, END, (0, 5), "rises"),  # at least as high at the upper end
        (1, END, (0, 0), "undecided"),
        (-1, END, (0, 0), "falls"),
        (-1, END, (0, 5), "undecided"),
        (1, DECAY, (0, 0), "rises"),  # at most as much at the lower end
        (1, DECAY, (0, 5), "undecided"),
        (-1, DECAY, (0, 5), "falls"),
        (1, TIME, (0, 4), "rises"),
    ],
)
def test_some_diverged_runs_leave_the_direction_that_they_can_only_strengthen(sign, kind, place, expected):
    found = judge(response(sign * RISING, kind=kind, diverged=diverged_at(place)), LEVEL)
    assert (found.verdict, found.slight) == (expected, False)
    if expected == "rises":
        assert found.ci_high == math.inf
    if expected == "falls":
        assert found.ci_low == -math.inf


def test_diverged_runs_on_both_sides_of_the_middle_leave_nothing():
    found = judge(response(RISING, diverged=diverged_at((0, 0), (1, 5))), LEVEL)
    assert (found.verdict, found.ci_low, found.ci_high) == ("undecided", -math.inf, math.inf)
    assert math.isnan(found.change)


def test_a_diverged_run_in_the_middle_leaves_nothing():
    values = numpy.linspace(0, 0.5, 3) + NOISE[:, :3]
    diverged = diverged_at((0, 1), shape=(5, 3))
    assert verdict(values, parameters=[100, 200, 400], diverged=diverged) == "undecided"


def test_a_diverged_run_is_never_flat_nor_mixed():
    u_shape = 1.6 * (numpy.linspace(0, 1, 6) - 0.4) ** 2
    assert verdict(NOISE, diverged=diverged_at((0, 5))) == "undecided"
    assert verdict(u_shape + NOISE, diverged=diverged_at((0, 5))) in ("rises", "undecided")


FLAT = NOISE[::-1]
LOST = diverged_at(*((seed, 5) for seed in range(5)))


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        # Higher by at least so much at the upper end, where ours diverged; lower where the reference did.
        (response(RISING, diverged=diverged_at((0, 5))), response(FLAT), "rises"),
        (response(FLAT), response(RISING, diverged=diverged_at((0, 5))), "falls"),
        (response(FLAT), response(RISING, diverged=LOST), "falls"),
        (response(RISING), response(FLAT, diverged=diverged_at((0, 5))), "undecided"),
        (response(RISING), response(FLAT, diverged=LOST), "undecided"),
        (response(FLAT, kind=DECAY), response(RISING, kind=DECAY, diverged=diverged_at((0, 0))), "falls"),
        (response(RISING, kind=DECAY), response(FLAT, kind=DECAY, diverged=diverged_at((0, 5))), "rises"),
        (response(RISING, diverged=LOST), response(FLAT), "diverged"),
        (response(RISING, diverged=LOST), response(FLAT, diverged=LOST), "diverged"),
        # Of a pair that both diverged nothing is known, nor if they pull both ways.
        (response(FLAT, diverged=diverged_at((0, 5))), response(RISING, diverged=LOST), "undecided"),
        (response(FLAT, diverged=diverged_at((1, 0))), response(RISING, diverged=diverged_at((0, 0))), "undecided"),
    ],
)
def test_a_difference_is_bounded_by_the_side_that_diverged(ours, theirs, expected):
    found = judge(ours.less(theirs), LEVEL)
    assert found.verdict == expected
    if expected == "falls":
        assert found.ci_low == -math.inf


@pytest.mark.parametrize(
    ("values", "parameters", "message"),
    [
        ([[1.0, math.inf, 2.0]], [1, 2, 3], "not finite"),
        ([[1.0, 2.0, 3.0]], [1, 2, 2], "ascend"),
        ([[1.0, 2.0, 3.0]], [1, 2], "one value per seed and size"),
    ],
)
def test_a_malformed_response_is_refused(values, parameters, message):
    with pytest.raises(ValueError, match=message):
        response(values, parameters=parameters)


# What holds of every response. Values are whole thousandths, so that adding a constant rounds nothing.

SHAPES = st.tuples(st.integers(2, 6), st.integers(3, 6))
VALUES = SHAPES.flatmap(lambda shape: arrays.arrays(int, shape, elements=st.integers(-300, 300))).map(
    lambda array: array / 1000
)
TRENDS = st.builds(
    lambda values, slope: values / 20 + slope * numpy.arange(values.shape[1]), VALUES, st.sampled_from([0, 0.02, -0.2])
)
RESPONSES = st.one_of(VALUES, TRENDS)
KINDS = st.sampled_from([START, END, DECAY, TIME])


@st.composite
def responses(draw):
    values = draw(RESPONSES)
    diverged = draw(
        arrays.arrays(bool, values.shape, elements=st.booleans() if draw(st.booleans()) else st.just(False))
    )
    return response(values, kind=draw(KINDS), diverged=diverged)


@given(responses(), st.sampled_from([0.0025, 0.0225, 0.05]))
@settings(max_examples=400)
def test_a_verdict_never_contradicts_its_interval(found, level):
    outcome = judge(found, level)
    match outcome.verdict:
        case "rises":
            assert outcome.ci_low > 0
        case "falls":
            assert outcome.ci_high < 0
        case "flat":
            assert outcome.ci_low <= 0 <= outcome.ci_high
    if not math.isnan(outcome.change):
        assert outcome.ci_low <= outcome.change + 1e-12
        assert outcome.change - 1e-12 <= outcome.ci_high
    if outcome.slight:
        assert outcome.verdict in ("rises", "falls")
    if not math.isnan(outcome.p_value):
        assert (outcome.p_value < level) == (outcome.ci_low > 0 or outcome.ci_high < 0)


@given(responses(), st.floats(-1e-9, 1e-9))
@settings(max_examples=200)
def test_no_direction_where_the_mean_change_is_below_rounding(found, scale):
    shrunk = dataclasses.replace(found, values=found.values * scale / 100)
    outcome = judge(shrunk, 0.05)
    assert outcome.verdict not in ("rises", "falls", "mixed")


@given(RESPONSES, KINDS, st.randoms(use_true_random=False))
def test_the_order_of_seeds_changes_nothing(values, kind, random):
    order = list(range(len(values)))
    random.shuffle(order)
    before, after = (judge(response(v, kind=kind), LEVEL) for v in (values, values[order]))
    assert before.verdict == after.verdict
    assert before.change == pytest.approx(after.change, abs=1e-12)


@given(RESPONSES, KINDS, st.integers(-5, 5))
def test_adding_a_constant_changes_nothing(values, kind, constant):
    before, after = (judge(response(v, kind=kind), LEVEL) for v in (values, values + constant))
    assert (before.verdict, before.slight) == (after.verdict, after.slight)
    assert before.change == pytest.approx(after.change, abs=1e-9)


@given(RESPONSES, KINDS)
def test_reversing_the_sizes_flips_the_direction(values, kind):
    parameters = 100 * 2 ** numpy.arange(values.shape[1])  # even, so that its mirror image is itself
    before, after = (judge(response(v, kind=kind, parameters=parameters), LEVEL) for v in (values, values[:, ::-1]))
    flipped = {"rises": "falls", "falls": "rises"}
    directions = ("rises", "falls", "mixed")
    if before.verdict in directions or after.verdict in directions:
        assert after.verdict == flipped.get(before.verdict, before.verdict)
    assert before.change == pytest.approx(-after.change, abs=1e-9)


@given(RESPONSES, KINDS)
def test_a_stricter_level_never_adds_a_direction(values, kind):
    strict, loose = (judge(response(values, kind=kind), level) for level in (0.0025, 0.05))
    if strict.verdict in ("rises", "falls"):
        assert loose.verdict in (strict.verdict, "mixed")
