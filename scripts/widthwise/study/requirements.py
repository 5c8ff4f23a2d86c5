"""What a study needs of its data, and of the length of its runs.

Checked for synthetic data when the configuration is read, and for a user's own data as soon as they are counted.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from widthwise.study.settings import EvaluationSettings, end_window_start

# What is judged of each loss; analysis/features.py says what each feature is.
FEATURES = {
    "objective": ("starting_loss", "initial_decay", "end_value", "equal_compute"),
    "data_loss": ("starting_loss", "initial_decay", "steps_to_midway", "end_value", "equal_compute"),
    "printed": ("starting_loss", "initial_decay", "end_value"),
}
LEAST_ROWS_AT_THE_END = 4
DRIFT_SHARE = 0.4  # of the steps, over which a loss' drift is read
LEAST_SEEDS, LEAST_SIZES = 2, 3  # for a verdict
# What a direction needs to be published.
PUBLISHED_SEEDS, PUBLISHED_SIZES = 5, 4
PUBLICATION_NEEDS = f"a published verdict needs {PUBLISHED_SEEDS} seeds and {PUBLISHED_SIZES} sizes"


def is_publishable(seeds: int, sizes: int) -> bool:
    """Whether verdicts over so many seeds and sizes may be published."""
    return seeds >= PUBLISHED_SEEDS and sizes >= PUBLISHED_SIZES


def unjudged(measure: str, feature: str) -> str:
    """What is wrong with a feature of a loss; nothing if it is judged."""
    judged = FEATURES[measure]
    return "" if feature in judged else f"{feature}: not judged of this loss; write one of {', '.join(judged)}"


def missing_data(requirements: Mapping[str, Any], train_counts: Sequence[int]) -> list[str]:
    """Returns a line for each setting that training data with these counts per class cannot serve.

    Args:
        requirements: as `Study.data_requirements` gives them.
        train_counts: training samples of each class.
    """
    samples, classes = sum(train_counts), len(train_counts)
    evaluation = EvaluationSettings.from_dict(requirements["evaluation"])
    names: dict[str, list[str]] = {}  # the circumstances with an error, by its text
    for name, training in requirements["training"].items():
        for error in missing_data_of(training, requirements, evaluation, samples, classes):
            names.setdefault(error, []).append(name)
    return [f"circumstances.{', '.join(found)}: {error}" for error, found in names.items()]


def missing_data_of(
    training: Mapping[str, Any],
    requirements: Mapping[str, Any],
    evaluation: EvaluationSettings,
    samples: int,
    classes: int,
) -> list[str]:
    """Returns a line for each training setting of a circumstance that so many samples and classes cannot serve."""
    errors = []
    batch_size, weights = training["batch_size"], training["class_weights"]
    if weights and len(weights) != classes:
        errors.append(f"training.class_weights: {len(weights)} given for {classes} classes; write one for each class")
    if batch_size > samples:
        errors.append(
            f"training.batch_size: {batch_size} given, but there are {samples} training samples; write no more than "
            "those"
        )
        return errors
    steps_per_epoch = samples // batch_size
    steps = training["epochs"] * steps_per_epoch
    return errors + (missing_rows(requirements, evaluation, steps, steps_per_epoch) if steps else [])


def missing_rows(
    requirements: Mapping[str, Any], evaluation: EvaluationSettings, steps: int, steps_per_epoch: int
) -> list[str]:
    """Returns a line for each feature of the loss curve that runs of this length cannot have."""
    decay_step, end_window = requirements["decay_step"], requirements["end_window"]
    errors = []
    if decay_step > steps:
        errors.append(f"analysis.decay_step: {decay_step} given, but a run has {steps} steps; write one of those")
    elif not evaluation.has_row(decay_step, steps_per_epoch):
        errors.append(
            f"analysis.decay_step: {decay_step} given, but the log has no row there; write a multiple of "
            f"evaluation.row_interval, {evaluation.row_interval}"
        )
    start = end_window_start(steps, end_window)
    every_row = (step for step in range(start + 1, steps + 1) if evaluation.has_row(step, steps_per_epoch))
    rows = len(list(islice(every_row, LEAST_ROWS_AT_THE_END)))
    if rows < LEAST_ROWS_AT_THE_END:
        # Not even a row for each step would be enough in a shorter window.
        smaller = "write a smaller one, or " if steps - start >= LEAST_ROWS_AT_THE_END else ""
        errors.append(
            f"evaluation.row_interval: {evaluation.row_interval} given, which leaves {rows} rows in the last "
            f"{steps - start} of {steps} steps, over which the end value is a mean; at least "
            f"{LEAST_ROWS_AT_THE_END} are needed: {smaller}train for more epochs"
        )
    return errors
