"""Writes the question's answer from the study's tables: answer.md for reading, answer.html for the browser.

Reads verdicts, features, contrasts, crossovers, runs, slopes_by_step and time_lapse of tables/, learning_rate_slopes
and learning_rate_verdicts where the study has grids, and dataset.json for what the data are.
"""

import argparse
import json
from pathlib import Path

from markdown_it import MarkdownIt

from widthwise.answer import write_answer
from widthwise.evidence import Evidence
from widthwise.output import written_aside
from widthwise.program import start_logging
from widthwise.tables import read_table

TABLES = ("verdicts", "features", "contrasts", "crossovers", "runs", "slopes_by_step", "time_lapse")
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Under which circumstances do more parameters raise the training loss?</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; font-size: 0.9rem; }}
th, td {{ border-bottom: 1px solid #ddd; padding: 0.3rem 0.7rem 0.3rem 0; text-align: left; vertical-align: top; }}
code {{ background: #f3f3f3; padding: 0 0.2em; border-radius: 3px; }}
h2 {{ margin-top: 2.2rem; border-top: 2px solid #1a1a1a; padding-top: 0.6rem; }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in TABLES:
        option = name.replace("_", "-")
        parser.add_argument(f"--{option}", type=Path, required=True, help=f"tables/{name}.csv")
    parser.add_argument("--learning-rates", type=Path, nargs="*", default=[], help="tables of slopes, verdicts; if any")
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.json")
    parser.add_argument("--catalogue", type=json.loads, required=True, help="what is told of circumstances, as JSON")
    parser.add_argument("--markdown", type=Path, required=True, help="answer.md to write")
    parser.add_argument("--html", type=Path, required=True, help="answer.html to write")
    arguments = parser.parse_args()
    log = start_logging("write_answer")

    tables = {name: read_table(getattr(arguments, name)) for name in TABLES}
    rates = [read_table(path) for path in arguments.learning_rates]
    dataset = json.loads(arguments.dataset.read_text(encoding="utf-8"))
    answer = write_answer(Evidence(**tables, learning_rates=rates, catalogue=arguments.catalogue, dataset=dataset))
    with written_aside(arguments.markdown) as aside:
        aside.write_text(answer, encoding="utf-8")
    body = MarkdownIt("commonmark").enable("table").render(answer)
    with written_aside(arguments.html) as aside:
        aside.write_text(PAGE.format(body=body), encoding="utf-8")
    log.info("%d words", len(answer.split()))


if __name__ == "__main__":
    main()
