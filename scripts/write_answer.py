"""Writes the question's answer from the study's tables: answer.md for reading, answer.html for the browser.

Reads verdicts, features, contrasts, crossovers, runs, slopes_by_step, time_lapse and literature of tables/,
learning_rate_slopes and learning_rate_verdicts where the study has grids, and dataset.json for what the data are.
"""

import argparse
import json
from pathlib import Path

from markdown_it import MarkdownIt

from widthwise.analysis.tables import read_table
from widthwise.files import written_aside
from widthwise.program import start_logging
from widthwise.report.answer import write_answer
from widthwise.report.evidence import Evidence
from widthwise.report.pages import page

TABLES = ("verdicts", "features", "contrasts", "crossovers", "runs", "slopes_by_step", "time_lapse", "literature")
TITLE = "Under which circumstances do more parameters raise the training loss?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in TABLES:
        option = name.replace("_", "-")
        parser.add_argument(f"--{option}", type=Path, required=True, help=f"tables/{name}.csv")
    parser.add_argument("--learning-rates", type=Path, nargs="*", default=[], help="tables of slopes, verdicts; if any")
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.json")
    parser.add_argument("--catalogue", type=json.loads, required=True, help="JSON of each circumstance's texts")
    parser.add_argument("--departures", type=json.loads, required=True, help="JSON of posted settings that are changed")
    parser.add_argument("--markdown", type=Path, required=True, help="answer.md to write")
    parser.add_argument("--html", type=Path, required=True, help="answer.html to write")
    arguments = parser.parse_args()
    log = start_logging("write_answer")

    tables = {name: read_table(getattr(arguments, name)) for name in TABLES}
    rates = [read_table(path) for path in arguments.learning_rates]
    dataset = json.loads(arguments.dataset.read_text(encoding="utf-8"))
    evidence = Evidence(
        **tables,
        learning_rates=rates,
        catalogue=arguments.catalogue,
        dataset=dataset,
        departures=arguments.departures,
    )
    answer = write_answer(evidence)
    with written_aside(arguments.markdown) as aside:
        aside.write_text(answer, encoding="utf-8")
    body = MarkdownIt("commonmark").enable("table").render(answer)
    with written_aside(arguments.html) as aside:
        aside.write_text(page(TITLE, body), encoding="utf-8")
    log.info("%d words", len(answer.split()))


if __name__ == "__main__":
    main()
