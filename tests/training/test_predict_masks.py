"""Masks are predicted voxel by voxel, each from the sample around it, with statistics of the training samples."""

import json

import numpy
import predict_masks
import pytest
import torch
from own_networks import own_run, save_factory
from programs import run_program

from widthwise.data.storage import write_dataset
from widthwise.study.architecture import Task
from widthwise.training.loop import prepare_network

# Calls a sample foreground by its voxel in the middle alone, in units of the training samples' spread.
CENTRE = """
import torch
from torch import nn


class Centre(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(1), nn.Linear(1, 2)
        nn.init.zeros_(self.head.bias)
        self.head.weight.data[:, 0] = torch.tensor([-1.0, 1.0])

    def forward(self, x):
        depth, height, width = (side // 2 for side in x.shape[2:])
        return self.head(self.norm(x[:, :, depth, height, width]))


def build(width, *, classes, shape):
    return Centre()
"""


@pytest.mark.parametrize(
    ("sides", "volume", "samples"),
    [((5, 5, 5), (8, 7, 6), 32), ((8, 5, 6), (9, 11, 12), 65), ((3, 8, 5), (3, 8, 9), 7)],
    ids=["cubes", "a rest of one sample", "fewer samples than a batch"],
)
def test_each_voxel_whose_sample_lies_inside_is_predicted_from_it(sides, volume, samples, tmp_path, in_this_process):
    generator = numpy.random.default_rng(0)
    image = generator.standard_normal(volume, dtype=numpy.float32)
    images = generator.normal(0.5, 2, (samples, 1, *sides)).astype(numpy.float32)
    mask = (image > 0).astype(numpy.uint8)
    arrays = {"train/images": images, "train/labels": numpy.arange(samples, dtype=numpy.uint8) % 2}
    arrays |= {"volume/image": image, "volume/mask": mask}
    summary = {"digest": write_dataset(tmp_path / "d.h5", arrays, {}), "shape": [1, *sides]}
    summary |= {"class_counts": {"train": [1, samples - 1]}}
    run = own_run(save_factory(tmp_path, CENTRE))
    torch.save(prepare_network(run, Task(2, (1, *sides))).state_dict(), tmp_path / "weights.pt")
    for name, content in (("d", summary), ("run", {"settings": run.as_dict(), "parameters": 6})):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    files = {"dataset": "d.h5", "summary": "d.json", "runs": "run.json", "weights": "weights.pt"}
    options = [f"--{option}={tmp_path / file}" for option, file in files.items()]
    run_program(predict_masks, *options, f"--predictions={tmp_path / 'found.npz'}", "--device=cpu")
    found = numpy.load(tmp_path / "found.npz")

    slices = tuple(slice(side // 2, side // 2 + length - side + 1) for side, length in zip(sides, volume, strict=True))
    middle = (volume[0] // 2, *slices[1:])
    assert numpy.array_equal(found["image"], image[middle])
    assert numpy.array_equal(found["mask"], mask[middle])
    centres = images[(slice(None), 0, *(side // 2 for side in sides))]
    batches = numpy.split(centres[: samples // 32 * 32] if samples > 32 else centres, max(1, samples // 32))
    mean = numpy.mean([batch.mean() for batch in batches])
    variance = numpy.mean([batch.var(ddof=1) for batch in batches])
    expected = 1 / (1 + numpy.exp(-2 * (image[middle] - mean) / numpy.sqrt(variance + 1e-5)))
    numpy.testing.assert_allclose(found["foreground"], expected[None], rtol=1e-4)
    called, true = expected > 0.5, mask[middle]
    assert found["dice"] == pytest.approx([2 * (called & true).sum() / (called.sum() + true.sum())])
