"""One run: a network, its data, its optimiser, and the rows of its loss log.

It advances one mini-batch at a time. Rows depend on the step alone, never on how long the run will be: a run that is
interrupted, or made longer, goes on as if it had never stopped. It writes nothing.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from widthwise.model.build import CPU, build_network
from widthwise.model.initialisation import count_parameters, kernels
from widthwise.model.network import Network
from widthwise.study.architecture import Task
from widthwise.study.identity import identity
from widthwise.study.settings import RunSettings
from widthwise.training.cuda_graphs import recorded
from widthwise.training.measuring import computing_in, count_correct, unchanged
from widthwise.training.objective import Penalty, data_loss
from widthwise.training.optimisation import make_optimiser
from widthwise.training.seeding import Stream, random_order, random_state, set_random_state, torch_generator


@dataclass(frozen=True)
class Row:
    """One row of the loss log. Losses in nats.

    `data_loss` and `accuracy` are means over the mini-batches since the row before, each taken before its update. At
    step 0 they are means over the first mini-batches that training will meet.
    """

    step: int
    epoch: float
    data_loss: float
    penalty: float
    accuracy: float
    sum_of_squares: float

    @property
    def objective(self) -> float:
        """What the optimiser minimises."""
        return self.data_loss + self.penalty


@dataclass
class Totals:
    """Sums over the mini-batches since the last row."""

    batches: int = 0
    loss: float = 0.0
    correct: float = 0.0


def prepare_network(run: RunSettings, task: Task, device: torch.device = CPU) -> nn.Module:
    """A run's network before any update."""
    return build_network(run.network, task, torch_generator(run.seed, Stream.INITIALISATION), device)


def prepare_training(
    run: RunSettings, arrays: Mapping[str, numpy.ndarray], task: Task, device: torch.device = CPU
) -> "Training":
    """A run ready to start, on the dataset's arrays."""
    images, labels = as_tensors(arrays, "train", device)
    if run.training.random_labels:
        labels = dealt_at_random(labels, run.seed)
    return Training(prepare_network(run, task, device), images, labels, run)


def as_tensors(arrays: Mapping[str, numpy.ndarray], split: str, device: torch.device = CPU) -> tuple[Tensor, Tensor]:
    """A split's images (n, C, *spatial) float32 and labels (n,) int64."""
    images, labels = (torch.from_numpy(arrays[f"{split}/{name}"]) for name in ("images", "labels"))
    return images.to(device), labels.long().to(device)


def dealt_at_random(labels: Tensor, seed: int) -> Tensor:
    """The same labels in random order."""
    return labels[random_order(seed, Stream.LABELS, len(labels)).to(labels.device)]


class MiniBatches:
    """The order in which a seed's runs meet the samples: drawn anew each epoch, the same for every width.

    A remainder smaller than a batch is left out of its epoch.
    """

    def __init__(self, samples: int, batch_size: int, seed: int, device: torch.device) -> None:
        self.samples, self.batch_size, self.seed, self.device = samples, batch_size, seed, device
        self.per_epoch = samples // batch_size
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def indices(self, step: int) -> Tensor:
        """The samples (B,) of the mini-batch that update number `step` (from 0) is made on."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            order = random_order(self.seed, Stream.DATA_ORDER, self.samples, epoch)
            self._epoch, self._order = epoch, order.to(self.device)
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]


class Training:
    """A run in progress: `step` updates are done, `log` holds its rows, `diverged` says whether it broke down.

    Args:
        network: before any update.
        images: training images (n, C, *spatial) float32.
        labels: their classes (n,) int64.
        run: the run's settings.
    """

    def __init__(self, network: nn.Module, images: Tensor, labels: Tensor, run: RunSettings) -> None:
        # Dropout draws from torch's own generators; nothing else does.
        torch.manual_seed(torch_generator(run.seed, Stream.DROPOUT).initial_seed())
        training = run.training
        self.run, self.network, self.images, self.labels = run, network, images, labels
        network.train()
        self.device = images.device
        self.batches = MiniBatches(len(labels), training.batch_size, run.seed, self.device)
        self.steps_per_epoch = self.batches.per_epoch
        self.steps = training.epochs * self.steps_per_epoch
        weights = training.class_weights
        self.class_weights = None if weights is None else torch.tensor(weights, device=self.device)
        self.penalty = Penalty(kernels(network), training.reported_l2)
        self.optimiser = make_optimiser(network, training, run.network.width_ratio)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: min(1, (step + 1) / max(1, training.warmup_steps))
        )
        self.step, self.diverged = 0, False
        self.log: list[Row] = []
        self._since_row = Totals()
        batch = self.batch(0)
        # A user's own network may do what cannot be recorded.
        recordable = images.is_cuda and isinstance(network, Network)
        self._gradients = recorded(self.gradients, *batch, network) if recordable else self.gradients

    @property
    def identity(self) -> dict[str, Any]:
        """The columns that tell the run from every other."""
        return identity(self.run, count_parameters(self.network), len(self.penalty.kernels))

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The mini-batch that update number `step` (from 0) is made on: images and labels."""
        indices = self.batches.indices(step)
        return self.images.index_select(0, indices), self.labels[indices]

    def proceed(self) -> Iterator[Row | None]:
        """Trains to the end, or to where the loss is not finite, and stops before and after every update.

        Gives the row that was added to the log, or None. May be left at any stop: the run goes on from there when this
        is called again.
        """
        if not self.log and not self.diverged:
            yield self.add_row(self.starting_totals())
        while self.step < self.steps and not self.diverged:
            self.advance()
            due = self.run.evaluation.has_row(self.step, self.steps_per_epoch)
            yield self.add_row(self._since_row) if due and not self.diverged else None

    def advance(self) -> None:
        """One update on the next mini-batch, unless its loss is not finite."""
        if not self.network.training:  # it takes a while to tell every module
            self.network.train()
        loss, correct = self._gradients(*self.batch(self.step)).tolist()
        if not math.isfinite(loss):
            self.diverged = True
            return
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        self._since_row.batches += 1
        self._since_row.loss += loss
        self._since_row.correct += correct

    def gradients(self, images: Tensor, labels: Tensor) -> Tensor:
        """Leaves the objective's gradient at the parameters; returns the data loss and the number of correct labels."""
        self.optimiser.zero_grad()
        with computing_in(self.run.network.precision, self.device):
            logits = self.network(images).float()
        loss = data_loss(logits, labels, self.class_weights)
        loss.backward()
        self.penalty.add_gradient()
        return torch.stack([loss.detach(), count_correct(logits, labels).float()])

    def starting_totals(self) -> Totals:
        """Sums over the first mini-batches that training will meet, before any update and without one."""
        totals = Totals()
        with unchanged(self.network, self.device), computing_in(self.run.network.precision, self.device):
            self.network.train()
            for step in range(self.run.evaluation.starting_batches):
                images, labels = self.batch(step)
                logits = self.network(images).float()
                totals.batches += 1
                totals.loss += data_loss(logits, labels, self.class_weights).item()
                totals.correct += count_correct(logits, labels).item()
        return totals

    def row(self, totals: Totals) -> Row:
        """The means of `totals`, with the penalty as it is now."""
        sum_of_squares = self.penalty.sum_of_squares()
        return Row(
            step=self.step,
            epoch=self.step / self.steps_per_epoch,
            data_loss=totals.loss / totals.batches,
            penalty=self.penalty.l2 * sum_of_squares,
            accuracy=totals.correct / (totals.batches * self.batches.batch_size),
            sum_of_squares=sum_of_squares,
        )

    def add_row(self, totals: Totals) -> Row | None:
        """Adds a row of the means of `totals` to the log, unless the objective is not finite."""
        row = self.row(totals)
        self._since_row = Totals()
        if not math.isfinite(row.objective):
            self.diverged = True
            return None
        self.log.append(row)
        return row

    def test(self, images: Tensor, labels: Tensor) -> tuple[float, float]:
        """Data loss (nats) and accuracy on other samples, in eval mode."""
        loss = weight = correct = 0.0
        weights = torch.ones(len(labels)) if self.class_weights is None else self.class_weights.cpu()[labels.cpu()]
        size = self.batches.batch_size
        with unchanged(self.network, self.device), computing_in(self.run.network.precision, self.device):
            self.network.eval()
            for batch, batch_labels, batch_weights in zip(
                images.split(size), labels.split(size), weights.split(size), strict=True
            ):
                logits = self.network(batch).float()
                total = batch_weights.sum().item()
                loss += total * data_loss(logits, batch_labels, self.class_weights).item()
                weight += total
                correct += count_correct(logits, batch_labels).item()
        return loss / weight, correct / len(labels)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, apart from its settings, as tensors and plain values.

        The data order is not in it: it follows from seed and step.
        """
        return {
            "step": self.step,
            "diverged": self.diverged,
            "log": [asdict(row) for row in self.log],
            "since_row": asdict(self._since_row),
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random_state": random_state(self.device),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes to where another training of the same settings was; its number of epochs may differ."""
        self.step, self.diverged = state["step"], state["diverged"]
        self.log = [Row(**row) for row in state["log"]]
        self._since_row = Totals(**state["since_row"])
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        set_random_state(state["random_state"], self.device)
