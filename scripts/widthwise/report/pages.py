"""Pages for a browser: the look that all share, texts as pages, and the tables of verdicts and runs.

A page stands alone, without network. The tables round; the CSV files beside them keep every digit.
"""

import html
import math
import re
from collections.abc import Callable, Mapping, Sequence

import pandas
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from widthwise.report.palette import verdict_look
from widthwise.report.wording import (
    FEATURES,
    MEASURES,
    NO_VALUE,
    UNITS,
    change,
    change_with_interval,
    counted,
    format_verdict,
    p_value_label,
    percentage,
    rate_label,
    short_number,
    size_title,
)
from widthwise.study.curves import AnyStudy

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 0.9rem; }
th, td { border-bottom: 1px solid #ddd; padding: 0.3rem 0.7rem 0.3rem 0; text-align: left; vertical-align: top; }
code { background: #f3f3f3; padding: 0 0.2em; border-radius: 3px; }
h2 { margin-top: 2.2rem; border-top: 2px solid #1a1a1a; padding-top: 0.6rem; }
"""
TABLE_STYLE = """
body { max-width: max-content; }
h1, p { max-width: 62rem; }
table { display: table; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
thead { position: sticky; top: 0; background: white; box-shadow: 0 2px #1a1a1a; }
th { vertical-align: bottom; border: 0; line-height: 1.25; }
th, td { padding-right: 0.8rem; }
td { white-space: nowrap; }
th[colspan] { border-bottom: 1px solid #1a1a1a; }
th:empty { border: 0; }
table:not(.sorted) tr:not(:has(.again)) td { border-top: 2px solid #1a1a1a; }
table:not(.sorted) .again { color: #767676; }
thead tr:last-child th, button { cursor: pointer; }
button { background: none; border: 0; color: inherit; font: inherit; padding: 0; text-align: inherit; }
th[aria-sort]::after { content: " ▲"; }
th[aria-sort=descending]::after { content: " ▼"; }
.verdict { padding: 0.1rem 0.5rem; border: 1px solid #bbbbbb; border-radius: 3px; font-weight: 600;
           print-color-adjust: exact; }
@media print { @page { size: A4 landscape; } body { zoom: 0.6; } }
"""
NUMBERS_RIGHT = (
    "th:nth-child(n + 3), td:nth-child(n + 3) { text-align: right; } thead tr:first-child th { text-align: center; }"
)
TEXT_STYLE = ".whole { white-space: nowrap; }"
# The pages beside the answer, and their names, as in Snakemake's report.
BESIDE_THE_ANSWER = {
    "evidence.html": "evidence",
    "explorer.html": "explorer",
    "tables/verdicts.html": "table of verdicts",
    "tables/runs.html": "table of runs",
}
# What must not be broken between lines: [0.031, 0.042], < 0.001, 3e-8, 2.61 M.
DIGITS = r"\d(?:[\d.,]*\d)?"
WHOLE = re.compile(rf"\[[^][\s]+, [^][\s]+\]|(?:&lt;|[≤≥]) {DIGITS}(?:e-?\d+| [kMG]\b)?|{DIGITS}(?:e-\d+| [kMG]\b)")

# Inside a report a page has no files beside it: what it links to is in the report's menu.
REPORT_SCRIPT = """<script>
const beside = "a[href$='.html']:not([href*=':'])";
if (self !== top) document.querySelectorAll(beside).forEach(link => link.replaceWith(link.textContent));
</script>
"""
# A column's title is a button that sorts: cells that begin with a number by it, before those with text, in which
# numbers count as such (width 8, width 14). Cells without a value come last, either way.
SORT_SCRIPT = """<script>
const table = document.querySelector("table"), titles = [...table.tHead.rows].at(-1).cells;
const key = (row, column) => {
  const text = row.cells[column].textContent.trim();
  const number = parseFloat(text.replace(/^[<≥] /, "").replace("−", "-").replace("∞", "Infinity").replaceAll(",", ""));
  return isNaN(number) ? text : number;
};
const isEmpty = key => key === "" || key === "–";
const texts = new Intl.Collator("en", {numeric: true});
const compare = (a, b) => {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return typeof a === "number" ? a - b : texts.compare(a, b);
};
function sort(title, column) {
  const way = title.ariaSort === "ascending" ? -1 : 1;
  [...titles].forEach(other => other.removeAttribute("aria-sort"));
  title.ariaSort = way === 1 ? "ascending" : "descending";
  const rows = [...table.tBodies[0].rows];
  rows.sort((one, other) => {
    const [a, b] = [key(one, column), key(other, column)];
    return isEmpty(a) - isEmpty(b) || way * compare(a, b);
  });
  table.tBodies[0].append(...rows);
  table.classList.add("sorted");
}
[...titles].forEach((title, column) => {
  const button = document.createElement("button");
  button.append(...title.childNodes);
  title.append(button);
  title.addEventListener("click", () => sort(title, column));
});
</script>
"""


def page(title: str, body: str, style: str = "") -> str:
    """Returns a whole page: `body` is HTML, `style` CSS after the common one."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}{style}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


class TextRenderer(RendererHTML):
    """Renders Markdown as HTML in which no line ends within a number or an interval."""

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Returns text, which is neither code nor the address of a link."""
        return WHOLE.sub(r'<span class="whole">\g<0></span>', super().text(tokens, idx, options, env))


def answer_page(title: str, text: str) -> str:
    """Returns answer.html, with links to the pages beside it; `text` is Markdown."""
    links = ", ".join(f'<a href="{path}">{name}</a>' for path, name in BESIDE_THE_ANSWER.items())
    return text_page(title, text, before=f"<nav>Beside this page: {links}.</nav>\n")


def text_page(title: str, text: str, before: str = "") -> str:
    """Returns a page with HTML `before` a text in Markdown; links to the answer or the evidence go to their pages."""
    linked = re.sub(r"\[(answer|evidence)\.md\]\(\1\.md\)", r"[\1.html](\1.html)", text)
    body = MarkdownIt("commonmark", renderer_cls=TextRenderer).enable("table").render(linked)
    return page(title, f"{before}{body}{REPORT_SCRIPT}", TEXT_STYLE)


def table_page(title: str, words: str, table: pandas.DataFrame, style: str = "") -> str:
    """Returns a page with a title, sentences on how to read the table, and the table."""
    body = f"<h1>{title}</h1>\n<p>{words} Click a column's title to sort by it, and again to reverse.</p>\n"
    body += f"{table.to_html(index=False, border=0, escape=False)}\n{SORT_SCRIPT}"
    return page(title, body, TABLE_STYLE + style)


def runs_and_circumstances(table: pandas.DataFrame) -> str:
    """Counts the runs and circumstances of a table, for a title: "24 runs, 2 circumstances"."""
    return f"{counted(count_runs(table), 'run')}, {counted(table['circumstance'].nunique(), 'circumstance')}"


def count_runs(table: pandas.DataFrame) -> int:
    """The number of runs in a table with rows of runs."""
    return len(table[["circumstance", "size", "seed"]].drop_duplicates())


def first_of_each(study: AnyStudy, names: pandas.Series) -> pandas.Series:
    """Writes circumstances as titles, muted where they repeat the one above."""
    titles = names.map(study.title).map(html.escape)
    return titles.where(~names.duplicated(), '<span class="again">' + titles + "</span>")


# Verdicts


def verdicts_page(study: AnyStudy, verdicts: pandas.DataFrame) -> str:
    """Returns verdicts.html, one row per verdict."""
    words = [
        "How each feature of the losses moves as networks grow. The change is from the smallest to the largest size, "
        f"with the interval at the level that decides the verdict; the change per doubling of {study.size_name} is "
        "the slope of the same trend. The catalogue's p is corrected after Holm, over all distinct circumstances; it "
        "decides no verdict."
    ]
    if study.curves:
        words += study.limitations
    else:
        words.append("The replicates of starts of reported loss and data loss are initialisations, not seeds.")
    if verdicts["agrees"].notna().any():
        is_open = (verdicts["agrees"].notna() & (verdicts["verdict"] == "undecided")).any()
        words.append(f"✓: as predicted before the run, ✗: not{', ?: undecided' if is_open else ''}.")
    if verdicts["slight"].fillna(False).any():
        words.append("Slightly: the interval excludes 0, but every size is within the margin of the smallest.")
    if ((verdicts["diverged"] > 0) & verdicts["verdict"].isin(["rises", "falls"])).any():
        words.append("By at least: some runs diverged, and the true change is larger.")
    words.append(f"{NO_VALUE}: no finite value.")
    return table_page("Verdicts", " ".join(words), table_of_verdicts(study, verdicts))


def table_of_verdicts(study: AnyStudy, verdicts: pandas.DataFrame) -> pandas.DataFrame:
    """Returns what verdicts.html shows."""
    rows = verdicts.fillna({"slight": False}).to_dict("records")
    return pandas.DataFrame(
        {
            "circumstance": first_of_each(study, verdicts["circumstance"]),
            "measure": verdicts["measure"].map(MEASURES),
            "feature": verdicts["feature"].map(FEATURES),
            "verdict": [verdict_mark(row) for row in rows],
            "predicted": [prediction(row) for row in rows],
            "change [interval]": [
                with_unit(change_with_interval(row["change"], row["ci_low"], row["ci_high"]), row["feature"])
                for row in rows
            ],
            "per doubling": [change(row["slope_per_doubling"]) for row in rows],
            "level": [percentage(row["level"]) for row in rows],
            "p": [p_value_label(row["p_value"]) for row in rows],
            "p, catalogue": [p_value_label(row["p_catalogue"]) for row in rows],
            "seeds": verdicts["seeds"],
            "sizes": verdicts["sizes"],
            "diverged": verdicts["diverged"],
        }
    )


def verdict_mark(row: Mapping) -> str:
    """Writes a verdict with its arrow and colours."""
    arrow, fill, ink = verdict_look(row["verdict"], slight=row["slight"])
    words = format_verdict(row["verdict"], slight=row["slight"], bounded=row["diverged"] > 0)
    return f'<span class="verdict" style="background: {fill}; color: {ink}">{arrow} {words}</span>'


def prediction(row: Mapping) -> str:
    """Writes what was predicted, and whether it is so."""
    if pandas.isna(row["expected"]):
        return ""
    if pandas.isna(row["agrees"]):
        return row["expected"]
    mark = "✓" if row["agrees"] else "?" if row["verdict"] == "undecided" else "✗"
    return f"{mark} {row['expected']}"


def with_unit(text: str, feature: str) -> str:
    """Adds the unit of a feature to a number."""
    return text if text == NO_VALUE else f"{text} {UNITS[feature]}"


# Runs


def decimals(digits: int) -> Callable[[float], str]:
    """Returns a function that writes a number with so many decimals; a very large one with an exponent."""
    return lambda value: short_number(float(value), digits) if pandas.notna(value) else NO_VALUE


def yes_or_no(value: bool) -> str:
    """Writes a truth value as a word."""
    return NO_VALUE if pandas.isna(value) else "yes" if value else "no"


def midway_steps(log2_steps: float) -> str:
    """Writes the steps to midway, which the table has as a logarithm."""
    return f"{2**log2_steps:,.0f}" if math.isfinite(log2_steps) else NO_VALUE


RUN_COLUMNS: Mapping[tuple[str, str], tuple[str, Callable]] = {
    ("", "size"): ("size", size_title),
    ("", "parameters"): ("parameters", "{:,}".format),
    ("", "seed"): ("seed", str),
    ("", "learning rate"): ("learning_rate", rate_label),
    ("", "steps"): ("steps", "{:,}".format),
    ("", "diverged"): ("diverged", yes_or_no),
    ("reported loss", "start"): ("objective_starting_loss", decimals(3)),
    ("reported loss", "initial decay"): ("objective_initial_decay", decimals(3)),
    ("reported loss", "end"): ("objective_end_value", decimals(3)),
    ("reported loss", "drift"): ("objective_drift", decimals(3)),
    ("printed loss", "end"): ("printed_end_value", decimals(3)),
    ("data loss", "start"): ("data_loss_starting_loss", decimals(3)),
    ("data loss", "steps to midway"): ("data_loss_steps_to_midway", midway_steps),
    ("data loss", "end"): ("data_loss_end_value", decimals(3)),
    ("data loss", "drift"): ("data_loss_drift", decimals(3)),
    ("test split", "data loss"): ("test_data_loss", decimals(3)),
    ("test split", "accuracy"): ("test_accuracy", lambda share: f"{share:.1%}" if pandas.notna(share) else NO_VALUE),
    ("training", "minutes"): ("seconds", lambda seconds: decimals(1)(seconds / 60)),
    ("training", "device"): ("device", str),
}


def runs_page(study: AnyStudy, runs: pandas.DataFrame) -> str:
    """Returns runs.html, one row per run, with the columns that there are."""
    words = (
        "Every run, smallest first. Losses in nats. Drift is how much a loss still changes in a tenth of the steps, "
        "over the last two fifths."
    )
    if "data_loss_steps_to_midway" in runs:
        words += (
            " Midway lies between the start and half of log(classes). Steps to midway are at most those of the run."
        )
    if runs["diverged"].any():
        words += f" {NO_VALUE}: the run diverged before. ≥: it diverged; the end counts as at least this."
    return table_page("Runs", words, table_of_runs(study, runs), NUMBERS_RIGHT)


def table_of_runs(study: AnyStudy, runs: pandas.DataFrame) -> pandas.DataFrame:
    """Returns what runs.html shows."""
    blocks = [block.sort_values(["parameters", "seed"]) for _, block in runs.groupby("circumstance", sort=False)]
    ordered = pandas.concat(blocks, ignore_index=True)
    known = {title: column for title, column in RUN_COLUMNS.items() if column[0] in ordered}
    columns = {title: ordered[name].map(written) for title, (name, written) in known.items()}
    diverged = ordered["diverged"].astype(bool)
    for title in (title for title, (name, _) in known.items() if name.endswith("_end_value")):
        columns[title] = columns[title].where(~diverged | (columns[title] == NO_VALUE), "≥ " + columns[title])
    return pandas.DataFrame({("", "circumstance"): first_of_each(study, ordered["circumstance"])} | columns)
