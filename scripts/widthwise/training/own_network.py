"""Tries a user's own network on a mini-batch: whether it can be trained as the study needs, and what it costs."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from widthwise.model.build import build_network
from widthwise.model.factory import OwnNetworkError, users_code
from widthwise.model.initialisation import count_parameters, kernels
from widthwise.study.architecture import Complexity, Task
from widthwise.study.settings import RunSettings
from widthwise.training.checkpoint import restored, serialised
from widthwise.training.loop import Training, as_tensors
from widthwise.training.measuring import computing_in, unchanged
from widthwise.training.objective import data_loss
from widthwise.training.seeding import Stream, torch_generator

# A training step does the forward pass' operations three times over: forward, and backward to inputs and to weights.
PASSES = 3
# Gradients beside what is saved for them, and workspaces.
PEAK_OVER_SAVED = 2
# Logits of one sample may differ by rounding with the samples around it.
TOLERANCE = 1e-3
# What holds for so many draws is no chance: logits within 0 and 1, a parameter that is not used.
DRAWS = 10


@dataclass(frozen=True)
class Trial:
    """The result of trying a network.

    Attributes:
        complexity: what training it costs.
        without_penalty: matrices and larger arrays that are no kernel of a convolution or linear module, which the
            penalty and initialisations leave alone.
    """

    complexity: Complexity
    without_penalty: list[str]


def try_network(run: RunSettings, arrays: Mapping[str, numpy.ndarray], task: Task) -> Trial:
    """Tries a run's network on one mini-batch, on the CPU.

    Raises OwnNetworkError where it cannot be trained as the study needs: its output, what it draws at random, what it
    keeps, or its parameters are not as they must be.
    """
    factory = run.network.factory
    images, labels = as_tensors(arrays, "train")
    first = new_network(run, task)
    again = new_network(run, task)
    check_same(factory, first, again)
    check_penalty(factory, first, run)
    check_initialisation(factory, first, run)
    another = new_network(run, task, run.seed + 1)
    check_seeds(factory, first, another)
    training = Training(first, images, labels, run)
    batch, batch_labels = training.batch(0)
    with users_code(factory.rpartition(":")[0]):
        check_forward(factory, first, batch, run, task)
        check_range(factory, another, batch)
        check_eval_mode(factory, first, batch, task)
        flops = forward_flops(first, batch)

        def step() -> None:
            data_loss(first(batch).float(), batch_labels).backward()

        saved = saved_numbers(step, first, run)
        check_gradients(factory, first, batch, step)
        check_resuming(factory, training, Training(again, images, labels, run))
    return Trial(
        Complexity(
            parameters=count_parameters(first),
            layers=len(kernels(first)),
            flops_per_sample=math.ceil(PASSES * flops / len(batch)),
            kept_per_sample=math.ceil(PEAK_OVER_SAVED * saved / len(batch)),
        ),
        without_penalty(first),
    )


def new_network(run: RunSettings, task: Task, seed: int | None = None) -> nn.Module:
    """The run's network before any update, or that of another seed."""
    return build_network(run.network, task, torch_generator(run.seed if seed is None else seed, Stream.INITIALISATION))


def differing_values(one: nn.Module, other: nn.Module) -> list[str]:
    """The parameters and buffers that are not the same in two networks."""
    values = dict(chain(other.named_parameters(), other.named_buffers()))
    return [
        name
        for name, value in chain(one.named_parameters(), one.named_buffers())
        if name not in values or not torch.equal(value.nan_to_num(), values[name].nan_to_num())
    ]


def check_same(factory: str, one: nn.Module, other: nn.Module) -> None:
    """Checks that two networks of one seed are the same."""
    if differing := differing_values(one, other):
        raise OwnNetworkError(
            f"{factory} gives other values of {differing[0]} for the same seed; draw from torch, numpy.random or "
            "random, without a generator of your own"
        )


def check_seeds(factory: str, one: nn.Module, other: nn.Module) -> None:
    """Checks that networks of two seeds are not the same."""
    if not differing_values(one, other):
        raise OwnNetworkError(
            f"{factory} gives the same weights for every seed; leave torch.manual_seed and generators of your own out"
        )


def check_penalty(factory: str, network: nn.Module, run: RunSettings) -> None:
    """Checks that a penalty has something to cover."""
    if run.training.reported_l2 and not kernels(network):
        raise OwnNetworkError(
            f"{factory}: its network has no convolution or linear module{scripted(network)}, whose weights the penalty "
            "covers; write training.l2: 0, or l2_as: optimiser"
        )


def check_initialisation(factory: str, network: nn.Module, run: RunSettings) -> None:
    """Checks that an initialisation has something to draw."""
    if run.network.initialisation != "as_built" and not kernels(network):
        raise OwnNetworkError(
            f"{factory}: its network has no convolution or linear module{scripted(network)}, whose weights "
            "network.initialisation draws; write network.initialisation: as_built, or take "
            f"{run.circumstance} out of `study`"
        )


def scripted(network: nn.Module) -> str:
    """Says why no module is recognised, where that is so."""
    is_scripted = any(isinstance(module, torch.jit.ScriptModule) for module in network.modules())
    return " that can be seen in TorchScript" if is_scripted else ""


def without_penalty(network: nn.Module) -> list[str]:
    """The parameters of two or more dimensions that are no kernels."""
    covered = {id(kernel) for kernel in kernels(network)}
    return [name for name, item in network.named_parameters() if item.ndim > 1 and id(item) not in covered]


def check_forward(factory: str, network: nn.Module, batch: Tensor, run: RunSettings, task: Task) -> None:
    """Checks in train mode what the network gives for a mini-batch, that it leaves it as it is, and how it draws."""
    given, outputs, drawn = batch.clone(), [], host_random_states()
    for _ in range(2):
        with unchanged(network, batch.device), computing_in(run.network.precision, batch.device):
            network.train()
            outputs.append(network(batch))
        if not torch.equal(batch, given):
            raise OwnNetworkError(
                f"{factory}: its network changes its input in place; write x = x + 1 for x += 1, or clone x first"
            )
    if host_random_states() != drawn:
        raise OwnNetworkError(
            f"{factory}: its forward draws from random or numpy.random, which no checkpoint holds; draw from torch"
        )
    logits, repeated = outputs
    check_logits(factory, logits, batch, task)
    if not logits.isfinite().all():
        raise OwnNetworkError(f"{factory}: the first logits are not finite; check its initial weights")
    if not torch.equal(logits, repeated):
        raise OwnNetworkError(
            f"{factory}: two passes from the same random state differ; in forward, draw from torch without a generator "
            "of your own, and keep what changes in buffers"
        )
    if (logits >= 0).all() and torch.allclose(logits.float().sum(1), torch.ones(len(batch)), atol=TOLERANCE):
        raise OwnNetworkError(f"{factory}: its network returns probabilities; return logits, without the softmax")


def host_random_states() -> tuple:
    """The states of Python's and numpy's random numbers."""
    name, keys, *rest = numpy.random.get_state()
    return random.getstate(), name, keys.tobytes(), *rest


def check_range(factory: str, network: nn.Module, batch: Tensor) -> None:
    """Checks that logits are not held within 0 and 1, as by a sigmoid. Draws the network's weights anew."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(DRAWS):
            logits = network(batch)
            if not ((logits >= 0) & (logits <= 1)).all() or not logits.any():
                return
            for parameter in network.parameters():
                parameter.normal_(generator=generator)
    raise OwnNetworkError(
        f"{factory}: its network returns numbers within 0 and 1 whatever its weights; return logits, without the "
        "sigmoid"
    )


def check_logits(factory: str, logits: object, batch: Tensor, task: Task) -> None:
    """Checks the shape of what the network gives for a mini-batch."""
    expected = (len(batch), task.classes)
    if not isinstance(logits, Tensor):
        raise OwnNetworkError(
            f"{factory}: its network returns {type(logits).__name__}; return logits {expected}, (samples, classes)"
        )
    if tuple(logits.shape) != expected:
        raise OwnNetworkError(
            f"{factory}: its network maps {tuple(batch.shape)} to {tuple(logits.shape)}; return logits {expected}, "
            "(samples, classes)"
        )


def check_eval_mode(factory: str, network: nn.Module, batch: Tensor, task: Task) -> None:
    """Checks that in eval mode nothing is random, and a sample's logits do not depend on the other samples."""
    others = batch[:1].expand_as(batch).clone()
    with unchanged(network, batch.device):
        network.eval()
        logits = [network(samples) for samples in (batch, batch, others)]
    check_logits(factory, logits[0], batch, task)
    if not torch.equal(logits[0], logits[1]):
        raise OwnNetworkError(
            f"{factory}: in eval mode two passes differ; call functional.dropout with training=self.training"
        )
    one, among_others = logits[0][0].float(), logits[2][0].float()
    if not torch.allclose(one, among_others, rtol=TOLERANCE, atol=TOLERANCE * float(one.abs().max())):
        raise OwnNetworkError(
            f"{factory}: in eval mode a sample's logits depend on the rest of its batch; use running statistics "
            "(track_running_stats=True), or a normalisation without batches"
        )


def check_gradients(factory: str, network: nn.Module, batch: Tensor, step: Callable[[], None]) -> None:
    """Checks that every parameter takes part in the loss of some step, and that no other tensor would be trained."""
    for _ in range(DRAWS):  # a network may leave blocks out at random
        if all(parameter.grad is not None for parameter in network.parameters()):
            break
        step()
    for name, parameter in network.named_parameters():
        if parameter.grad is None:
            raise OwnNetworkError(f"{factory}: {name} takes no part in the logits; leave it out of the network")
        if not parameter.grad.isfinite().all():
            raise OwnNetworkError(f"{factory}: the first gradient of {name} is not finite; check its initial weights")
    # A leaf that forward itself makes, as a first hidden state, is another tensor in each pass.
    leaves, again = (leaves_of(network(batch.clone())) for _ in range(2))
    held = {id(value) for value in chain(network.parameters(), network.buffers())}
    unknown = next((leaf for key, leaf in leaves.items() if key in again and key not in held), None)
    if unknown is not None:
        raise OwnNetworkError(
            f"{factory}: a tensor of shape {tuple(unknown.shape)} has gradients but is no parameter of the network, so "
            "it is never trained; hold modules in nn.ModuleList or nn.ModuleDict, tensors in nn.Parameter"
        )


def leaves_of(logits: Tensor) -> dict[int, Tensor]:
    """The tensors at which the gradients of the logits end, by their ids."""
    leaves, seen, nodes = {}, set(), [logits.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "torch::autograd::AccumulateGrad":
            leaves[id(node.variable)] = node.variable
        nodes += [following for following, _ in node.next_functions]
    return leaves


def check_resuming(factory: str, training: Training, other: Training) -> None:
    """Checks that a run that goes on from a checkpoint is the run that never stopped. Both are not yet begun."""
    training.advance()
    state = serialised(training.state_dict())
    training.advance()
    other.load_state_dict(restored(state))
    other.advance()
    if differing := differing_values(training.network, other.network):
        raise OwnNetworkError(
            f"{factory}: {differing[0]} differs in a run that goes on from a checkpoint; keep all that changes in "
            "parameters and persistent buffers"
        )


def forward_flops(network: nn.Module, batch: Tensor) -> int:
    """Floating-point operations of a forward pass: of convolutions and matrix products."""
    with unchanged(network, batch.device), FlopCounterMode(display=False) as counter:
        network.eval()
        network(batch)
    return counter.get_total_flops()


def saved_numbers(step: Callable[[], None], network: nn.Module, run: RunSettings) -> int:
    """How many numbers a step saves for its gradients, in units of 4 bytes, parameters left out."""
    storages: dict[int, int] = {}
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    network.train()
    saving = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with saving, computing_in(run.network.precision, next(network.parameters()).device):
        step()
    return sum(storages.values()) // 4
