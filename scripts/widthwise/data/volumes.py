"""Synthetic volumes with a known mask, and labelled cubes cut out of them.

The task is patch-wise segmentation: classify a cube by what its centre voxel belongs to. A volume is a smooth
random blob pattern (the mask), blurred and noisy (the image). A cube's label is the mask at its centre.
"""

from dataclasses import dataclass

import numpy
from scipy import ndimage

CLASSES = 2


@dataclass(frozen=True)
class Volume:
    """`image` (side, side, side) float32 with a contrast of about 1; `mask` uint8, 1 in the foreground."""

    image: numpy.ndarray
    mask: numpy.ndarray


def make_volume(
    generator: numpy.random.Generator,
    *,
    side: int,
    smoothness: float,
    foreground_fraction: float,
    blur: float,
    noise: float,
) -> Volume:
    """Thresholds a smooth Gaussian random field, blurs the result and adds white noise.

    Args:
        generator: source of randomness.
        side: voxels a side.
        smoothness: standard deviation of the filter that smooths the field, in voxels.
        foreground_fraction: share of the mask that is 1.
        blur: standard deviation of the filter between mask and image, in voxels.
        noise: standard deviation of the noise, in units of the contrast between foreground and background.
    """
    field = ndimage.gaussian_filter(generator.standard_normal((side, side, side)), smoothness, mode="wrap")
    mask = field > numpy.quantile(field, 1 - foreground_fraction)
    image = ndimage.gaussian_filter(mask.astype(numpy.float64), blur)
    image += noise * generator.standard_normal(mask.shape)
    return Volume(image.astype(numpy.float32), mask.astype(numpy.uint8))


def cut_cubes(
    volume: Volume, generator: numpy.random.Generator, *, side: int, counts: tuple[int, int]
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Cuts cubes around distinct random voxels, `counts[k]` of them with class k at the centre.

    Returns:
        Images (n, 1, side, side, side) float32 and labels (n,) uint8, class 0 first.

    Raises:
        ValueError: if too few cubes of a class lie inside the volume.
    """
    margin = side // 2
    inside = numpy.zeros(volume.mask.shape, dtype=bool)
    inside[tuple(slice(margin, size - (side - 1 - margin)) for size in volume.mask.shape)] = True
    cubes = []
    for label, count in enumerate(counts):
        candidates = numpy.flatnonzero(inside & (volume.mask == label))
        if len(candidates) < count:
            raise ValueError(
                f"dataset: {count} cubes of class {label} are needed from one volume, only {len(candidates)} fit: "
                "raise dataset.volume_side or the number of volumes, or lower the number of cubes"
            )
        centres = numpy.unravel_index(generator.choice(candidates, count, replace=False), volume.mask.shape)
        cubes += [
            volume.image[tuple(slice(c - margin, c - margin + side) for c in centre)]
            for centre in zip(*centres, strict=True)
        ]
    labels = numpy.repeat(numpy.arange(CLASSES, dtype=numpy.uint8), counts)
    return numpy.array(cubes, dtype=numpy.float32).reshape(-1, 1, side, side, side), labels


def make_split(
    volumes: list[Volume],
    generator: numpy.random.Generator,
    *,
    cubes: int,
    cube_side: int,
    positive_fraction: float,
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Cuts `cubes` cubes, equally many from each volume, and shuffles them.

    Exactly round(cubes * positive_fraction) have foreground at the centre.

    Returns:
        Images (cubes, 1, side, side, side) float32 and labels (cubes,) uint8.
    """
    positives = round(cubes * positive_fraction)
    totals = (cubes - positives, positives)
    shares = [[total * (i + 1) // len(volumes) - total * i // len(volumes) for total in totals]
              for i in range(len(volumes))]  # fmt: skip
    parts = [
        cut_cubes(volume, generator, side=cube_side, counts=tuple(share))
        for volume, share in zip(volumes, shares, strict=True)
    ]
    order = generator.permutation(cubes)
    images = numpy.concatenate([part[0] for part in parts])[order]
    labels = numpy.concatenate([part[1] for part in parts])[order]
    return images, labels


def make_dataset(
    *,
    draw: int,
    seed: int,
    train_volumes: int,
    test_volumes: int,
    train_cubes: int,
    test_cubes: int,
    cube_side: int,
    positive_fraction: float,
    volume_side: int,
    smoothness: float,
    foreground_fraction: float,
    blur: float,
    noise: float,
) -> tuple[dict[str, tuple[numpy.ndarray, numpy.ndarray]], Volume]:
    """Makes one draw of the dataset: the splits, cut from different volumes, and the first test volume.

    Each volume and each split has its own random stream, seeded with [seed, draw, split, index]. Draws are therefore
    independent, another draw changes none of the others, and more training volumes do not change the test split.

    Returns:
        Images and labels of `train` and `test`, as `make_split` returns them, and the volume.
    """
    splits = {}
    for stream, (split, count, cubes) in enumerate(
        (("train", train_volumes, train_cubes), ("test", test_volumes, test_cubes))
    ):
        volumes = [
            make_volume(
                numpy.random.default_rng([seed, draw, stream, index]),
                side=volume_side,
                smoothness=smoothness,
                foreground_fraction=foreground_fraction,
                blur=blur,
                noise=noise,
            )
            for index in range(1, count + 1)
        ]
        splits[split] = make_split(
            volumes,
            numpy.random.default_rng([seed, draw, stream, 0]),
            cubes=cubes,
            cube_side=cube_side,
            positive_fraction=positive_fraction,
        )
    return splits, volumes[0]
