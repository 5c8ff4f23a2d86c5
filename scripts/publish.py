"""Copies a finished study to results/reference, under a name: there are the published ones, kept with the project.

Tables, figures, the answer, the resolved configuration, the versions that its runs were computed with, and a checksum
of each file (`sha256sum --check SHA256SUMS` there). Run it in the checkout, once snakemake has nothing to do. Example:

  python scripts/publish.py catalogue --configfile config/full.yaml

A name with a folder (`sensitivity/harder`) is for studies that are read beside each other: other studies are not
compared with them.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import pandas

from widthwise.analysis.tables import read_table
from widthwise.files import file_digest, write_json
from widthwise.study.command_line import read_study, study_parser
from widthwise.study.plan import Run, Study

REFERENCE = Path("results/reference")
KEPT = ("dataset.json", "answer.md", "tables/*.csv")
FIGURES = ("figures/*.svg", "figures/*.png")
# Not the study's, but this machine's, or another study's beside it.
LEFT_OUT = {"speed", "run_seconds", "cost", "comparison"}
MOST_BYTES = 20_000_000


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("name", help="of the folder in results/reference; what is in it is replaced")
    parser.add_argument("--tables-only", action="store_true", help="leave the figures out, which take most of the room")
    arguments = parser.parse_args()
    study = read_study(arguments.configfile)
    results, reference = Path(study.config["pathvars"]["results"]), REFERENCE / arguments.name
    if not re.fullmatch(r"(\w+/)?\w+", arguments.name):
        sys.exit(f"name: given {arguments.name!r}, allowed: letters, digits and underscores, in a folder or not")
    if is_published(reference.parent) or (reference.exists() and not is_published(reference)):
        sys.exit(f"{reference}: not a place for a study; allowed: beside published ones, or in the place of one")
    if not (results / "answer.md").exists():
        sys.exit(f"{results}/answer.md: not here; finish the study first")
    computed_with = versions(results, study)
    tabulated = read_table(results / "tables/runs.csv")[["circumstance", "size", "seed"]].itertuples(index=False)
    if {Run(*row) for row in tabulated} != set(study.runs()):
        sys.exit(
            f"{results}/tables/runs.csv: of other runs than this study's; run snakemake with its configuration first"
        )
    patterns = KEPT if arguments.tables_only else KEPT + FIGURES
    files = sorted(path for pattern in patterns for path in results.glob(pattern) if path.stem not in LEFT_OUT)
    others = (path for path in REFERENCE.rglob("*") if path.is_file() and reference not in path.parents)
    if (size := sum(path.stat().st_size for path in (*files, *others))) > MOST_BYTES:
        sys.exit(f"{REFERENCE}: {size} bytes with {results}; allowed: at most {MOST_BYTES}")
    reference.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=reference.parent, prefix=".") as folder:
        whole = Path(folder, "study")
        for path in files:
            copy = whole / path.relative_to(results)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        write_json(whole / "study.json", study.config)
        write_json(whole / "versions.json", computed_with)
        published = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
        sums = "".join(f"{file_digest(whole / path)}  {path}\n" for path in published)
        (whole / "SHA256SUMS").write_text(sums, encoding="utf-8")
        shutil.rmtree(reference, ignore_errors=True)
        whole.rename(reference)
    print(f"{reference}: {len(published)} files; {size / 1e6:.1f} MB in {REFERENCE}")


def is_published(folder: Path) -> bool:
    return (folder / "SHA256SUMS").exists()


def versions(results: Path, study: Study) -> dict[str, list[str]]:
    """Of Python and of each library, all that the runs were computed with. Ends the program if a run is missing, or
    was computed with other settings."""
    computed_with = []
    for run in study.runs():
        path = results / "runs" / run.name / "run.json"
        if not path.exists():
            sys.exit(f"{path}: not here; finish the study first")
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["settings"] != study.run_settings(run.circumstance, run.size, run.seed):
            sys.exit(
                f"{path}: computed with other settings than this study's; run snakemake with its configuration first"
            )
        computed_with.append(record["versions"])
    table = pandas.DataFrame(computed_with)
    return {name: sorted(table[name].unique()) for name in table}


if __name__ == "__main__":
    main()
