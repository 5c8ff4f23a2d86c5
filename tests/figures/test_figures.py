"""Every figure of small, large and awkward studies: drawn whole, readable, and nothing left out without a word."""

import functools
import importlib
import inspect
import itertools

import numpy
import pandas
import pytest
from figures import synthetic_study as synthetic
from matplotlib import pyplot
from matplotlib.text import Text

from widthwise.figures import FIGURES
from widthwise.figures.layout import MOST_HEIGHT, WIDTH, finding_of
from widthwise.figures.style import SMALL, figure_style, save
from widthwise.report.wording import size_label

CATALOGUE = [f"circumstance_{letter}_with_a_long_name" for letter in "abcdefghijklmnopqrstuvw"]
DEEP = tuple(f"deep_{name}" for name in "abcdefg")
STUDIES = {
    "default": {},
    "one circumstance": {"judged": ("baseline", "deep_plain"), "families": 1},
    "catalogue": {
        "judged": ("baseline", "fixed_std_init", "too_fast", "deep_plain", *CATALOGUE),
        "grids": ("rates", "rates_mup"),
        "families": 5,
        "penalties": synthetic.PENALTIES | {name: 0.03 * 1.2**place for place, name in enumerate(CATALOGUE)},
    },
    "many series": {
        "judged": DEEP,
        "grids": tuple(f"grid_{n}" for n in "abcdef"),
        "families": 1,
        "penalties": dict.fromkeys(DEEP, 0.1),
    },
}


def inputs_of(study, tables) -> dict:
    """What any figure may read, by the names that they use."""
    speed_table, speed, seconds = synthetic.make_speed()
    return tables | {
        "optima": tables["learning_rates"],
        "slopes": tables["learning_rate_slopes"],
        "budgets": tables["learning_rate_budgets"],
        "predictions": synthetic.make_predictions(),
        "images": synthetic.make_arrays(),
        "summary": {"class_counts": {"train": [12, 12], "test": [4, 4]}, "shape": [1, 9, 9, 9]},
        "speed_table": speed_table,
        "speed": speed,
        "networks": {},
        "seconds": seconds,
    }


@pytest.fixture(scope="module")
def studies():
    """Each study with its inputs."""
    made = {name: synthetic.make_study(**settings) for name, settings in STUDIES.items()}
    return {name: (study, inputs_of(study, synthetic.make_tables(study))) for name, study in made.items()}


def drawn(name, study, inputs):
    """One figure, laid out as it would be saved."""
    draw = importlib.import_module(f"widthwise.figures.{name}").draw
    with figure_style():
        figure = draw(study, **{key: inputs[key] for key in list(inspect.signature(draw).parameters)[1:]})
        figure.canvas.draw()
    pyplot.close(figure)  # it can still be looked at
    return figure


@pytest.fixture(scope="module")
def figure_of(studies):
    """Draws a figure of one of the studies, once."""
    return functools.cache(lambda name, study="default": drawn(name, *studies[study]))


def texts(figure) -> list[Text]:
    """The texts that are seen."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def words(figure) -> str:
    """All texts, without the ends of lines."""
    return " ".join(" ".join(text.get_text() for text in texts(figure)).split())


def row_names(figure) -> list[str]:
    """The names of the rows of a figure that is a table."""
    return [" ".join(label.get_text().split()) for axes in figure.axes for label in axes.get_yticklabels()]


def shown_axes(figure):
    return [axes for axes in figure.axes if axes.axison]


ALL = list(itertools.product(FIGURES, STUDIES))


@pytest.mark.parametrize(("name", "study"), ALL)
def test_a_figure_is_readable(figure_of, name, study):
    figure = figure_of(name, study)
    width, height = figure.get_size_inches()
    assert width <= WIDTH
    assert height <= MOST_HEIGHT
    assert figure.get_suptitle()
    assert min(text.get_fontsize() for text in texts(figure)) >= SMALL
    for text in texts(figure):
        box = text.get_window_extent()
        assert min(box.x0, box.y0) >= -2, text
        assert box.x1 <= figure.bbox.width + 2, text
        assert box.y1 <= figure.bbox.height + 2, text
    for axes in shown_axes(figure):
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            boxes = [label.get_window_extent() for label in labels if label.get_text() and label.get_visible()]
            assert not [pair for pair in itertools.pairwise(boxes) if pair[0].shrunk(0.95, 0.9).overlaps(pair[1])]


@pytest.mark.parametrize("name", ["loss_curves", "verdict_map", "segmentation"])
def test_the_same_figure_gives_the_same_bytes(studies, tmp_path, name):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        with figure_style():
            save(
                drawn(name, *studies["default"]),
                [tmp_path / folder / f"{name}{ending}" for ending in (".svg", ".pdf", ".png")],
            )
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


@pytest.mark.parametrize("name", ["loss_curves", "loss_parts", "feature_trends", "verdict_map", "crossing"])
def test_every_judged_circumstance_is_named(figure_of, studies, name):
    seen = words(figure_of(name, "catalogue"))
    study, _ = studies["catalogue"]
    assert [title for title in study.titles(study.judged) if title not in seen] == []
    assert "_" not in seen


@pytest.mark.parametrize("name", ["loss_curves", "loss_parts", "feature_trends", "depth_trend", "best_learning_rates"])
def test_panels_of_losses_have_the_guessing_line(figure_of, name):
    figure = figure_of(name)
    assert "guessing: log(2) = 0.693" in words(figure)
    lines = [line for axes in shown_axes(figure) for line in axes.lines if set(line.get_ydata()) == {numpy.log(2)}]
    panels = {"loss_curves": 5, "loss_parts": 6, "feature_trends": 10, "depth_trend": 2, "best_learning_rates": 1}
    assert len(lines) == panels[name]


@pytest.mark.parametrize("name", ["loss_curves", "loss_parts", "penalty_left", "feature_trends", "depth_trend"])
def test_vertical_axes_are_ticked_at_their_ends(figure_of, name):
    for axes in shown_axes(figure_of(name)):
        ticks = [tick for tick in axes.get_yticks() if axes.get_ylim()[0] - 1e-9 <= tick <= axes.get_ylim()[1] + 1e-9]
        assert (min(ticks), max(ticks)) == pytest.approx(axes.get_ylim())


def test_a_title_says_the_finding(figure_of):
    titles = {name: figure_of(name).get_suptitle().replace("\n", " ") for name in FIGURES}
    assert titles["loss_curves"] == (
        "In larger networks the reported loss starts higher in 2 of 5 circumstances and ends higher in 1"
    )
    assert (
        titles["loss_parts"]
        == "0.40 of the largest network's 0.45 nats at the end is penalty (fixed standard deviation)"
    )
    assert titles["penalty_left"] == "At the end the largest network's penalty is 236 times the smallest's"
    assert titles["verdict_map"] == (
        "Of 5 circumstances, larger networks end with a higher reported loss in 1 (rate of 1e-2) and a higher data "
        "loss in 1 (rate of 1e-2)"
    )
    assert titles["depth_trend"] == "As depth grows, the data loss ends lower in deep plain"
    assert titles["best_learning_rates"] == "As width grows, the best learning rate falls (Adam)"
    assert titles["rate_budgets"] == (
        "Larger networks end with a higher data loss at 0 of 4 learning rates; at 1 all runs of some size diverge"
    )
    assert titles["coordinate_check"] == (
        "After 1 step at 1e-4 the logits have changed in proportion to width^0.90 (rate of 1e-2) and width^0.00 (mup)"
    )
    assert titles["speed"] == "Training is 1.43 times as fast as the textbook's loop"
    assert not [title for title in titles.values() if "_" in title]


def test_a_title_counts_one_as_one():
    study = synthetic.make_study(judged=("baseline",), grids=(), families=1, seeds=(0,))
    inputs = inputs_of(study, synthetic.make_tables(study))
    names = ("loss_curves", "loss_parts", "penalty_left", "feature_trends", "verdict_map", "crossing")
    titles = {name: finding_of(drawn(name, study, inputs)) for name in names}
    assert not [title for title in titles.values() if "of 1 " in title or "none" in title]
    assert titles["feature_trends"] == "In larger networks the reported loss ends lower and the data loss ends lower"
    assert titles["verdict_map"] == titles["feature_trends"]
    assert titles["crossing"] == "The largest network's reported loss falls below the smallest's for good"


# What diverged


def test_a_diverged_run_is_marked_and_explained_only_where_there_is_one(figure_of):
    assert "a seed that diverged" in words(figure_of("loss_curves"))
    assert "1 of 18 runs diverged" in words(figure_of("loss_curves"))
    for name in ("loss_curves", "loss_parts", "feature_trends", "depth_trend"):
        assert "diverged" not in words(figure_of(name, "one circumstance"))


def test_no_mean_is_one_of_survivors(studies):
    study, inputs = studies["default"]
    figure = drawn("loss_curves", study, inputs)
    panel = next(
        axes
        for axes in figure.axes
        if any("rate of 1e-2" in text.get_text() for text in [*axes.texts, axes._left_title])
    )
    curves = [line for line in panel.lines if len(line.get_xdata()) > 2]
    means, alone = ([line for line in curves if line.get_linestyle() == style] for style in ("-", "--"))
    assert len(means) == len(synthetic.WIDTHS) - 1
    assert sorted(numpy.nanmax(line.get_xdata()[numpy.isfinite(line.get_ydata())]) for line in alone) == [
        synthetic.DIVERGED[3], synthetic.STEPS[-1], synthetic.STEPS[-1],
    ]  # fmt: skip


@pytest.mark.parametrize("widths", [[26], list(synthetic.WIDTHS)])
@pytest.mark.parametrize("name", ["loss_curves", "loss_parts"])
def test_every_run_that_diverged_has_a_cross_at_its_end(studies, name, widths):
    study, inputs = studies["default"]
    ends = dict(zip(study.seeds, (16, 32, 64), strict=True))

    def lost(table):
        return (table["circumstance"] == "fixed_std_init") & table["size"].isin([f"width{width}" for width in widths])

    losses, runs = inputs["losses"], inputs["runs"]
    losses = losses[~lost(losses) | (losses["step"] <= losses["seed"].map(ends))]
    figure = drawn(
        name, study, inputs | {"losses": losses, "runs": runs.assign(diverged=runs["diverged"] | lost(runs))}
    )
    panels = [axes for axes in figure.axes if "fixed" in axes.get_ylabel() + axes.get_title(loc="left")]
    crosses = [line for line in panels[0].lines if line.get_marker() == "x"]
    assert sorted(step for line in crosses for step in line.get_xdata()) == sorted([*ends.values()] * len(widths))
    assert "a seed that diverged" in words(figure)
    assert "each seed, where one diverged" in words(figure)


@pytest.mark.parametrize(
    ("name", "without_scale"), [("feature_trends", [False, True, False]), ("depth_trend", [False] * 2)]
)
def test_a_panel_of_which_every_size_diverged_has_no_scale_but_that_of_guessing(studies, name, without_scale):
    _, inputs = studies["default"]
    features = inputs["features"].copy()
    features.loc[features["feature"] != "starting_loss", ["mean", "ci_low", "ci_high"]] = numpy.nan
    figure = drawn(name, synthetic.make_study(judged=("deep_plain",), grids=()), inputs | {"features": features})
    assert [len(axes.get_yticks()) == 0 for axes in figure.axes] == without_scale
    for axes, is_without in zip(figure.axes, without_scale, strict=True):
        low, high = axes.get_ylim()
        assert is_without or (0 < low < numpy.log(2) < high < 1)
    assert "guessing: log(2) = 0.693" in words(figure)
    assert "left out" not in words(figure)


def test_the_rate_at_which_a_seed_diverged_has_a_cross_and_no_mean(figure_of):
    axes = figure_of("best_learning_rates").axes[0]
    crosses = [line for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata())]
    means = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 2]
    assert [list(line.get_xdata()) for line in crosses] == [[synthetic.RATES[-1]]]
    (widest,) = [line for line in means if line.get_color() == crosses[0].get_color()]
    assert list(widest.get_xdata()) == list(synthetic.RATES[:-1])
    assert "a seed diverged" in words(figure_of("best_learning_rates"))


def test_the_cross_of_a_rate_does_not_raise_the_panel(studies):
    study, inputs = studies["default"]
    low = inputs["runs"].assign(data_loss_end_value=0.1)
    panel = drawn("best_learning_rates", study, inputs | {"runs": low}).axes[0]
    assert any(line.get_marker() == "x" and len(line.get_xdata()) for line in panel.lines)
    assert panel.get_ylim()[1] < 0.9  # guessing costs 0.69; the cross stands at 0.96 of the height


def test_a_circumstance_of_which_every_run_diverged_at_once_keeps_its_place(studies):
    study, inputs = studies["default"]
    lost = {name: inputs[name][inputs[name]["circumstance"] != "too_fast"] for name in ("losses", "printed")} | {
        "runs": inputs["runs"].assign(
            diverged=inputs["runs"]["diverged"] | (inputs["runs"]["circumstance"] == "too_fast")
        )
    }
    seen = words(drawn("loss_curves", study, inputs | lost))
    assert "rate of 1e-2" in seen
    assert "18 of 18 runs diverged" in seen


@pytest.mark.parametrize("at_the_end", [False, True])
def test_what_lies_far_above_is_cut_and_labelled(studies, at_the_end):
    study, inputs = studies["default"]
    losses = inputs["losses"].copy()
    far = (losses["circumstance"] == "no_l2") & (losses["size"] == "width26") & ((losses["step"] > 4) == at_the_end)
    losses.loc[far, "objective"] = 3e8
    figure = drawn("loss_curves", study, inputs | {"losses": losses})
    assert "↑ to 3e8" in words(figure)
    assert max(axes.get_ylim()[1] for axes in shown_axes(figure)) < 10


# What is the same, and what is different


def test_identical_circumstances_are_drawn_once(studies):
    study, inputs = studies["default"]
    same = synthetic.make_study(judged=(*study.judged, "no_l2_again"), families=1)
    for name in ("losses", "printed", "features", "verdicts", "crossings", "runs"):
        table = inputs[name]
        again = table[table["circumstance"] == "no_l2"].assign(circumstance="no_l2_again")
        inputs = inputs | {name: type(table)([*table.to_dict("records"), *again.to_dict("records")])}
    assert len(shown_axes(drawn("loss_curves", same, inputs))) == 5
    assert "no L2 = no l2 again" in words(drawn("loss_curves", same, inputs))
    assert len(shown_axes(drawn("feature_trends", same, inputs))) == 15
    for name in ("verdict_map", "crossing"):
        assert "no L2, no l2 again" in row_names(drawn(name, same, inputs))
    # What was predicted of the two has a mark each.
    verdicts = inputs["verdicts"]
    is_again = (verdicts["circumstance"] == "no_l2_again") & (verdicts["verdict"] == "falls")
    unlike = verdicts.assign(agrees=verdicts["agrees"].mask(is_again & verdicts["agrees"].notna(), other=False))
    figure = drawn("verdict_map", same, inputs | {"verdicts": unlike})
    assert {"no L2", "no l2 again"} <= set(row_names(figure))
    assert words(figure).count("✗") == words(drawn("verdict_map", same, inputs)).count("✗") + 2


def test_circumstances_that_cross_alike_are_not_the_same(studies):
    study, inputs = studies["default"]
    alike = inputs["crossings"].assign(crossed=2, median_crossing=64.0)
    names = row_names(drawn("crossing", study, inputs | {"crossings": alike}))
    assert [name for panel in names for name in panel.split(", ")] == names
    assert len(names) == len(study.judged)


def test_labels_stand_in_the_order_of_the_ends_and_starts_are_seen(studies):
    study, inputs = studies["one circumstance"]
    losses, runs = inputs["losses"].copy(), inputs["runs"]
    last = losses["step"] == losses["step"].max()
    losses.loc[last, "objective"] = losses.loc[last, "objective"].max() - losses.loc[last, "objective"]  # the other way
    figure = drawn("loss_curves", study, inputs | {"losses": losses})
    for axes, name in zip(shown_axes(figure), study.judged, strict=True):
        ends = runs[runs["circumstance"] == name].groupby("parameters")["objective_end_value"].mean()
        labels = [text for text in axes.texts if text.get_text() in set(map(size_label, ends.index))]
        heights = {text.get_text(): text.get_window_extent().y0 for text in labels}
        assert sorted(heights, key=heights.get) == [size_label(count) for count in ends.sort_values().index]
        dashes = {float(line.get_ydata()[0]) for line in axes.lines if max(line.get_xdata()) < 0}
        features = inputs["features"].query("circumstance == @name and measure == 'objective'")
        assert dashes == set(features.query("feature == 'starting_loss'")["mean"])
        assert min(dashes) >= axes.get_ylim()[0]


def test_a_band_does_not_press_the_means_flat(studies):
    study, inputs = studies["default"]
    losses = inputs["losses"].copy()
    spike = (losses["circumstance"] == "no_l2") & (losses["seed"] == 0) & (losses["step"] == 4)
    losses.loc[spike, "objective"] = 1.36  # below the cut of what lies far above
    figure = drawn("loss_curves", study, inputs | {"losses": losses})
    assert words(figure).count("↑ to 1.4") == 1


@pytest.mark.parametrize(("name", "count"), [("depth_trend", 7), ("best_learning_rates", 6)])
def test_every_circumstance_and_grid_has_a_style_of_its_own(figure_of, name, count):
    handles = figure_of(name, "many series").legends[0].legend_handles
    series = [handle for handle in handles if str(handle.get_label()).startswith(("deep", "grid"))]
    looks = {(h.get_color(), str(h.get_linestyle()), h.get_marker()) for h in series if h.get_linestyle() != "None"}
    assert len(looks) == count


def test_circumstances_of_other_lengths_have_their_own_steps(studies):
    study, inputs = studies["default"]
    losses = inputs["losses"]
    longer = losses["circumstance"] == "fixed_std_init"
    losses = losses.assign(step=losses["step"] * numpy.where(longer, 3, 1))
    figure = drawn("loss_parts", study, inputs | {"losses": losses})
    ends = {round(axes.get_xticks()[-1]) for axes in shown_axes(figure)}
    assert ends == {synthetic.STEPS[-1], 3 * synthetic.STEPS[-1]}


def test_parts_of_a_loss_share_a_scale_from_zero(figure_of):
    rows = [figure_of("loss_parts").axes[place : place + 3] for place in (0, 3, 6)]
    for row in rows:
        assert len({axes.get_ylim() for axes in row}) == 1
        assert row[0].get_ylim()[0] == 0


# Single figures


def test_a_verdict_that_lost_runs_is_a_bound(figure_of):
    seen = words(figure_of("verdict_map"))
    assert "≥ +" in seen
    assert "≥: some runs diverged" in seen
    assert "≤" not in seen
    assert "≥" not in words(figure_of("verdict_map", "one circumstance"))


@pytest.mark.parametrize(("sizes", "measures", "pairs"), [(7, 3, 7), (10, 2, 10), (11, 2, 1), (40, 3, 1)])
def test_of_many_sizes_the_extremes_alone_are_compared(studies, sizes, measures, pairs):
    name, counts = "a_circumstance_of_a_long_name", [int(123_456 * 1.5**size) for size in range(sizes)]
    study = synthetic.make_study(judged=(name,), grids=())
    row = {"circumstance": name, "seeds": 3, "crossed": 2, "median_crossing": 12_345.0}
    compared = [("neighbours", *pair) for pair in itertools.pairwise(counts)] + [("extremes", counts[0], counts[-1])]
    table = pandas.DataFrame(
        row | {"measure": measure, "pair": pair, "smaller": smaller, "larger": larger}
        for measure in list(synthetic.FEATURES)[:measures]
        for pair, smaller, larger in compared
    )
    figure = drawn("crossing", study, {"crossings": table, "features": studies["default"][1]["features"]})
    headings = [text.get_window_extent() for text in figure.axes[0].texts if "below" in text.get_text()]
    assert len(headings) == pairs * measures
    assert not [pair for pair in itertools.pairwise(headings) if pair[0].overlaps(pair[1])]
    assert all(inside for _, inside in cells(figure.axes[0]).values())
    assert ("only the largest and the smallest are compared" in words(figure)) == (pairs == 1)


def test_a_crossing_table_says_what_occurs_and_nothing_twice(studies):
    study, inputs = studies["default"]
    without = [name for name in study.judged if not study.circumstances[name].reports_penalty]
    seen = words(drawn("crossing", study, inputs))
    assert seen.count("= data loss") == len(without) > 0
    assert "at least 0.01 nats below" in seen
    never = inputs["crossings"].assign(crossed=0, median_crossing=numpy.inf)
    figure = drawn("crossing", study, inputs | {"crossings": never})
    assert "median" not in words(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["in no seed"]


def test_intervals_of_decays_reach_below_zero_and_those_of_losses_do_not(studies):
    study, inputs = studies["default"]
    features = inputs["features"].assign(mean=0.1, ci_low=-0.2, ci_high=0.4)
    _, decay, end = drawn("feature_trends", study, inputs | {"features": features}).axes[:3]
    assert decay.get_ylim()[0] <= -0.2
    assert end.get_ylim()[0] == 0


def test_reported_and_data_loss_of_depths_have_one_scale(figure_of):
    for name in STUDIES:
        first, second = figure_of("depth_trend", name).axes[:2]
        assert first.get_ylim() == second.get_ylim()


def cells(axes) -> dict:
    """The text in each cell of a table, by the cell's left and upper edge, and whether it lies within."""
    boxes = [patch.get_window_extent() for patch in axes.patches]
    found = {}
    for text in axes.texts:
        x, y = text.get_transform().transform(text.get_position())
        for box in boxes:
            if box.contains(x, y):
                extent = text.get_window_extent()
                found[round(box.x0), round(-box.y1)] = text.get_text(), box.x0 < extent.x0 and extent.x1 < box.x1
    assert len(found) == len(boxes)
    return dict(sorted(found.items()))


def test_the_longest_verdict_stays_in_its_cell_beside_the_longest_name(studies):
    study, inputs = studies["catalogue"]
    verdicts = inputs["verdicts"].assign(verdict="falls", slight=True, agrees=True, ci_low=-0.045, ci_high=-0.011)
    figure = drawn("verdict_map", study, inputs | {"verdicts": verdicts.assign(change=-0.028, diverged=0)})
    found = list(cells(figure.axes[0]).values())
    assert {words for words, _ in found} == {"↘ slightly falls ✓  −0.028 ± 0.017"}
    assert all(inside for _, inside in found)
    assert "Slightly: the interval excludes 0" in words(figure)


def test_the_map_has_a_heading_for_each_family_and_four_columns(figure_of, studies):
    for name in STUDIES:
        axes, families = figure_of("verdict_map", name).axes[0], list(studies[name][0].families)
        headings = [text for text in axes.texts if text.get_text() in families]
        assert [text.get_text() for text in headings] == (families if len(families) > 1 else [])
        assert len({left for left, _ in cells(axes)}) == 4
    # Without a penalty the reported loss is the data loss: its row is not written twice, and its prediction is marked.
    assert "= data loss ✓" in words(figure_of("verdict_map"))


def test_two_losses_that_both_diverged_are_one(studies):
    study, inputs = studies["default"]
    lost = inputs["verdicts"]["circumstance"] == "no_l2"
    nothing = {"verdict": "diverged", "change": numpy.nan, "ci_low": -numpy.inf, "ci_high": numpy.inf, "diverged": 3}
    verdicts = inputs["verdicts"].copy()
    verdicts.loc[lost, list(nothing)] = list(nothing.values())
    inputs = inputs | {"verdicts": verdicts.assign(expected=None, agrees=None)}
    # Of the data loss: at the start, of which the backbones are the replicates, and at the end.
    starts = inputs["features"].query(
        "circumstance == 'no_l2' and measure == 'data_loss' and feature == 'starting_loss'"
    )
    seen = words(drawn("verdict_map", study, inputs))
    assert f"diverged 3 of {starts['seeds'].sum()}" in seen
    assert "diverged 3 of 18" in seen
    for name in ("verdict_map", "loss_curves", "feature_trends"):
        assert "; in 1 all runs of some size diverge" in " ".join(words(drawn(name, study, inputs)).split())


@pytest.mark.parametrize(
    ("verdict", "certainty"), [("undecided", " for certain"), ("mixed", " for certain"), ("flat", "")]
)
def test_a_title_says_whether_no_loss_is_higher_for_certain(verdict, certainty, studies):
    study, inputs = studies["default"]
    inputs = inputs | {"verdicts": inputs["verdicts"].assign(verdict=verdict, diverged=0)}
    titles = {
        name: " ".join(drawn(name, study, inputs).get_suptitle().split()) for name in ("loss_curves", "verdict_map")
    }
    none = f"none of 5 circumstances{certainty}"
    assert titles["loss_curves"] == f"In larger networks the reported loss starts or ends higher in {none}"
    higher = f"a higher reported loss in none{certainty} and a higher data loss in none{certainty}"
    assert titles["verdict_map"] == f"Of 5 circumstances, larger networks end with {higher}"


def test_a_verdict_and_its_number_do_not_contradict_each_other(studies):
    study, inputs = studies["default"]
    tiny = {"verdict": "falls", "slight": True, "change": -3e-5, "ci_low": -6e-5, "ci_high": -1e-6, "diverged": 0}
    seen = words(drawn("verdict_map", study, inputs | {"verdicts": inputs["verdicts"].assign(**tiny)}))
    assert "slightly falls < 0.001" in seen
    assert "0.000" not in seen
    back = {"verdict": "undecided", "slight": False, "change": 0.06, "ci_low": 0.02, "ci_high": 0.1, "diverged": 0}
    seen = words(drawn("verdict_map", study, inputs | {"verdicts": inputs["verdicts"].assign(**back)}))
    assert "? not one way +0.060 ± 0.040" in seen
    assert "Not one way: undecided, since the sizes do not go one way" in seen
    whole = {"ci_low": -0.02}
    seen = words(drawn("verdict_map", study, inputs | {"verdicts": inputs["verdicts"].assign(**back | whole)}))
    assert "? undecided +0.060 ± 0.060" in seen
    assert "one way" not in seen


def test_an_interval_without_bounds_is_not_written(studies):
    study, inputs = studies["default"]
    one_seed = inputs["verdicts"].assign(verdict="undecided", ci_low=-numpy.inf, ci_high=numpy.inf, diverged=0)
    seen = words(drawn("verdict_map", study, inputs | {"verdicts": one_seed}))
    assert "±" not in seen
    assert "∞" not in seen


def test_the_reported_loss_is_the_data_loss_only_where_it_holds_no_penalty(studies):
    study, inputs = studies["default"]
    verdicts = inputs["verdicts"].copy()
    ours, theirs = (
        (verdicts["circumstance"] == "baseline") & (verdicts["measure"] == measure)
        for measure in ("objective", "data_loss")
    )
    columns = ["verdict", "change", "ci_low", "ci_high"]
    same = verdicts[ours][["feature"]].merge(verdicts[theirs], on="feature", how="left")
    verdicts.loc[ours, columns] = same[columns].to_numpy()
    without_penalty = len(study.judged) - len(study.penalised)
    assert (
        words(drawn("verdict_map", study, inputs | {"verdicts": verdicts})).count("= data loss") == 2 * without_penalty
    )


def test_starts_rest_on_backbones(figure_of, studies):
    assert "Mean and 95% t interval over 3 seeds; start: over 10 backbones." in words(figure_of("feature_trends"))
    study = synthetic.make_study()
    study.heads_per_backbone = 1
    assert "start: over 10 initialisations." in words(drawn("feature_trends", study, studies["default"][1]))


def test_each_budget_has_its_verdict_and_what_diverged_has_no_number(figure_of, studies):
    figure = figure_of("rate_budgets")
    found = [words for words, inside in cells(figure.axes[0]).values() if inside]
    # Columns of ever more steps; in each, the highest rate first.
    assert found[:4] == ["↑ +0.05", "→ +0.03", "→ +0.01", "? −0.02"]
    assert found[-8::4] == ["↑ ≥ +0.22", "×"]
    assert len(found) == len(studies["default"][1]["budgets"])
    assert "rises in 4 of 20, falls in 7, flat in 7, diverged in 1, undecided in 1" in words(figure)
    told = "3 seeds, descriptive, at 5%: without any effect, about 0 of 20 would rise. ≥: some runs diverged"
    assert told in words(figure)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["4e-5", "2e-4", "1e-3", "4e-3"]


def test_a_budget_that_lost_runs_without_a_verdict_has_no_number(studies):
    study, inputs = studies["default"]
    figure = drawn(
        "rate_budgets", study, inputs | {"budgets": inputs["budgets"].assign(verdict="undecided", diverged=1)}
    )
    assert {words for words, _ in cells(figure.axes[0]).values()} == {"?"}
    assert "some runs diverged" not in words(figure)


def test_a_penalty_that_vanishes_in_small_networks_is_told_with_an_exponent(studies):
    study, inputs = studies["default"]
    ratios = inputs["penalty_ratios"].iloc[[0, 0]].assign(ratio=[0.31, 9_102_007.0])
    figure = drawn("penalty_left", study, inputs | {"penalty_ratios": ratios})
    assert figure.get_suptitle() == "At the end the largest network's penalty is 0.3 to 9.1e6 times the smallest's"
    ratios = inputs["penalty_ratios"].iloc[[0] * 5].assign(ratio=[0.31, 5, 9, 20, 9_102_007.0])
    assert finding_of(drawn("penalty_left", study, inputs | {"penalty_ratios": ratios})) == (
        "In 4 of 5 circumstances the largest network keeps more penalty than the smallest; in the median it is 9.0 "
        "times as much"
    )


def test_bars_of_penalties_lie_within_their_panel(studies):
    study, inputs = studies["default"]
    penalties = inputs["penalties"].copy()
    penalties["ci_low"], penalties["ci_high"] = penalties["end"] / 1e3, penalties["end"] * 1e3
    low, high = drawn("penalty_left", study, inputs | {"penalties": penalties}).axes[0].get_ylim()
    assert low < penalties["ci_low"].min()
    assert high > penalties["ci_high"].max()


def penalty_series(axes) -> list:
    """The lines of a panel that belong to a circumstance."""
    return [line for line in axes.lines if line.get_marker() not in ("", "None", None)]


def test_the_penalty_of_every_circumstance_is_drawn_once_and_rows_are_not_crowded(figure_of, studies):
    crowded = synthetic.make_study(CATALOGUE[:10], families=1, penalties=studies["catalogue"][0].penalties)
    _, inputs = studies["catalogue"]
    of_crowded = {name: table[table["circumstance"].isin(CATALOGUE[:10])] for name, table in inputs.items()
                  if name in ("losses", "penalties", "penalty_ratios")}  # fmt: skip
    for study, figure, rows in (
        (studies["default"][0], figure_of("penalty_left"), 1),
        (studies["catalogue"][0], figure_of("penalty_left", "catalogue"), 5),
        (crowded, drawn("penalty_left", crowded, of_crowded), 2),
    ):
        sizes, steps = figure.axes[::2], figure.axes[1::2]
        keys = [[" ".join(text.get_text().split()) for text in axes.get_legend().get_texts()] for axes in steps]
        assert len(keys) == rows
        assert max(map(len, keys)) <= 8
        assert sorted(title for key in keys for title in key) == sorted(study.titles(study.penalised))
        assert [len(penalty_series(axes)) for axes in steps] == [len(key) for key in keys]
        assert [len(penalty_series(axes)) for axes in sizes] == [2 * len(key) for key in keys]  # start and end
    labels = [axes.get_ylabel() for axes in figure_of("penalty_left", "catalogue").axes[::2]]
    families = list(studies["catalogue"][0].families)
    assert [" ".join(label.split()) for label in labels] == [f"{family} (penalty, nats)" for family in families]


def test_the_penalty_of_a_size_that_lost_a_run_is_left_out_with_a_word(studies):
    study, inputs = studies["default"]
    penalties = inputs["penalties"]
    lost = (penalties["circumstance"] == "baseline") & (penalties["size"] == "width26")
    figure = drawn("penalty_left", study, inputs | {"penalties": penalties[~lost]})
    sizes, steps = figure.axes
    ends = penalties[penalties["circumstance"] == "baseline"].set_index("size")["end"]
    assert list(penalty_series(sizes)[0].get_ydata()) == pytest.approx(list(ends[:-1]))
    assert penalty_series(steps)[0].get_ydata()[-1] == pytest.approx(ends["width14"])
    assert "Left out: sizes of which a run diverged" in words(figure)
    assert "the largest network of which no run diverged" in words(figure)
    losses = inputs["losses"][inputs["losses"]["circumstance"] == "baseline"]
    alone = synthetic.make_study(judged=("baseline",))
    whole = drawn("penalty_left", alone, inputs | {"losses": losses, "penalties": penalties[:6]})
    assert "Left out" not in words(whole)
    assert "no run diverged" not in words(whole)


def test_an_undecided_verdict_has_no_mark(figure_of):
    for text in texts(figure_of("verdict_map")):
        if "undecided" in text.get_text() and len(text.get_text()) < 40:
            assert "✗" not in text.get_text()


def test_learning_rates_are_written_with_an_exponent(figure_of):
    labels = [label.get_text() for axes in figure_of("best_learning_rates").axes for label in axes.get_xticklabels()]
    assert {"4e-5", "2e-4", "1e-3", "4e-3"} <= set(labels)


def test_a_figure_with_nothing_to_draw_says_what_to_add(studies):
    _, inputs = studies["default"]
    study = synthetic.make_study(judged=("baseline",), grids=())
    with pytest.raises(ValueError, match="`depths`"):
        drawn("depth_trend", study, inputs)
    for name in ("best_learning_rates", "rate_budgets"):
        with pytest.raises(ValueError, match="`learning_rates`"):
            drawn(name, study, inputs)
    without = synthetic.make_study(judged=("no_l2",), grids=())
    for name in ("loss_parts", "penalty_left"):
        with pytest.raises(ValueError, match="no circumstance's reported loss holds a penalty"):
            drawn(name, without, inputs | {"penalties": inputs["penalties"].iloc[:0]})
    # The loss of `study` holds one, but a run of every size diverged.
    empty = drawn("penalty_left", study, inputs | {"penalties": inputs["penalties"].iloc[:0]})
    assert empty.get_suptitle() == "No size has a penalty to show"
    assert "Left out: sizes of which a run diverged" in words(empty)


@pytest.mark.parametrize(
    ("classes", "shape", "volume", "note"),
    [
        (2, (1, 9, 9, 9), True, "cube of 9 x 9 x 9 voxels"),
        (3, (1, 9, 8, 7), False, "Middle slices of training volumes, 9 x 8 x 7."),
        (20, (3, 8, 7), False, "Training images, 8 x 7 in colour; the first 12 of 20 classes."),
        (2, (5, 8, 7), False, "Training images, 8 x 7, the first of 5 channels."),
        (2, (1, 30), False, "Training samples of 30 values."),
        (2, (6, 1), False, "Training samples of 1 values, 4 of 6 channels."),
    ],
)
def test_the_task_shows_samples_of_any_shape(studies, classes, shape, volume, note):
    study, _ = studies["default"]
    summary = {
        "class_counts": {"train": [12] * classes, "test": [4] * classes},
        "classes": [("$5 cat of a very long name", "7")[label % 2] for label in range(classes)],
        "scaling": {"mean": [3.0] * shape[0], "standard_deviation": [2.0] * shape[0]},
    }
    images = synthetic.make_arrays(classes=classes, shape=shape, volume=volume)
    figure = drawn("task", study, {"images": images, "summary": summary})
    panels = shown_axes(figure)
    assert len(panels) == 6 * min(classes, 12) + 2 * volume
    assert all(axes.get_images() or len(axes.get_lines()) == min(shape[0], 4) for axes in panels)
    assert note in words(figure)
    assert volume or all(text in words(figure) for text in (f"{classes} classes", "class 7", "$5 cat of a very"))


def test_a_width_without_a_best_rate_has_no_mark(studies):
    study, inputs = studies["default"]
    unknown = inputs["optima"].assign(log2_rate=numpy.nan, ci_low=numpy.nan, ci_high=numpy.nan, lowest_loss=numpy.nan)
    unknown = unknown.assign(optimum="no rate", log2_highest_stable=numpy.nan, all_stable=False)
    slopes = inputs["slopes"].assign(slope=numpy.nan, verdict="undecided")
    figure = drawn("best_learning_rates", study, inputs | {"optima": unknown, "slopes": slopes})
    assert figure.get_suptitle() == "As width grows, the best learning rate is undecided (Adam)"
    assert "no slope" in words(figure)


def test_a_layer_that_does_not_change_has_no_power(studies):
    study, inputs = studies["default"]
    powers = inputs["coordinate_powers"].copy()
    still = (powers["step"] == 1) & ((powers["layer"] != "logits") | (powers["circumstance"] == "mup"))
    powers.loc[still, ["power", "ci_low", "ci_high"]] = numpy.nan
    figure = drawn("coordinate_check", study, inputs | {"coordinate_powers": powers})
    assert "no power of width" in words(figure)
    found = "After 1 step at 1e-4 the logits have changed in proportion to width^0.90 (rate of 1e-2)"
    assert figure.get_suptitle() == found


def test_a_seed_without_any_row_is_explained(studies):
    _, inputs = studies["default"]
    gone, lost = (
        (table["circumstance"] == "baseline") & (table["size"] == "width26") & (table["seed"] == 0)
        for table in (inputs["losses"], inputs["runs"])
    )
    without = {"losses": inputs["losses"][~gone], "runs": inputs["runs"].assign(diverged=lost)}
    figure = drawn("loss_curves", synthetic.make_study(judged=("baseline",)), inputs | without)
    assert "each seed, where one diverged" in words(figure)
    assert "a seed that diverged" not in words(figure)
