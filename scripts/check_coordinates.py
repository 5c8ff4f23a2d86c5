"""Follows the first steps of one circumstance's networks of one size, layer by layer: how much its output changes.

The root mean square change from step 0 of every convolution's output before normalisation, and of the logits, on
a fixed batch. After BatchNorm sizes would be level trivially. Under a parametrisation that suits width the
changes are level across widths (Yang et al. 2022, Tensor Programs V, the coordinate check). Writes a row for
each seed, step and layer: the run's identity, step, layer, rms_change. The seeds are not the study's: more runs do
not ask for more of these.
"""

import json
from pathlib import Path

import torch

from widthwise.files import write_rows
from widthwise.program import start_logging
from widthwise.study.identity import identity
from widthwise.training.device import network_parser, start_computing
from widthwise.training.loop import Training, prepare_training

STEPS = 5  # the changes are those of the first steps, before the loss has moved far
SEEDS = 5  # what a published verdict needs


def layer_outputs(training: Training) -> dict[str, torch.Tensor]:
    """Each convolution's output before normalisation, and the logits, on the probe's first batch."""
    outputs: dict[str, torch.Tensor] = {}
    names = [layer.name for layer in training.network.layers]
    modules = [*(block.convolution for block in training.network.blocks), training.network]
    hooks = [
        module.register_forward_hook(lambda module, inputs, output, name=name: outputs.update({name: output.clone()}))
        for name, module in zip(names, modules, strict=True)
    ]
    training.probe.first_batch().measure(training.network)
    for hook in hooks:
        hook.remove()
    return outputs


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument(
        "--settings",
        type=json.loads,
        required=True,
        help="a run's settings in JSON, as print_settings.py prints them; its seed does not count",
    )
    parser.add_argument("--coordinates", type=Path, required=True, help="CSV file to write")
    arguments = parser.parse_args()
    log = start_logging("check_coordinates")

    _, arrays, classes, device = start_computing(arguments)
    rows = []
    for seed in range(SEEDS):
        settings = arguments.settings | {"seed": seed}
        training = prepare_training(settings, arrays, classes, device)
        who = identity(settings, training.network.parameter_count)
        start = layer_outputs(training)
        for step in range(1, STEPS + 1):
            training.advance()
            for name, output in layer_outputs(training).items():
                change = (output - start[name]).double().square().mean().sqrt().item()
                rows.append([*who.values(), step, name, change])
        log.info("%s, seed %d: the logits changed by %.3g in %d steps", who["size"], seed, change, STEPS)
    write_rows(arguments.coordinates, [*who, "step", "layer", "rms_change"], rows)


if __name__ == "__main__":
    main()
