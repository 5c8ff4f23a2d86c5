"""Copies a finished study to results/reference, the published one that is kept with the project.

Tables, figures, the answer, the resolved configuration, and a checksum of each file (`sha256sum --check SHA256SUMS`
there). Run it in the checkout, once snakemake has nothing to do. Example:

  python scripts/publish.py --configfile config/full.yaml
"""

import shutil
import sys
from pathlib import Path

from widthwise.output import file_digest, write_json
from widthwise.study_program import read_study, study_parser

REFERENCE = Path("results/reference")
KEPT = ("dataset.json", "answer.md", "tables/*.csv", "figures/*.svg", "figures/*.png")
MOST_BYTES = 20_000_000


def main() -> None:
    arguments = study_parser(__doc__).parse_args()
    study = read_study(arguments.configfile)
    results = Path(study.config["pathvars"]["results"])
    files = sorted(path for pattern in KEPT for path in results.glob(pattern))
    if not (results / "answer.md").exists():
        sys.exit(f"{results}/answer.md: not here; finish the study first")
    if (size := sum(path.stat().st_size for path in files)) > MOST_BYTES:
        sys.exit(f"{results}: {size} bytes to publish; allowed: at most {MOST_BYTES}")
    shutil.rmtree(REFERENCE, ignore_errors=True)
    for path in files:
        copy = REFERENCE / path.relative_to(results)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    write_json(REFERENCE / "study.json", study.config)
    published = sorted(path.relative_to(REFERENCE) for path in REFERENCE.rglob("*") if path.is_file())
    sums = "".join(f"{file_digest(REFERENCE / path)}  {path}\n" for path in published)
    (REFERENCE / "SHA256SUMS").write_text(sums, encoding="utf-8")
    print(f"{len(published)} files, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
