"""What a job costs before it is started: seconds, memory and disk, from the network, the data and the steps.

`dataset` is a dataset's summary, as dataset/{draw}.json has it: `shape`, and `class_counts` of each split.
The reference speed is what the benchmark fitted to widths 2 to 26 on one core of an AMD EPYC with AVX-512. Another
machine differs by a factor; requests to a scheduler allow for it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from widthwise.study.architecture import Complexity, Task
from widthwise.study.settings import RunSettings, StartSettings

STARTUP_SECONDS = 4.0
# A forward pass costs a third of a training step.
FORWARD = 1 / 3
# Interpreter and libraries; weights, gradients, Adam's moments, and a checkpoint of three of them.
BASE_MB = 380
COPIES_OF_WEIGHTS = 7
FILES_MB = 0.1
KEPT_COPIES_OF_WEIGHTS = 4
# Images are mapped from the file: beyond this, the system reads them again instead of keeping them.
MOST_IMAGES_MB = 8000
# What is asked of a scheduler: more memory and time than a job should take.
MEMORY_MARGIN = 1.5
TIME_MARGIN, LEAST_MINUTES = 4, 5


@dataclass(frozen=True)
class Work:
    """What a job computes. `samples` are those trained on; one that is only measured counts as a third."""

    parameters: int
    layers: int
    flops_per_sample: int
    samples: float


@dataclass(frozen=True)
class Speed:
    """Seconds of training on one sample: a part for each layer, the rest at the rate of the arithmetic."""

    seconds_per_layer: float
    flops_per_second: float

    def seconds_per_sample(self, layers: int, flops_per_sample: float) -> float:
        """Seconds of one training sample; arrays are taken element by element."""
        return self.seconds_per_layer * layers + flops_per_sample / self.flops_per_second

    def training_seconds(self, work: Work) -> float:
        """Seconds of the work, without the start of its process."""
        return work.samples * self.seconds_per_sample(work.layers, work.flops_per_sample)

    def seconds(self, work: Work) -> float:
        """Seconds of the work and of the start of its process."""
        return STARTUP_SECONDS + self.training_seconds(work)


REFERENCE = Speed(1.94e-4, 8.15e10)


def run_work(run: RunSettings, complexity: Complexity, dataset: Mapping[str, Any]) -> Work:
    """The work of a run: its updates, the row before them, and the test split."""
    samples = {split: sum(counts) for split, counts in dataset["class_counts"].items()}
    training = run.training
    updates = training.epochs * (samples["train"] // training.batch_size) * training.batch_size
    measured = run.evaluation.starting_batches * training.batch_size + samples["test"]
    return _work(complexity, updates + FORWARD * measured)


def start_work(start: StartSettings, complexity: Complexity) -> Work:
    """The work of measuring starting losses: a forward pass for each backbone."""
    backbones = math.ceil(start.initialisations / start.heads_per_backbone)
    return _work(complexity, FORWARD * backbones * start.starting_batches * start.batch_size)


def _work(complexity: Complexity, samples: float) -> Work:
    return Work(complexity.parameters, complexity.layers, complexity.flops_per_sample, samples)


def memory_mb(complexity: Complexity, batch_size: int, dataset: Mapping[str, Any]) -> float:
    """The peak of resident memory of training or measuring a network, in MB."""
    samples = sum(map(sum, dataset["class_counts"].values()))
    images_mb = 4 * samples * Task.of(dataset).numbers / 1e6
    numbers = batch_size * complexity.kept_per_sample + COPIES_OF_WEIGHTS * complexity.parameters
    return BASE_MB + min(images_mb, MOST_IMAGES_MB) + 4 * numbers / 1e6


def disk_mb(work: Work) -> float:
    """What a finished run keeps, in MB: its weights, and a checkpoint of them and Adam's moments."""
    return FILES_MB + 4 * KEPT_COPIES_OF_WEIGHTS * work.parameters / 1e6


def requested_mb(memory: float) -> int:
    """What to ask a scheduler for, in MB, where so much memory should be enough."""
    return 100 * math.ceil(MEMORY_MARGIN * memory / 100)


def requested_minutes(work: Work) -> int:
    """What to ask a scheduler for, in minutes: several times the estimate, for slower machines, and a few more."""
    return LEAST_MINUTES + math.ceil(TIME_MARGIN * REFERENCE.seconds(work) / 60)
