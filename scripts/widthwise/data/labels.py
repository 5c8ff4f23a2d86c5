"""Classes out of a user's labels: whole numbers, text or one-hot rows become 0 to classes - 1.

Classes are sorted, as numbers where all labels are whole numbers, also those that are written as text.
"""

import re
from dataclasses import dataclass

import numpy

from widthwise.data.formats import ArrayFile

MOST_SHOWN = 10
WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Labels:
    """Class of each sample by split, the classes' names in label order, and lines for the log."""

    of_split: dict[str, numpy.ndarray]
    classes: list[str]
    notes: list[str]


def read_labels(file: ArrayFile, names: dict[str, str], counts: dict[str, int]) -> Labels:
    """Reads the labels of all splits. Every class needs a training sample, and there must be at least two.

    Args:
        file: holds the labels.
        names: of the labels' arrays, by split.
        counts: samples of each split.

    Raises:
        SourceError: if labels are no classes.
    """
    notes, found, places, widths = [], {}, {}, {}
    for split, name in names.items():
        column, widths[split] = one_column(file, name, counts[split])
        found[split], places[split] = distinct_values(file, name, column)
    if widths["test"] != widths["train"]:
        test, train = (
            f"one-hot with {width} columns" if width else "not one-hot" for width in (widths["test"], widths["train"])
        )
        raise file.error(names["test"], f"is {test}, that of training {train}: save the classes of both in one way")
    if widths["train"]:
        notes.append(f"labels are one-hot, with {widths['train']} columns")
    if all(WHOLE.fullmatch(value) for values in found.values() for value in values):
        found = {split: [int(value) for value in values] for split, values in found.items()}
    classes = sorted(set(found["train"]))
    if len(classes) < 2:
        raise file.error(names["train"], f"has one class only, {classes[0]}: save samples of two or more")
    if unknown := [value for value in found["test"] if value not in classes]:
        raise file.error(names["test"], f"has class {unknown[0]}, training does not: save training samples of it too")
    if classes != list(range(len(classes))):
        mapping = [f"{name} is {label}" for label, name in enumerate(classes[:MOST_SHOWN])]
        notes.append(f"classes are numbered: {', '.join(mapping)}{', ...' if len(classes) > MOST_SHOWN else ''}")
    number = {value: label for label, value in enumerate(classes)}
    dtype = numpy.uint8 if len(classes) <= 256 else numpy.int32
    of_split = {
        split: numpy.array([number[value] for value in values], dtype)[places[split]] for split, values in found.items()
    }
    return Labels(of_split, [str(value) for value in classes], notes)


def one_column(file: ArrayFile, name: str, count: int) -> tuple[numpy.ndarray, int | None]:
    """Returns labels as (count,), and how many columns they had if they were one-hot."""
    array = file.array(name)
    if array.dtype.kind not in "biufSU":
        raise file.error(name, f"holds {array.dtype}: save whole numbers or text")
    shape = array.shape
    if len(shape) == 2 and shape[0] != count == shape[1]:
        raise file.error(
            name,
            f"has shape {shape}, n last as MATLAB has it: reverse the axes of labels and images, with `.T` in numpy",
        )
    if len(shape) not in (1, 2) or 0 in shape:
        raise file.error(name, f"has shape {shape}: save it as (n,), (n, 1), or one-hot (n, classes)")
    if shape[0] != count:
        raise file.error(name, f"has {shape[0]} labels for {count} samples: save one label for each sample")
    labels = numpy.concatenate(list(array.read()))
    if shape[1:] in ((), (1,)):
        return labels.ravel(), None
    if labels.dtype.kind in "SU" or not numpy.isin(labels, (0, 1)).all():
        raise file.error(name, f"has shape {shape} and is not one-hot: save one class for each sample, as (n,)")
    ones = labels.sum(axis=1, dtype=int)
    if (wrong := ones != 1).any():
        index = int(wrong.argmax())
        if not ones[index]:
            raise file.error(name, f"has no class in {file.entry(name, index)}: save one class for each sample")
        raise file.error(
            name,
            f"is multi-label ({ones[index]} classes in {file.entry(name, index)}): only one class for each sample can "
            "be trained on; save one column of it",
        )
    return labels.argmax(axis=1), shape[1]


def distinct_values(file: ArrayFile, name: str, labels: numpy.ndarray) -> tuple[list[str], numpy.ndarray]:
    """Returns the distinct labels as text, and the place of each sample's label among them."""
    if labels.dtype.kind == "f":
        wrong = ~(numpy.isfinite(labels) & (labels == numpy.floor(labels)))
        if wrong.any():
            index = int(wrong.argmax())
            raise file.error(
                name,
                f"holds {labels[index]} in {file.entry(name, index)}: save classes, as whole numbers or text",
            )
    elif labels.dtype.kind == "S":
        labels = numpy.char.decode(labels, "utf-8", "backslashreplace")
    values, places = numpy.unique(labels, return_inverse=True)
    return [str(value if labels.dtype.kind == "U" else int(value)) for value in values], places
