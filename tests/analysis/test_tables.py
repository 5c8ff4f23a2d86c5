"""Tables keep their columns, types and bits from one program to the next."""

import math

import numpy
import pandas
import pytest

from widthwise.analysis.tables import TABLES, make_table, read_table, write_table
from widthwise.study.requirements import FEATURES

ROW = {"circumstance": "a", "measure": "objective", "feature": "end_value", "verdict": "rises", "seeds": 3, "sizes": 4}


@pytest.mark.parametrize("name", TABLES)
def test_an_empty_table_has_its_columns_and_types(name, tmp_path):
    table = make_table(name, [])
    assert list(table.columns) == list(TABLES[name])
    write_table(tmp_path / f"{name}.csv", table)
    pandas.testing.assert_frame_equal(read_table(tmp_path / f"{name}.csv"), table)


def test_every_feature_of_a_run_has_a_column():
    assert {f"{measure}_{feature}" for measure, names in FEATURES.items() for feature in names} <= set(TABLES["runs"])


def test_booleans_are_booleans_and_may_be_missing(tmp_path):
    rows = [ROW | {"diverged": 0, "agrees": agrees, "slight": False} for agrees in (True, False, None)]
    write_table(tmp_path / "verdicts.csv", make_table("verdicts", rows))
    table = read_table(tmp_path / "verdicts.csv")
    assert table["agrees"].dtype == "boolean"
    assert table["agrees"].sum() == 1
    assert table["agrees"].isna().tolist() == [False, False, True]
    assert len(table[~table["slight"]]) == 3


def test_floats_keep_their_bits(tmp_path):
    generator = numpy.random.default_rng(0)
    values = generator.standard_normal(2000) * 10.0 ** generator.integers(-300, 300, 2000)
    values = [*values, math.inf, -math.inf, math.nan]
    rows = [ROW | {"change": value, "diverged": 0, "slight": False} for value in values]
    write_table(tmp_path / "verdicts.csv", make_table("verdicts", rows))
    numpy.testing.assert_array_equal(read_table(tmp_path / "verdicts.csv")["change"], values)


def test_a_missing_text_stays_missing(tmp_path):
    write_table(tmp_path / "verdicts.csv", make_table("verdicts", [ROW | {"diverged": 0, "slight": False}]))
    assert read_table(tmp_path / "verdicts.csv")["expected"].isna().all()


def test_a_table_of_another_name_has_the_types_that_are_asked_for(tmp_path):
    write_table(tmp_path / "width8.csv", make_table("starts", []))
    assert read_table(tmp_path / "width8.csv", "starts")["backbone"].dtype == "int64"
    write_table(tmp_path / "unknown.csv", pandas.DataFrame({"anything": [1.5]}))
    assert read_table(tmp_path / "unknown.csv")["anything"].item() == 1.5
