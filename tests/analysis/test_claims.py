"""Claims of others: each agrees, disagrees or stays open as the study's results say."""

import math
from dataclasses import replace

import numpy
import pandas
import pytest
from tables_of_runs import MEMBERS, coordinates, grid_of, lapsed, runs_of

from widthwise.analysis.claims import Evidence, all_agree, literature, with_interval
from widthwise.analysis.inference import Interval
from widthwise.analysis.learning_rates import Grid, verdicts_table
from widthwise.analysis.tables import make_table

EMPTY = Evidence(
    verdicts=make_table("verdicts", []),
    contrasts=make_table("contrasts", []),
    losses=make_table("losses", []),
    runs=make_table("runs", []),
    coordinates=make_table("coordinates", []),
    grids={},
    rate_verdicts=make_table("learning_rate_verdicts", []),
)
END = {"circumstance": "deep", "measure": "data_loss", "feature": "end_value"}


def claim(evidence, expected, **kind):
    """The row of one claim; none if the study cannot judge it."""
    texts = {"claim": "c", "source": "s", "theirs": "t"}
    table = literature({"name": texts | {"expected": expected} | kind}, evidence)
    return None if table.empty else table.iloc[0]


def row(verdict, **values):
    facts = {"change": 0.2, "ci_low": 0.1, "ci_high": 0.3, "seeds": 5, "sizes": 4, "diverged": 0, "slight": False}
    return END | facts | {"verdict": verdict} | values


@pytest.mark.parametrize(
    ("found", "expected", "agrees"),
    [
        ("rises", "rises", "yes"),
        ("flat", "flat", "yes"),
        ("falls", "rises", "no"),
        ("mixed", "rises", "no"),
        ("undecided", "rises", "undecided"),
        ("diverged", "rises", "undecided"),
    ],
)
def test_a_verdict_or_contrast_agrees_or_not(found, expected, agrees):
    verdicts, contrasts = make_table("verdicts", [row(found)]), make_table("contrasts", [row(found, reference="plain")])
    evidence = replace(EMPTY, verdicts=verdicts, contrasts=contrasts)
    for kind in ("verdict", "contrast"):
        judged = claim(evidence, expected, **{kind: END})
        assert judged.agrees == agrees
        assert judged.ours == f"{found}: +0.200 [+0.100, +0.300] nats, 5 seeds"
        assert judged.shown_by == f"`tables/{kind}s.csv`"


@pytest.mark.parametrize(
    "kind",
    [
        {"verdict": END},
        {"contrast": END},
        {"best_rate": {"grid": "standard"}},
        {"best_rate": {"grid": "standard", "less": "mup"}},
        {"order_at_rates": {"grid": "mup"}},
        {"coordinates": {"circumstance": "mup", "layers": "logits"}},
        {"time_lapse": {"fast": "fast", "slow": "slow"}},
    ],
)
def test_a_claim_that_the_study_cannot_judge_is_left_out(kind):
    assert claim(EMPTY, "falls", **kind) is None


GRIDS = replace(EMPTY, grids={"standard": grid_of(slope=-1.0), "mup": grid_of(slope=0.0)})


@pytest.mark.parametrize(
    ("kind", "expected", "agrees"),
    [
        ({"grid": "standard"}, "falls", "yes"),
        ({"grid": "standard"}, "stays", "no"),
        ({"grid": "mup"}, "stays", "yes"),
        ({"grid": "standard", "less": "mup"}, "falls", "yes"),
        ({"grid": "mup", "less": "standard"}, "falls", "no"),
    ],
)
def test_best_rates_move_or_stay(kind, expected, agrees):
    judged = claim(GRIDS, expected, best_rate=kind)
    assert judged.agrees == agrees
    assert judged.ours.endswith("doublings per doubling of width, 4 seeds")


def test_censored_rates_leave_a_claim_open():
    censored = replace(EMPTY, grids={"standard": Grid.of(runs_of(), MEMBERS[:4]), "mup": grid_of(slope=0.0)})
    for kind in ({"grid": "standard"}, {"grid": "mup", "less": "standard"}):
        judged = claim(censored, "falls", best_rate=kind)
        assert (judged.agrees, judged.ours) == ("undecided", "unknown: 3 of the best rates do not lie inside the grid")


@pytest.mark.parametrize(
    ("other", "agrees"), [("undecided", "undecided"), ("rises", "no"), ("flat", "no"), ("falls", "yes")]
)
def test_the_order_is_asked_of_the_rates_up_to_the_best_alone(other, agrees):
    facts = {"grid": "mup", "base_width": 8, "seeds": 3, "learning_rate": 1e-3, "diverged": 0, "at_edge": 0}
    found = [("falls", True), (other, True), ("rises", False), ("mixed", None)]
    rates = make_table(
        "learning_rate_verdicts", [facts | {"verdict": verdict, "at_or_below_best": below} for verdict, below in found]
    )
    judged = claim(replace(EMPTY, rate_verdicts=rates), "falls", order_at_rates={"grid": "mup"})
    assert judged.agrees == agrees
    assert judged.ours.endswith("of 2 rates up to the best of width 8")


def test_the_order_at_rates_of_a_whole_grid():
    evidence = replace(GRIDS, rate_verdicts=verdicts_table(GRIDS.grids, {grid: {} for grid in GRIDS.grids}, 8))
    assert claim(evidence, "falls", order_at_rates={"grid": "standard"}).agrees == "yes"
    assert claim(evidence, "rises", order_at_rates={"grid": "standard"}).agrees == "no"


@pytest.mark.parametrize(
    ("power", "expected", "agrees"), [(0.5, "rises", "yes"), (0.5, "stays", "no"), (0.0, "stays", "yes")]
)
@pytest.mark.parametrize(("layers", "step"), [("logits", 1), ("convolutions", 2)])
def test_coordinates_grow_with_a_power_of_width_or_stay_level(power, expected, agrees, layers, step):
    evidence = replace(EMPTY, coordinates=coordinates(power))
    judged = claim(evidence, expected, coordinates={"circumstance": "mup", "layers": layers})
    assert judged.agrees == agrees
    assert judged.ours.endswith(f"at step {step}, 5 seeds")


def test_coordinates_that_exploded_or_stood_still_leave_a_claim_open():
    for change in (numpy.nan, 0.0):
        evidence = replace(EMPTY, coordinates=coordinates(0.5).assign(rms_change=change))
        judged = claim(evidence, "rises", coordinates={"circumstance": "mup", "layers": "logits"})
        assert judged.agrees == "undecided"


LAPSE = {"time_lapse": {"fast": "fast", "slow": "slow"}}


@pytest.mark.parametrize(("offset", "agrees"), [(0.0, "yes"), (0.0285, "undecided"), (0.05, "no")])
def test_a_time_lapse_holds_at_every_size_or_not(offset, agrees):
    losses, runs = lapsed(offset)
    assert claim(replace(EMPTY, losses=losses, runs=runs), "equal", **LAPSE).agrees == agrees


def test_a_time_lapse_with_a_diverged_run_does_not_hold():
    losses, runs = lapsed(0.0, diverged=True)
    judged = claim(replace(EMPTY, losses=losses, runs=runs), "equal", **LAPSE)
    assert judged.agrees == "no"
    assert judged.ours.startswith("within 0.03 nats at 1 of 2 sizes")


def test_a_time_lapse_in_which_every_fast_run_of_a_size_diverged_does_not_hold():
    losses, runs = lapsed(0.0)
    gone = (runs["circumstance"] == "fast") & (runs["size"] == "width8")
    losses = losses[~((losses["circumstance"] == "fast") & (losses["size"] == "width8"))]
    assert claim(replace(EMPTY, losses=losses, runs=runs.assign(diverged=gone)), "equal", **LAPSE).agrees == "no"


def test_a_time_lapse_at_the_same_rate_is_open():
    losses, runs = lapsed(0.0, ratio=1)
    judged = claim(replace(EMPTY, losses=losses, runs=runs), "equal", **LAPSE)
    assert (judged.agrees, judged.ours) == ("undecided", "fast has no higher learning rate than slow")


def test_all_agree_where_none_does_not():
    assert all_agree(["yes", "yes"]) == "yes"
    assert all_agree(["yes", "undecided"]) == "undecided"
    assert all_agree(["no", "undecided"]) == "no"


def test_numbers_have_true_minus_signs():
    assert with_interval(Interval(-0.1234, -math.inf, 0.5)) == "−0.123 [−∞, +0.500]"
    assert with_interval(Interval(math.nan, -math.inf, math.inf)) == "–"


def test_claims_keep_their_texts():
    evidence = replace(EMPTY, verdicts=make_table("verdicts", [row("rises")]))
    judged = claim(evidence, "rises", verdict=END)
    assert (judged.claim, judged.source, judged.theirs) == ("c", "s", "t")
    assert isinstance(literature({}, evidence), pandas.DataFrame)
