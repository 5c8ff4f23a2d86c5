"""The features of a loss curve, each defined once.

| feature           | definition                                                                   | unit          |
| ----------------- | ---------------------------------------------------------------------------- | ------------- |
| `starting_loss`   | the loss before any update; of the printed loss, the first epoch's mean      | nats          |
| `initial_decay`   | starting row less the row at a fixed step; printed: first less second epoch  | nats          |
| `steps_to_midway` | when the data loss is midway from its start to half of log(classes)          | log2 of steps |
| `end_value`       | mean over the end window; printed: over its epochs, at least the last        | nats          |
| `equal_compute`   | the loss at the budget of the middle size, for that size and larger ones     | nats          |
| drift             | least-squares slope over the last two fifths; of the penalty, of its log     | nats a tenth  |
| crossing          | from which step on a larger network's loss stays below a smaller one's       | steps         |

A row of the loss log averages over the steps since the row before, so means are weighted by these steps. Single rows
are noisy: midway and crossings are read off running means. A tenth is a tenth of the steps. A run has diverged if its
loss became infinite or NaN, or ended above 10 times max(start, log(classes)). It has bounds where a feature is unknown:
its loss is at least max(start, log(classes)), its decay at most the start less that, its time to midway at least the
planned length.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import pandas

from widthwise.analysis.inference import least_squares_slope
from widthwise.study.requirements import DRIFT_SHARE, FEATURES
from widthwise.study.settings import end_window_start

MEASURES = tuple(FEATURES)
ROW_MEASURES = ("objective", "data_loss")  # those that every row of the loss log has
CROSSING_MARGIN = 0.01  # nats
CROSSING_SHARE = 0.1  # of the steps, for which the larger network has to stay below, and of each running mean
MIDWAY_STEPS = 16  # of a running mean, or a tenth of the steps if that is less
BROKEN_DOWN = 10  # times max(start, log(classes)): no t interval is of use over losses of many orders of magnitude


@dataclass(frozen=True)
class Curve:
    """A measure's rows: each value is the mean over the steps since the row before, up to its step."""

    steps: numpy.ndarray
    values: numpy.ndarray

    @property
    def start(self) -> float:
        """The loss before any update; NaN if that was not finite."""
        return float(self.values[0]) if len(self.values) else math.nan

    def at(self, step: float) -> float:
        """The loss at a step, interpolated between rows."""
        return float(numpy.interp(step, self.steps, self.values))

    def mean(self, first: float, last: float) -> float:
        """The mean over the steps after `first`, up to `last`."""
        since = numpy.concatenate([self.steps[:1], self.steps[:-1]])
        steps = numpy.minimum(self.steps, last) - numpy.maximum(since, first)
        weights = numpy.maximum(steps, 0)
        return float(weights @ self.values / weights.sum())


def run_features(
    log: pandas.DataFrame,
    printed: numpy.ndarray | None,
    run: Mapping[str, Any],
    *,
    decay_step: int | None,
    end_window: float,
    budget_steps: float | None,
    has_midway: bool = True,
) -> dict[str, float | bool]:
    """The features of one run, named measure_feature, whether it diverged, and how its losses and its penalty drift.

    What is not known of a loss curve that was not made here is left out.

    Args:
        log: the run's rows with `step`, `objective` and `data_loss` if that is known; none if it diverged at once.
        printed: the printed loss of each complete epoch, shape (epochs,); None if it is not known.
        run: `diverged`, `planned_steps`, `classes` (None if that is not known) and, with `printed`, `steps_per_epoch`.
        decay_step: the step by which the initial decay is taken; None for no such feature.
        end_window: the share of the steps over which the end value is the mean.
        budget_steps: the steps that the middle size's budget allows, NaN for smaller sizes; None if no cost is known.
        has_midway: whether the data loss tells the steps to midway.
    """
    steps = log["step"].to_numpy()
    curves = {measure: Curve(steps, log[measure].to_numpy()) for measure in ROW_MEASURES if measure in log}
    planned, window = run["planned_steps"], end_window_start(run["planned_steps"], end_window)
    diverged = run["diverged"] or any(has_broken_down(curve, window, run) for curve in curves.values())
    features: dict[str, float | bool] = {"diverged": diverged}
    for measure, curve in curves.items():
        bound = loss_bound(curve, run["classes"])
        start = bound if math.isnan(curve.start) else curve.start
        found = {"starting_loss": start, "end_value": bound if diverged else curve.mean(window, planned)}
        if decay_step is not None:
            found["initial_decay"] = start - loss_at(curve, decay_step, bound, diverged=diverged)
        if budget_steps is not None:
            in_budget = budget_steps <= planned
            found["equal_compute"] = loss_at(curve, budget_steps, bound, diverged=diverged) if in_budget else math.nan
        if measure == "data_loss" and has_midway:
            found["steps_to_midway"] = steps_to_midway(curve, run["classes"], planned)
        features |= {f"{measure}_{feature}": value for feature, value in found.items()}
        features[f"{measure}_drift"] = math.nan if diverged else drift(curve, planned)
    if "penalty" in log:
        with numpy.errstate(divide="ignore", invalid="ignore"):
            logs = Curve(steps, numpy.log(log["penalty"].to_numpy()))
            features["penalty_drift"] = math.nan if diverged else drift(logs, planned)
    if printed is None:
        return features
    bound = loss_bound(curves["objective"], run["classes"])
    found = printed_features(printed, {**run, "diverged": diverged}, end_window, bound)
    return features | {f"printed_{feature}": value for feature, value in found.items()}


def loss_bound(curve: Curve, classes: int | None) -> float:
    """What the loss of a run that diverged is at least: its start, or guessing if the number of classes is known."""
    guessing = -math.inf if classes is None else math.log(classes)
    return max(guessing, -math.inf if math.isnan(curve.start) else curve.start)


def has_broken_down(curve: Curve, window: int, run: Mapping[str, Any]) -> bool:
    """Whether a loss ended far above its start and guessing, though it is finite.

    `window` is the step after which the end window begins.
    """
    bound = loss_bound(curve, run["classes"])
    if run["diverged"] or not 0 < bound < math.inf:
        return False
    return bool(is_far_above(curve.mean(window, run["planned_steps"]), bound))


def is_far_above(end: float, bound: float) -> bool:
    """Whether an end, or each of an array, lies so far above its bound that the run broke down."""
    return end > BROKEN_DOWN * bound


def loss_at(curve: Curve, step: float, bound: float, *, diverged: bool) -> float:
    """The loss at a step: the bound if the log does not go on to it, and at most the bound if the run diverged."""
    if not len(curve.steps) or curve.steps[-1] < step:
        return bound
    return min(curve.at(step), bound) if diverged else curve.at(step)


def steps_to_midway(data_loss: Curve, classes: int, planned_steps: int) -> float:
    """Log2 of the steps to midway, interpolated between running means; of the planned steps if it is not reached.

    The running mean begins as the starting loss, and then has all its steps. The first step is the shortest time.
    """
    midway = (data_loss.start + math.log(classes) / 2) / 2
    window = max(1, min(MIDWAY_STEPS, planned_steps // 10))
    whole = data_loss.steps[data_loss.steps >= window]
    steps = [0, *whole]
    means = [data_loss.start, *(data_loss.mean(step - window, step) for step in whole)]
    row = next((row for row, value in enumerate(means) if value <= midway), None)
    if row is None:
        return math.log2(planned_steps)
    if row == 0:
        return 0.0
    share = (means[row - 1] - midway) / (means[row - 1] - means[row])
    return math.log2(max(steps[row - 1] + share * (steps[row] - steps[row - 1]), 1.0))


def drift(curve: Curve, steps: int) -> float:
    """The least-squares slope over the rows of the last two fifths of the steps, for a tenth of the steps."""
    late = curve.steps > (1 - DRIFT_SHARE) * steps
    if late.sum() < 2:
        return math.nan
    return float(least_squares_slope(curve.steps[late] / (steps / 10), curve.values[late]))


def printed_losses(losses: pandas.DataFrame, run: list[str]) -> pandas.DataFrame:
    """The printed loss of every complete epoch of every run: the mean of the objective over the epoch's steps.

    Args:
        losses: rows of the loss logs, in the order of steps within each run.
        run: the columns that tell a run from every other; they come first in the result.
    """
    weights = losses.groupby(run, sort=False)["step"].diff().fillna(0)
    epochs = numpy.ceil(losses["epoch"]).astype("int64")
    rows = losses[run].assign(epoch=epochs, step=losses["step"], weight=weights, weighted=weights * losses["objective"])
    rows["complete"] = losses["epoch"] == epochs
    table = rows[rows["epoch"] > 0].groupby([*run, "epoch"], sort=False, as_index=False)
    table = table.agg({"step": "last", "weight": "sum", "weighted": "sum", "complete": "last"})
    table["printed"] = table["weighted"] / table["weight"]
    return table.loc[table["complete"], [*run, "epoch", "step", "printed"]].reset_index(drop=True)


def printed_features(
    printed: numpy.ndarray, run: Mapping[str, Any], end_window: float, bound: float
) -> dict[str, float]:
    """The features of the printed loss. `bound` is what the objective is at least if the run diverged.

    Of a run that diverged, or has no epochs, each loss is at most that bound.
    """
    if run["diverged"] or not len(printed):
        start, second = (min([*printed[epoch : epoch + 1], bound]) for epoch in (0, 1))
        return {"starting_loss": float(start), "initial_decay": float(start - second), "end_value": bound}
    first = math.ceil(end_window_start(run["planned_steps"], end_window) / run["steps_per_epoch"])
    return {
        "starting_loss": float(printed[0]),
        "initial_decay": float(printed[0] - printed[1]) if len(printed) > 1 else 0.0,
        "end_value": float(printed[min(first, len(printed) - 1) :].mean()),
    }


def crossing(steps: numpy.ndarray, smaller: numpy.ndarray, larger: numpy.ndarray) -> float:
    """The step from which on the larger network's loss is below the smaller's by the margin; inf if there is none.

    The curves have their values at `steps`, and are infinite after a divergence. A network that diverged is never below
    another, and always above one that did not. Below is the mean over the tenth of the steps that ends at a row. The
    first step means always below. What is below for less than the last tenth of the steps has not been seen to stay
    there, and does not count.
    """
    if not math.isfinite(larger[-1]):
        return math.inf
    lost = numpy.isinf(smaller)
    gaps = numpy.where(lost, 0, smaller) - numpy.where(lost, 0, larger)
    means = running_mean(steps, gaps, CROSSING_SHARE * steps[-1])
    above = numpy.flatnonzero(~lost & (means < CROSSING_MARGIN))
    first = above[-1] + 1 if len(above) else 0
    if first == len(steps) or steps[first] > (1 - CROSSING_SHARE) * steps[-1]:
        return math.inf
    return float(steps[first])


def running_mean(steps: numpy.ndarray, values: numpy.ndarray, window: float) -> numpy.ndarray:
    """For each row the mean over the steps of the window that ends there, as far as the rows go back.

    A row weighs as many steps as it averages over, the first row one.
    """
    weights = numpy.diff(steps, prepend=steps[0] - 1)
    place = numpy.arange(len(steps)) + 1
    first = numpy.minimum(numpy.searchsorted(steps, steps - window, side="right"), place - 1)

    def sums(found: numpy.ndarray) -> numpy.ndarray:
        total = numpy.concatenate([[0.0], numpy.cumsum(found)])
        return total[place] - total[first]

    return sums(weights * values) / sums(weights)
