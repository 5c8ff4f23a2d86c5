"""Texts and tables as pages, and what stands beside every figure and page in the report."""

import base64
import importlib
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pandas
import pytest
import write_pages
from figures import synthetic_study as synthetic
from markdown_it import MarkdownIt
from report.browser import open_browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from settings import default_study

from widthwise.figures import FIGURES
from widthwise.report.pages import (
    answer_page,
    runs_page,
    table_of_runs,
    table_of_verdicts,
    text_page,
    verdicts_page,
)

CAPTIONS = Path(__file__).resolve().parents[2] / "rules/captions"
STUDY = synthetic.make_study()
PAGES = ("answer", "evidence", "explorer", "table_of_verdicts", "table_of_runs")


@pytest.fixture(scope="module")
def tables():
    return synthetic.make_tables(STUDY)


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


def row_of(tables, **values) -> pandas.Series:
    """What verdicts.html shows of one verdict."""
    verdicts = tables["verdicts"]
    for column, value in values.items():
        verdicts = verdicts[verdicts[column] == value]
    return table_of_verdicts(STUDY, verdicts).iloc[0]


# Texts

TEXT = """# At 3e-8

Falls by **−0.021 [−0.067, +0.026]** & more for 2.61 M; `--lr 3e-8 [1, 2]`,
[of 15.7 k](<a 3e-8, 2 M.html "3e-8">), [a, b c].

| size | ratio |
| --- | --- |
| 97.2 k | 1.5e-12 [≤ 2, 3] [1.45, 2.11] |
| < 0.001 | ≤ 3e-5 |

    2 k
"""


def test_no_line_of_a_text_ends_within_a_number():
    page = text_page("Title", TEXT)
    whole = re.compile('<span class="whole">(.*?)</span>')
    intervals = ["[−0.067, +0.026]", "[1.45, 2.11]"]
    numbers = ["3e-8", "2.61 M", "15.7 k", "97.2 k", "1.5e-12", "≤ 2", "&lt; 0.001", "≤ 3e-5"]
    assert sorted(whole.findall(page)) == sorted([*intervals, *numbers])
    assert MarkdownIt("commonmark").enable("table").render(TEXT) in whole.sub(r"\1", page)


def test_the_answer_links_pages_and_does_so_only_where_they_are(browser, tmp_path):
    text = "# Answer\n\nAll tables: [evidence.md](evidence.md). After [the post](https://example.org/1)."
    show(browser, tmp_path / "answer.html", answer_page("Answer", text))
    links = [link.get_attribute("href") for link in browser.find_elements(By.TAG_NAME, "a")]
    pages = ["evidence.html", "explorer.html", "tables/verdicts.html", "tables/runs.html", "evidence.html"]
    assert links == [*((tmp_path / page).as_uri() for page in pages), "https://example.org/1"]
    words = browser.find_element(By.TAG_NAME, "main").text
    assert "All tables: evidence.html." in words
    # A report shows a page within its own, and without the files beside it.
    show(browser, tmp_path / "report.html", '<iframe src="answer.html"></iframe>')
    browser.switch_to.frame(0)
    assert [link.text for link in browser.find_elements(By.TAG_NAME, "a")] == ["the post"]
    assert " ".join(browser.find_element(By.TAG_NAME, "main").text.split()) == " ".join(words.split())
    assert browser.errors() == []
    assert 'href="answer.html"' in text_page("Evidence", "Behind [answer.md](answer.md).")


# Verdicts


def test_every_verdict_is_shown_with_its_numbers(tables):
    shown = row_of(tables, circumstance="baseline", measure="objective", feature="end_value")
    assert shown["measure"] == "reported loss"
    assert shown["feature"] == "end"
    assert "↓ falls" in shown["verdict"]
    assert shown["predicted"] == "✓ falls"
    assert re.fullmatch(r"−0\.\d{3} \[−0\.\d{3}, −0\.\d{3}\] nats", shown["change [interval]"])
    assert (shown["level"], shown["p"], shown["p, catalogue"]) == ("2.25%", "< 0.001", "0.010")
    assert (shown["seeds"], shown["sizes"], shown["diverged"]) == (3, 6, 0)
    shown = row_of(tables, circumstance="baseline", measure="data_loss", feature="steps_to_midway")
    assert shown["change [interval]"].endswith("doublings of steps")
    assert shown["p, catalogue"] == "–"
    assert shown["predicted"] == ""


def test_circumstances_have_their_titles_muted_where_they_repeat(tables):
    for shown in (
        table_of_verdicts(STUDY, tables["verdicts"])["circumstance"],
        table_of_runs(STUDY, tables["runs"])["", "circumstance"],
    ):
        texts = shown.str.replace("<.*?>", "", regex=True)
        assert "fixed standard deviation" in set(texts)
        assert not texts.str.contains("_").any()
        assert (shown.str.startswith("<span") == texts.duplicated()).all()


def test_a_verdict_with_diverged_runs_is_a_bound(tables):
    shown = row_of(tables, circumstance="too_fast", measure="objective", feature="end_value")
    assert "↑ rises by at least" in shown["verdict"]
    assert shown["diverged"] == 1
    assert shown["predicted"] == "✗ falls"


@pytest.mark.parametrize(
    ("verdict", "agrees", "shown"),
    [("flat", True, "✓ flat"), ("rises", False, "✗ flat"), ("undecided", False, "? flat"), ("flat", None, "flat")],
)
def test_what_is_undecided_contradicts_no_prediction(tables, verdict, agrees, shown):
    rows = tables["verdicts"].head(1).assign(expected="flat", agrees=pandas.array([agrees], "boolean"), verdict=verdict)
    assert list(table_of_verdicts(STUDY, rows)["predicted"]) == [shown]
    page = verdicts_page(STUDY, rows)
    assert ("✓: as predicted before the run, ✗: not" in page) == (agrees is not None)
    assert ("?: undecided" in page) == (verdict == "undecided")


def test_a_slight_change_says_so(tables):
    rising = tables["verdicts"].query("verdict == 'rises' and diverged == 0").assign(slight=True)
    assert "↗ slightly rises" in table_of_verdicts(STUDY, rising)["verdict"].iloc[0]


def test_values_that_are_not_finite_are_dashes(tables):
    verdicts = tables["verdicts"].head(2).assign(change=float("nan"), ci_low=float("nan"), ci_high=float("nan"))
    verdicts = verdicts.assign(slope_per_doubling=float("nan"), p_value=float("nan"))
    shown = table_of_verdicts(STUDY, verdicts.assign(slight=pandas.NA)).iloc[0]
    assert [shown[name] for name in ("change [interval]", "per doubling", "p")] == ["–", "–", "–"]


def test_nothing_is_explained_that_does_not_occur(tables):
    calm = tables["verdicts"].query("circumstance == 'no_l2'")
    for words in ("By at least", "Slightly"):
        assert words in verdicts_page(STUDY, tables["verdicts"])
        assert words not in verdicts_page(STUDY, calm)
    assert "✓" not in verdicts_page(STUDY, calm.assign(expected=None, agrees=pandas.NA))
    assert "diverged before" in runs_page(STUDY, tables["runs"])
    assert "diverged before" not in runs_page(STUDY, tables["runs"].query("not diverged"))


# Runs


def test_every_run_is_shown_smallest_first(tables):
    mixed = tables["runs"].sample(frac=1, random_state=0).sort_values("circumstance", kind="stable")
    shown = table_of_runs(STUDY, mixed)
    assert len(shown) == len(tables["runs"])
    first = shown.iloc[:3]
    assert list(first["", "seed"]) == ["0", "1", "2"]
    assert set(first["", "parameters"]) == {"15,708"}
    assert set(first["", "learning rate"]) == {"1e-5"}
    assert set(first["data loss", "steps to midway"]) == {"91"}
    assert "Losses in nats." in runs_page(STUDY, mixed)


def test_a_run_that_diverged_has_dashes_and_no_missing_word(tables):
    shown = table_of_runs(STUDY, tables["runs"].query("diverged")).iloc[0]
    assert shown["", "diverged"] == "yes"
    assert shown["test split", "data loss"] == "–"
    for page in (runs_page(STUDY, tables["runs"]), verdicts_page(STUDY, tables["verdicts"])):
        assert not re.search(r"nan|<NA>|None", page)


def test_the_end_of_a_run_that_diverged_is_shown_as_a_bound(tables):
    bound = tables["runs"].query("diverged").assign(objective_end_value=0.693)
    assert table_of_runs(STUDY, bound)["reported loss", "end"].iloc[0] == "≥ 0.693"


@pytest.mark.parametrize(
    ("loss", "shown"),
    [(432291360.0, "4.3e8"), (-51234.5, "−5.1e4"), (9999.0, "9999.000"), (-0.0001, "0.000"), (math.nan, "–")],
)
def test_a_very_large_loss_has_an_exponent(tables, loss, shown):
    runs = tables["runs"].query("not diverged").assign(objective_drift=loss)
    assert set(table_of_runs(STUDY, runs)["reported loss", "drift"]) == {shown}


# Pages in a browser


def cells(browser, title: str) -> list[str]:
    """The cells of a column, top to bottom."""
    script = """
        const titles = [...document.querySelectorAll("thead tr:last-child th")].map(title => title.textContent);
        const column = titles.indexOf(arguments[0]);
        return [...document.querySelectorAll("tbody tr")].map(row => row.cells[column].textContent);
    """
    return browser.execute_script(script, title)


def heading_of(browser, title: str):
    """The heading of the first column with this title."""
    headings = browser.find_elements(By.CSS_SELECTOR, "thead tr:last-child th")
    return next(heading for heading in headings if heading.text == title)


def press(browser, heading, by: str) -> None:
    """Clicks a heading, or presses a key on its button."""
    browser.click(heading) if by == "mouse" else heading.find_element(By.TAG_NAME, "button").send_keys(by)


def show(browser, path: Path, page: str) -> None:
    path.write_text(page, encoding="utf-8")
    browser.get(path.as_uri())


def numbers(texts: list[str]) -> list[float]:
    """The first number of each text that begins with one."""
    found = [re.match(r"(?:[<≥] )?([+−]?\d[\d,.]*(?:e-?\d+)?)", text) for text in texts]
    return [float(match[1].replace("−", "-").replace(",", "")) for match in found if match]


@pytest.mark.parametrize("by", ["mouse", Keys.SPACE], ids=["mouse", "space"])
@pytest.mark.parametrize("title", ["change [interval]", "p, catalogue", "parameters", "learning rate", "end"])
def test_a_column_of_numbers_is_sorted_both_ways(tables, browser, tmp_path, title, by):
    is_of_verdicts = title in ("change [interval]", "p, catalogue")
    verdicts = tables["verdicts"].sample(frac=1, random_state=0)
    verdicts["p_catalogue"] *= numpy.linspace(0.01, 90, len(verdicts))  # 0.0001 to 0.9; some have none
    page = verdicts_page(STUDY, verdicts) if is_of_verdicts else runs_page(STUDY, tables["runs"])
    show(browser, tmp_path / "page.html", page)
    before = cells(browser, title)
    heading = heading_of(browser, title)
    for way in ("ascending", "descending", "ascending"):
        press(browser, heading, by)
        assert heading.get_attribute("aria-sort") == way
        mark = browser.execute_script("return getComputedStyle(arguments[0], '::after').content", heading)
        assert {"ascending": "▲", "descending": "▼"}[way] in mark
        shown = cells(browser, title)
        assert sorted(shown) == sorted(before)
        values = numbers(shown)
        assert values == sorted(values, reverse=way == "descending")
        assert shown[len(values) :] == [text for text in before if text == "–"]
    assert len(values) > 10
    assert values[0] < values[-1]
    assert len(browser.find_elements(By.CSS_SELECTOR, "[aria-sort]")) == 1


@pytest.mark.parametrize("by", ["mouse", Keys.ENTER], ids=["mouse", "enter"])
def test_a_column_of_text_is_sorted_both_ways_with_numbers_in_it_as_numbers(tables, browser, tmp_path, by):
    show(browser, tmp_path / "page.html", runs_page(STUDY, tables["runs"]))
    for title in ("circumstance", "size"):
        heading = heading_of(browser, title)
        for way in (1, -1):
            press(browser, heading, by)
            distinct = list(dict.fromkeys(cells(browser, title)))
            assert len(distinct) == len(set(cells(browser, title))) > 4
            if title == "circumstance":
                assert [text.lower() for text in distinct] == sorted(map(str.lower, distinct), reverse=way < 0)
            else:
                widths = [int(text.split()[1]) for text in distinct if text.startswith("width")]
                assert widths == sorted(synthetic.WIDTHS, reverse=way < 0)


def test_a_sorted_table_repeats_every_circumstance_as_plainly(tables, browser, tmp_path):
    show(browser, tmp_path / "page.html", runs_page(STUDY, tables["runs"]))
    colours = "return new Set([...document.querySelectorAll('tbody .again')].map(c => getComputedStyle(c).color)).size"
    plain = """
        const colour = element => getComputedStyle(element).color;
        return colour(document.querySelector("tbody .again")) === colour(document.body);
    """
    assert browser.execute_script(colours) == 1
    assert not browser.execute_script(plain)
    browser.click(heading_of(browser, "seed"))
    assert browser.execute_script(plain)
    assert len(cells(browser, "seed")) == len(tables["runs"])
    assert browser.errors() == []


@pytest.mark.parametrize("table", ["verdicts", "runs"])
def test_a_table_is_printed_whole_with_its_colours_and_read_on_a_telephone(tables, browser, tmp_path, table):
    page = verdicts_page(STUDY, tables["verdicts"]) if table == "verdicts" else runs_page(STUDY, tables["runs"])
    show(browser, tmp_path / "page.html", page)
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    width, height = re.search(rb"/MediaBox \[0 0 (\S+) (\S+)\]", base64.b64decode(pdf)).groups()
    assert (round(float(width)), round(float(height))) == (842, 595)  # A4 in points
    with browser.screen(1045, media="print"):  # A4 within the margins, at 96 dots an inch
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        look = "return [...document.querySelectorAll('.verdict')].map(one => getComputedStyle(one).printColorAdjust)"
        assert set(browser.execute_script(look)) == ({"exact"} if table == "verdicts" else set())
    with browser.screen(390, mobile=True):
        browser.get("about:blank")  # or the scale would be the one of before
        browser.get((tmp_path / "page.html").as_uri())
        assert browser.execute_script("return visualViewport.scale") == 1


def test_the_program_writes_pages_that_a_browser_shows_offline(browser, tmp_path):
    tables = synthetic.make_tables(synthetic.make_study(judged=default_study().judged, grids=()))
    folder = tmp_path / "tables"
    folder.mkdir()
    for name in ("verdicts", "runs", "losses", "printed"):
        tables[name].to_csv(folder / f"{name}.csv", index=False)
    study = tmp_path / "study.json"
    study.write_text(default_study().record)
    command = [sys.executable, write_pages.__file__, "--study", study, "--tables", folder]
    command += ["--explorer", tmp_path / "explorer.html"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("verdicts", "runs"):
        browser.requested()
        browser.get((folder / f"{name}.html").as_uri())
        assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == len(tables[name])
        assert browser.requested() <= {"file", "data"}
        assert browser.errors() == []
    browser.get((folder / "verdicts.html").as_uri())
    marks = [mark.text.split()[1] for mark in browser.find_elements(By.CSS_SELECTOR, ".verdict")]
    words = tables["verdicts"]["verdict"].where(~tables["verdicts"]["slight"], "slightly")
    assert marks == list(words)
    browser.get((tmp_path / "explorer.html").as_uri())
    assert browser.find_element(By.CSS_SELECTOR, "#curves svg").is_displayed()


# Captions


def test_every_page_has_a_caption_and_nothing_else_has():
    assert {path.stem for path in CAPTIONS.glob("*.rst")} == {*PAGES, "workflow"}


@pytest.mark.parametrize("name", [*FIGURES, *PAGES])
def test_a_caption_is_short_and_of_whole_sentences(name):
    if name in FIGURES:
        caption = importlib.import_module(f"widthwise.figures.{name}").__doc__
    else:
        caption = (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")
    text = " ".join(caption.split())
    assert text.endswith(".")
    assert 2 <= len(re.findall(r"\.(?= |$)", text)) <= 5
    assert not re.search(r"\w_\w", text)
