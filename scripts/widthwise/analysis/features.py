"""The features of a loss curve, each defined once, with its unit.

| feature           | definition                                                    | unit  |
| ----------------- | ------------------------------------------------------------- | ----- |
| `starting_loss`   | the loss before any update, over many initialisations         | nats  |
| `initial_decay`   | the loss at step 0 less the loss at a fixed step              | nats  |
| `steps_to_midway` | first step with the data loss at most midway from its start   | steps |
|                   | to half of log(classes)                                       |       |
| `end_value`       | mean over the end window; a plateau only where it is one      | nats  |
| crossover         | from where on a larger network's loss stays below a smaller's | steps, FLOPs |

A run that diverged has an infinite loss from there on, and a time that was not reached is infinite too, so that
nothing is dropped. It must not know files, circumstances or tests.
"""

import math

import numpy
import pandas

MEASURES = ("objective", "data_loss")
FEATURES = {
    "objective": ("starting_loss", "initial_decay", "end_value"),
    "data_loss": ("starting_loss", "initial_decay", "steps_to_midway", "end_value"),
}
CROSSOVER_MARGIN = 0.01  # nats
PLATEAU_NATS, PLATEAU_SHARE = 0.01, 0.02


def run_features(
    log: pandas.DataFrame, *, diverged: bool, decay_step: int, end_window: float, classes: int
) -> dict[str, float | bool]:
    """The features of one run, named measure_feature, and whether its end is a plateau.

    `log` has `step`, `objective` and `data_loss`, in the order of steps; without rows if it diverged at once. The
    `end_window` is a share of its steps: the last tenth by the protocol.
    """
    features: dict[str, float | bool] = {}
    for measure in MEASURES:
        curve = log.set_index("step")[measure]
        features[f"{measure}_initial_decay"] = initial_decay(curve, decay_step, diverged=diverged)
        features[f"{measure}_end_value"] = math.inf if diverged else end_value(curve, end_window)
    curve = log.set_index("step")["data_loss"]
    features["data_loss_steps_to_midway"] = steps_to_midway(curve, classes)
    features["plateau"] = not diverged and is_plateau(curve)
    return features


def initial_decay(curve: pandas.Series, decay_step: int, *, diverged: bool) -> float:
    """Nats lost from step 0 to `decay_step`, interpolated; -inf if the run diverged before."""
    if curve.empty or (diverged and curve.index[-1] < decay_step):
        return -math.inf
    return float(curve.iloc[0] - numpy.interp(decay_step, curve.index, curve))


def steps_to_midway(curve: pandas.Series, classes: int) -> float:
    """The first logged step at most midway from the start to half of log(classes); inf if there is none."""
    if curve.empty:
        return math.inf
    midway = (curve.iloc[0] + math.log(classes) / 2) / 2
    reached = curve.index[curve <= midway]
    return float(reached[0]) if len(reached) else math.inf


def end_value(curve: pandas.Series, end_window: float) -> float:
    """The mean over the end window, in nats."""
    return float(curve[curve.index >= (1 - end_window) * curve.index[-1]].mean())


def is_plateau(data_loss: pandas.Series) -> bool:
    """Whether over the last fifth the data loss fell by under 0.01 nats and no more than 2% of its total drop.

    A loss that never fell is level when it does not rise by that much either. What fails this has not settled, and
    its end value is no plateau.
    """
    fall = numpy.interp(0.8 * data_loss.index[-1], data_loss.index, data_loss) - data_loss.iloc[-1]
    total = max(0.0, data_loss.iloc[0] - data_loss.iloc[-1])
    return bool(abs(fall) < PLATEAU_NATS and fall <= PLATEAU_SHARE * total)


def crossover(smaller: pandas.Series, larger: pandas.Series, *, diverged: tuple[bool, bool] = (False, False)) -> float:
    """From where on the larger network's loss is at least `CROSSOVER_MARGIN` below the smaller's, to the end.

    Curves are losses by steps or by FLOPs; they are compared where both are known, at all points of either. A run
    that diverged (`diverged`: the smaller's, the larger's) has an infinite loss from its last point on.
    Returns that point: the first one means always below. Inf where it never is, or not by nine tenths of the way: what
    is below at the last logged point alone has not been seen to stay there.
    """
    smaller_diverged, larger_diverged = diverged
    if larger_diverged or larger.empty:
        return math.inf
    if smaller.empty:
        return float(larger.index[0])
    end = larger.index[-1] if smaller_diverged else min(smaller.index[-1], larger.index[-1])
    points = numpy.union1d(smaller.index, larger.index)
    points = points[points <= end]
    of_smaller = numpy.interp(points, smaller.index, smaller, right=math.inf)
    gap = of_smaller - numpy.interp(points, larger.index, larger)
    above = numpy.flatnonzero(gap < CROSSOVER_MARGIN)
    first = above[-1] + 1 if len(above) else 0
    return float(points[first]) if first < len(points) and points[first] <= 0.9 * end else math.inf
