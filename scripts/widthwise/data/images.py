"""Samples in files of their own: pictures, NIfTI volumes and single .npy arrays, as a folder or a table lists them."""

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy
from PIL import Image, ImageSequence

from widthwise.data.formats import ArrayFile, readable
from widthwise.data.samples import NIFTI_SUFFIXES, Samples, SourceError
from widthwise.data.storage import Pieces

Image.MAX_IMAGE_PIXELS = None  # the user's own files may be large


class ImageFiles(ArrayFile):
    """Images of one size and mode. The first training image tells which."""

    def __init__(self, path: Path, samples: Samples) -> None:
        super().__init__(path, {})
        self.samples = samples
        self.first = samples["train"][0][0]
        image, self.mode = read_image(self.first)
        self.shape, self.dtype = image.shape, image.dtype
        self.notes = [
            f"warning: {split} lists {twice} files more than once"
            for split, listed in samples.items()
            if (twice := sum(count > 1 for count in Counter(file for file, _ in listed).values()))
        ]
        if self.mode:
            self.channels = "last" if Image.getmodebands(self.mode) > 1 else "none"

    def names(self) -> list[str]:
        """Returns the names of images and labels of each split."""
        return [f"{split}/{what}" for split in self.samples for what in ("images", "labels")]

    def array(self, name: str) -> Pieces:
        """Returns the images or the labels of a split."""
        if not self.has(name):
            raise self.missing(name)
        split, what = name.split("/")
        count = len(self.samples[split])
        if what == "images":
            return self.pieces(name, (count, *self.shape), self.dtype)
        return self.pieces(name, (count,), numpy.dtype(str))

    def read_pieces(self, name: str, count: int) -> Iterator[numpy.ndarray]:
        """Yields images or labels, `count` at a time."""
        split, what = name.split("/")
        for start in range(0, len(self.samples[split]), count):
            samples = self.samples[split][start : start + count]
            if what == "images":
                yield numpy.stack([self.read(file) for file, _ in samples])
            else:
                yield numpy.array([label for _, label in samples])

    def read(self, file: Path) -> numpy.ndarray:
        """Returns an image that is like the first."""
        image, mode = read_image(file)
        if (image.shape, mode) != (self.shape, self.mode):
            size, first_size = (" x ".join(map(str, shape)) for shape in (image.shape, self.shape))
            raise SourceError(
                f"{file} is {size} {mode}, but {self.first} is {first_size} {self.mode}: resize or convert all to one "
                "size and mode"
            )
        return image

    def entry(self, name: str, index: int) -> str:
        """Returns the name of a file."""
        return str(self.samples[name.split("/")[0]][index][0])


def read_image(file: Path) -> tuple[numpy.ndarray, str]:
    """Returns an image's numbers, and for a picture its mode as Pillow has it, such as "RGB".

    The frames of a picture, as in a TIFF stack, are its first axis. Colours of a palette are looked up.
    """
    name = file.name.lower()
    with readable(file):
        if name.endswith(NIFTI_SUFFIXES):
            image, mode = read_nifti(file), ""
        elif name.endswith(".npy"):
            image, mode = numpy.load(file, allow_pickle=False), ""
        else:
            with Image.open(file) as picture:
                # A JPEG with the format MPO has a preview as its second frame.
                every = [picture] if picture.format == "MPO" else ImageSequence.Iterator(picture)
                frames = [without_palette(frame) for frame in every]
            mode = frames[0].mode
            image = numpy.stack([numpy.asarray(frame) for frame in frames])
            image = image[0] if len(frames) == 1 else image
    if image.dtype.kind not in "biuf":
        raise SourceError(f"{file} holds {image.dtype}: save real numbers")
    return image, mode


def without_palette(picture: Image.Image) -> Image.Image:
    """Returns a picture whose values are colours, not places in a palette."""
    if picture.mode not in ("P", "PA"):
        return picture.copy()
    return picture.convert("RGBA" if picture.mode == "PA" or "transparency" in picture.info else "RGB")


def read_nifti(file: Path) -> numpy.ndarray:
    """Returns a volume, scaled as its header says."""
    try:
        nibabel = importlib.import_module("nibabel")
    except ImportError as error:
        raise SourceError(f"{file} needs nibabel to be read: pip install nibabel") from error
    try:
        return numpy.asanyarray(nibabel.load(file).dataobj)
    except nibabel.filebasedimages.ImageFileError as error:
        raise ValueError(error) from error
