"""A user's own cubes, small and learnable, and a study of them; and pictures in a folder by class."""

import numpy
from PIL import Image


def small_cubes(counts=(12, 8, 4), test=(2, 2, 2), side=8):
    """Noise of uint8 with a bright slab across the axis that the class is named after; labels (n, 1) as MedMNIST's."""
    generator = numpy.random.default_rng(0)
    arrays = {}
    for split, of_class in (("train", counts), ("test", test)):
        labels = generator.permutation(numpy.repeat(numpy.arange(len(of_class)), of_class)).astype(numpy.uint8)
        images = generator.integers(0, 100, (len(labels), side, side, side), dtype=numpy.uint8)
        for image, label in zip(images, labels, strict=True):
            numpy.moveaxis(image, label % 3, 0)[side // 2] += 100
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
    return arrays


def save_pictures(folder):
    """Noise in colour, 9 x 7 pixels; cats are redder than dogs. The folder has no test split, but val."""
    generator = numpy.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        for label, name in enumerate(("cat", "dog")):
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 200, (9, 7, 3), dtype=numpy.uint8)
                pixels[..., label] += 50
                Image.fromarray(pixels).save(folder / split / name / f"{index}.png")
    return folder


MINE = """
pathvars: {results: results/mine}
dataset: {path: cubes.npz}
widths: [1, 2, 3]
seeds: [0, 1]
study: [baseline]
network: {stages: [1, 1, 1, 1], multipliers: [1, 1, 1, 2], activation: relu}
training: {epochs: 2, batch_size: 4, learning_rate: 1.0e-2, l2: 1.0e-4, l2_as: loss, class_weights: [1, 1.5, 3]}
evaluation: {row_interval: 1, starting_batches: 2}
analysis:
  {decay_step: 4, end_window: 0.4, initialisations: 4, heads_per_backbone: 2, coordinate_check: {circumstances: []}}
"""
