"""The coordinate check: how much each layer's output changes in the first steps, on a fixed batch.

Under a parametrisation that suits width the changes are level across widths (Yang et al. 2022, Tensor Programs V). The
outputs are taken after BatchNorm: there the sizes are level trivially, the changes are not. The rate is small, so that
layers change in proportion to it.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from widthwise.training.loop import Training
from widthwise.training.measuring import computing_in, unchanged

STEPS = 5
LOGITS = "logits"


def normalised_outputs(training: Training) -> dict[str, nn.Module]:
    """The modules whose outputs are followed, by layer: after normalisation where there is one, and the logits."""
    network = training.network
    *convolutions, _ = network.layers
    followed = {layer.name: block.normalisation for layer, block in zip(convolutions, network.blocks, strict=True)}
    return followed | {LOGITS: network}


def changes(training: Training, followed: Mapping[str, nn.Module]) -> Iterator[tuple[int, str, float]]:
    """Trains `STEPS` steps; gives step, layer, and the root mean square change of its output since step 0."""
    batch, _ = training.batch(0)
    start = outputs(training, followed, batch)
    for step in range(1, STEPS + 1):
        training.advance()
        for layer, output in outputs(training, followed, batch).items():
            yield step, layer, (output - start[layer]).double().square().mean().sqrt().item()


def outputs(training: Training, followed: Mapping[str, nn.Module], batch: Tensor) -> dict[str, Tensor]:
    """Each followed module's output on the batch: in train mode, but without dropout, whose draws differ."""
    found: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda module, inputs, output, name=name: found.update({name: output.clone()}))
        for name, module in followed.items()
    ]
    device = training.device
    with unchanged(training.network, device), computing_in(training.run.network.precision, device):
        training.network.train()
        training.network.dropout.eval()
        training.network(batch)
    for hook in hooks:
        hook.remove()
    return found
