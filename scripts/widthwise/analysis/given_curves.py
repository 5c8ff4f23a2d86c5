"""The tables of loss curves that were not made here: their runs on common steps, and the features of each."""

import itertools
from collections.abc import Sequence

import numpy
import pandas

from widthwise.analysis.features import Curve, run_features
from widthwise.analysis.tables import make_table
from widthwise.study.curves import decay_step, tells_midway, tells_plateaus
from widthwise.study.curves_file import CurvesFile, LossCurve
from widthwise.study.settings import AnalysisSettings

IDENTITY = ["circumstance", "size", "parameters", "seed"]


def tables_of_curves(file: CurvesFile, analysis: AnalysisSettings, classes: int | None) -> dict[str, pandas.DataFrame]:
    """Makes the tables `losses` and `runs`, with those of their columns that the file tells; epochs stand for steps."""
    logs, runs = [], []
    for circumstance, curves in file.runs.items():
        steps = file.common_steps(circumstance)
        for (size, seed), curve in curves.items():
            names = (circumstance, size, file.sizes[circumstance][size], seed)
            identity = dict(zip(IDENTITY, names, strict=True))
            log = on_common_steps(curve, numpy.array(steps), file.measures)
            last = int(log["step"].iloc[-1]) if len(log) else 0
            run = identity | {"diverged": curve.diverged, "steps": last, "planned_steps": steps[-1], "classes": classes}
            features = run_features(
                log,
                None,
                run,
                decay_step=decay_step(file, steps, analysis),
                end_window=analysis.end_window,
                budget_steps=None,
                has_midway=tells_midway(file, steps, classes),
            )
            if not tells_plateaus(steps):
                features |= {name: None for name in features if name.endswith("_drift")}
            logs.append(log.assign(**identity))
            runs.append(run | features)
    unknown = {"classes"} if classes is None else set()
    return {
        "losses": make_table("losses", pandas.concat(logs, ignore_index=True), [*IDENTITY, "step", *file.measures]),
        "runs": make_table("runs", runs, {column for run in runs for column in run} - unknown),
    }


def starts_of_curves(runs: pandas.DataFrame, losses: pandas.DataFrame) -> pandas.DataFrame:
    """The starting losses of given curves: each run's first row, with the seed as `backbone`; NaN without rows."""
    first = losses.drop_duplicates(IDENTITY).drop(columns="step")
    return runs[IDENTITY].merge(first, on=IDENTITY, how="left").rename(columns={"seed": "backbone"})


def on_common_steps(curve: LossCurve, steps: numpy.ndarray, measures: Sequence[str]) -> pandas.DataFrame:
    """The rows of a run at those of the common steps that it reached.

    Each averages over the steps since the row before, as a row of our own logs does; the first is the loss there.
    """
    own = numpy.array(curve.steps, dtype=numpy.int64)
    reached = steps[steps <= own[-1]] if len(own) else steps[:0]
    columns = {"step": reached}
    for measure in measures:
        rows = Curve(own, numpy.array(curve.losses[measure])) if len(own) else None
        columns[measure] = averages(rows, reached) if len(reached) else numpy.array([])
    return pandas.DataFrame(columns)


def averages(rows: Curve, steps: numpy.ndarray) -> numpy.ndarray:
    """The loss at the first of the steps, and then the means since the step before. What has a row at each stays."""
    within = slice(*numpy.searchsorted(rows.steps, [steps[0], steps[-1] + 1]))
    if numpy.array_equal(rows.steps[within], steps):
        return rows.values[within]
    found = [rows.at(steps[0])]
    for first, last in itertools.pairwise(steps):
        # The rows that reach into the interval, and the one before, which says where the first of them begins.
        begin, end = numpy.searchsorted(rows.steps, [first, last], side="left")
        part = slice(max(begin - 1, 0), end + 1)
        found.append(Curve(rows.steps[part], rows.values[part]).mean(first, last))
    return numpy.array(found)
