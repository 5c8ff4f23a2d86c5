"""One run: a network, its data, its optimiser, and the measurements taken on the way.

Advances one mini-batch at a time and measures at steps that depend on the step alone, never on how long the
run will be. It must not know paths, circumstances or other widths, and it writes nothing.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from widthwise.network import Network
from widthwise.objective import Penalty, data_loss
from widthwise.probe import Probe
from widthwise.seeding import data_order


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


def make_optimiser(
    parameters: Iterable[nn.Parameter],
    name: str,
    *,
    learning_rate: float,
    betas: Sequence[float],
    epsilon: float,
) -> torch.optim.Optimizer:
    """The optimiser of that name, which sees gradients only: the penalty is the objective's affair."""
    match name:
        case "adam":
            return torch.optim.Adam(parameters, lr=learning_rate, betas=tuple(betas), eps=epsilon, fused=True)
    raise ValueError(f"optimiser {name!r}: allowed is adam")


class Training:
    """A run in progress.

    `images` (n, 1, D, H, W) float32 and `labels` (n,) int64 are the training set. A remainder smaller than
    a batch is left out of its epoch; the order is redrawn every epoch, so it is a different one each time.
    """

    def __init__(
        self,
        network: Network,
        images: Tensor,
        labels: Tensor,
        probe: Probe,
        *,
        seed: int,
        optimiser: str,
        learning_rate: float,
        betas: Sequence[float],
        epsilon: float,
        l2: float,
        batch_size: int,
        epochs: int,
        evaluations_per_epoch: int,
    ) -> None:
        self.network = network
        self.images, self.labels, self.probe = images, labels, probe
        self.seed, self.batch_size = seed, batch_size
        self.evaluations_per_epoch = evaluations_per_epoch
        self.steps_per_epoch = len(labels) // batch_size
        self.steps = epochs * self.steps_per_epoch
        self.penalty = Penalty(network.kernels, l2)
        self.optimiser = make_optimiser(
            network.parameters(), optimiser, learning_rate=learning_rate, betas=betas, epsilon=epsilon
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
                measurement = self._measure()
                self.diverged = not math.isfinite(measurement.objective)
                if not self.diverged:
                    yield measurement
            if self.diverged or self.step == self.steps:
                return
            self._advance()

    def _advance(self) -> None:
        """One update on the next mini-batch, unless its loss is not finite."""
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if position == 0:
            self._running_sum = 0.0
        if position == 0 or not len(self._order):
            self._order = torch.from_numpy(data_order(self.seed, epoch, len(self.labels)))
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
        self._running_sum += value
        self.step += 1

    def _measure(self) -> Measurement:
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
