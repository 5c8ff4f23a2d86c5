"""How fast a training step is: ours as `train` runs it, what a user would pick instead, and the machine's limits.

All are timed in turn, so that whatever slows the machine down slows all of them. Ours, the textbook's and the limits
are in this process, the alternatives each in their own.
"""

import itertools
import logging
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy
import torch
from torch import Tensor

from widthwise.data.storage import Arrays
from widthwise.study.architecture import Complexity, Layer, Task, layers_of, output_voxels
from widthwise.study.cost import Speed
from widthwise.study.settings import NetworkSettings, RunSettings
from widthwise.training.alternatives import Alternative, AlternativeError, Job, available
from widthwise.training.loop import prepare_training
from widthwise.training.seeding import Stream, random_order
from widthwise.training.textbook import textbook_network, textbook_steps

LOG = logging.getLogger("benchmark")
LIMITS = ("roofline", "limit")  # the methods that do not train
MATRIX_SIDE = 2048
TURN_SECONDS = 0.3
# Steps in an epoch of the alternatives, which get the samples anew until it is full: Keras on TensorFlow takes some
# 0.1 s to begin one. Fewer where that many images take more memory than this: each process holds copies.
EPOCH_STEPS, EPOCH_BYTES = 100, 2**28
# float32 numbers in a vector register of AVX-512.
LANES = 16
FLOAT32_BYTES = 4
# How often a step reads or writes a layer's output outside the convolutions. With normalisation: read for the
# statistics; read and written, normalised and activated; backward, two tensors read for the two sums, and the same two
# read again and the gradient written. Without: the activation in place, and two tensors read and one written backward.
NORMALISED_PASSES, ACTIVATION_PASSES = 8, 5


def samples_per_second(
    run: RunSettings, complexity: Complexity, arrays: Arrays, task: Task, device: torch.device, turns: int
) -> list[dict[str, Any]]:
    """One row for each method: median and quartiles of the samples that it handles in a second.

    `widthwise` and `textbook` train, and so do the alternatives that are installed. `limit` is how long the step's
    floating-point operations would take at the rate of a matrix product of side 2048, in the same precision and
    threads. `roofline`, which holds for few filters too, is for the built-in network on the CPU: see `Roofline`.
    """
    training = prepare_training(run, arrays, task, device)
    orders = (random_order(run.seed, Stream.DATA_ORDER, len(training.labels), epoch) for epoch in itertools.count())
    textbook = textbook_steps(
        textbook_network(training.network), training.images, training.labels, orders, run.training
    )
    precision = torch.bfloat16 if run.network.precision == "bfloat16" else torch.float32
    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=device).to(precision)
    matrix_flops = 2 * MATRIX_SIDE**3
    roofline = Roofline(run, task) if isinstance(run.network, NetworkSettings) and device.type == "cpu" else None
    with alternatives_at_work(run, task, training.images, training.labels) as alternatives:
        trained = {"widthwise": training.advance, "textbook": lambda: next(textbook)} | {
            name: alternative.advance for name, alternative in alternatives.items()
        }
        # item() waits for the device
        limits = {"limit": lambda: (matrix @ matrix)[0, 0].item()} | ({"copy": roofline.copy} if roofline else {})
        seconds = timed_in_turn(trained | limits, turns)
    rates = {name: [run.training.batch_size / second for second in seconds[name]] for name in trained}
    if roofline:
        rates["roofline"] = [
            1 / roofline.seconds_per_sample(matrix_flops / matrix_seconds, copy_seconds)
            for matrix_seconds, copy_seconds in zip(seconds["limit"], seconds["copy"], strict=True)
        ]
    rates["limit"] = [matrix_flops / complexity.flops_per_sample / second for second in seconds["limit"]]
    rows = []
    for method, values in rates.items():
        low, _, high = statistics.quantiles(values, n=4)
        rows.append(
            training.identity
            | {
                "method": method,
                "samples_per_second": statistics.median(values),
                "lower_quartile": low,
                "upper_quartile": high,
                "flops_per_sample": complexity.flops_per_sample,
                "layers": complexity.layers,
            }
        )
    return rows


@contextmanager
def alternatives_at_work(
    run: RunSettings, task: Task, images: Tensor, labels: Tensor
) -> Iterator[dict[str, Alternative]]:
    """The alternatives that are installed, by name, each in its process. Says which of them do not train, and why."""
    batch = run.training.batch_size
    steps = max(1, min(EPOCH_STEPS, EPOCH_BYTES // (batch * images[0].nbytes)))
    order = torch.arange(steps * batch, device=images.device) % len(labels)
    job = Job(run, task, images[order].cpu().numpy(), labels[order].cpu().numpy(), images.device.type)
    with ExitStack() as stack:
        at_work = {}
        for name, train in available(run).items():
            try:
                at_work[name] = stack.enter_context(Alternative(train, job))
            except AlternativeError as error:
                LOG.warning("%s is left out: %s", name, error)
        yield at_work


class Roofline:
    """A bound for few filters: operations with empty lanes, then the elementwise passes, one after the other.

    It assumes convolutions at the rate of a large matrix product whose vectors of 16 lanes lie along the filters: along
    the outputs forward and for the weights' gradient, along the inputs for the inputs' gradient, which the first layer
    does without. A network that lays vectors along the voxels may be faster. It assumes that normalisation and
    activation pass over each layer's output as often as they must where nothing is fused into the convolutions, at the
    speed of copying the largest such output of a mini-batch, in whichever cache that lies.
    """

    def __init__(self, run: RunSettings, task: Task) -> None:
        *convolutions, head = layers_of(run.network, task)
        voxels = output_voxels(convolutions, task.sides)
        counts = [layer.outputs * count for layer, count in zip(convolutions, voxels, strict=True)]
        passes = ACTIVATION_PASSES if run.network.normalisation == "none" else NORMALISED_PASSES
        self.flops = sum(
            padded_flops(layer, first=index == 0) * count
            for index, (layer, count) in enumerate(zip([*convolutions, head], [*voxels, 1], strict=True))
        )
        self.bytes = FLOAT32_BYTES * passes * sum(counts)
        self._source = torch.zeros(run.training.batch_size * max(counts))
        self._target = torch.empty_like(self._source)

    def copy(self) -> None:
        """Reads and writes as many numbers as the largest output of a mini-batch has."""
        self._target.copy_(self._source)

    def seconds_per_sample(self, flops_per_second: float, copy_seconds: float) -> float:
        """The bound, by the rate of a matrix product and by what `copy` takes."""
        copied = 2 * FLOAT32_BYTES * len(self._source)
        return self.flops / flops_per_second + self.bytes * copy_seconds / copied


def padded_flops(layer: Layer, first: bool) -> int:
    """Floating-point operations for each output voxel in a training step, those of empty lanes included."""
    taps = layer.weights // (layer.inputs * layer.outputs)
    outputs, inputs = (-(-channels // LANES) * LANES for channels in (layer.outputs, layer.inputs))
    return 2 * taps * (2 * layer.inputs * outputs + (0 if first else inputs * layer.outputs))


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
