"""How fast a training step is: ours as `train` runs it, the textbook's, and the machine's limit.

All are timed in one process, turn by turn, so that whatever slows the machine down slows all of them. It must not
know files.
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
from widthwise.training.loop import prepare_training
from widthwise.training.seeding import Stream, random_order
from widthwise.training.textbook import textbook_network, textbook_steps

MATRIX_SIDE = 2048
TURN_SECONDS = 0.3


def samples_per_second(
    settings: Mapping[str, Any], arrays: Arrays, classes: int, device: torch.device, turns: int
) -> list[dict]:
    """A row for each method: median and quartiles of the samples that it handles in a second.

    `widthwise` and `textbook` train; `evaluation` is ours, forward only; `limit` is what the step's floating-point
    operations would take at the rate of a matrix product of side 2048, in the same precision and threads.
    """
    training = prepare_training(settings, arrays, classes, device)
    probe = training.probe.first_batch()
    orders = (
        random_order(settings["seed"], Stream.DATA_ORDER, len(training.labels), epoch) for epoch in itertools.count()
    )
    textbook = textbook_steps(
        textbook_network(training.network), training.images, training.labels, orders, settings["training"]
    )
    precision = torch.bfloat16 if settings["network"]["precision"] == "bfloat16" else torch.float32
    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=device).to(precision)
    seconds = timed_in_turn(
        {
            "widthwise": training.advance,
            "textbook": lambda: next(textbook),
            "evaluation": lambda: probe.measure(training.network),
            "limit": lambda: (matrix @ matrix)[0, 0].item(),  # waits for the device
        },
        turns,
    )
    flops = training_flops(training.network.layers, training.images.shape[-1])
    samples = {
        "widthwise": training.batch_size,
        "textbook": training.batch_size,
        "evaluation": len(probe.labels),
        "limit": 2 * MATRIX_SIDE**3 / flops,
    }
    who = identity(settings, training.network.parameter_count)
    rows = []
    for method, taken in seconds.items():
        rates = [samples[method] / second for second in taken]
        low, _, high = statistics.quantiles(rates, n=4)
        rows.append(
            who
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
    """Seconds of each call, one number a turn: the mean over `TURN_SECONDS`, after a call that finds its data again."""
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
    """The speed for which `Speed.seconds_per_sample` comes closest to the measured, all (n,), by relative error."""
    relative = numpy.stack([layers / seconds, flops / seconds], axis=1)
    (per_layer, per_flop), *_ = numpy.linalg.lstsq(relative, numpy.ones(len(seconds)))
    return Speed(float(per_layer), 1 / float(per_flop))
