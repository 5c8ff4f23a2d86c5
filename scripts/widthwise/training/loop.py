"""One run: a network, its data, its optimiser, and the measurements taken on the way.

Advances one mini-batch at a time and measures at steps that depend on the step alone, never on how long the
run will be: a run that is interrupted, or made longer, goes on as if it had never stopped. It must not know paths,
circumstances or other widths, and it writes nothing.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy
import torch
from torch import Tensor

from widthwise.model.network import Network
from widthwise.training.cuda_graphs import recorded
from widthwise.training.objective import Penalty, data_loss
from widthwise.training.optimisation import make_optimiser
from widthwise.training.probe import Probe, balanced_indices
from widthwise.training.seeding import Stream, random_order, random_state, set_random_state, torch_generator

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Measurement:
    """One logged step. Losses in nats; `data_loss` and `accuracy` are the probe's, in train mode.

    `running_data_loss` is what Keras prints, less the penalty: the mean over the epoch's mini-batches so far, NaN
    before any.
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


def prepare_network(settings: Mapping[str, Any], classes: int, device: torch.device = CPU) -> Network:
    """A run's network before any update, from its resolved settings: the same weights on every device."""
    generator = torch_generator(settings["seed"], Stream.INITIALISATION)
    return Network(classes=classes, generator=generator, **settings["network"]).on(device)


def prepare_data(
    settings: Mapping[str, Any], arrays: Mapping[str, numpy.ndarray], device: torch.device = CPU
) -> tuple[Tensor, Tensor, Probe]:
    """A run's training images (n, 1, D, H, W) float32, its labels (n,) int64, and its probe, kept on the device."""
    images, labels = as_tensors(arrays, "train", device)
    if settings["training"]["random_labels"]:
        labels = labels[random_order(settings["seed"], Stream.LABELS, len(labels))]
    evaluation = settings["evaluation"]
    probed = torch.from_numpy(balanced_indices(arrays["train/labels"], evaluation["probe_size"]))
    weights = settings["training"]["class_weights"]
    weights = None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)
    return images, labels, Probe(images[probed], labels[probed], evaluation["batch_size"], weights)


def prepare_training(
    settings: Mapping[str, Any], arrays: Mapping[str, numpy.ndarray], classes: int, device: torch.device = CPU
) -> "Training":
    """A run ready to start, from its resolved settings and the dataset's arrays."""
    return Training(
        prepare_network(settings, classes, device),
        *prepare_data(settings, arrays, device),
        seed=settings["seed"],
        evaluations_per_epoch=settings["evaluation"]["per_epoch"],
        **{key: value for key, value in settings["training"].items() if key not in ("random_labels", "class_weights")},
    )


def as_tensors(arrays: Mapping[str, numpy.ndarray], split: str, device: torch.device = CPU) -> tuple[Tensor, Tensor]:
    """A split's images (n, 1, D, H, W) float32 and labels (n,) int64."""
    images = torch.from_numpy(arrays[f"{split}/images"]).unsqueeze(1)
    return images.to(device), torch.from_numpy(arrays[f"{split}/labels"]).long().to(device)


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
    """A run in progress: `step` updates are done, `log` holds what was measured, `diverged` whether it broke down.

    `evaluation_seconds` went into measuring.

    `images` (n, 1, D, H, W) float32 and `labels` (n,) int64 are the training set, `probe` what is measured, and its
    class weights those of the loss. A remainder smaller than a batch is left out of its epoch; the order is redrawn
    every epoch, so it is a different one each time.

    `l2_as` says what lambda (`l2`) does: "loss" adds the penalty to the objective, as Keras does; "optimiser" adds
    lambda x w to every gradient and "decoupled" shrinks every weight, as torch's Adam and AdamW do, and then
    no penalty is reported.
    """

    def __init__(
        self,
        network: Network,
        images: Tensor,
        labels: Tensor,
        probe: Probe,
        *,
        seed: int,
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
    ) -> None:
        # Dropout draws from torch's own generators; nothing else does.
        torch.manual_seed(torch_generator(seed, Stream.DROPOUT).initial_seed())
        self.network = network
        self.images = images
        self.labels = labels
        self.probe = probe
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
        self.evaluation_seconds = 0.0
        self.log: list[Measurement] = []
        self._running_sum = 0.0
        self._order = torch.empty(0, dtype=torch.int64)
        batch = images[:batch_size], labels[:batch_size]
        self._gradients = recorded(self.gradients, *batch, network) if images.is_cuda else self.gradients

    def proceed(self) -> Iterator[Measurement | None]:
        """Trains to the end, or to where the loss is not finite, and stops before and after every update.

        Gives what was measured there, or None. May be left at any stop: the run goes on from there when this is
        called again.
        """
        yield self.measure_if_due()
        while self.step < self.steps and not self.diverged:
            self.advance()
            yield self.measure_if_due()

    def measure_if_due(self) -> Measurement | None:
        """Adds to the log what is due at this step and not there yet. What is not finite is not logged."""
        logged = self.log and self.log[-1].step == self.step
        due = evaluation_is_due(self.step, self.steps_per_epoch, self.evaluations_per_epoch)
        if self.diverged or logged or not due:
            return None
        start = time.perf_counter()
        measurement = self.measure()
        self.evaluation_seconds += time.perf_counter() - start
        if not math.isfinite(measurement.objective):
            self.diverged = True
            return None
        self.log.append(measurement)
        return measurement

    def advance(self) -> None:
        """One update on the next mini-batch, unless its loss is not finite."""
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if position == 0:
            self._running_sum = 0.0
        if position == 0 or not len(self._order):
            order = random_order(self.seed, Stream.DATA_ORDER, len(self.labels), epoch)
            self._order = order.to(self.images.device)
        batch = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        self.network.train()
        value = self._gradients(self.images[batch], self.labels[batch]).item()
        if not math.isfinite(value):
            self.diverged = True
            return
        self.optimiser.step()
        self.schedule.step()
        self._running_sum += value
        self.step += 1

    def gradients(self, images: Tensor, labels: Tensor) -> Tensor:
        """Leaves the objective's gradient at the parameters; returns the mini-batch's data loss."""
        self.optimiser.zero_grad()
        loss = data_loss(self.network(images), labels, self.probe.class_weights)
        loss.backward()
        self.penalty.add_gradient()
        return loss.detach()

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

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on and its settings do not say, as tensors and plain values.

        The data order is not in it: it follows from seed and step.
        """
        return {
            "step": self.step,
            "diverged": self.diverged,
            "evaluation_seconds": self.evaluation_seconds,
            "log": [asdict(measurement) for measurement in self.log],
            "running_sum": self._running_sum,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random_state": random_state(self.images.device),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes to where another training of the same settings was, but for `epochs`."""
        self.step, self.diverged, self._running_sum = state["step"], state["diverged"], state["running_sum"]
        self.evaluation_seconds = state["evaluation_seconds"]
        self.log = [Measurement(**row) for row in state["log"]]
        self._order = torch.empty(0, dtype=torch.int64)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        set_random_state(state["random_state"], self.images.device)
