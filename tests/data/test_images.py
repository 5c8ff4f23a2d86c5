"""Samples in files of their own: folders of images by class, and tables of images or volumes."""

import re
import sys

import nibabel
import numpy
import pytest
from data.own_files import import_whole
from PIL import Image

from widthwise.data.arrays import read_own_data
from widthwise.data.samples import SourceError

GENERATOR = numpy.random.default_rng(0)
GREY, COLOUR, CLEAR = (GENERATOR.integers(0, 256, (8, 7, 6, *channels), dtype="u1") for channels in ((), (3,), (4,)))
DEEP = GENERATOR.integers(0, 2**16, (8, 7, 6), dtype="u2")


def save_picture(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def save_by_class(folder, images, ending="png", test="test"):
    """Half of the images of each split show cats, half dogs; both splits have all images."""
    for split in ("train", test):
        for index, image in enumerate(images):
            save_picture(folder / split / ("cat", "dog")[index % 2] / f"{index}.{ending}", image)
    return folder


def save_table(path, rows, header="file,label,split"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def save_volumes(folder, volumes, ending="nii.gz"):
    """A table of volumes, two classes by turns, half of them for validation."""
    for index, volume in enumerate(volumes):
        nibabel.save(nibabel.Nifti1Image(volume, numpy.eye(4)), folder / f"{index}.{ending}")
    rows = [f"{i}.{ending},{i // 2 % 2},{('train', 'val')[i % 2]}" for i in range(len(volumes))]
    return save_table(folder / "labels.csv", rows)


def standardised(images, axes):
    return (images - images.mean(axes, keepdims=True)) / images.std(axes, keepdims=True)


@pytest.mark.parametrize(
    ("images", "ending", "shape"),
    [
        (GREY, "png", (1, 7, 6)),
        (GREY > 99, "png", (1, 7, 6)),
        (DEEP, "png", (1, 7, 6)),
        (DEEP, "tif", (1, 7, 6)),
        (GREY / numpy.float32(255), "tiff", (1, 7, 6)),
        (COLOUR, "PNG", (3, 7, 6)),
        (CLEAR, "png", (4, 7, 6)),
    ],
)
def test_a_folder_of_images_by_class_is_imported_with_its_colours(images, ending, shape, tmp_path):
    folder = save_by_class(tmp_path / "mine", images, ending)
    (folder / "train/cat/.hidden.png").write_text("not an image")
    (folder / "train/cat/notes.txt").write_text("not an image")
    arrays, own = import_whole(folder, tmp_path / "d.h5")
    assert (own.shape, own.classes, own.class_counts["test"]) == (shape, ["cat", "dog"], [4, 4])
    expected = images.reshape(8, 7, 6, -1).transpose(0, 3, 1, 2).astype(float)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    numpy.testing.assert_allclose(
        arrays["train/images"], standardised(expected, (0, 2, 3))[order], rtol=1e-4, atol=1e-5
    )


def test_colours_of_a_palette_are_looked_up(tmp_path):
    save_by_class(tmp_path / "plain", COLOUR // 128 * 255)
    for path in (tmp_path / "plain").rglob("*.png"):
        copy = tmp_path / "palette" / path.relative_to(tmp_path / "plain")
        copy.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as picture:
            picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=8).save(copy)
    plain, _ = import_whole(tmp_path / "plain", tmp_path / "d.h5")
    palette, _ = import_whole(tmp_path / "palette", tmp_path / "e.h5")
    assert numpy.array_equal(plain["train/images"], palette["train/images"])


def test_the_frames_of_a_tiff_stack_are_an_axis(tmp_path):
    for split in ("train", "test"):
        for index in range(4):
            path = tmp_path / "mine" / split / str(index % 2) / f"{index}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            frames = [Image.fromarray(frame) for frame in GREY[index : index + 3]]
            frames[0].save(path, save_all=True, append_images=frames[1:])
    arrays, own = import_whole(tmp_path / "mine", tmp_path / "d.h5", standardise=False)
    assert (own.shape, own.classes) == ((1, 3, 7, 6), ["0", "1"])
    assert numpy.array_equal(arrays["train/images"][0, 0], GREY[0:3])


def test_photographs_are_imported_and_val_is_the_test_split(tmp_path):
    folder = save_by_class(tmp_path / "mine", COLOUR, "jpg", test="val")
    assert "there is no test split: val is the test split" in read_own_data(folder).notes


@pytest.mark.parametrize(("ending", "comma"), [("nii", ","), ("nii.gz", ", "), ("nii.gz", " ,")])
def test_a_table_of_volumes_is_imported(ending, comma, tmp_path):
    volumes = GENERATOR.normal(size=(8, 6, 5, 7)).astype("f4")
    path = save_volumes(tmp_path, volumes, ending)
    path.write_text(path.read_text().replace(",", comma))
    arrays, own = import_whole(path, tmp_path / "d.h5", standardise=False)
    assert (own.shape, own.classes) == ((1, 6, 5, 7), ["0", "1"])
    assert numpy.array_equal(arrays["train/images"][:, 0], volumes[::2])
    assert numpy.array_equal(arrays["test/labels"], [0, 1, 0, 1])


def test_channels_of_volumes_are_said(tmp_path):
    path = save_volumes(tmp_path, GENERATOR.integers(0, 99, (8, 6, 5, 7, 2)).astype("i2"))
    with pytest.raises(SourceError, match=r"has shape \(4, 6, 5, 7, 2\), perhaps with channels"):
        read_own_data(path)
    assert read_own_data(path, channels="last").shape == (2, 6, 5, 7)


def test_nibabel_is_needed_for_volumes_only(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    assert read_own_data(save_by_class(tmp_path / "mine", GREY))
    monkeypatch.undo()
    path = save_volumes(tmp_path, GREY[:, None].astype("f4"))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(SourceError, match=r"0\.nii\.gz needs nibabel to be read: pip install nibabel$"):
        read_own_data(path)


def edited(edit):
    """A folder of images by class that something was done to."""

    def make(folder):
        edit(save_by_class(folder / "mine", GREY))
        return folder / "mine"

    return make


def table(*rows, header="file,label,split"):
    def make(folder):
        save_by_class(folder, GREY)
        return save_table(folder / "labels.csv", rows, header)

    return make


def cut_short(folder):
    path = folder / "train/dog/1.png"
    path.write_bytes(path.read_bytes()[:60])


def add_opaque_alpha(folder):
    for path in folder.rglob("*.png"):
        colours = GENERATOR.integers(0, 256, (7, 6, 4), dtype="u1")
        colours[..., 3] = 255
        save_picture(path, colours)


def no_class(folder):
    for name in ("cat", "dog"):
        (folder / "train" / name).rename(folder / name)


FIRST = r"train/cat/0\.png"
TRAIN = ["train/cat/0.png,a,train", "train/dog/1.png,b,train"]


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (edited(lambda folder: save_picture(folder / "train/dog/5.png", GREY[0, :5])),
         rf"train/dog/5\.png is 5 x 6 L, but \S+{FIRST} is 7 x 6 L: resize or convert all to one size and mode$"),
        (edited(lambda folder: save_picture(folder / "test/cat/0.png", COLOUR[0])),
         rf"test/cat/0\.png is 7 x 6 x 3 RGB, but \S+{FIRST} is 7 x 6 L: resize or convert"),
        (edited(lambda folder: save_picture(folder / "test/cat/0.png", DEEP[0])), r"is 7 x 6 I;16, but \S+ is 7 x 6 L"),
        (edited(cut_short), r"train/dog/1\.png: cannot be read \(.*\): if the file is incomplete, copy it again$"),
        (edited(lambda folder: (folder / "train/bird").mkdir()), r"train/bird has no images: save \.png, .* or remove"),
        (edited(no_class), r"train has no folder of a class: save images as \S+/train/CLASS/\*\.png$"),
        (edited(lambda folder: (folder / "test").rename(folder / "held")), "mine lists samples of train only: list"),
        (edited(lambda folder: (folder / "train/dog").rename(folder / "train/wolf")),
         "test/labels has class dog, training does not"),
        (table(*TRAIN, "train/cat/0.png,b,train"), r"line 4: train/cat/0\.png is b in train, but a in train on line 2"),
        (table(*TRAIN, "./train/cat/0.png,a,val"), r"line 4: \S+ is a in val, but a in train on line 2: keep one"),
        (edited(add_opaque_alpha), r"is 255 in channel 3 of every entry: .* that channel out \(.*convert\('RGB'\)"),
        (table(*TRAIN), r"labels\.csv lists samples of train only: list train, and test or val$"),
        (table(*TRAIN, "test/cat/0.png,a,dev"), r"labels\.csv, line 4: split 'dev' given; write train, test or val$"),
        (table(*TRAIN, ",a,test"), r"labels\.csv, line 4: write a file and a label$"),
        (table(*TRAIN, "x.dcm,a,test"), r"labels\.csv, line 4: x\.dcm given; write one of \.png, "),
        (table("a;b;c", header="file;label;split"), "no column file or label or split, but file;label;split; write"),
        (table(*TRAIN, *(line.replace("train", "test") for line in TRAIN[:1]), "gone.png,b,test"),
         r"gone\.png: cannot be read: No such file or directory$"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_with_the_file_and_the_remedy(make, line, tmp_path):
    path = make(tmp_path)
    with pytest.raises(SourceError) as refused:
        import_whole(path, tmp_path / "d.h5")
    assert re.search(line, str(refused.value)), refused.value
    assert "\n" not in str(refused.value)


def test_a_number_that_is_none_is_told_with_its_file(tmp_path):
    volumes = GENERATOR.normal(size=(8, 6, 5, 7)).astype("f4")
    volumes[5, 1, 2, 3] = 9.97e36
    path = save_volumes(tmp_path, volumes)
    with pytest.raises(SourceError, match=r"val/images holds 9\.97e\+36 in \S+/5\.nii\.gz: replace it if it is a fill"):
        import_whole(path, tmp_path / "d.h5")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"channels": "last"}, "dataset.channels: last given, but the images of .* have channels none; leave it out"),
        ({"names": {"train/images": "x"}}, "mine lists files, which need no names: leave out dataset.names"),
    ],
)
def test_settings_that_images_answer_themselves_are_refused(settings, line, tmp_path):
    with pytest.raises(SourceError, match=line):
        read_own_data(save_by_class(tmp_path / "mine", GREY), **settings)


def test_a_file_that_a_table_lists_twice_is_told(tmp_path):
    test = [row.replace("train", "test") for row in TRAIN]
    path = table(*TRAIN, TRAIN[0], *test, f"{TRAIN[0].split(',')[0]},a,val")(tmp_path)
    own = read_own_data(path)
    assert own.class_counts == {"train": [2, 1], "test": [1, 1]}  # val is not used, so it may repeat files
    assert "warning: train lists 1 files more than once" in own.notes
