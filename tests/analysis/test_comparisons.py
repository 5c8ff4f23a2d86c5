"""Contrasts, crossings, slopes by step, powers of width, and the time lapse."""

import itertools
import math
from types import SimpleNamespace

import numpy
import pandas
import pytest
from tables_of_runs import SEEDS, SIZES, coordinates, lapsed, tables

from widthwise.analysis.comparisons import (
    contrasts,
    coordinate_powers,
    crossings,
    curves_of_study,
    same_circumstances,
    slopes_by_step,
    time_lapse,
)
from widthwise.analysis.tables import TABLES
from widthwise.analysis.verdicts import LEVELS, all_responses
from widthwise.study.requirements import LEAST_SIZES

EXPECTED = {"penalised": {"objective": {"end_value": "rises"}, "data_loss": {"end_value": "falls"}}}
WIDTHS = [f"width{size}" for size in SIZES]


def contrasted(runs, starts, *, sizes=None, circumstance="penalised"):
    sizes = sizes or dict.fromkeys(("plain", circumstance), WIDTHS)
    responses = all_responses(runs, starts, ["plain", circumstance], LEAST_SIZES)
    found = contrasts(responses, sizes, {circumstance: "plain"}, EXPECTED, LEVELS)
    return found.set_index(["measure", "feature"])


def test_a_contrast_pairs_circumstance_and_reference_by_seed():
    found = contrasted(*tables())
    objective, data_loss = found.loc["objective", "end_value"], found.loc["data_loss", "end_value"]
    assert objective.change == pytest.approx(0.9, rel=0.01)
    assert objective.at_largest == pytest.approx(0.9, rel=0.01)
    assert objective.at_largest_low < objective.at_largest < objective.at_largest_high
    assert (objective.verdict, objective.agrees, objective.level) == ("rises", True, 0.0225)
    assert data_loss.change == data_loss.at_largest == 0
    assert (data_loss.verdict, data_loss.agrees, data_loss.p_value) == ("flat", False, 1)
    assert found.loc["objective", "starting_loss"].seeds == 6


def test_a_contrast_pairs_sizes_not_parameter_counts():
    runs, starts = tables()
    for table in (runs, starts):  # as where one of the two has no BatchNorm
        table.loc[table["circumstance"] == "plain", "parameters"] -= 7
    assert len(contrasted(runs, starts)) == len(contrasted(*tables()))


def test_circumstances_of_other_sizes_have_no_contrast():
    sizes = {"plain": WIDTHS, "penalised": ["depth8", "depth12", "depth20", "depth32"]}
    found = contrasted(*tables(), sizes=sizes)
    assert found.empty
    assert list(found.reset_index().columns.sort_values()) == sorted(TABLES["contrasts"])


@pytest.mark.parametrize(
    ("shift", "verdict", "slight"),
    [(0, "flat", False), (0.01, "rises", True), (0.02, "rises", False), (-0.02, "falls", False)],
)
def test_a_contrast_is_judged_by_the_one_rule(shift, verdict, slight):
    runs, starts = tables()
    bent = runs.query("circumstance == 'plain'").assign(circumstance="bent")
    doublings = numpy.log2(bent["parameters"] / 100)
    bent["objective_end_value"] += shift * doublings * (1 + 0.01 * bent["seed"])
    starts = pandas.concat([starts, starts.query("circumstance == 'plain'").assign(circumstance="bent")])
    row = contrasted(pandas.concat([runs, bent]), starts, circumstance="bent").loc["objective", "end_value"]
    # Three doublings from 100 to 800: the margin of 0.05 is reached at 0.0167 a doubling.
    assert (row.verdict, row.slight) == (verdict, slight)


def test_a_contrast_with_diverged_runs_is_bounded_and_with_a_lost_size_of_its_own_diverged():
    runs, starts = tables()
    widest = (runs["parameters"] == 800) & (runs["circumstance"] == "penalised")
    lost = contrasted(runs.assign(diverged=widest), starts).loc["objective", "end_value"]
    assert (lost.verdict, lost.diverged, lost.agrees) == ("diverged", 5, False)
    assert math.isnan(lost.change)
    assert math.isnan(lost.at_largest)
    some = contrasted(runs.assign(diverged=widest & (runs["seed"] == 0)), starts).loc["objective", "end_value"]
    assert (some.verdict, some.diverged, some.ci_high) == ("rises", 1, math.inf)
    of_reference = (runs["parameters"] == 800) & (runs["circumstance"] == "plain")
    saved = contrasted(runs.assign(diverged=of_reference), starts).loc["objective", "end_value"]
    assert (saved.verdict, saved.diverged, saved.ci_low) == ("undecided", 5, -math.inf)
    assert math.isfinite(saved.ci_high)
    assert (saved.at_largest_low, math.isfinite(saved.at_largest_high)) == (-math.inf, True)


OURS, THEIRS = "penalised", "plain"


@pytest.mark.parametrize(
    ("feature", "lost", "known"),
    [
        ("end_value", {OURS: 1}, "at least"),
        ("end_value", {THEIRS: 1}, "at most"),
        ("end_value", {THEIRS: 5}, "at most"),
        ("initial_decay", {OURS: 1}, "at most"),
        ("initial_decay", {THEIRS: 5}, "at least"),
        ("end_value", {OURS: 1, THEIRS: 2}, "nothing"),
        ("end_value", {OURS: 5}, "nothing"),
        ("initial_decay", {OURS: 5}, "nothing"),
        ("steps_to_midway", {OURS: 5, THEIRS: 5}, "nothing"),
    ],
)
def test_the_difference_at_the_largest_size_is_bounded_as_the_change_is(feature, lost, known):
    """`lost` says how many seeds of the largest size diverged, in each of the two."""
    runs, starts = tables()
    diverged = (runs["parameters"] == 800) & (runs["seed"] < runs["circumstance"].map(lost).fillna(0))
    row = contrasted(runs.assign(diverged=diverged), starts).loc["data_loss", feature]
    bounds = {"at least": (False, True), "at most": (True, False), "nothing": (True, True)}
    assert (math.isinf(row.at_largest_low), math.isinf(row.at_largest_high)) == bounds[known]
    assert (math.isinf(row.ci_low), math.isinf(row.ci_high)) == bounds[known]
    assert math.isnan(row.at_largest) == math.isnan(row.change) == (known == "nothing")


def test_a_feature_that_is_known_at_other_sizes_has_no_contrast():
    runs, starts = tables()
    small = (runs["circumstance"] == "penalised") & (runs["parameters"] == runs["parameters"].min())
    found = contrasted(runs.assign(objective_equal_compute=runs["objective_end_value"].mask(small)), starts)
    assert ("objective", "equal_compute") not in found.index
    assert ("objective", "end_value") in found.index


def test_seeds_that_all_differ_by_the_same_are_no_certainty():
    runs, starts = tables()
    later = (runs["circumstance"] == "penalised") & (runs["parameters"] == 800)
    runs = runs.assign(data_loss_steps_to_midway=numpy.where(later, 5.0, 3.0))
    row = contrasted(runs, starts).loc["data_loss", "steps_to_midway"]
    assert (row.verdict, row.at_largest) == ("undecided", 2)
    assert (row.ci_low, row.ci_high) == (-math.inf, math.inf)


def study_and_features(means, penalties=()):
    """A study with features.csv; `means` maps a circumstance to the ends of its sizes, NaN where a run diverged."""
    rows = [
        {"circumstance": name, "measure": measure, "feature": "end_value", "size": f"width{size}", "mean": mean}
        for name, ends in means.items()
        for size, mean in ends.items()
        for measure in ("data_loss", "printed", "objective")
    ]
    circumstances = {name: SimpleNamespace(reports_penalty=name in penalties) for name in means}
    return SimpleNamespace(judged=list(means), circumstances=circumstances), pandas.DataFrame(rows)


def test_circumstances_are_the_same_if_no_mean_differs_by_more_than_rounding():
    ends = {2: 0.3, 8: 0.2}
    means = {"a": ends, "b": {2: 0.3, 8: 0.2004}, "c": {2: 0.3, 8: 0.201}, "d": dict(reversed(ends.items())),
             "other_size": {2: 0.3, 9: 0.2}, "penalised": ends, "lost": {2: 0.3, 8: math.nan},
             "lost_too": {2: 0.3, 8: math.nan}, "unknown": {}, "unknown_too": {}}  # fmt: skip
    study, features = study_and_features(means, penalties=["penalised"])
    alone = [[name] for name in means if name not in ("a", "b", "d")]
    assert same_circumstances(study, features) == [["a", "b", "d"], *alone]
    printed = features["mean"].where(features["measure"] != "printed", numpy.arange(len(features)))
    assert same_circumstances(study, features.assign(mean=printed)) == [["a", "b", "d"], *alone]


def curves(losses_of_size, *, diverged=(), printed=()):
    """Curves of one circumstance in which every seed has the same losses, at every tenth step."""
    losses, runs = [], []
    for seed, (size, values) in itertools.product(SEEDS, losses_of_size.items()):
        who = {"circumstance": "plain", "parameters": size, "seed": seed}
        runs.append(who | {"diverged": size in diverged})
        losses += [who | {"step": 10 * i, "objective": v + 1, "data_loss": v} for i, v in enumerate(values)]
    losses = pandas.DataFrame(losses, columns=["circumstance", "parameters", "seed", "step", "objective", "data_loss"])
    printed = losses[["circumstance", "parameters", "seed", "step"]].assign(printed=losses["data_loss"])
    return list(curves_of_study(losses, printed[printed["step"] > 0], pandas.DataFrame(runs)))


def test_crossings_are_counted_over_seeds():
    table = crossings(curves({100: (1.0, 0.9, 0.8), 200: (1.2, 0.8, 0.5), 400: (1.5, 1.4, 1.3)}))
    assert list(table["measure"].unique()) == ["objective", "data_loss", "printed"]
    objective = table[table["measure"] == "objective"]
    assert list(objective["pair"]) == ["neighbours", "neighbours", "extremes"]
    assert list(objective["crossed"]) == [5, 0, 0]
    assert list(objective["always_below"]) == [0, 0, 0]
    assert list(objective["median_crossing"]) == [10, math.inf, math.inf]
    printed = table[table["measure"] == "printed"]
    assert list(printed["always_below"]) == [5, 0, 0]  # from the first epoch on
    assert printed["median_crossing"].iloc[0] == 10


def test_a_larger_network_that_diverged_never_wins():
    found = crossings(curves({100: [0.6] * 4, 200: [0.4] * 2, 400: [0.7] * 4}, diverged=(200,)))
    # 200 lies lower until it diverges; 400 lies higher than 200 until then, and lower ever after.
    assert list(found["crossed"]) == [0, 5, 0] * 3


def test_a_circumstance_that_diverged_at_once_has_no_crossing():
    found = crossings(curves(dict.fromkeys((100, 200, 400), ()), diverged=(100, 200, 400)))
    assert len(found) == 9
    assert (found["crossed"] == 0).all()
    assert (found["median_crossing"] == math.inf).all()


def test_slopes_are_judged_at_every_step_that_all_runs_reached():
    generator = numpy.random.default_rng(0)
    rows = [
        {"circumstance": "plain", "parameters": size, "seed": seed, "step": step, "data_loss": loss, "objective": loss}
        for seed, (doublings, size), step in itertools.product(SEEDS, enumerate(SIZES), (0, 10, 20))
        if (size, seed, step) != (800, 0, 20)
        for loss in [0.7 - 0.005 * step * doublings + 0.001 * generator.standard_normal()]
    ]
    losses = pandas.DataFrame(rows)
    runs = losses.drop_duplicates(["parameters", "seed"])
    printed = losses.assign(printed=losses["objective"])
    found = slopes_by_step(curves_of_study(losses, printed, runs)).set_index(["measure", "step"])
    assert list(found.loc["data_loss"].index) == [0, 10]
    assert found.loc[("data_loss", 0), "verdict"] == "flat"
    assert found.loc[("data_loss", 10), "verdict"] == "falls"
    assert found.loc[("data_loss", 10), "slope_per_doubling"] == pytest.approx(-0.05, abs=0.002)


def test_the_power_of_width_is_a_slope_in_logs():
    found = coordinate_powers(coordinates(0.5))
    assert len(found) == 4
    assert found["power"].tolist() == pytest.approx([0.5] * 4, abs=0.01)
    assert ((found["ci_low"] < found["power"]) & (found["power"] < found["ci_high"])).all()


def test_a_layer_that_does_not_change_has_no_power():
    found = coordinate_powers(coordinates(0.5, zero=True)).set_index(["layer", "step"])
    assert math.isnan(found.loc[("convolution1", 1), "power"])
    assert found.loc[("convolution1", 2), "power"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("offset", "agrees"), [(0.0, "yes"), (0.02, "yes"), (0.0285, "undecided"), (0.05, "no")])
def test_a_time_lapse_is_compared_at_equal_rate_times_steps(offset, agrees):
    found = time_lapse(*lapsed(offset), "fast", "slow")
    assert [size.size for size in found] == ["width2", "width8"]
    for size in found:
        assert size.difference.estimate == pytest.approx(offset + 0.002)
        assert size.agrees == agrees
