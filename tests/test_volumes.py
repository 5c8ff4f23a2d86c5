"""Synthetic volumes and cubes: reproducible, labelled by the centre, split by volume."""

import numpy
import pytest

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


def volume(**settings):
    defaults = {"side": 24, "smoothness": 2, "foreground_fraction": 0.4, "blur": 1, "noise": 0.5}
    return make_volume(numpy.random.default_rng(0), **defaults | settings)


def test_same_seed_same_data_and_another_seed_another():
    (first, _), (again, _), (other, _) = (
        make_dataset(**SETTINGS),
        make_dataset(**SETTINGS),
        make_dataset(**SETTINGS | {"seed": 4}),
    )
    for split in ("train", "test"):
        assert all(map(numpy.array_equal, first[split], again[split]))
        assert not numpy.array_equal(first[split][0], other[split][0])


def test_counts_types_and_balance_are_as_asked():
    splits, _ = make_dataset(**SETTINGS)
    for split, cubes, positives in (("train", 21, 6), ("test", 10, 3)):
        images, labels = splits[split]
        assert images.shape == (cubes, 9, 9, 9)
        assert (images.dtype, labels.dtype) == (numpy.float32, numpy.uint8)
        assert labels.sum() == positives


@pytest.mark.parametrize("side", [8, 9])
def test_a_cubes_label_is_the_mask_at_its_centre(side):
    whole = volume(noise=0, blur=0)  # then the image is the mask, and a cube shows its own labels
    images, labels = cut_cubes(whole, numpy.random.default_rng(1), side=side, counts=(20, 20))
    assert images.shape == (40, side, side, side)
    assert numpy.array_equal(images[:, side // 2, side // 2, side // 2], labels)


def test_more_training_volumes_leave_the_test_split_as_it_was():
    few, volume_of_few = make_dataset(**SETTINGS)
    many, volume_of_many = make_dataset(**SETTINGS | {"train_volumes": 3})
    assert all(map(numpy.array_equal, few["test"], many["test"]))
    assert numpy.array_equal(volume_of_few.image, volume_of_many.image)
    assert not numpy.array_equal(few["train"][0], many["train"][0])


def test_difficulty_is_a_setting():
    def contrast(whole):
        inside, outside = whole.image[whole.mask == 1], whole.image[whole.mask == 0]
        return (inside.mean() - outside.mean()) / whole.image.std()

    assert contrast(volume(noise=0.1)) > contrast(volume(noise=1)) > contrast(volume(noise=1, blur=3)) > 0


def test_the_mask_has_the_share_of_foreground_asked_for():
    assert volume(foreground_fraction=0.25).mask.mean() == pytest.approx(0.25, abs=1e-3)


def test_too_small_a_volume_is_refused_by_name():
    with pytest.raises(ValueError, match=r"dataset\.volume_side"):
        make_dataset(**SETTINGS | {"volume_side": 9})
