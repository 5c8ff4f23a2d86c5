"""What a study asks of its data: cubes enough for a batch, for the probe and for its steps, and a weight a class.

Asked of synthetic data before they are made, and of a user's own as soon as they are counted. It must not know where
the counts come from, nor import numpy: the workflow asks in every job.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def unmet_demands(asked: Mapping[str, Any], train_counts: Sequence[int]) -> list[str]:
    """A line for each setting that training data with these cubes a class cannot serve.

    `asked` is as `Study.asked` gives it: probe_size, decay_step, and each circumstance's training settings.
    """
    cubes, classes = sum(train_counts), len(train_counts)
    errors, probed = [], classes * min(train_counts)
    if asked["probe_size"] > probed:
        errors.append(
            f"evaluation.probe_size: given {asked['probe_size']}, allowed: at most {probed}, {classes} times the "
            "training cubes of the smallest class"
        )
    for name, training in asked["training"].items():
        key = f"circumstances.{name}"
        batch_size, weights = training["batch_size"], training["class_weights"]
        if batch_size > cubes:
            errors.append(
                f"{key}: training.batch_size: given {batch_size}, allowed: at most {cubes}, the training cubes"
            )
        steps = training["epochs"] * (cubes // batch_size)
        if asked["decay_step"] > steps:
            errors.append(
                f"{key}: analysis.decay_step: given {asked['decay_step']}, allowed: at most the run's {steps} steps"
            )
        if weights and len(weights) != classes:
            errors.append(
                f"{key}: training.class_weights: given {len(weights)} of them, allowed: one for each of the "
                f"{classes} classes"
            )
    return errors
