"""Predicts the mask of a held-out slice with trained networks, voxel by voxel: the task as the question meant it.

Every voxel whose cube lies inside the volume is classified by its cube. BatchNorm's running statistics are taken
anew over the training set first, since those kept in training lag behind it. Writes an .npz file: `image` and
`mask` (h, w) of the slice, `foreground` (networks, h, w) with the probability of foreground, `parameters` and
`accuracy` (networks,).
"""

import json
from pathlib import Path

import numpy
import torch
from numpy.lib.stride_tricks import sliding_window_view

from widthwise.files import written_aside
from widthwise.model.network import Network
from widthwise.program import start_logging
from widthwise.training.device import network_parser, start_computing
from widthwise.training.loop import as_tensors, prepare_network

BATCH_SIZE = 32


@torch.inference_mode()
def recalibrate(network: Network, images: torch.Tensor) -> None:
    """Takes BatchNorm's running statistics anew, as the mean over the batches of `images`."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.reset_running_stats()
            module.momentum = None
    network.train()
    for batch in images.split(BATCH_SIZE):
        network(batch)


@torch.inference_mode()
def foreground_probability(network: Network, cubes: torch.Tensor) -> torch.Tensor:
    """The probability of class 1 for each cube (n, 1, D, H, W), shape (n,)."""
    network.eval()
    return torch.cat([network(batch).softmax(dim=1)[:, 1] for batch in cubes.split(BATCH_SIZE)])


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run.json of each network")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="weights.pt of each network")
    parser.add_argument("--predictions", type=Path, required=True, help=".npz file to write")
    arguments = parser.parse_args()
    log = start_logging("predict_masks")

    _, arrays, classes, device = start_computing(arguments)
    if "volume/mask" not in arrays:
        raise ValueError(f"{arguments.dataset}: no volume with a mask, on which to show a segmentation")
    image, mask, side = arrays["volume/image"], arrays["volume/mask"], arrays["train/images"].shape[-1]
    middle, margin = len(image) // 2, side // 2
    slab = image[middle - margin : middle - margin + side]
    windows = sliding_window_view(slab, (side, side, side))[0]  # (h, w, side, side, side), no copy
    height, width = windows.shape[:2]
    inside = (middle, slice(margin, margin + height), slice(margin, margin + width))
    cubes = torch.from_numpy(windows.reshape(-1, 1, side, side, side).copy()).to(device)

    train_images, _ = as_tensors(arrays, "train", device)

    predictions, parameters = [], []
    for run_path, weights_path in zip(arguments.runs, arguments.weights, strict=True):
        run = json.loads(run_path.read_text(encoding="utf-8"))
        network = prepare_network(run["settings"], classes, device)
        network.load_state_dict(torch.load(weights_path, map_location=device, weights_only=True))
        recalibrate(network, train_images)
        probability = foreground_probability(network, cubes).reshape(height, width).cpu().numpy()
        predictions.append(probability)
        parameters.append(run["parameters"])
        log.info("%d parameters: %.3f of voxels right", parameters[-1], ((probability > 0.5) == mask[inside]).mean())
    accuracy = [((probability > 0.5) == mask[inside]).mean() for probability in predictions]
    with written_aside(arguments.predictions) as aside, aside.open("wb") as stream:
        numpy.savez(
            stream,
            image=image[inside],
            mask=mask[inside],
            foreground=numpy.array(predictions),
            parameters=numpy.array(parameters),
            accuracy=numpy.array(accuracy),
        )


if __name__ == "__main__":
    main()
