"""How fast a training step is: ours as `train` runs it, the textbook's, and the machine's limit.

All are timed in one process, in turn, so that whatever slows the machine down slows all of them.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy
import torch

from widthwise.data.storage import Arrays
from widthwise.study.architecture import training_flops
from widthwise.study.cost import Speed
from widthwise.study.identity import identity
from widthwise.study.settings import RunSettings
from widthwise.training.loop import prepare_training
from widthwise.training.seeding import Stream, random_order
from widthwise.training.textbook import textbook_network, textbook_steps

MATRIX_SIDE = 2048
TURN_SECONDS = 0.3


def samples_per_second(
    run: RunSettings, arrays: Arrays, classes: int, device: torch.device, turns: int
) -> list[dict[str, Any]]:
    """One row for each method: median and quartiles of the samples that it handles in a second.

    `widthwise` and `textbook` train. `limit` is how long the step's floating-point operations would take at the rate of
    a matrix product of side 2048, in the same precision and threads.
    """
    training = prepare_training(run, arrays, classes, device)
    orders = (random_order(run.seed, Stream.DATA_ORDER, len(training.labels), epoch) for epoch in itertools.count())
    textbook = textbook_steps(
        textbook_network(training.network), training.images, training.labels, orders, run.training
    )
    precision = torch.bfloat16 if run.network.precision == "bfloat16" else torch.float32
    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=device).to(precision)
    seconds = timed_in_turn(
        {
            "widthwise": training.advance,
            "textbook": lambda: next(textbook),
            "limit": lambda: (matrix @ matrix)[0, 0].item(),  # waits for the device
        },
        turns,
    )
    flops = training_flops(training.network.layers, training.images.shape[-1])
    samples = {
        "widthwise": run.training.batch_size,
        "textbook": run.training.batch_size,
        "limit": 2 * MATRIX_SIDE**3 / flops,
    }
    rows = []
    for method, taken in seconds.items():
        rates = [samples[method] / second for second in taken]
        low, _, high = statistics.quantiles(rates, n=4)
        rows.append(
            identity(run, training.network.parameter_count)
            | {
                "method": method,
                "samples_per_second": statistics.median(rates),
                "lower_quartile": low,
                "upper_quartile": high,
                "flops_per_sample": flops,
                "layers": len(training.network.layers),
            }
        )
    return rows


def timed_in_turn(calls: Mapping[str, Callable[[], Any]], turns: int) -> dict[str, list[float]]:
    """Seconds of each call, one number per turn: the mean over `TURN_SECONDS`, after a call that warms the caches."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            call()
            start, count = time.perf_counter(), 0
            while not count or time.perf_counter() - start < TURN_SECONDS:
                call()
                count += 1
            seconds[name].append((time.perf_counter() - start) / count)
    return seconds


def fitted_speed(layers: numpy.ndarray, flops: numpy.ndarray, seconds: numpy.ndarray) -> Speed:
    """The speed for which `Speed.seconds_per_sample` comes closest to what was measured, by relative error.

    All arguments have shape (n,). Neither part of the speed is negative: where least squares would make one so, the
    other alone is fitted.
    """
    relative = numpy.stack([layers / seconds, flops / seconds], axis=1)
    parts, *_ = numpy.linalg.lstsq(relative, numpy.ones(len(seconds)))
    for part in (0, 1):
        if parts[part] <= 0:
            other = relative[:, 1 - part]
            parts = numpy.zeros(2)
            parts[1 - part] = other.sum() / (other @ other)
    per_layer, per_flop = parts
    return Speed(float(per_layer), float(1 / per_flop) if per_flop else float("inf"))
