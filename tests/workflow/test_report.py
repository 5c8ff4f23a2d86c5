"""Snakemake's report as a reader meets it: opened in a browser, offline, with everything in it."""

import re
import zipfile

import pytest
from report.browser import LONGEST_WAIT, open_browser
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from workflow.checkout import CIRCUMSTANCES, SEEDS, SMOKE, WIDTHS, make

CATEGORIES = {
    "1 Answer": {"answer": "page", "evidence": "page"},
    "2 Loss curves": {"explorer": "page", "loss curves": "image", "loss parts": "image", "penalty left": "image"},
    "3 Features and verdicts": {
        "crossing": "image",
        "feature trends": "image",
        "table of verdicts": "page",
        "verdict map": "image",
    },
    "4 Task and networks": {"segmentation": "image", "task": "image"},
    "5 Runs": {"table of runs": "page"},
}


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(finished_smoke, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    make(finished_smoke, "--report", str(path), *SMOKE)
    return path


def menu(browser):
    """The names of the results that the report's menu lists."""
    return [row.text.strip() for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]


def click(browser, find):
    """Clicks what `find` finds, not a place: a menu drawn anew puts another link there."""
    ignored = [StaleElementReferenceException]
    wait = WebDriverWait(browser, LONGEST_WAIT, poll_frequency=0.05, ignored_exceptions=ignored)
    wait.until(lambda _: browser.execute_script("arguments[0].click()", find()) is None)


def result_row(browser, name):
    """A result's links in the menu: the eye opens it, the i tells how to read it."""
    return browser.find_element(By.XPATH, f"//tbody/tr[td[1][text()='{name}']]").find_elements(By.TAG_NAME, "a")


def test_it_opens_offline_on_what_the_study_is(browser, report):
    browser.requested()
    browser.get(report.as_uri())
    text = browser.find_element(By.CSS_SELECTOR, ".prose").text
    assert "do more parameters raise the training loss?" in text
    widths, seeds = (", ".join(map(str, values)) for values in (WIDTHS, SEEDS))
    assert f"{len(CIRCUMSTANCES)} circumstances, widths {widths}, seeds {seeds}" in text
    names = [item.text for item in browser.find_elements(By.XPATH, "//li//a[contains(., ' ')]")]
    assert [name for name in names if name in CATEGORIES] == sorted(CATEGORIES)
    assert browser.requested() <= {"file", "data"}
    assert browser.errors() == []


def test_every_result_shows_with_its_caption(browser, report):
    browser.get(report.as_uri())
    for category, results in CATEGORIES.items():
        browser.execute_script("app.setView({navbarMode: 'menu'})")
        link = f"//li//a[contains(., '{category}')]"
        click(browser, lambda link=link: browser.find_element(By.XPATH, link))
        browser.wait(lambda results=results: menu(browser) == sorted(results))
        for name, kind in results.items():
            click(browser, lambda name=name: result_row(browser, name)[0])
            if kind == "image":
                file = f"{name.replace(' ', '_')}.svg"
                image = browser.find_element(By.CSS_SELECTOR, f"#app .grow img[src*='filename={file}']")
                browser.wait(lambda image=image: image.get_property("naturalWidth") > 300)
            else:
                browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, "iframe"))
                assert browser.find_element(By.CSS_SELECTOR, "h1").is_displayed()
                assert browser.find_element(By.CSS_SELECTOR, "table, #curves svg").is_displayed()
                browser.switch_to.default_content()
            click(browser, lambda name=name: result_row(browser, name)[1])
            paragraphs = browser.find_elements(By.XPATH, "//*[contains(text(), 'Description')]/following::p")
            description = " ".join(paragraph.text for paragraph in paragraphs)
            assert 2 <= len(re.findall(r"[.?](?= |$)", description)) <= 6, description
            finding = "<strong>" in paragraphs[0].get_attribute("outerHTML")
            assert finding == (kind == "image")
            browser.execute_script("app.setView({navbarMode: 'subcategory'})")
    assert browser.errors() == []


def test_the_zipped_report_holds_every_result_as_a_file_and_no_log_of_losses(finished_smoke, tmp_path):
    path = tmp_path / "report.zip"
    make(finished_smoke, "--report", str(path), *SMOKE)
    names = {name.rsplit("/", 1)[1] for name in zipfile.ZipFile(path).namelist()}
    pages = {f"{name}.html" for name in ("report", "answer", "evidence", "explorer", "verdicts", "runs")}
    assert pages | {"loss_parts.svg"} <= names
    assert not [name for name in names if name.endswith(".csv")]
    assert path.stat().st_size < 3e6
