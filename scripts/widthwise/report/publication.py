"""Copies a finished study to results/reference, where the published studies are kept with the project.

A published study has its tables, figures and answer, its configuration (study.json), the protocol and the library
versions that its runs were computed with (versions.json), and a checksum of each file (SHA256SUMS).
"""

import json
import lzma
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from widthwise.analysis.tables import read_table
from widthwise.files import file_digest, write_json
from widthwise.study.plan import Run, Study

REFERENCE = Path("results/reference")
PROTOCOL = 2
KEPT = ("study.json", "dataset/*.json", "answer.md", "evidence.md", "tables/*.csv")
# Every figure as SVG; those that are read first as PNG too.
FIGURES = ("figures/*.svg", "figures/loss_parts*.png", "figures/verdict_map.png", "figures/best_learning_rates.png")
# What belongs to the machine and not to the study.
LEFT_OUT = {"speed", "run_seconds"}
COMPRESSED = {f"tables/{name}.csv" for name in ("losses", "printed", "starts", "coordinates", "slopes_by_step")}
MOST_BYTES = 20_000_000


class PublicationError(ValueError):
    """A study that cannot be published; its text is one line."""


def publish(study: Study, results: Path, name: str, *, tables_only: bool) -> str:
    """Copies the study in `results` to the folder `name` of the published studies, and replaces what is there.

    Args:
        study: the study as configured.
        results: the folder of its results.
        name: of the folder; "sensitivity/harder" lies one level deeper, where other studies are not compared with it.
        tables_only: leave out the figures.

    Returns:
        A line that says what was published. Raises PublicationError where the study is unfinished, was made by another
        configuration, or does not fit; what was published before is then unchanged.
    """
    target = REFERENCE / name
    check_target(name, target)
    check_finished(study, results)
    versions = library_versions(study, results)
    patterns = KEPT if tables_only else KEPT + FIGURES
    files = sorted(path for pattern in patterns for path in results.glob(pattern) if path.stem not in LEFT_OUT)
    REFERENCE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=REFERENCE, prefix=".") as folder:
        whole = Path(folder, "study")
        for path in files:
            copy_file(path, whole / path.relative_to(results), compress=str(path.relative_to(results)) in COMPRESSED)
        write_json(whole / "versions.json", {"protocol": PROTOCOL} | versions)
        count = write_checksums(whole)
        size = total_bytes(whole) + total_bytes(REFERENCE, without=(target, Path(folder)))
        if size > MOST_BYTES:
            raise PublicationError(f"{REFERENCE}: {size} bytes with {results}, more than {MOST_BYTES}; publish less")
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        whole.rename(target)
    return f"{target}: {count} files; {size / 1e6:.1f} MB in {REFERENCE}"


def is_published(folder: Path) -> bool:
    """Whether the folder holds a published study."""
    return (folder / "SHA256SUMS").exists()


def check_target(name: str, target: Path) -> None:
    """Raises PublicationError where a study must not be put."""
    if not re.fullmatch(r"(\w+/)?\w+", name):
        raise PublicationError(f"{name}: not a name; write letters, digits and underscores, or such a folder before it")
    if is_published(target.parent):
        raise PublicationError(f"{target}: lies inside a published study; write a name beside it")
    if target.exists() and not is_published(target):
        raise PublicationError(f"{target}: exists and is not a published study; write another name")


def check_finished(study: Study, results: Path) -> None:
    """Raises PublicationError unless the tables and the answer in `results` are those of this study."""
    for path in (results / "study.json", results / "answer.md", results / "tables/runs.csv"):
        if not path.exists():
            raise PublicationError(f"{path}: not found; finish the study first")
    if json.loads((results / "study.json").read_text(encoding="utf-8")) != json.loads(study.record):
        raise PublicationError(f"{results}/study.json: another configuration's; run snakemake with this one first")
    tabulated = read_table(results / "tables/runs.csv")[["circumstance", "size", "seed"]].itertuples(index=False)
    if {Run(*row) for row in tabulated} != set(study.runs()):
        raise PublicationError(f"{results}/tables/runs.csv: not the runs of this study; run snakemake first")


def library_versions(study: Study, results: Path) -> dict[str, list[str]]:
    """The versions of Python and of each library that the runs were computed with.

    Raises PublicationError where a run is missing or was computed with other settings.
    """
    versions: dict[str, set[str]] = {}
    for run in study.runs():
        path = results / "runs" / run.name / "run.json"
        if not path.exists():
            raise PublicationError(f"{path}: not found; finish the study first")
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["settings"] != study.run_settings(run.circumstance, run.size, run.seed).as_dict():
            raise PublicationError(f"{path}: computed with other settings; run snakemake with this configuration first")
        for library, version in record["versions"].items():
            versions.setdefault(library, set()).add(version)
    return {library: sorted(found) for library, found in versions.items()}


def copy_file(source: Path, target: Path, *, compress: bool) -> None:
    """Copies a file, or writes it as .xz. The same content gives the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if compress:
        content = lzma.compress(source.read_bytes(), preset=9)
        target.with_name(f"{target.name}.xz").write_bytes(content)
    else:
        shutil.copyfile(source, target)


def write_checksums(folder: Path) -> int:
    """Writes SHA256SUMS, which `sha256sum --check SHA256SUMS` verifies; returns the number of files in it."""
    files = sorted(path.relative_to(folder) for path in files_in(folder))
    sums = "".join(f"{file_digest(folder / path)}  {path}\n" for path in files)
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return len(files)


def files_in(folder: Path) -> Iterator[Path]:
    """Every file in a folder."""
    return (path for path in folder.rglob("*") if path.is_file())


def total_bytes(folder: Path, without: tuple[Path, ...] = ()) -> int:
    """The bytes of every file in a folder, except those in the folders `without`."""
    return sum(path.stat().st_size for path in files_in(folder) if not {*path.parents} & {*without})
