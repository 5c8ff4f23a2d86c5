"""One run: a network, its data, its optimiser, and the measurements taken on the way.

Advances one mini-batch at a time and measures at steps that depend on the step alone, never on how long the
run will be. It must not know paths, circumstances or other widths, and it writes nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import Tensor

from widthwise.network import Network
from widthwise.objective import Penalty, data_loss
from widthwise.optimisation import make_optimiser
from widthwise.probe import Probe, balanced_indices
from widthwise.seeding import Stream, random_order, torch_generator


@dataclass(frozen=True)
class Measurement:
    """One logged step. Losses in nats; `data_loss` and `accuracy` are the probe's, in train mode.

    `running_data_loss` is what Keras prints: the mean over the epoch's mini-batches so far, NaN before any.
    """

    step: int
    epoch: float
    data_loss: float
    penalty: float
    accuracy: float
    running_data_loss: float
    sum_of_squares: float

    @property
    def objective(self) -> float:
        """What the optimiser minimises."""
        return self.data_loss + self.penalty


def prepare_training(settings: Mapping[str, Any], arrays: Mapping[str, numpy.ndarray], classes: int) -> "Training":
    """A run ready to start, from its resolved settings and the dataset's arrays."""
    evaluation = settings["evaluation"]
    network = Network(
        classes=classes,
        generator=torch_generator(settings["seed"], Stream.INITIALISATION),
        **settings["network"],
    )
    return Training(
        network,
        *as_tensors(arrays, "train"),
        torch.from_numpy(balanced_indices(arrays["train/labels"], evaluation["probe_size"])),
        seed=settings["seed"],
        probe_batch_size=evaluation["batch_size"],
        evaluations_per_epoch=evaluation["per_epoch"],
        **settings["training"],
    )


def as_tensors(arrays: Mapping[str, numpy.ndarray], split: str) -> tuple[Tensor, Tensor]:
    """A split's images (n, 1, D, H, W) float32 and labels (n,) int64."""
    images = torch.from_numpy(arrays[f"{split}/images"]).unsqueeze(1)
    return images, torch.from_numpy(arrays[f"{split}/labels"]).long()


def evaluation_is_due(step: int, steps_per_epoch: int, evaluations_per_epoch: int) -> bool:
    """Whether to measure before the update that follows `step` updates.

    At steps 0, 1, 2, 4, 8, ... until evenly spaced ones take over, `evaluations_per_epoch` of them an epoch,
    the last at the epoch's end.
    """
    interval = steps_per_epoch / evaluations_per_epoch
    if step < round(interval):
        return step & (step - 1) == 0
    within_epoch = step % steps_per_epoch
    return within_epoch in {round(k * interval) for k in range(evaluations_per_epoch)}


class Training:
    """A run in progress.

    `images` (n, 1, D, H, W) float32 and `labels` (n,) int64 are the training set, `probe_indices` the samples of
    it that are measured, in batches of `probe_batch_size`. A remainder smaller than a batch is left out of its
    epoch; the order is redrawn every epoch, so it is a different one each time.

    `l2_as` says what lambda (`l2`) does: "loss" adds the penalty to the objective, as Keras does; "optimiser" adds
    lambda x w to every gradient and "decoupled" shrinks every weight, as torch's Adam and AdamW do, and then
    no penalty is reported. `random_labels` deals the labels out anew, once a seed.
    """

    def __init__(
        self,
        network: Network,
        images: Tensor,
        labels: Tensor,
        probe_indices: Tensor,
        *,
        seed: int,
        probe_batch_size: int,
        evaluations_per_epoch: int,
        optimiser: str,
        learning_rate: float,
        warmup_steps: int,
        betas: Sequence[float],
        epsilon: float,
        momentum: float,
        l2: float,
        l2_as: str,
        batch_size: int,
        epochs: int,
        random_labels: bool,
    ) -> None:
        # Dropout draws from torch's own generator; nothing else does.
        torch.random.default_generator.set_state(torch_generator(seed, Stream.DROPOUT).get_state())
        self.network = network
        self.images = images
        self.labels = labels[random_order(seed, Stream.LABELS, len(labels))] if random_labels else labels
        self.probe = Probe(images[probe_indices], self.labels[probe_indices], probe_batch_size)
        self.seed, self.batch_size = seed, batch_size
        self.evaluations_per_epoch = evaluations_per_epoch
        self.steps_per_epoch = len(labels) // batch_size
        self.steps = epochs * self.steps_per_epoch
        self.penalty = Penalty(network.kernels, l2 if l2_as == "loss" else 0)
        self.optimiser = make_optimiser(
            network,
            optimiser,
            learning_rate=learning_rate,
            betas=betas,
            epsilon=epsilon,
            momentum=momentum,
            decay=0 if l2_as == "loss" else l2,
            decoupled=l2_as == "decoupled",
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: min(1, (step + 1) / max(1, warmup_steps))
        )
        self.step = 0
        self.diverged = False
        self._running_sum = 0.0
        self._order = torch.empty(0, dtype=torch.int64)

    def measurements(self) -> Iterator[Measurement]:
        """Trains to the end, yielding what is due on the way; stops early where the loss is not finite.

        The measurement that is not finite is not yielded: `diverged` and `step` tell of it.
        """
        while True:
            if evaluation_is_due(self.step, self.steps_per_epoch, self.evaluations_per_epoch):
                measurement = self.measure()
                self.diverged = not math.isfinite(measurement.objective)
                if not self.diverged:
                    yield measurement
            if self.diverged or self.step == self.steps:
                return
            self.advance()

    def advance(self) -> None:
        """One update on the next mini-batch, unless its loss is not finite."""
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if position == 0:
            self._running_sum = 0.0
        if position == 0 or not len(self._order):
            self._order = random_order(self.seed, Stream.DATA_ORDER, len(self.labels), epoch)
        batch = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        self.network.train()
        self.optimiser.zero_grad()
        loss = data_loss(self.network(self.images[batch]), self.labels[batch])
        value = loss.item()
        if not math.isfinite(value):
            self.diverged = True
            return
        loss.backward()
        self.penalty.add_gradient()
        self.optimiser.step()
        self.schedule.step()
        self._running_sum += value
        self.step += 1

    def measure(self) -> Measurement:
        """What a row of the loss log says of the network as it is now."""
        loss, accuracy = self.probe.measure(self.network)
        sum_of_squares = self.penalty.sum_of_squares()
        batches = self.step % self.steps_per_epoch or self.steps_per_epoch
        return Measurement(
            step=self.step,
            epoch=self.step / self.steps_per_epoch,
            data_loss=loss,
            penalty=self.penalty.l2 * sum_of_squares,
            accuracy=accuracy,
            running_data_loss=self._running_sum / batches if self.step else math.nan,
            sum_of_squares=sum_of_squares,
        )
