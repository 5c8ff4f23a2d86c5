"""Copies a finished study to results/reference, under a name: there are the published ones, kept with the project.

Tables, figures, the answer, the resolved configuration, the versions that its runs were computed with, and a checksum
of each file (`sha256sum --check SHA256SUMS` there). Run it in the checkout, once snakemake has nothing to do. Example:

  python scripts/publish.py catalogue --configfile config/full.yaml
"""

import json
import shutil
import sys
from pathlib import Path

import pandas

from widthwise.output import file_digest, write_json
from widthwise.study import Study
from widthwise.study_program import read_study, study_parser

REFERENCE = Path("results/reference")
KEPT = ("dataset.json", "answer.md", "tables/*.csv", "figures/*.svg", "figures/*.png")
MOST_BYTES = 20_000_000


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("name", help="of the folder in results/reference; what is in it is replaced")
    arguments = parser.parse_args()
    study = read_study(arguments.configfile)
    results = Path(study.config["pathvars"]["results"])
    files = sorted(path for pattern in KEPT for path in results.glob(pattern))
    if not (results / "answer.md").exists():
        sys.exit(f"{results}/answer.md: not here; finish the study first")
    if (size := sum(path.stat().st_size for path in files)) > MOST_BYTES:
        sys.exit(f"{results}: {size} bytes to publish; allowed: at most {MOST_BYTES}")
    reference = REFERENCE / arguments.name
    shutil.rmtree(reference, ignore_errors=True)
    for path in files:
        copy = reference / path.relative_to(results)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    write_json(reference / "study.json", study.config)
    write_json(reference / "versions.json", versions(results, study))
    published = sorted(path.relative_to(reference) for path in reference.rglob("*") if path.is_file())
    sums = "".join(f"{file_digest(reference / path)}  {path}\n" for path in published)
    (reference / "SHA256SUMS").write_text(sums, encoding="utf-8")
    print(f"{len(published)} files, {size / 1e6:.1f} MB")


def versions(results: Path, study: Study) -> dict[str, list[str]]:
    """Of Python and of each library, all that any of the study's runs was computed with."""
    records = (
        json.loads((results / "runs" / run.name / "run.json").read_text(encoding="utf-8"))["versions"]
        for name in study.circumstances
        for run in study.runs(name)
    )
    table = pandas.DataFrame(records)
    return {name: sorted(table[name].unique()) for name in table}


if __name__ == "__main__":
    main()
