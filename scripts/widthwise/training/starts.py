"""The loss before any update, over many initialisations of one network, forward only.

At step 0 the head's random draw dominates the data loss, so the few seeds of a study say little about where a size
starts: over 10 backbones with 20 heads each, its standard deviation was 0.047 to 0.064 nats between heads and 0.000 to
0.007 between backbones (widths 2, 8 and 26 of the default study). Drawing heads is cheap: many share one backbone,
whose pooled features are computed once. Initialisations with one backbone are not independent, so an interval is taken
over backbones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor, nn

from widthwise.model.build import CPU, build_network
from widthwise.model.initialisation import count_parameters, initialise_head, kernels
from widthwise.model.network import Network
from widthwise.model.parametrisation import kernel_variances
from widthwise.study.architecture import Task
from widthwise.study.settings import StartSettings
from widthwise.training.loop import MiniBatches, as_tensors, dealt_at_random
from widthwise.training.measuring import computing_in, unchanged
from widthwise.training.objective import Penalty, data_loss
from widthwise.training.seeding import Stream, torch_generator


@dataclass(frozen=True)
class Start:
    """One initialisation. `data_loss` in nats; the penalty is added later, for each lambda.

    The first head of backbone i makes the network that the run of seed i starts with. The data are those of the first
    seed for all of them.
    """

    backbone: int
    head: int
    parameters: int
    depth: int
    data_loss: float
    sum_of_squares: float


def measure_starts(
    settings: StartSettings, arrays: Mapping[str, numpy.ndarray], task: Task, device: torch.device = CPU
) -> Iterator[Start]:
    """Measures every initialisation: `heads_per_backbone` heads on each backbone.

    A user's own network, whose head is not known apart, is measured whole.
    """
    images, true_labels = as_tensors(arrays, "train", device)
    weights = settings.class_weights
    class_weights = None if weights is None else torch.tensor(weights, device=device)
    for backbone in range(settings.initialisations // settings.heads_per_backbone):
        generator = torch_generator(backbone, Stream.INITIALISATION)
        network = build_network(settings.network, task, generator, device)
        labels = dealt_at_random(true_labels, backbone) if settings.random_labels else true_labels
        batches = MiniBatches(len(labels), settings.batch_size, backbone, device)
        chosen = [batches.indices(step) for step in range(settings.starting_batches)]
        # Dropout draws as it does at the start of the run of this seed.
        torch.manual_seed(torch_generator(backbone, Stream.DROPOUT).initial_seed())
        backbone_squares = Penalty(kernels(network)[:-1], l2=0).sum_of_squares()
        of_every_head = logits_of_heads(network, [images[indices] for indices in chosen], settings, task, generator)
        for head, logits in zip(range(settings.heads_per_backbone), of_every_head, strict=True):
            losses = [
                data_loss(batch, labels[indices], class_weights).item()
                for batch, indices in zip(logits, chosen, strict=True)
            ]
            yield Start(
                backbone,
                head,
                count_parameters(network),
                len(kernels(network)),
                sum(losses) / len(losses),
                backbone_squares + Penalty(kernels(network)[-1:], l2=0).sum_of_squares(),
            )


def logits_of_heads(
    network: nn.Module,
    batches: list[Tensor],
    settings: StartSettings,
    task: Task,
    generator: torch.Generator,
) -> Iterator[list[Tensor]]:
    """The logits of every batch, for the head that the network has and for each that is drawn after it."""
    device = batches[0].device
    if not isinstance(network, Network):
        with unchanged(network, device), computing_in(settings.network.precision, device):
            network.train()
            yield [network(batch).float() for batch in batches]
        return
    with unchanged(network, device), computing_in(settings.network.precision, device):
        network.train()
        pooled = [network.dropout(network.pooled(batch)) for batch in batches]
    variance = kernel_variances(settings.network, task)[-1]
    for head in range(settings.heads_per_backbone):
        if head:
            initialise_head(network.head, settings.network, variance, generator)
        with torch.inference_mode(), computing_in(settings.network.precision, device):
            logits = [network.head(features).float() for features in pooled]
        yield logits
