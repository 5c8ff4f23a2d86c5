"""Typesets the tables of verdicts and runs for reading, a block a circumstance: verdicts.html and runs.html.

Reads tables/verdicts.csv and runs.csv, which keep every digit.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy
import pandas

from widthwise.analysis.tables import read_table
from widthwise.figures.style import VERDICT_LOOKS
from widthwise.files import written_aside
from widthwise.program import start_logging
from widthwise.report.evidence import NAMES, UNITS, interval
from widthwise.report.pages import page
from widthwise.report.wording import certainty, circumstance_label, size_title

STYLE = """
body { max-width: max-content; }
h1, p { max-width: 62rem; }
table { display: table; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
thead { position: sticky; top: 0; background: white; box-shadow: 0 2px #1a1a1a; }
th { vertical-align: bottom; border: 0; line-height: 1.25; }
th, td { padding-right: 1rem; }
td { white-space: nowrap; }
th[colspan] { border-bottom: 1px solid #1a1a1a; }
th:empty { border: 0; }
tr:not(:has(.again)) td { border-top: 2px solid #1a1a1a; }
.again { color: #767676; }
.verdict { padding: 0.1rem 0.5rem; border: 1px solid #bbbbbb; border-radius: 3px; font-weight: 600; }
"""
NUMBERS = (
    "th:nth-child(n + 3), td:nth-child(n + 3) { text-align: right; } thead tr:first-child th { text-align: center; }"
)


def first_of_each(names: pandas.Series) -> pandas.Series:
    """Names as titles, muted where they only repeat the one above."""
    titles = names.map(circumstance_label)
    return titles.where(~names.duplicated(), '<span class="again">' + titles + "</span>")


def verdict_mark(verdict: str) -> str:
    """A verdict as the figure of verdicts shows it, arrow, word and colour."""
    arrow, fill, ink = VERDICT_LOOKS[verdict]
    return f'<span class="verdict" style="background: {fill}; color: {ink}">{arrow} {verdict}</span>'


def table_of_verdicts(verdicts: pandas.DataFrame) -> pandas.DataFrame:
    """What verdicts.html shows, a row a verdict."""
    change = verdicts[["slope_per_doubling", "ci_low", "ci_high"]]
    unit = verdicts["feature"].map(UNITS).fillna("nats")
    mark = verdicts["agrees"].astype(str).map({"True": "✓ ", "False": "✗ "})
    return pandas.DataFrame(
        {
            "circumstance": first_of_each(verdicts["circumstance"]),
            "measure": verdicts["measure"].str.replace("_", " "),
            "feature": verdicts["feature"].map(NAMES),
            "verdict": verdicts["verdict"].map(verdict_mark),
            "expected": (mark + verdicts["expected"]).fillna(""),
            "per doubling of parameters [95%]": [
                f"{interval(*values)} {unit}" if numpy.isfinite(values[0]) else "–"
                for *values, unit in change.assign(unit=unit).itertuples(index=False)
            ],
            "certainty": [certainty(*values) for values in verdicts[["p_value", "p_holm"]].itertuples(index=False)],
            "seeds": verdicts["seeds"],
            "sizes": verdicts["widths"],
        }
    )


def finite(form: str) -> Callable[[float], str]:
    """Writes a number by a format; a dash where there is none."""
    return lambda value: format(value, form) if numpy.isfinite(value) else "–"


def yes_or_no(value: bool) -> str:
    """A truth value in a word."""
    return "yes" if value else "no"


RUN_COLUMNS: Mapping[tuple[str, str], tuple[str, Callable]] = {
    ("", "size"): ("size", size_title),
    ("", "parameters"): ("parameters", finite(",")),
    ("", "seed"): ("seed", str),
    ("", "rate"): ("learning_rate", finite("g")),
    ("", "steps"): ("steps", finite(",")),
    ("objective (nats)", "initial decay"): ("objective_initial_decay", finite(".3f")),
    ("objective (nats)", "end value"): ("objective_end_value", finite(".3f")),
    ("data loss (nats)", "initial decay"): ("data_loss_initial_decay", finite(".3f")),
    ("data loss (nats)", "end value"): ("data_loss_end_value", finite(".3f")),
    ("data loss (nats)", "steps to midway"): ("data_loss_steps_to_midway", finite(",.0f")),
    ("end", "plateau"): ("plateau", yes_or_no),
    ("end", "diverged"): ("diverged", yes_or_no),
    ("test cubes", "data loss"): ("test_data_loss", finite(".3f")),
    ("test cubes", "accuracy"): ("test_accuracy", finite(".1%")),
    ("training", "minutes"): ("seconds", lambda seconds: finite(".1f")(seconds / 60)),
    ("training", "device"): ("device", str),
}


def table_of_runs(runs: pandas.DataFrame) -> pandas.DataFrame:
    """What runs.html shows, a row a run, smallest first."""
    blocks = [block.sort_values(["parameters", "seed"]) for _, block in runs.groupby("circumstance", sort=False)]
    runs = pandas.concat(blocks, ignore_index=True)
    columns = {title: runs[name].map(written) for title, (name, written) in RUN_COLUMNS.items()}
    return pandas.DataFrame({("", "circumstance"): first_of_each(runs["circumstance"])} | columns)


def write_page(path: Path, title: str, words: str, table: pandas.DataFrame, style: str) -> None:
    """A page with a title, a sentence on how to read it, and the table."""
    body = f"<h1>{title}</h1>\n<p>{words}</p>\n{table.to_html(index=False, border=0, escape=False)}\n"
    with written_aside(path) as aside:
        aside.write_text(page(title, body, style), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("verdicts", "runs"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"tables/{name}.csv")
        parser.add_argument(f"--{name}-page", type=Path, required=True, help="HTML to write")
    arguments = parser.parse_args()
    log = start_logging("typeset_tables")

    verdicts, runs = read_table(arguments.verdicts), read_table(arguments.runs)
    write_page(
        arguments.verdicts_page,
        "Verdicts",
        "How each feature of the loss curves moves as parameters grow. ✓: as expected before the run, ✗: not. "
        "Holm's p: adjusted, as one of the primary family. A dash: some value is not finite (diverged or not reached).",
        table_of_verdicts(verdicts),
        STYLE,
    )
    write_page(
        arguments.runs_page,
        "Runs",
        "Every run, smallest first. A dash: the run diverged, or did not get that far. Midway: from the start to half "
        "of log(classes). What had not settled on a plateau was still moving when it ended.",
        table_of_runs(runs),
        STYLE + NUMBERS,
    )
    log.info("%d verdicts, %d runs", len(verdicts), len(runs))


if __name__ == "__main__":
    main()
