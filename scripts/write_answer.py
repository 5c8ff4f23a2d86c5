"""Writes the answer from the study's tables: answer.md, evidence.md with long tables, and both as HTML."""

import argparse
import json
from pathlib import Path

from widthwise.analysis.tables import read_table
from widthwise.files import atomic_write
from widthwise.program import start_logging
from widthwise.report.answer import title, write_answer
from widthwise.report.evidence import Evidence, table_names, write_evidence
from widthwise.report.pages import answer_page, runs_and_circumstances, text_page
from widthwise.study.curves import read_study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study.json")
    parser.add_argument("--tables", type=Path, required=True, help="folder of the study's tables")
    parser.add_argument("--dataset", type=Path, help="JSON summary of the data, or of one draw; none for loss curves")
    parser.add_argument("--networks", type=Path, help="networks.json of a user's own networks")
    parser.add_argument("--markdown", type=Path, required=True, help="answer.md to write, and answer.html")
    parser.add_argument("--evidence", type=Path, required=True, help="evidence.md to write, and evidence.html")
    arguments = parser.parse_args()
    log = start_logging("write_answer")

    study = read_study(arguments.study)
    dataset = json.loads(arguments.dataset.read_text(encoding="utf-8")) if arguments.dataset else None
    tables = {name: read_table(arguments.tables / f"{name}.csv") for name in table_names(study)}
    networks = json.loads(arguments.networks.read_text(encoding="utf-8")) if arguments.networks else {}
    left_out = dict.fromkeys(name for network in networks.values() for name in network["without_penalty"])
    evidence = Evidence(study, dataset, tables, tuple(left_out))
    answer, long_tables = write_answer(evidence), write_evidence(evidence)
    counts = runs_and_circumstances(tables["runs"][tables["runs"]["circumstance"].isin(study.judged)])
    texts = {
        arguments.markdown: answer,
        arguments.markdown.with_suffix(".html"): answer_page(f"{title(evidence)} ({counts})", answer),
        arguments.evidence: long_tables,
        arguments.evidence.with_suffix(".html"): text_page(f"Evidence ({counts})", long_tables),
    }
    for path, text in texts.items():
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    log.info("answer of %d lines", len(answer.splitlines()))


if __name__ == "__main__":
    main()
