"""Figures' geometry: labels that never overlap, colours whose order survives greyscale."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widthwise.figures.style import size_colours, spread
from widthwise.report.wording import size_label


@given(st.lists(st.floats(0, 100), min_size=1, max_size=9), st.floats(0.5, 10))
def test_labels_are_apart_in_order_and_inside(positions, gap):
    positions = sorted(positions)
    placed = spread(positions, gap, 0, 100)
    assert all(b - a >= gap - 1e-9 for a, b in itertools.pairwise(placed))
    assert min(placed) >= -1e-9
    assert max(placed) <= 100 + 1e-9


def test_labels_with_room_stay_where_their_lines_end():
    assert spread([10, 30, 90], 5, 0, 100) == pytest.approx([10, 30, 90])


def test_larger_is_darker():
    colours = size_colours([2_613_444, 15_708, 97_182, 15_708])
    assert list(colours) == [15_708, 97_182, 2_613_444]
    lightness = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue, _ in colours.values()]
    assert lightness == sorted(lightness, reverse=True)
    assert min(a - b for a, b in itertools.pairwise(lightness)) > 0.05


@pytest.mark.parametrize(("parameters", "label"), [(404, "404"), (15_708, "15.7 k"), (2_613_444, "2.61 M")])
def test_parameter_counts_are_written_as_people_read_them(parameters, label):
    assert size_label(parameters) == label
