"""The report and the explorer as a reader meets them: opened in a browser, offline."""

import json
import re
import shutil
import zipfile

import pandas
import pytest
from conftest import SMOKE, run_snakemake
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

CATEGORIES = {
    "1 Answer": {"answer": "page"},
    "2 Loss curves": {"explorer": "page", "loss curves": "image", "loss parts": "image"},
    "3 Features and verdicts": {
        "crossover": "image",
        "features": "image",
        "table of verdicts": "page",
        "verdicts": "image",
    },
    "4 Task and networks": {"dataset": "image", "segmentation": "image"},
    "5 Runs": {"table of runs": "page"},
}
DOTS = "#curves .role-mark.mark-symbol path"


class Browser(webdriver.Chrome):
    """A headless Chromium that waits for what it is asked for, and can tell what went wrong on a page."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,900"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        super().__init__(options=options, service=Service(shutil.which("chromedriver")))
        self.implicitly_wait(10)

    def errors(self) -> list[str]:
        """What the console has said since last asked, but advice."""
        return [entry["message"] for entry in self.get_log("browser") if entry["level"] == "SEVERE"]

    def requested(self) -> set[str]:
        """The schemes of all that was asked for since last asked."""
        messages = [json.loads(entry["message"])["message"] for entry in self.get_log("performance")]
        sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
        return {message["params"]["request"]["url"].split(":")[0] for message in sent}

    def click(self, element):
        """Clicks it as soon as nothing lies over it: the report's menu slides in."""
        ignored = [ElementClickInterceptedException]
        wait = WebDriverWait(self, 10, poll_frequency=0.05, ignored_exceptions=ignored)
        wait.until(lambda _: element.click() is None)

    def wait(self, condition):
        """Waits until the condition holds; what it gave."""
        return WebDriverWait(self, 10, poll_frequency=0.05).until(lambda _: condition())


@pytest.fixture(scope="module")
def browser():
    if not (shutil.which("chromedriver") and (shutil.which("chromium") or shutil.which("google-chrome"))):
        pytest.skip("Chromium is not installed here: no chromium or no chromedriver")
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(finished_smoke, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    made = run_snakemake(finished_smoke, "--report", str(path), *SMOKE)
    assert made.returncode == 0, made.stdout
    return path


def menu(browser):
    """The names of the results that the report's menu lists."""
    return [row.text.strip() for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]


def result_row(browser, name):
    """The row of one result in the report's menu, of which the eye opens it and the i tells of it."""
    return browser.find_element(By.XPATH, f"//tbody/tr[td[1][text()='{name}']]").find_elements(By.TAG_NAME, "a")


def test_the_report_opens_offline_on_what_the_study_is(browser, report):
    browser.get(report.as_uri())
    text = browser.find_element(By.CSS_SELECTOR, ".prose").text
    assert "do more parameters raise the training loss?" in text
    assert "2 circumstances, widths 2, 3, 4, seeds 0, 1" in text
    names = [item.text for item in browser.find_elements(By.XPATH, "//li//a[contains(., ' ')]")]
    assert [name for name in names if name in CATEGORIES] == sorted(CATEGORIES)
    assert browser.requested() <= {"file", "data"}
    assert browser.errors() == []


def test_every_result_shows_with_its_caption(browser, report):
    browser.get(report.as_uri())
    for category, results in CATEGORIES.items():
        browser.execute_script("app.setView({navbarMode: 'menu'})")
        browser.click(browser.find_element(By.XPATH, f"//li//a[contains(., '{category}')]"))
        browser.wait(lambda results=results: menu(browser) == sorted(results))
        for name, kind in results.items():
            eye, about = result_row(browser, name)
            browser.click(eye)
            if kind == "image":
                image = browser.find_element(By.CSS_SELECTOR, "#app .grow img")
                browser.wait(lambda image=image: image.get_property("naturalWidth") > 300)
            else:
                browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, "iframe"))
                assert browser.find_element(By.CSS_SELECTOR, "h1").is_displayed()
                assert browser.find_element(By.CSS_SELECTOR, "table, #curves svg").is_displayed()
                browser.switch_to.default_content()
            browser.click(about)
            description = browser.find_element(By.XPATH, "//*[contains(text(), 'Description')]/following::p[1]").text
            assert 2 <= len(re.findall(r"\.(?= |$)", description)) <= 4, description
            browser.execute_script("app.setView({navbarMode: 'subcategory'})")
    assert browser.errors() == []


def test_the_zipped_report_holds_every_result_as_a_file_and_no_log_of_losses(finished_smoke, tmp_path):
    path = tmp_path / "report.zip"
    made = run_snakemake(finished_smoke, "--report", str(path), *SMOKE)
    assert made.returncode == 0, made.stdout
    names = {name.rsplit("/", 1)[1] for name in zipfile.ZipFile(path).namelist()}
    assert {"report.html", "answer.html", "explorer.html", "verdicts.html", "runs.html", "loss_parts.svg"} <= names
    assert not [name for name in names if name.endswith(".csv")]
    assert path.stat().st_size < 3e6


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("verdicts", ["as posted", "steps to midway", "✗ falls", "p = "]),
        ("runs", ["no l2", "width 4", "plateau", "accuracy"]),
    ],
)
def test_a_table_is_readable_as_it_is(browser, finished_smoke, name, texts):
    source = finished_smoke / f"results/smoke/tables/{name}.csv"
    browser.get(source.with_suffix(".html").as_uri())
    rows = pandas.read_csv(source)
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == len(rows)
    shown = browser.find_element(By.CSS_SELECTOR, "table").text
    for text in texts:
        assert text in shown
    assert "nan" not in shown.lower()
    assert browser.errors() == []
    if name == "verdicts":  # in words, whatever the colours
        marks = [mark.text.split()[1] for mark in browser.find_elements(By.CSS_SELECTOR, ".verdict")]
        assert marks == list(rows["verdict"])


@pytest.fixture
def explorer(browser, finished_smoke):
    """The explorer, just opened."""
    browser.requested()
    browser.get((finished_smoke / "results/smoke/explorer.html").as_uri())
    browser.find_element(By.CSS_SELECTOR, DOTS)
    return browser


def choose(browser, control, value):
    before = browser.find_element(By.CSS_SELECTOR, "#curves svg")
    Select(browser.find_element(By.ID, control)).select_by_value(value)
    browser.wait(lambda: browser.find_element(By.CSS_SELECTOR, "#curves svg") != before)


def told(dot):
    """What a screen reader is told of a dot, as pairs of name and value: what pointing at it shows, too."""
    return dict(entry.split(": ", 1) for entry in dot.get_attribute("aria-label").split("; "))


def dots(browser):
    return [told(dot) for dot in browser.find_elements(By.CSS_SELECTOR, DOTS)]


def test_the_explorer_needs_nothing_but_its_file(explorer):
    assert explorer.requested() <= {"file", "data"}
    assert explorer.errors() == []


def test_the_explorer_draws_what_was_chosen(explorer, finished_smoke):
    losses = pandas.read_csv(finished_smoke / "results/smoke/tables/losses.csv").groupby("circumstance")
    for circumstance, measure in [("as_posted", "penalty"), ("no_l2", "data_loss"), ("no_l2", "objective")]:
        for control, value in {"circumstance": circumstance, "measure": measure}.items():
            if explorer.find_element(By.ID, control).get_property("value") != value:
                choose(explorer, control, value)
        title = f"{measure.replace('_', ' ')} (nats)"
        rows = losses.get_group(circumstance)
        means = rows.groupby(["parameters", "step"])[measure].mean()
        assert sorted(float(dot[title]) for dot in dots(explorer)) == pytest.approx(sorted(means), abs=1e-4)
    choose(explorer, "seeds", "each")
    assert sorted(float(dot[title]) for dot in dots(explorer)) == pytest.approx(sorted(rows[measure]), abs=1e-4)
    assert {dot["seed"] for dot in dots(explorer)} == {"0", "1"}
    choose(explorer, "scale", "log")
    assert sorted({int(dot["step"]) for dot in dots(explorer)}) == [1, 2, 4, 6, 8]
    assert explorer.errors() == []


def test_pointing_at_a_dot_tells_size_step_and_value(explorer):
    dot = explorer.find_elements(By.CSS_SELECTOR, DOTS)[-1]
    ActionChains(explorer).move_to_element(dot).perform()
    text = explorer.wait(lambda: explorer.find_element(By.CSS_SELECTOR, "#vg-tooltip-element.visible").text)
    for name in ("size width", "parameters ", "seed mean of 2", "step ", "objective (nats) 0."):
        assert name in text


def test_a_size_can_be_seen_alone(explorer):
    explorer.find_elements(By.CSS_SELECTOR, "#curves .role-legend-symbol path")[0].click()
    explorer.wait(lambda: {dot["size"] for dot in dots(explorer)} == {"width 2"})
