"""The explorer in a browser: it draws what was chosen, offline, however large the study is."""

import json
import re

import numpy
import pandas
import pytest
from figures import synthetic_study as synthetic
from report.browser import open_browser
from report.example_study import DEFAULTS, SCHEMA_KEYS
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from widthwise.report.explorer import LEAST_STEPS, MOST_POINTS, explorer_page
from widthwise.study.curves import CurvesStudy

DOTS = "#curves .role-mark.mark-symbol path"
MOST_MB = 2  # of a page that a browser opens inside the report
TITLES = {
    "objective": "reported loss (nats)",
    "data_loss": "data loss (nats)",
    "penalty": "penalty (nats)",
    "printed": "printed loss (nats)",
}


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def study():
    return synthetic.make_study(judged=("baseline", "no_l2", "too_fast"), grids=(), families=2)


@pytest.fixture(scope="module")
def tables(study):
    return synthetic.make_tables(study)


@pytest.fixture(scope="module")
def path(study, tables, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "explorer.html"
    path.write_text(explorer_page(study, tables["losses"], tables["printed"], classes=2), encoding="utf-8")
    return path


@pytest.fixture
def explorer(browser, path):
    """The explorer, just opened."""
    browser.requested()
    browser.get("about:blank")
    browser.get(path.as_uri())
    browser.find_element(By.CSS_SELECTOR, DOTS)
    return browser


def choose(browser, **chosen):
    """Chooses values of the page's lists, and waits for the new drawing."""
    for control, value in chosen.items():
        select = Select(browser.find_element(By.ID, control))
        if select.first_selected_option.get_attribute("value") != value:
            before = drawn(browser)
            select.select_by_value(value)
            browser.wait(lambda before=before: drawn(browser) not in (None, before))


def drawn(browser):
    """The drawing, or the place of it if words stand there."""
    return browser.execute_script("return document.querySelector('#curves svg, #curves:not(:has(*))')")


def warnings(browser) -> list[str]:
    """What the console warned of since the last call, errors included."""
    return [entry["message"] for entry in browser.get_log("browser")]


def dots(browser):
    """What the page says of each dot, as pairs of name and value."""
    return [dict(entry.split(": ", 1) for entry in label.split("; ")) for label in heights(browser)]


def heights(browser):
    """How high each dot stands on the screen, by what the page says of it."""
    script = "return [...document.querySelectorAll(arguments[0])].map(d => [d.ariaLabel, d.getBoundingClientRect().y])"
    return dict(browser.execute_script(script, DOTS))


def values_in_order(browser, measure):
    return [float(dot[TITLES[measure]].replace("−", "-")) for dot in dots(browser)]


def values(browser, measure):
    return sorted(values_in_order(browser, measure))


def large_losses(runs: int, steps: int, *, seeds: int = 10) -> pandas.DataFrame:
    """Losses of many runs: of 5 sizes and `seeds` seeds in each circumstance."""
    step = numpy.tile(numpy.arange(steps), runs)
    run = numpy.repeat(numpy.arange(runs), steps)
    size = run // seeds % 5
    columns = {"circumstance": [f"c{number}" for number in run // (5 * seeds)], "size": [f"width{n + 2}" for n in size],
               "parameters": 10 ** (size + 3), "seed": run % seeds, "step": step}  # fmt: skip
    loss = 0.7 / (1 + step / 10)
    return pandas.DataFrame(columns).assign(objective=loss + 0.1, data_loss=loss, penalty=0.1)


def chosen(browser) -> dict[str, str]:
    """What the page's lists show."""
    lists = browser.find_elements(By.TAG_NAME, "select")
    return {one.get_attribute("id"): Select(one).first_selected_option.get_attribute("value") for one in lists}


def any_study(losses: pandas.DataFrame):
    """A study of the circumstances in a table of losses."""
    return synthetic.make_study(judged=tuple(losses["circumstance"].unique()), grids=())


def study_of(page: str) -> dict:
    """The data within a page."""
    return json.loads(page.split("const study = ", 1)[1].split(";\n", 1)[0])


# What is shown


def test_circumstances_are_offered_by_family_and_in_words(explorer, study):
    groups = explorer.find_elements(By.CSS_SELECTOR, "#circumstance optgroup")
    assert [group.get_attribute("label") for group in groups] == list(study.families)
    assert len(groups) == 2
    titles = [[one.text for one in group.find_elements(By.TAG_NAME, "option")] for group in groups]
    assert titles == [study.titles(names) for names in study.families.values()]
    assert ["no L2" in of_family for of_family in titles].count(True) == 1


def test_one_family_has_no_heading(tables):
    losses = tables["losses"].query("circumstance == 'baseline'")
    page = explorer_page(any_study(losses), losses, tables["printed"], classes=2)
    assert '<option value="baseline">baseline</option>' in page
    assert "optgroup" not in page


def test_a_title_may_have_any_characters(browser, tables, tmp_path):
    losses = tables["losses"].query("circumstance != 'too_fast'")
    strange = synthetic.make_study(judged=("baseline", "no_l2"), grids=(), families=2)
    strange.circumstances["no_l2"].title = title = '<b>L2</b> & "none"'
    strange.circumstances["no_l2"].family = family = 'a "family" > another'
    path = tmp_path / "strange.html"
    path.write_text(explorer_page(strange, losses, tables["printed"], classes=2), encoding="utf-8")
    browser.get(path.as_uri())
    assert browser.find_element(By.CSS_SELECTOR, "option[value=no_l2]").text == title
    assert browser.find_elements(By.TAG_NAME, "optgroup")[1].get_attribute("label") == family


def test_it_needs_nothing_but_its_file(explorer):
    assert explorer.requested() <= {"file", "data"}
    assert warnings(explorer) == []


def test_its_title_says_what_is_in_it(explorer, tables):
    runs = len(tables["losses"].groupby(["circumstance", "size", "seed"]))
    assert explorer.title == f"Loss curves of {runs} runs, 3 circumstances"
    assert explorer.find_element(By.CSS_SELECTOR, "main h1").text == explorer.title
    losses = large_losses(2_000, 1).query("circumstance == 'c0' or circumstance == 'c1'")
    for some, title in ((losses, "100 runs, 2 circumstances"), (losses.head(1), "1 run, 1 circumstance")):
        assert f"<title>Loss curves of {title}</title>" in explorer_page(any_study(some), some, None, None)


@pytest.mark.parametrize("circumstance", ["baseline", "no_l2"])
@pytest.mark.parametrize("measure", list(TITLES))
def test_it_draws_what_was_chosen(explorer, tables, circumstance, measure):
    choose(explorer, circumstance=circumstance, measure=measure, loss="linear")
    rows = tables["printed" if measure == "printed" else "losses"]
    rows = rows[rows["circumstance"] == circumstance]
    means = rows.groupby(["parameters", "step"])[measure].mean()
    assert values(explorer, measure) == pytest.approx(sorted(means), abs=1e-4)
    choose(explorer, seeds="each")
    assert values(explorer, measure) == pytest.approx(sorted(rows[measure]), abs=1e-4)
    assert {dot["seed"] for dot in dots(explorer)} == {"0", "1", "2"}
    assert explorer.errors() == []


def test_a_logarithmic_scale_leaves_out_what_it_cannot_show(explorer):
    assert (chosen(explorer)["steps"], chosen(explorer)["loss"]) == ("linear", "log")
    choose(explorer, steps="log")
    assert {int(dot["step"].replace(",", "")) for dot in dots(explorer)} == set(synthetic.STEPS) - {0}
    choose(explorer, circumstance="no_l2", measure="penalty")
    assert dots(explorer) == []
    assert "A logarithmic scale shows none of these values" in explorer.find_element(By.ID, "curves").text
    choose(explorer, loss="linear")
    assert set(values(explorer, "penalty")) == {0}
    assert warnings(explorer) == []


def test_a_logarithmic_scale_of_losses_spreads_small_ones(explorer):
    def share_of_small_losses():
        at = dict(zip(values_in_order(explorer, "objective"), heights(explorer).values(), strict=True))
        smallest, *_, largest = losses = sorted(at)
        return (at[smallest] - at[losses[len(losses) // 2]]) / (at[smallest] - at[largest])

    logarithmic = share_of_small_losses()
    choose(explorer, loss="linear")
    assert logarithmic > share_of_small_losses()


@pytest.mark.parametrize("loss", ["log", "linear"])
def test_curves_fill_the_height_of_the_chart(explorer, loss):
    choose(explorer, seeds="each", loss=loss)
    script = "return document.querySelector('#curves .role-frame .background').getBoundingClientRect().height"
    places = heights(explorer).values()
    assert max(places) - min(places) > 0.9 * explorer.execute_script(script)


def test_numbers_however_large_or_small_are_told_in_one_way(browser, tables, tmp_path):
    losses = tables["losses"].query("circumstance == 'baseline' and seed == 0")
    losses = losses.assign(objective=numpy.logspace(-8.5, 12.5, len(losses)))
    (tmp_path / "wide.html").write_text(explorer_page(any_study(losses), losses, None, 2), encoding="utf-8")
    browser.get((tmp_path / "wide.html").as_uri())
    browser.find_element(By.CSS_SELECTOR, DOTS)
    axis = "return [...document.querySelectorAll('#curves .role-axis-label text')].map(text => text.textContent)"
    ticks = [tick for tick in browser.execute_script(axis) if tick and "," not in tick and tick != "0"][-5:]
    assert len(ticks) == 5
    assert all(re.fullmatch(r"[1-9]\d{0,3}|0\.0{0,2}[1-9]|[1-9]e-?\d+", tick) for tick in ticks), ticks
    assert values(browser, "objective") == pytest.approx(sorted(losses["objective"]), rel=1e-3)


VIEW = {
    "circumstance": "no_l2",
    "size": "width 5",
    "measure": "data_loss",
    "seeds": "each",
    "steps": "log",
    "loss": "linear",
}


def test_the_address_restores_what_was_chosen(explorer, path):
    choose(explorer, **VIEW)
    assert chosen(explorer) == VIEW
    address, shown = explorer.current_url, dots(explorer)
    assert {dot["size"] for dot in shown} == {VIEW["size"]}
    assert address.split("#")[0] == path.as_uri()
    explorer.refresh()
    explorer.find_element(By.CSS_SELECTOR, DOTS)
    assert chosen(explorer) == VIEW
    assert dots(explorer) == shown
    explorer.get("about:blank")
    explorer.get(address)
    explorer.find_element(By.CSS_SELECTOR, DOTS)
    assert chosen(explorer) == VIEW
    assert dots(explorer) == shown
    assert explorer.errors() == []


def test_an_address_may_say_little_or_nonsense(explorer, path):
    first, shown = chosen(explorer), dots(explorer)
    explorer.get(f"{path.as_uri()}#circumstance=no_l2&measure=beauty&colour=red")
    explorer.wait(lambda: dots(explorer) != shown)
    assert chosen(explorer) == first | {"circumstance": "no_l2"}
    assert explorer.errors() == []


def test_no_mean_is_one_of_survivors(explorer):
    choose(explorer, circumstance="too_fast")
    largest = [int(dot["step"]) for dot in dots(explorer) if dot["size"] == "width 26"]
    assert max(largest) == synthetic.DIVERGED[3]
    choose(explorer, seeds="each")
    largest = [int(dot["step"]) for dot in dots(explorer) if dot["size"] == "width 26"]
    assert max(largest) == synthetic.STEPS[-1]


def test_guessing_is_drawn_but_not_for_the_penalty(explorer):
    rules = "#curves .role-mark.mark-rule line"
    assert len(explorer.find_elements(By.CSS_SELECTOR, rules)) == 1
    choose(explorer, measure="penalty")
    assert not explorer.execute_script(f"return document.querySelectorAll('{rules}').length")


def test_pointing_at_a_dot_tells_size_step_and_value(explorer):
    dot = explorer.find_elements(By.CSS_SELECTOR, DOTS)[-1]
    ActionChains(explorer).move_to_element(dot).perform()
    text = explorer.wait(lambda: explorer.find_element(By.CSS_SELECTOR, "#vg-tooltip-element.visible").text)
    for name in ("size width", "parameters ", "seed mean of 3", "step ", "reported loss (nats) 0."):
        assert name in text


def test_a_size_can_be_seen_alone(explorer):
    explorer.find_elements(By.CSS_SELECTOR, "#curves .role-legend-symbol path")[0].click()
    explorer.wait(lambda: {dot["size"] for dot in dots(explorer)} == {"width 2"})


def test_a_chosen_size_stays_alone_in_every_circumstance_that_has_it(browser, tmp_path):
    study = synthetic.make_study(judged=("baseline", "deep_plain", "no_l2"), grids=())
    page = explorer_page(study, synthetic.make_losses(study), None, 2)
    (tmp_path / "sizes.html").write_text(page, encoding="utf-8")
    browser.get((tmp_path / "sizes.html").as_uri())
    browser.find_element(By.CSS_SELECTOR, DOTS)
    sizes = [option.text for option in Select(browser.find_element(By.ID, "size")).options]
    assert sizes == ["all", *(f"width {n}" for n in synthetic.WIDTHS), *(f"depth {n}" for n in synthetic.DEPTHS)]
    choose(browser, size="width 5", circumstance="no_l2")
    assert {dot["size"] for dot in dots(browser)} == {"width 5"}
    assert [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".role-legend-label text")] == ["97.2 k"]
    choose(browser, circumstance="deep_plain")
    assert dots(browser) == []
    assert "no such size" in browser.find_element(By.ID, "curves").text
    choose(browser, size="depth 14")
    assert {dot["size"] for dot in dots(browser)} == {"depth 14"}
    assert warnings(browser) == []


def test_it_fits_paper_and_a_telephone(explorer):
    right = """
        const shown = [...document.querySelectorAll("#curves svg, select")];
        return Math.max(...shown.map(element => element.getBoundingClientRect().right));
    """
    long = "document.querySelector('#circumstance option').textContent = 'a long title '.repeat(9);"
    # Paper, A4 within its margins, is narrower than the screen, and nothing is drawn anew for it.
    narrow = "document.querySelector('main').style.width = '685px';"
    with explorer.screen(1400, media="print"):
        assert explorer.execute_script(narrow + long + right) <= 717
    with explorer.screen(390, mobile=True):
        explorer.refresh()
        explorer.find_element(By.CSS_SELECTOR, DOTS)
        assert explorer.execute_script(long + right) <= 390


def test_a_study_without_printed_losses_does_not_offer_them(study, tables):
    page = explorer_page(study, tables["losses"], tables["printed"].iloc[:0], classes=3)
    assert "printed loss" not in page
    assert "guessing, log(3) = 1.099" in page


def test_a_reported_loss_alone_is_drawn_by_epoch_and_size(browser, tables, tmp_path):
    losses = tables["losses"].query("circumstance == 'baseline'")
    losses = losses.drop(columns=["data_loss", "penalty", "width", "depth"]).assign(parameters=losses["width"])
    columns = {"size": "parameters", "seed": "seed", "epoch": "step", "loss": "objective"}
    given = pandas.DataFrame({column: losses[source] for column, source in columns.items()})
    given.to_csv(tmp_path / "curves.csv", index=False)
    study = CurvesStudy.of(DEFAULTS | {"curves": str(tmp_path / "curves.csv")}, SCHEMA_KEYS)
    page = explorer_page(study, losses, None, None)
    (tmp_path / "alone.html").write_text(page, encoding="utf-8")
    browser.get((tmp_path / "alone.html").as_uri())
    browser.find_element(By.CSS_SELECTOR, DOTS)
    assert {"size", "epoch", "reported loss (nats)"} <= dots(browser)[0].keys()
    assert not {"parameters", "step"} & dots(browser)[0].keys()
    assert browser.execute_script("return document.querySelector('#curves .role-mark.mark-rule line')") is None
    assert [option.text for option in Select(browser.find_element(By.ID, "measure")).options] == ["reported loss"]
    assert "guessing, log(" not in page
    assert browser.errors() == []


# Large studies


@pytest.mark.parametrize(
    ("runs", "steps"), [(20, 30), (250, 300), (1_000, 200), (7_000, 40), (30_000, 15), (60_000, 13)]
)
def test_a_study_of_any_size_has_curves(runs, steps):
    losses = large_losses(runs, steps)
    page = explorer_page(any_study(losses), losses, losses.iloc[:0].assign(printed=0.0), classes=2)
    study = study_of(page)
    assert len(study["circumstances"]) == losses["circumstance"].nunique()
    for circumstance in study["circumstances"].values():
        shown = circumstance["steps"]
        assert len(shown) >= min(steps, LEAST_STEPS) / 2
        assert (shown[0], shown[-1]) == (0, steps - 1)
        assert len(circumstance["runs"]) == len(circumstance["sizes"]) * (1 if study["means"] else 10)
    assert study["means"] is (runs * LEAST_STEPS > MOST_POINTS)
    if runs <= 10_000:
        assert len(page) < MOST_MB * 1e6
    most = max(len(circumstance["steps"]) for circumstance in study["circumstances"].values())
    assert ("Every logged step is shown." if most == steps else f"{most} of {steps} logged steps are shown.") in page
    says = f"Only the means over seeds are shown: {runs:,} runs are too many for one page."
    assert (says in page) is study["means"]


def test_a_page_of_means_draws_them(browser, tmp_path):
    losses = large_losses(4_000, 20)
    page = explorer_page(any_study(losses), losses, losses.iloc[:0].assign(printed=0.0), classes=2)
    (tmp_path / "large.html").write_text(page, encoding="utf-8")
    browser.get((tmp_path / "large.html").as_uri())
    browser.find_element(By.CSS_SELECTOR, DOTS)
    assert {dot["seed"] for dot in dots(browser)} == {"mean of 10"}
    assert len({dot["size"] for dot in dots(browser)}) == 5
    assert browser.errors() == []


def test_a_run_that_diverged_has_the_steps_that_it_reached(study, tables):
    page = explorer_page(study, tables["losses"], tables["printed"], classes=2)
    found = study_of(page)["circumstances"]["too_fast"]
    lengths = {len(run["objective"]) for run in found["runs"]}
    assert lengths == {len(synthetic.STEPS), synthetic.STEPS.index(synthetic.DIVERGED[3]) + 1}
    assert [size["size"] for size in found["sizes"]] == [f"width {width}" for width in synthetic.WIDTHS]
