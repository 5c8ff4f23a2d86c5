"""Labels that never overlap, colours and lines that differ without colour, and axes that show their ends."""

import itertools
import math
import re

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot
from PIL import Image

from widthwise.figures.axes import log_axis, tick_ends, tick_log_ends
from widthwise.figures.labels import spread
from widthwise.figures.layout import MOST_HEIGHT, WIDTH, panel_grid, row_grid
from widthwise.figures.style import save, series_styles
from widthwise.report.palette import VERDICT_LOOKS, size_colours, verdict_look


@pytest.fixture
def axes():
    """Axes of one panel."""
    figure, axes = pyplot.subplots(figsize=(3, 3))
    yield axes
    pyplot.close(figure)


def lightness(colour: str) -> float:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@given(st.lists(st.floats(0, 100), min_size=1, max_size=9), st.floats(0.5, 10))
def test_labels_are_apart_in_order_and_inside(positions, gap):
    placed = spread(sorted(positions), gap, 0, 100)
    assert all(b - a >= gap - 1e-9 for a, b in itertools.pairwise(placed))
    assert min(placed) >= -1e-9
    assert max(placed) <= 100 + 1e-9


def test_labels_with_room_stay_where_their_lines_end():
    assert spread([10, 30, 90], 5, 0, 100) == pytest.approx([10, 30, 90])


@given(st.sets(st.integers(1, 10**9), min_size=1, max_size=9))
def test_larger_is_darker(counts):
    colours = size_colours([*counts, *counts])
    assert list(colours) == sorted(counts)
    values = [lightness(colour) for colour in colours.values()]
    assert all(a - b > 0.02 for a, b in itertools.pairwise(values))


def test_the_question_s_colours_are_at_the_ends():
    assert list(size_colours([9, 1, 5]).values()) == ["#f2694c", "#90201f", "#000000"]


def test_series_differ_with_colour_and_without():
    styles = series_styles(280)
    assert len({(s["color"], str(s["linestyle"]), s["marker"]) for s in styles}) == 280
    assert len({(str(s["linestyle"]), s["marker"]) for s in styles[:35]}) == 35
    for one, other in itertools.combinations(styles[:8], 2):
        assert one["color"] != other["color"]


def test_verdicts_differ_without_colour():
    arrows = [verdict_look(verdict)[0] for verdict in VERDICT_LOOKS]
    arrows += [verdict_look(verdict, slight=True)[0] for verdict in ("rises", "falls")]
    assert len(set(arrows)) == len(arrows)


def test_words_are_readable_on_every_verdict():
    inks = {"white": 1.0, "black": 0.0}
    looks = [verdict_look(verdict, slight=slight) for verdict in VERDICT_LOOKS for slight in (False, True)]
    for _, fill, ink in looks:
        linear = [((c + 0.055) / 1.055) ** 2.4 for c in (int(fill[i : i + 2], 16) / 255 for i in (1, 3, 5))]
        light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        low, high = sorted((light, inks[ink]))
        assert (high + 0.05) / (low + 0.05) > 4.5  # the contrast that WCAG asks of text


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 12, 25, 40, 100])
def test_panels_fit_a_screen_and_a_half(count):
    for figure, panels in (panel_grid(count), row_grid(count, ["one", "two", "three"])):
        assert len(panels) == count
        assert figure.get_size_inches()[0] <= WIDTH
        assert figure.get_size_inches()[1] <= MOST_HEIGHT
        pyplot.close(figure)


@given(st.floats(-10, 10), st.floats(0, 10))
def test_the_ends_of_an_axis_are_ticks(low, span):
    figure, axes = pyplot.subplots()
    tick_ends(axes, low, low + span)
    bottom, top = axes.get_ylim()
    assert bottom <= low
    assert top >= low + span
    assert top - bottom >= 0.2 - 1e-9
    assert {bottom, top} <= set(axes.get_yticks())
    pyplot.close(figure)


@given(st.floats(1e-8, 1e8), st.floats(1, 1e6))
def test_the_ends_of_a_logarithmic_axis_are_ticks(low, ratio):
    figure, axes = pyplot.subplots()
    tick_log_ends(axes, low, low * ratio)
    assert axes.get_ylim()[0] < low
    assert axes.get_ylim()[1] > low * ratio
    assert set(axes.get_ylim()) <= set(axes.get_yticks())
    assert len(axes.get_yticks()) <= 2 + max(4, math.log10(ratio) + 2)
    pyplot.close(figure)


def test_labels_of_close_positions_are_left_out_but_not_the_last(axes):
    log_axis(axes, [1, 2, 20, 180, 200], str)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "", "20", "", "200"]
    assert len(axes.get_xticks()) == 5


def test_a_picture_is_small_and_looks_as_drawn(tmp_path, axes):
    generator = numpy.random.default_rng(0)
    for colour in size_colours([1, 2, 3, 4, 5, 6]).values():  # bands over bands: thousands of colours
        low, high = generator.random((2, 200))
        axes.fill_between(range(200), low, low + high, color=colour, alpha=0.2, linewidth=0)
    drawn = tmp_path / "drawn.png"
    axes.figure.savefig(drawn, dpi=160)
    saved = tmp_path / "saved.png"
    with pyplot.rc_context({"savefig.dpi": 160}):
        save(axes.figure, [saved])
    assert saved.stat().st_size < drawn.stat().st_size
    seen, meant = (numpy.asarray(Image.open(path).convert("RGB"), float) for path in (saved, drawn))
    assert numpy.abs(seen - meant).mean() < 2  # of 255


def test_paths_of_a_drawing_are_short_and_its_texts_whole(tmp_path, axes):
    axes.plot(numpy.random.default_rng(0).random(2000))
    axes.set_title("0.123456789 nats")
    drawn, saved = tmp_path / "drawn.svg", tmp_path / "saved.svg"
    axes.figure.savefig(drawn)
    save(axes.figure, [saved])
    assert saved.stat().st_size < 0.8 * drawn.stat().st_size
    numbers = [
        numpy.array(
            [float(number) for path in re.findall(r' d="([^"]*)"', text) for number in re.findall(r"-?[\d.]+", path)]
        )
        for text in (saved.read_text(), drawn.read_text())
    ]
    assert "0.123456789 nats" in saved.read_text()
    assert numpy.abs(numbers[0] - numbers[1]).max() < 0.01  # points
