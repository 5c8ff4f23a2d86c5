"""A study of loss curves that exist already: a CSV file with one row for each step of each run. Nothing is trained.

Only what the file holds is judged, and `CurvesStudy.limitations` says what it cannot tell.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from widthwise.study.catalogue import ROOT, catalogue_errors
from widthwise.study.circumstances import OTHER_FAMILY, Naming, title_of
from widthwise.study.curves_file import MOST_ROWS, CurvesFile, format_run, sort_sizes
from widthwise.study.plan import PLACES, Run, Study, StudyError, checked_configuration, not_compared, raise_if_any
from widthwise.study.requirements import DRIFT_SHARE, LEAST_ROWS_AT_THE_END, LEAST_SEEDS, LEAST_SIZES
from widthwise.study.settings import AnalysisSettings, canonical_json, end_window_start

# Keys of the configuration that are used when there are curves.
KEYS = ("pathvars", "device", "curves", "classes", "analysis")
ROUNDING = 1e-9  # nats, of a difference that is none
LEAST_PLATEAU_ROWS = 8


@dataclass(frozen=True)
class CurvesCircumstance:
    """A circumstance of the file, with the advice that the catalogue has under its name.

    Nothing is supposed or expected of it: what the catalogue expects is of our network. `reports_penalty`: its loss
    holds a penalty.
    """

    name: str
    title: str
    family: str
    sizes: tuple[str, ...]
    reference: str | None
    reports_penalty: bool
    hypothesis: str = ""
    change: str | None = None
    expectation: Mapping[str, Any] = field(default_factory=dict)
    expected_contrast: Mapping[str, Any] = field(default_factory=dict)
    depths: None = None


@dataclass(frozen=True)
class CurvesSummary:
    """What is known of a file of curves once it has been read: all that the analysis needs besides the rows."""

    digest: str
    measures: tuple[str, ...]
    step_name: str
    size_name: str
    seeds: tuple[int, ...]
    sizes: dict[str, dict[str, int]]
    penalised: tuple[str, ...]  # circumstances whose loss holds a penalty
    limitations: tuple[str, ...]


class CurvesStudy(Naming):
    """A study of loss curves alone. It has what the analysis, the report and the figures use of a `Study`.

    There are no networks to initialise again, so a start is the first row that all runs have. Its replicates are the
    seeds, and it is descriptive, at 5%, as the printed loss' start is. Ends are judged as they always are.

    Attributes:
        curves: the CSV file.
        classes: how many classes the data have; None if that is not told.
        measures: what is judged: the objective, and the data loss if it can be told apart; and the penalty.
        step_name, size_name: what steps and sizes are: step or epoch, parameters or size.
        limitations: sentences that say how the curves were read and what they cannot tell.
    """

    own_file = None
    factory = None
    of_the_post = False

    def __init__(self, config: Mapping[str, Any], found: CurvesSummary) -> None:
        catalogue = config["circumstances"]
        self.config = {key: config[key] for key in KEYS if key in config}
        self.config["circumstances"] = {name: catalogue[name] for name in found.sizes if name in catalogue}
        self.found = found
        self.curves: str = config["curves"]
        self.classes: int | None = config["classes"]
        self.measures, self.step_name, self.size_name = found.measures, found.step_name, found.size_name
        self.limitations = list(found.limitations)
        self.seeds = list(found.seeds)
        self.analysis = AnalysisSettings.from_dict(config["analysis"])
        self.judged = list(found.sizes)
        self.circumstances = {name: self._circumstance(name) for name in self.judged}
        self.grids: dict[str, list[str]] = {}
        self.coordinate_checks: list[str] = []
        self.nested: list[str] = []
        self.penalised = list(found.penalised)
        self.expected_penalty_ratios: dict = {}
        self.claims: dict[str, dict] = {}
        self.draws: list[str] = []

    @classmethod
    def of(cls, config: dict, schema: dict) -> Self:
        """The study of a configuration with `curves`. Raises StudyError with a line for each fault."""
        _, filled = checked_configuration(config, schema)
        if filled["dataset"]["path"]:
            raise StudyError(["curves: given with dataset.path; write one of them"])
        file = CurvesFile.read(filled["curves"])
        analysis = AnalysisSettings.from_dict(filled["analysis"])
        catalogue = filled["circumstances"]
        references = {name: reference_in(catalogue, name) for name in [*file.sizes, *catalogue]}
        # Without overrides: nothing is known of how many factors lie between two circumstances of a file.
        tree = {name: {"reference": reference} for name, reference in references.items()}
        raise_if_any([*unbounded_divergences(file, filled["classes"]), *catalogue_errors(tree, filled, file.sizes)])
        return cls(
            filled,
            CurvesSummary(
                digest=file.digest,
                measures=file.measures,
                step_name=file.step_name,
                size_name=file.size_name,
                seeds=tuple(file.seeds),
                sizes=file.sizes,
                penalised=tuple(name for name in file.sizes if holds_a_penalty(file, name)),
                limitations=tuple(limitations(file, analysis, filled["classes"], references)),
            ),
        )

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """The study that the content of a study.json says; the CSV file is not read again."""
        found = {key: tuple(value) if isinstance(value, list) else value for key, value in record["found"].items()}
        return cls(record, CurvesSummary(**found | {"sizes": sort_sizes(found["sizes"])}))

    @property
    def record(self) -> str:
        """What study.json holds: the configuration that counts, and what was found in the file."""
        config = {key: value for key, value in self.config.items() if key not in PLACES}
        return canonical_json(config | {"found": asdict(self.found)})

    def _circumstance(self, name: str) -> CurvesCircumstance:
        entry = self.config["circumstances"].get(name, {})
        reference = reference_in(self.config["circumstances"], name)
        return CurvesCircumstance(
            name,
            title_of(name, entry),
            entry.get("family", OTHER_FAMILY),
            tuple(self.found.sizes[name]),
            reference if reference in self.found.sizes else None,
            name in self.found.penalised,
            change=entry.get("change"),
        )

    @property
    def all_sizes(self) -> list[str]:
        """Every size of any circumstance."""
        return list(dict.fromkeys(size for name in self.judged for size in self.sizes(name)))

    def sizes(self, circumstance: str) -> list[str]:
        """A circumstance's sizes, smallest first."""
        return list(self.circumstances[circumstance].sizes)

    @property
    def references(self) -> dict[str, str]:
        """The reference of each circumstance that has one."""
        return {name: one.reference for name, one in self.circumstances.items() if one.reference}

    def runs(self) -> Iterator[Run]:
        """The runs to train: none."""
        return iter(())

    @property
    def has_parts(self) -> bool:
        """Whether data loss and penalty can be told apart."""
        return "data_loss" in self.measures

    @property
    def has_verdicts(self) -> bool:
        """Whether there are seeds and, in some circumstance, sizes enough to be judged."""
        most_sizes = max(len(self.sizes(name)) for name in self.judged)
        return len(self.seeds) >= LEAST_SEEDS and most_sizes >= LEAST_SIZES


AnyStudy = Study | CurvesStudy


def study_of(config: dict, schema: dict) -> AnyStudy:
    """The study that a configuration asks for. Raises StudyError."""
    if config.get("curves") is not None:
        return CurvesStudy.of(config, schema)
    if config.get("classes") is not None:
        raise StudyError(["classes: given without curves; the data themselves tell how many there are: leave it out"])
    return Study(config, schema)


def read_study(path: Path) -> AnyStudy:
    """The study that a study.json holds."""
    record = json.loads(path.read_text(encoding="utf-8"))
    return CurvesStudy.read(record) if record.get("curves") else Study.read(path)


def reference_in(catalogue: Mapping[str, Any], name: str) -> str | None:
    """What the catalogue says that a circumstance is compared with: `baseline` where it says nothing."""
    return catalogue.get(name, {}).get("reference", None if name == ROOT else ROOT)


def holds_a_penalty(file: CurvesFile, circumstance: str) -> bool:
    """Whether some loss of a circumstance holds a penalty."""
    return any(max(curve.losses.get("penalty", []), default=0) > ROUNDING for curve in file.runs[circumstance].values())


def unbounded_divergences(file: CurvesFile, classes: int | None) -> list[str]:
    """A line for each run that diverged before the first step at which runs are compared, if no bound is known for it.

    A run that diverged is at least as bad as guessing, log(classes).
    """
    if classes is not None:
        return []
    firsts = {name: file.common_steps(name)[0] for name in file.sizes}
    return [
        f"curves: {file.path}, line {curve.line}: {format_run((name, *run))} diverged before {file.step_name} {first}, "
        "where the others begin; leave it out, or write the number of classes (classes: 10), which bounds its loss"
        for name, first in firsts.items()
        for run, curve in file.runs[name].items()
        if curve.diverged and (not curve.steps or curve.steps[-1] < first)
    ]


# How the curves are read: the same for the analysis and for what is said of it.


def decay_step(file: CurvesFile, steps: Sequence[int], analysis: AnalysisSettings) -> int | None:
    """The step by which the initial decay is taken; of epochs the second row, as of a printed loss.

    None if the curves do not go so far.
    """
    if file.step_name == "epoch":
        return steps[1] if len(steps) > 1 else None
    return analysis.decay_step if steps[0] < analysis.decay_step <= steps[-1] else None


def tells_midway(file: CurvesFile, steps: Sequence[int], classes: int | None) -> bool:
    """Whether steps to midway are known: of a data loss from step 0 on, with a known loss of guessing."""
    return "data_loss" in file.measures and classes is not None and file.step_name == "step" and steps[0] == 0


def tells_plateaus(steps: Sequence[int]) -> bool:
    """Whether the last two fifths have rows enough to say whether a loss has settled."""
    return sum(step > (1 - DRIFT_SHARE) * steps[-1] for step in steps) >= LEAST_PLATEAU_ROWS


def limitations(
    file: CurvesFile, analysis: AnalysisSettings, classes: int | None, references: Mapping[str, str | None]
) -> Iterator[str]:
    """Sentences that say what the curves cannot tell, and how they were read."""
    steps = {name: file.common_steps(name) for name in file.sizes}
    unit = file.step_name
    most_sizes = max(map(len, file.sizes.values()))
    if len(file.seeds) < LEAST_SEEDS:
        yield "One seed: the curves are described, not judged, since nothing says how much two seeds differ."
    if most_sizes < LEAST_SIZES:
        yield f"{most_sizes} sizes: they are described; a verdict needs {LEAST_SIZES}."
    missing = {name: references[name] for name in file.sizes if references[name] not in file.sizes}
    yield from not_compared(missing, "the file")
    if "data_loss" not in file.measures:
        yield "The file has the reported loss alone, so data loss and penalty cannot be told apart."
    if file.size_name == "size":
        yield "The number of parameters is not told; sizes are compared by the number that names them."
    firsts = dict.fromkeys(str(found[0]) for found in steps.values())
    yield (
        f"The start is the first row that all runs have ({unit} {', '.join(firsts)}), over seeds, descriptive; "
        "other initialisations were not measured."
    )
    if classes is None:
        yield "The number of classes is not told (key `classes`), so nothing is compared with guessing."
    untold = [
        *(["steps to midway"] if not any(tells_midway(file, found, classes) for found in steps.values()) else []),
        *(["initial decay"] if not any(decay_step(file, found, analysis) for found in steps.values()) else []),
        "ends at equal compute",
    ]
    yield f"The curves do not tell: {', '.join(untold)}."
    if file.unused:
        yield f"Columns that are not used: {', '.join(file.unused)}."
    unsettled = [name for name, found in steps.items() if not tells_plateaus(found)]
    if unsettled:
        yield f"Too few rows at the end to tell a plateau: {', '.join(f'`{name}`' for name in unsettled)}."
    short = [name for name, found in steps.items() if end_rows(found, analysis) < LEAST_ROWS_AT_THE_END]
    if short:
        names = ", ".join(f"`{name}`" for name in short)
        yield f"The end is a mean over fewer than {LEAST_ROWS_AT_THE_END} rows: {names}."
    for name, found in steps.items():
        yield from changes_of_steps(file, name, found)


def changes_of_steps(file: CurvesFile, circumstance: str, steps: list[int]) -> Iterator[str]:
    """Sentences that say where the common steps of a circumstance are not those of each run."""
    unit = file.step_name
    whole = {run: curve for run, curve in file.runs[circumstance].items() if not curve.diverged}
    ends = {run: curve.steps[-1] for run, curve in whole.items()}
    if len(set(ends.values())) > 1:
        size, seed = min(ends, key=ends.__getitem__)
        yield (
            f"The runs of `{circumstance}` end at different {unit}s, {min(ends.values())} to {max(ends.values())}: "
            f"they are compared up to {unit} {steps[-1]}, where size {size}, seed {seed} ends."
        )
    within = [[step for step in curve.steps if steps[0] <= step <= steps[-1]] for curve in whole.values()]
    if any(rows != steps for rows in within):
        alike = all(rows == within[0] for rows in within)
        rows = f"more than {MOST_ROWS} rows" if alike else f"rows at different {unit}s"
        yield f"The runs of `{circumstance}` have {rows}: each is averaged between {len(steps)} common {unit}s."


def end_rows(steps: Sequence[int], analysis: AnalysisSettings) -> int:
    """How many rows the end value is the mean of."""
    return sum(step > end_window_start(steps[-1], analysis.end_window) for step in steps)
