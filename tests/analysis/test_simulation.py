"""The rule's errors and power by simulation: a quick version of `simulate_inference.py`, with binomial bounds."""

import pytest
from scipy import stats
from simulate_inference import SCENARIOS, simulate

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
REPETITIONS = 400
SURE = 1e-4  # chance that a true share fails its bound


def at_most(share):
    """The largest share that is seen in `REPETITIONS` where the true one is at most this."""
    return stats.binom.ppf(1 - SURE, REPETITIONS, share) / REPETITIONS


def at_least(share):
    """The smallest share that is seen in `REPETITIONS` where the true one is at least this."""
    return stats.binom.ppf(SURE, REPETITIONS, share) / REPETITIONS


def cases(*names, seeds=None):
    return [
        pytest.param(BY_NAME[name], n, id=f"{name}, {n} seeds") for name in names for n in seeds or BY_NAME[name].seeds
    ]


NULL = [
    "no change, equal spreads",
    "no change, unsettled spreads",
    "no change, settled spreads",
    "no change, skewed, equal spreads",
    "no change, skewed, unsettled spreads",
    "no change, starts",
]


@pytest.mark.parametrize(("scenario", "seeds"), cases(*NULL))
def test_a_direction_where_nothing_changes_is_as_rare_as_claimed(scenario, seeds):
    rates = simulate(scenario, seeds, REPETITIONS)
    assert rates.directed <= at_most(scenario.level)
    assert rates.coverage >= at_least(1 - scenario.level)


# Where one size varies most and is skewed, t intervals fall short. These are the shares that the full simulation finds.
@pytest.mark.parametrize(
    ("name", "share"), [("no change, skewed, widest varies most", 0.05), ("no change, spikes in the widest", 0.13)]
)
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_how_far_skewness_in_one_size_breaks_the_level(name, share, seeds):
    rates = simulate(BY_NAME[name], seeds, REPETITIONS)
    assert rates.directed <= at_most(share)


@pytest.mark.parametrize(("scenario", "seeds"), cases("at the margin, settled spreads", "at the margin, tiny spreads"))
def test_flat_at_the_margin_is_as_rare_as_claimed(scenario, seeds):
    assert simulate(scenario, seeds, REPETITIONS).share("flat") <= at_most(scenario.level)


@pytest.mark.parametrize(("scenario", "seeds"), cases("no change, settled spreads", seeds=(5, 10)))
def test_flat_is_found_where_runs_have_settled(scenario, seeds):
    assert simulate(scenario, seeds, REPETITIONS).share("flat") >= at_least(0.75)


FALLING = ["falls, unsettled", "falls by half as much, unsettled"]
RISING = ["rises by 0.1, settled", "steps up by 0.1, settled"]


@pytest.mark.parametrize(("scenario", "seeds"), cases(*FALLING, *RISING))
def test_a_monotone_truth_is_not_mixed_nor_the_other_way(scenario, seeds):
    rates = simulate(scenario, seeds, REPETITIONS)
    wrong = "rises" if scenario.name in FALLING else "falls"
    assert rates.share("mixed", wrong) <= at_most(scenario.level)
    assert rates.share("flat") <= at_most(scenario.level)


@pytest.mark.parametrize(("scenario", "seeds"), cases(*FALLING, *RISING, "degradation with depth", seeds=(5, 10)))
def test_five_seeds_find_the_published_effects(scenario, seeds):
    found = "falls" if scenario.name in FALLING else "rises"
    assert simulate(scenario, seeds, REPETITIONS).share(found) >= at_least(0.94)


@pytest.mark.parametrize(("scenario", "seeds"), cases("U, settled", "U, unsettled spreads"))
def test_a_u_has_no_direction_and_is_not_flat(scenario, seeds):
    rates = simulate(scenario, seeds, REPETITIONS)
    assert rates.share("rises", "falls", "flat") == 0
    if seeds >= 5:
        assert rates.share("mixed") >= at_least(0.75)
