"""Loss curves that were not made here: their tables, features and verdicts, from a CSV file to judge_study."""

import math

import gather_curves
import judge_study
import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_curves import SEEDS, SIZES, STEPS, rows_of_curves, write_curves
from programs import run_program
from settings import SCHEMA, changed

from widthwise.analysis.features import Curve
from widthwise.analysis.given_curves import averages, tables_of_curves
from widthwise.analysis.tables import read_table
from widthwise.study.curves import study_of
from widthwise.study.curves_file import CurvesFile

ROWS = rows_of_curves()


def judged(folder, rows, columns=(), **keys):
    """The tables of a study of these rows, by name."""
    path = write_curves(folder / "curves.csv", rows, columns)
    (folder / "study.json").write_text(study_of(changed(("curves", str(path)), *keys.items()), SCHEMA).record)
    tables = folder / "tables"
    tables.mkdir()
    for program in (gather_curves, judge_study):
        run_program(program, "--study", folder / "study.json", "--tables", tables)
    return {path.stem: read_table(path) for path in tables.glob("*.csv")}


def verdicts(tables):
    found = tables["verdicts"].set_index(["circumstance", "measure", "feature"])
    return found["verdict"].to_dict()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return judged(tmp_path_factory.mktemp("curves"), ROWS, classes=2)


def test_a_penalty_that_grows_with_size_raises_the_reported_loss_alone(found):
    assert verdicts(found)["baseline", "objective", "end_value"] == "rises"
    assert verdicts(found)["baseline", "objective", "starting_loss"] == "rises"
    assert verdicts(found)["baseline", "data_loss", "end_value"] == "flat"
    assert verdicts(found)["baseline", "data_loss", "steps_to_midway"] == "flat"
    assert verdicts(found)["no_l2", "objective", "end_value"] == "flat"
    row = found["verdicts"].query("circumstance == 'baseline' and measure == 'objective' and feature == 'end_value'")
    assert row["change"].item() == pytest.approx(3 * 0.1 * 1.01, abs=0.002)


def test_starts_are_over_seeds_and_descriptive(found):
    levels = found["verdicts"].set_index(["measure", "feature"])["level"].to_dict()
    assert levels["objective", "starting_loss"] == levels["data_loss", "starting_loss"] == 0.05
    assert levels["objective", "end_value"] == levels["data_loss", "end_value"] == 0.0225
    assert set(found["verdicts"]["seeds"]) == {len(SEEDS)}
    primary = found["verdicts"]["p_catalogue"].notna()
    assert set(found["verdicts"].loc[primary, "feature"]) == {"end_value"}


def test_a_contrast_with_the_catalogues_reference_gives_the_cause(found):
    contrast = found["contrasts"].set_index(["circumstance", "reference", "measure", "feature"])
    assert contrast.loc[("no_l2", "baseline", "objective", "end_value"), "verdict"] == "falls"
    assert contrast.loc[("no_l2", "baseline", "data_loss", "end_value"), "verdict"] == "flat"


def test_the_penalties_of_the_circumstance_that_has_one_are_told(found):
    penalties = found["penalties"].set_index("size")
    # The smallest size has none: it grows by 0.1 nats with each doubling.
    assert list(penalties["end"]) == pytest.approx([0.101, 0.202, 0.303], rel=1e-3)
    assert found["penalty_ratios"].empty


def test_only_what_is_told_has_a_column(found, tmp_path):
    assert set(found) == {
        *("losses", "runs", "verdicts", "features", "contrasts", "crossings", "slopes_by_step", "literature"),
        *("penalties", "penalty_ratios"),
    }
    assert set(found["losses"]["step"]) == set(STEPS)
    assert not {"width", "depth", "seconds", "objective_equal_compute"} & set(found["runs"])
    baseline = [row for row in ROWS if row["circumstance"] == "baseline"]
    alone = judged(tmp_path, baseline, ("size", "seed", "step", "loss"))
    assert set(alone["verdicts"]["measure"]) == {"objective"}
    assert not {"penalties", "penalty_ratios"} & set(alone)
    assert "classes" not in alone["runs"]
    assert set(alone["runs"]["parameters"]) == set(SIZES)
    assert list(alone["losses"]) == ["circumstance", "size", "parameters", "seed", "step", "objective"]


def test_one_seed_and_two_sizes_are_described_not_judged(tmp_path):
    (tmp_path / "seed").mkdir()
    one_seed = judged(tmp_path / "seed", [row for row in ROWS if row["seed"] == 1], classes=2)
    assert set(verdicts(one_seed).values()) == {"undecided"}
    assert one_seed["features"]["mean"].notna().all()
    (tmp_path / "sizes").mkdir()
    two_sizes = judged(tmp_path / "sizes", [row for row in ROWS if row["size"] in (8, 64)], classes=2)
    assert two_sizes["verdicts"].empty
    assert two_sizes["contrasts"].empty
    assert two_sizes["features"]["mean"].notna().all()


def test_a_run_that_diverged_is_at_least_as_bad_as_guessing(tmp_path):
    rows = [
        row | ({"loss": math.nan} if row["size"] == 64 and row["seed"] == 2 and row["step"] > 50 else {})
        for row in ROWS
    ]
    found = judged(tmp_path, rows, classes=10)
    runs = found["runs"].query("size == '64' and seed == 2 and circumstance == 'no_l2'")
    assert runs["diverged"].item()
    assert runs["steps"].item() == 50
    assert runs["objective_end_value"].item() == pytest.approx(math.log(10))
    counts = found["verdicts"].set_index(["circumstance", "measure", "feature"])["diverged"]
    assert counts["no_l2", "objective", "end_value"] == 1
    assert counts["no_l2", "objective", "starting_loss"] == 0


def test_a_changed_file_is_refused(tmp_path):
    judged(tmp_path, ROWS)
    write_curves(tmp_path / "curves.csv", ROWS[::-1])
    with pytest.raises(SystemExit, match="changed since it was checked; call snakemake again"):
        run_program(gather_curves, "--study", tmp_path / "study.json", "--tables", tmp_path / "tables")


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_order_of_rows_and_columns_changes_no_table(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("orders")
    rows = rows_of_curves(seeds=(0, 1), steps=range(0, 60, 10))
    orders = [(rows, list(rows[0])), (data.draw(st.permutations(rows)), data.draw(st.permutations(list(rows[0]))))]
    tables = []
    for content in orders:
        file = CurvesFile.read(str(write_curves(folder / "curves.csv", *content)))
        analysis = study_of(changed(("curves", str(folder / "curves.csv"))), SCHEMA).analysis
        tables.append(tables_of_curves(file, analysis, 2))
    for name, table in tables[0].items():
        pandas.testing.assert_frame_equal(table, tables[1][name])


@settings(max_examples=100, deadline=None)
@given(
    own=st.lists(st.integers(1, 99), unique=True, max_size=40),
    common=st.lists(st.integers(1, 99), unique=True, max_size=10),
    seed=st.integers(0, 100),
)
def test_averages_on_other_steps_keep_the_whole(own, common, seed):
    """Summed over the steps, a curve is the same on any common steps; on its own steps it is the same in every row."""
    own, common = numpy.array(sorted({0, *own, 100})), numpy.array(sorted({0, *common, 100}))
    values = numpy.random.default_rng(seed).normal(size=len(own))
    found = averages(Curve(own, values), common)
    assert found[0] == values[0]
    assert numpy.diff(common) @ found[1:] == pytest.approx(numpy.diff(own) @ values[1:])
    assert numpy.array_equal(averages(Curve(own, values), own), values)
