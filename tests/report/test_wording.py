"""Words and numbers read the same everywhere, and say what the value is."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from widthwise.report.wording import (
    FEATURES,
    MEASURES,
    UNITS,
    change,
    change_with_interval,
    counted,
    escaped,
    format_verdict,
    listed,
    markdown_table,
    measured,
    number,
    p_value_label,
    percentage,
    quoted,
    rate_label,
    sentence,
    setting_label,
    short_number,
    size_label,
    size_title,
    span,
    uncapitalised,
)

FACTORS = {"": 1, " k": 10**3, " M": 10**6, " G": 10**9}


def value_of(label: str) -> float:
    digits, _, unit = label.partition(" ")
    return float(digits) * FACTORS[f" {unit}" if unit else ""]


@pytest.mark.parametrize(
    ("parameters", "label"),
    [
        (1, "1"),
        (999, "999"),
        (1000, "1 k"),
        (15_708, "15.7 k"),
        (999_499, "999 k"),
        (999_500, "1 M"),
        (2_613_444, "2.61 M"),
        (123_000_000, "123 M"),
        (7_000_000_000, "7 G"),
    ],
)
def test_a_size_has_three_significant_digits(parameters, label):
    assert size_label(parameters) == label


@given(st.integers(1, 10**13), st.integers(1, 10**13))
@example(999_499, 999_500)
@example(999, 1000)
def test_sizes_keep_their_order_and_are_never_in_exponents(one, other):
    smaller, larger = sorted((one, other))
    assert value_of(size_label(smaller)) <= value_of(size_label(larger))
    assert "e" not in size_label(one).lower()
    assert math.isclose(value_of(size_label(one)), one, rel_tol=0.005)


def test_numbers_have_a_true_minus_sign_and_zero_has_none():
    assert number(-0.1234) == "−0.123"
    assert number(12.5, 0) == "12"
    assert [short_number(value, 1) for value in (0.34, 9999, 9_102_007)] == ["0.3", "9999.0", "9.1e6"]
    assert number(-0.0001) == number(0.0001) == change(-0.0001) == "0.000"
    assert change(0.1) == "+0.100"
    assert number(math.nan) == change_with_interval(math.nan, -math.inf, math.inf) == "–"
    assert change_with_interval(0.5, 0.25, math.inf, 2) == "+0.50 [+0.25, +∞]"
    assert short_number(math.inf, 1) == "∞"
    assert short_number(-51_234, 3) == "−5.1e4"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((-3.26e-5, -6.2e-5, -4.6e-6), "−3.3e-5 [−6.2e-5, −4.6e-6]"),
        ((4e-4, 1e-4, 7e-4), "+4e-4 [+1e-4, +7e-4]"),
        ((4e-4, 1e-4, math.inf), "+4e-4 [+1e-4, +∞]"),
        ((-3.26e-5, -6.2e-5, 4.6e-6), "0.000 [0.000, 0.000]"),
        ((0.0, 0.0, 0.0), "0.000 [0.000, 0.000]"),
        ((6e-4, 1e-4, 1.1e-3), "+0.001 [0.000, +0.001]"),
    ],
)
def test_a_tiny_change_that_is_not_zero_is_not_written_as_zero(values, words):
    assert change_with_interval(*values) == words


@given(st.floats(-1e6, 1e6))
def test_a_number_can_be_read_back(value):
    assert float(number(value).replace("−", "-")) == pytest.approx(value, abs=0.0006)


@given(st.text(min_size=1))
def test_a_text_within_a_sentence_begins_small_and_keeps_the_rest(text):
    assert uncapitalised(text)[len(text[0].lower()) :] == text[1:]
    assert uncapitalised(text).startswith(text[0].lower())


@pytest.mark.parametrize(("rate", "label"), [(1e-4, "1e-4"), (2.4e-3, "2.4e-3"), (0.0128, "1.3e-2"), (1, "1e0")])
def test_learning_rates(rate, label):
    assert rate_label(rate) == label


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (9.999e-05, "1e-4"),
        (3e-4, "3e-4"),
        (1.28e-3, "1.28e-3"),
        (1.23456e-3, "1.23456e-3"),
        (0.05, "0.05"),
        (0.0, "0"),
        (2, "2"),
        (False, "false"),
        (None, "null"),
        ("he", "he"),
    ],
)
def test_settings(value, label):
    assert setting_label(value) == label


def test_shares_and_p_values():
    assert percentage(0.0225) == "2.25%"
    assert percentage(0.05) == "5%"
    assert p_value_label(0.0004) == "< 0.001"
    assert p_value_label(0.0123) == "0.012"
    assert p_value_label(math.nan) == "–"


def test_verdicts_in_words():
    assert format_verdict("rises") == "rises"
    assert format_verdict("falls", slight=True) == "slightly falls"
    assert format_verdict("rises", bounded=True) == "rises by at least"
    assert format_verdict("undecided", why="one size goes back") == "undecided (one size goes back)"
    assert format_verdict("undecided") == "undecided"
    assert format_verdict("flat", why="one size goes back", bounded=True) == "flat"


def test_plurals_and_lists():
    assert counted(1, "seed") == "1 seed"
    assert counted(0, "seed") == "0 seeds"
    assert counted(2, "optimum", "optima") == "2 optima"
    assert listed(["a"]) == "a"
    assert quoted(["a", "b", "c"]) == "`a`, `b` and `c`"
    assert span([6, 3, 3]) == "3 to 6"
    assert span([6, 6]) == "6"
    assert span([96, 2304.0]) == "96 to 2,304"
    assert counted(1159, "pair") == "1,159 pairs"
    assert size_title("width8") == "width 8"
    assert sentence(" there is no test split. ") == sentence("There is no test split") == "There is no test split."


def test_every_feature_has_a_name_and_a_unit():
    assert FEATURES.keys() == UNITS.keys()
    assert measured("objective", "end_value") == "reported loss, end"
    assert set(MEASURES) == {"objective", "data_loss", "printed"}


def test_a_markdown_table_has_its_keys_as_header():
    assert markdown_table([{"a": 1, "b": 2}]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


@given(st.text())
@example("x|y <b>z</b>\n\n# w")
@example("\\|")
def test_any_name_stays_in_its_cell_and_is_shown_as_it_is(text):
    table = markdown_table([{"name": escaped(text), "other": "z"}])
    page = MarkdownIt("commonmark").enable("table").render(table)
    assert page.count("<td>") == page.count("<th>") == 2
    assert "<b" not in page
