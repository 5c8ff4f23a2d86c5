"""Data that nobody made for this project: scikit-learn's digits, and a brain that nilearn ships.

As a program it saves the cubes that config/studies/real.yaml reads.
"""

import argparse
import csv
from importlib import metadata
from pathlib import Path

import nibabel
import numpy
from sklearn.datasets import load_digits

# Grey matter, white matter, and what is neither.
TISSUES = ("grey", "white", "neither")


def save_digits(path: Path, train: int = 160, test: int = 40) -> None:
    """Saves images (n, 8, 8) of handwritten digits, float64 from 0 to 16, with their labels."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    rest = slice(train, train + test)
    numpy.savez(
        path,
        train_images=images[:train],
        train_labels=labels[:train],
        test_images=images[rest],
        test_labels=labels[rest],
    )


def save_brain_cubes(folder: Path, side: int = 12, train: int = 24, test: int = 8) -> Path:
    """Saves cubes of the MNI template as NIfTI volumes, and a table of them; returns the table.

    A cube's class is the tissue at its centre. There are `train` and `test` of each class: training cubes from one
    hemisphere, test cubes from the other.
    """
    brain, grey, white = (template(name) for name in ("t1", "gm", "wm"))
    grey, white, inside = (numpy.asarray(volume.dataobj) for volume in (grey, white, brain))
    masks = [grey > 200, white > 200, (grey < 30) & (white < 30) & (inside > 0)]
    middle, generator = inside.shape[0] // 2, numpy.random.default_rng(0)
    rows = []
    for split, hemisphere, count in (("train", (0, middle), train), ("test", (middle, inside.shape[0]), test)):
        low = numpy.array([hemisphere[0], 0, 0]) + side
        high = numpy.array([hemisphere[1], *inside.shape[1:]]) - side
        for tissue, mask in zip(TISSUES, masks, strict=True):
            places = numpy.argwhere(mask)
            places = places[((places >= low) & (places < high)).all(1)]
            for number, centre in enumerate(generator.choice(places, count, replace=False)):
                file = f"{split}_{tissue}_{number}.nii.gz"
                x, y, z = centre - side // 2
                cube = brain.slicer[x : x + side, y : y + side, z : z + side]
                nibabel.save(cube, folder / file)
                rows.append((file, tissue, split))
    with (folder / "cubes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "label", "split"), *rows])
    return folder / "cubes.csv"


def template(name: str) -> nibabel.Nifti1Image:
    """The MNI template's volume of this name. nilearn itself is not imported: it would take seconds."""
    (file,) = (file for file in metadata.files("nilearn") if f"mni_icbm152_{name}_" in file.name)
    return nibabel.load(file.locate())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to put the cubes and their table, cubes.csv")
    parser.add_argument("--side", type=int, default=13, help="voxels a side (default: %(default)s)")
    parser.add_argument("--train", type=int, default=256, help="training cubes of each class (default: %(default)s)")
    parser.add_argument("--test", type=int, default=64, help="test cubes of each class (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print(save_brain_cubes(arguments.folder, arguments.side, arguments.train, arguments.test))


if __name__ == "__main__":
    main()
