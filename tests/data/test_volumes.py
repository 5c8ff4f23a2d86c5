"""Synthetic volumes and cubes: reproducible, independent between draws, labelled by the centre, split by volume."""

import json
import sys

import generate_dataset
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from widthwise.data.storage import read_dataset
from widthwise.data.volumes import cut_cubes, make_dataset, make_volume

SETTINGS = {
    "seed": 3,
    "train_volumes": 2,
    "test_volumes": 1,
    "train_cubes": 21,
    "test_cubes": 10,
    "cube_side": 9,
    "positive_fraction": 0.3,
    "volume_side": 20,
    "smoothness": 2,
    "foreground_fraction": 0.4,
    "blur": 1,
    "noise": 0.5,
}
SEEDS = st.integers(0, 2**32)


def dataset(draw=0, **settings):
    return make_dataset(**SETTINGS | settings, draw=draw)


def volume(**settings):
    defaults = {"side": 24, "smoothness": 2, "foreground_fraction": 0.4, "blur": 1, "noise": 0.5}
    return make_volume(numpy.random.default_rng(0), **defaults | settings)


@given(seed=SEEDS, draws=st.lists(SEEDS, min_size=2, max_size=3, unique=True))
def test_a_draw_is_reproducible_and_shares_nothing_with_other_draws(seed, draws):
    made = [dataset(draw, seed=seed) for draw in draws]
    again, volume_again = dataset(draws[-1], seed=seed)  # without the draws before it
    splits, volume_of_draw = made[-1]
    assert numpy.array_equal(volume_of_draw.image, volume_again.image)
    for split in ("train", "test"):
        assert all(map(numpy.array_equal, splits[split], again[split]))
    cubes = [image.tobytes() for splits, _ in made for images, _ in splits.values() for image in images]
    assert len(set(cubes)) == len(cubes)


def test_a_volumes_stream_is_seeded_with_seed_draw_split_and_index():
    settings = {key: SETTINGS[key] for key in ("smoothness", "foreground_fraction", "blur", "noise")}
    expected = make_volume(numpy.random.default_rng([3, 7, 1, 1]), side=20, **settings)
    assert numpy.array_equal(dataset(7)[1].image, expected.image)


def test_counts_types_and_balance_are_as_set():
    splits, _ = dataset()
    for split, cubes, positives in (("train", 21, 6), ("test", 10, 3)):
        images, labels = splits[split]
        assert images.shape == (cubes, 1, 9, 9, 9)
        assert (images.dtype, labels.dtype) == (numpy.float32, numpy.uint8)
        assert labels.sum() == positives


@given(seed=SEEDS, side=st.integers(8, 12), counts=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_a_cubes_label_is_the_mask_at_its_centre(seed, side, counts):
    whole = volume(noise=0, blur=0)  # the image is then the mask
    images, labels = cut_cubes(whole, numpy.random.default_rng(seed), side=side, counts=counts)
    assert images.shape == (sum(counts), 1, side, side, side)
    assert numpy.array_equal(images[:, 0, side // 2, side // 2, side // 2], labels)
    assert numpy.bincount(labels, minlength=2).tolist() == list(counts)


def test_more_training_volumes_leave_the_test_split_unchanged():
    few, volume_of_few = dataset()
    many, volume_of_many = dataset(train_volumes=3)
    assert all(map(numpy.array_equal, few["test"], many["test"]))
    assert numpy.array_equal(volume_of_few.image, volume_of_many.image)
    assert not numpy.array_equal(few["train"][0], many["train"][0])


def test_difficulty_is_a_setting():
    def contrast(whole):
        inside, outside = whole.image[whole.mask == 1], whole.image[whole.mask == 0]
        return (inside.mean() - outside.mean()) / whole.image.std()

    assert contrast(volume(noise=0.1)) > contrast(volume(noise=1)) > contrast(volume(noise=1, blur=3)) > 0


def test_the_mask_has_the_share_of_foreground_that_is_set():
    assert volume(foreground_fraction=0.25).mask.mean() == pytest.approx(0.25, abs=1e-3)


def test_too_small_a_volume_is_refused_with_the_keys_to_change():
    with pytest.raises(ValueError, match=r"7 cubes of class 0 are needed .* only 1 fit: raise dataset\.volume_side"):
        dataset(volume_side=9)


def test_generate_dataset_writes_a_draw_and_its_summary(tmp_path, monkeypatch):
    def generate(draw):
        file, summary = tmp_path / f"{draw}.h5", tmp_path / f"{draw}.json"
        arguments = ["--settings", json.dumps(SETTINGS), "--draw", draw, "--dataset", file, "--summary", summary]
        monkeypatch.setattr(sys, "argv", ["generate_dataset.py", *map(str, arguments)])
        generate_dataset.main()
        return file, json.loads(summary.read_text())

    (file, summary), (_, other) = generate(5), generate(6)
    assert summary == {
        "digest": summary["digest"],
        "settings": SETTINGS,
        "draw": 5,
        "class_counts": {"train": [15, 6], "test": [7, 3]},
        "shape": [1, 9, 9, 9],
    }
    assert other["digest"] != summary["digest"]
    arrays, (splits, volume_of_draw) = read_dataset(file, summary["digest"]), dataset(5)
    assert numpy.array_equal(arrays["train/images"], splits["train"][0])
    assert numpy.array_equal(arrays["volume/mask"], volume_of_draw.mask)
