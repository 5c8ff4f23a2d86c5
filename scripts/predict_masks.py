"""Predicts the mask of a held-out slice with trained networks, voxel by voxel: the task as the post means it.

Every voxel whose cube lies inside the volume is classified by its cube; own samples need not be cubes. BatchNorm's
running statistics are first taken anew over the training set, since those kept in training lag behind. Writes an .npz
file: `image` and `mask` (h, w) of the slice, `foreground` (networks, h, w) with the probability of foreground,
`parameters` and `dice` (networks,), and `trivial_dice`, what calling every voxel foreground scores. Dice (1945) is
2 |A and B| / (|A| + |B|).
"""

import json
from pathlib import Path

import numpy
import torch
from numpy.lib.stride_tricks import sliding_window_view

from widthwise.files import atomic_write
from widthwise.model.network import Network
from widthwise.program import start_logging
from widthwise.study.settings import RunSettings
from widthwise.training.device import network_parser, start_computing
from widthwise.training.loop import as_tensors, prepare_network
from widthwise.training.measuring import computing_in

BATCH_SIZE = 32


def main() -> None:
    parser = network_parser(__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run.json of each network")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="weights.pt of each network")
    parser.add_argument("--predictions", type=Path, required=True, help=".npz file to write")
    arguments = parser.parse_args()
    log = start_logging("predict_masks")

    _, arrays, task, device = start_computing(arguments)
    if "volume/mask" not in arrays:
        raise ValueError(f"{arguments.dataset}: no volume with a mask, on which to show a segmentation")
    image, mask, sides = arrays["volume/image"], arrays["volume/mask"], arrays["train/images"].shape[-3:]
    middle, first = len(image) // 2, len(image) // 2 - sides[0] // 2
    windows = sliding_window_view(image[first : first + sides[0]], sides)[0]  # (h, w, *sides), a view
    inside = (
        middle,
        *(slice(side // 2, side // 2 + count) for side, count in zip(sides[1:], windows.shape, strict=False)),
    )
    train_images, _ = as_tensors(arrays, "train", device)

    predictions, parameters = [], []
    for run_path, weights_path in zip(arguments.runs, arguments.weights, strict=True):
        record = json.loads(run_path.read_text(encoding="utf-8"))
        run = RunSettings.from_dict(record["settings"])
        network = prepare_network(run, task, device)
        network.load_state_dict(torch.load(weights_path, map_location=device, weights_only=True))
        with torch.inference_mode(), computing_in(run.network.precision, device):
            recalibrate(network, train_images)
            predictions.append(foreground_probability(network, windows, device))
        parameters.append(record["parameters"])
    scores = [dice(probability > 0.5, mask[inside]) for probability in predictions]
    for count, score in zip(parameters, scores, strict=True):
        log.info("%d parameters: Dice %.3f", count, score)
    with atomic_write(arguments.predictions) as aside, aside.open("wb") as stream:
        numpy.savez(
            stream,
            image=image[inside],
            mask=mask[inside],
            foreground=numpy.array(predictions),
            parameters=numpy.array(parameters),
            dice=numpy.array(scores),
            trivial_dice=dice(numpy.ones_like(mask[inside]), mask[inside]),
        )


def recalibrate(network: Network, images: torch.Tensor) -> None:
    """Takes BatchNorm's running statistics anew, as the mean over the whole batches of `images`."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None
    network.train()
    size = min(BATCH_SIZE, len(images))
    for batch in images[: len(images) // size * size].split(size):
        network(batch)


def dice(predicted: numpy.ndarray, mask: numpy.ndarray) -> float:
    """Dice's overlap of two masks; 1 where both are empty."""
    predicted, mask = predicted.astype(bool), mask.astype(bool)
    total = predicted.sum() + mask.sum()
    return float(2 * (predicted & mask).sum() / total) if total else 1.0


def foreground_probability(network: Network, windows: numpy.ndarray, device: torch.device) -> numpy.ndarray:
    """The probability of class 1 for each window (h, w, D, H, W), shape (h, w). One row of windows is copied a time."""
    network.eval()
    rows = []
    for row in windows:
        cubes = torch.from_numpy(row.copy()).unsqueeze(1).to(device)
        rows.append(torch.cat([network(batch).float().softmax(dim=1)[:, 1] for batch in cubes.split(BATCH_SIZE)]))
    return torch.stack(rows).cpu().numpy()


if __name__ == "__main__":
    main()
