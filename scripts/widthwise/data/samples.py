"""Files that hold one sample each: listed by folders `train/CLASS/` and `test/CLASS/`, or by a table with labels.

A table is a .csv with the columns `file` (relative to the table), `label` and `split` (train, test or val). `val` is
used where there is no `test`.
"""

import csv
import errno
import os
from pathlib import Path

SPLITS = ("train", "test", "val")
NIFTI_SUFFIXES = (".nii", ".nii.gz", ".mgz")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".npy", *NIFTI_SUFFIXES)
LAYOUTS = "train/CLASS/*.png and test/CLASS/*.png, or train_images.npy, train_labels.npy, test_images.npy, ..."

# Of each split, the files and their labels.
Samples = dict[str, list[tuple[Path, str]]]


class SourceError(ValueError):
    """A user's data that cannot be imported. The message is one line: file, array, fault, and what to write instead."""


def list_samples(path: Path) -> Samples | None:
    """Returns what a folder of images by class or a table lists; None if `path` is neither.

    Raises:
        SourceError: if a split or a class has no files, or the table has a fault.
        OSError: if the table cannot be read.
    """
    if (path / "train").is_dir():
        samples = {split: samples_of_folder(path / split) for split in SPLITS if (path / split).is_dir()}
    elif path.suffix.lower() == ".csv" and not path.is_dir():
        samples = samples_of_table(path)
    else:
        return None
    if "train" not in samples or len(samples) == 1:
        raise SourceError(
            f"{path} lists samples of {' and '.join(samples) or 'no split'} only: list train, and test or val"
        )
    if "test" in samples:
        samples.pop("val", None)
    return samples


def samples_of_folder(split: Path) -> list[tuple[Path, str]]:
    """Returns the images below each class' folder, in alphabetical order. Hidden files and other files do not count."""
    samples = []
    for folder in sorted(split.glob("[!.]*/")):
        files = [file for file in sorted(folder.rglob("[!.]*")) if file.name.lower().endswith(SUFFIXES)]
        if not files:
            raise SourceError(f"{folder} has no images: save {', '.join(SUFFIXES)}, or remove the folder")
        samples += [(file, folder.name) for file in files]
    if not samples:
        raise SourceError(f"{split} has no folder of a class: save images as {split}/CLASS/*.png")
    return samples


def samples_of_table(path: Path) -> Samples:
    """Returns the rows of a table, by split."""
    listed = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
            if absent := {"file", "label", "split"} - set(rows.fieldnames):
                raise SourceError(
                    f"{path} has no column {' or '.join(sorted(absent))}, but {', '.join(rows.fieldnames)}; "
                    "write file, label and split, separated by commas"
                )
            for row in rows:
                file, label, split = ((row[key] or "").strip() for key in ("file", "label", "split"))
                if not file or not label:
                    raise SourceError(f"{path}, line {rows.line_num}: write a file and a label")
                if split not in SPLITS:
                    raise SourceError(f"{path}, line {rows.line_num}: split {split!r} given; write train, test or val")
                if not file.lower().endswith(SUFFIXES):
                    raise SourceError(f"{path}, line {rows.line_num}: {file} given; write one of {', '.join(SUFFIXES)}")
                listed.append((rows.line_num, split, file, label))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read ({error}): save it as CSV in UTF-8") from error
    samples: Samples = {}
    has_test = any(split == "test" for _, split, _, _ in listed)
    first: dict[str, tuple[int, str, str]] = {}
    for line, split, file, label in listed:
        if split == "val" and has_test:
            continue
        earlier, *where = first.setdefault(os.path.normpath(file), (line, split, label))
        if where != [split, label]:
            raise SourceError(
                f"{path}, line {line}: {file} is {label} in {split}, but {where[1]} in {where[0]} on line {earlier}: "
                "keep one of these rows"
            )
        samples.setdefault(split, []).append((path.parent / file, label))
    return samples


def list_files(path: Path) -> list[tuple[str, Path]]:
    """Returns all files that a `dataset.path` stands for, by names that stay the same where the data are moved.

    Raises:
        SourceError: as `list_samples`.
        OSError: if the folder or the table cannot be read, or the folder has no data.
    """
    nothing = FileNotFoundError(errno.ENOENT, f"no data there; save {LAYOUTS}", str(path))
    if path.is_dir() and not any(file.name.lower().endswith(SUFFIXES) for file in path.rglob("[!.]*")):
        raise nothing  # folders of classes may be left
    samples = list_samples(path)
    if samples is None and not path.is_dir():
        return [("", path)]
    if samples is None:
        files = sorted(path.glob("*.npy"))
        if not files:
            raise nothing
    else:
        files = [file for split in samples.values() for file, _ in split]
    root = path if path.is_dir() else path.parent
    table = [] if path.is_dir() else [("", path)]
    return table + [(os.path.relpath(file, root), file) for file in files]
