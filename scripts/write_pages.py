"""Writes the pages beside the figures: the tables of verdicts and runs, and the explorer of all loss curves.

Reads verdicts.csv, runs.csv, losses.csv and, where there is one, printed.csv.
"""

import argparse
from pathlib import Path

from widthwise.analysis.tables import classes_of, read_table
from widthwise.files import atomic_write
from widthwise.program import start_logging
from widthwise.report.explorer import explorer_page
from widthwise.report.pages import runs_page, verdicts_page
from widthwise.study.curves import read_study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study.json")
    parser.add_argument("--tables", type=Path, required=True, help="folder of the tables; verdicts.html, runs.html")
    parser.add_argument("--explorer", type=Path, required=True, help="HTML to write: the explorer")
    arguments = parser.parse_args()
    log = start_logging("write_pages")

    study, tables = read_study(arguments.study), arguments.tables
    verdicts, runs, losses = (read_table(tables / f"{name}.csv") for name in ("verdicts", "runs", "losses"))
    printed = None if study.curves else read_table(tables / "printed.csv")
    pages = {
        tables / "verdicts.html": verdicts_page(study, verdicts),
        tables / "runs.html": runs_page(study, runs),
        arguments.explorer: explorer_page(study, losses, printed, classes_of(runs)),
    }
    for path, text in pages.items():
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        log.info("%s: %.1f MB", path, path.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
