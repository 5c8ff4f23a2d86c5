"""The CSV file of loss curves that exist already: one row for each step of each run.

Every fault of the file is one line that names the file and, where there is one, the line. Rows and columns may have any
order.
"""

import csv
import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

from widthwise.files import file_digest
from widthwise.study.catalogue import ROOT
from widthwise.study.plan import StudyError, raise_if_any
from widthwise.study.requirements import LEAST_SIZES

# The losses that a file may have, and the measures that they are. `objective` is what the framework reports.
MEASURES = {"loss": "objective", "data_loss": "data_loss", "penalty": "penalty"}
# Columns of which a file needs one or the other, and what they hold.
NEEDED = {
    ("size", "parameters"): "the sizes",
    ("step", "epoch"): "the steps",
    ("loss", "data_loss"): "the training loss",
}
TRAINING_LOSS = re.compile(r"train.*loss", re.IGNORECASE)
OF_OTHER_DATA = re.compile(r"val|test", re.IGNORECASE)
COLUMNS = ("circumstance", "size", "parameters", "seed", "step", "epoch", *MEASURES)
NAME = re.compile(r"\w[\w .,=+-]*")
LARGEST_SEED = 2**31 - 1
MOST_FAULTS = 10  # that are listed
# Rows that are kept of a run; more would show nothing in a figure, and a page could not hold them.
MOST_ROWS = 400
# How much loss and data loss + penalty may differ: they are logged rounded, and averaged over an epoch.
RELATIVE, ABSOLUTE = 1e-3, 1e-4

RunKey = tuple[str, int]  # size and seed


@dataclass(frozen=True)
class LossCurve:
    """One run's rows, ascending, up to where its loss was not finite any more.

    `losses` maps measures to values at `steps`; `line` is that of the run's first row in the file.
    """

    steps: list[int]
    losses: dict[str, list[float]]
    diverged: bool
    line: int


@dataclass(frozen=True)
class CurvesFile:
    """What a CSV of loss curves holds.

    Attributes:
        measures: objective, and data_loss and penalty if they can be told apart.
        step_name: "step", or "epoch" where that is all there is.
        size_name: "parameters", or "size" where the number of parameters is not told.
        seeds: of every circumstance.
        sizes: circumstance -> name of a size -> parameters, ascending.
        runs: circumstance -> size and seed -> its curve, smallest first.
        unused: columns that are none of ours.
    """

    path: str
    digest: str
    measures: tuple[str, ...]
    step_name: str
    size_name: str
    seeds: list[int]
    sizes: dict[str, dict[str, int]]
    runs: dict[str, dict[RunKey, LossCurve]]
    unused: tuple[str, ...]

    @classmethod
    def read(cls, path: str) -> Self:
        """Reads and checks the file. Raises StudyError with one line for each fault."""
        with reading(path), Path(path).open(newline="", encoding="utf-8-sig") as stream:
            return Reader(path, csv.reader(stream)).read(file_digest(Path(path)))

    def common_steps(self, circumstance: str) -> list[int]:
        """The steps at which the runs of a circumstance are compared: from where all begin to where the first one ends.

        They are those of the run with the fewest rows, at most `MOST_ROWS` of them. A run that diverged ends nothing,
        unless all did.
        """
        curves = [curve for curve in self.runs[circumstance].values() if curve.steps]
        whole = [curve for curve in curves if not curve.diverged]
        lasts = [curve.steps[-1] for curve in whole or curves]
        first, last = max(curve.steps[0] for curve in curves), min(lasts) if whole else max(lasts)
        within = ([step for step in curve.steps if first <= step <= last] for curve in whole or curves)
        return thinned(sorted({first, last, *min(within, key=len)}), MOST_ROWS)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turns errors of the file itself into a StudyError of one line."""
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror} (paths are relative to {Path.cwd()})"
        raise StudyError([f"curves: {path} cannot be read: {reason}"]) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise StudyError([f"curves: {path} is no CSV file in UTF-8: {error}"]) from error


def thinned(steps: list[int], count: int) -> list[int]:
    """At most `count` of the steps, with both ends: half of them closer together at the beginning, half evenly."""
    if len(steps) <= count:
        return steps
    last, half = len(steps) - 1, count // 2
    even = {round(place * last / (half - 1)) for place in range(half)}
    early = {round(last ** (place / (half - 1))) for place in range(half)}
    return [steps[place] for place in sorted(even | early)]


class Fault(ValueError):
    """What is wrong with one row."""


class ColumnFault(Fault):
    """What is wrong with a column, as one row shows it. The other rows would only repeat it."""


class Reader:
    """Reads the rows of one file. Faults of rows are collected; the first of the whole ends the reading."""

    def __init__(self, path: str, rows: Any) -> None:
        """Reads the header. `rows` is a csv.reader. Raises StudyError."""
        self.path, self.rows = path, rows
        self.header = [name.strip() for name in next(rows, [])]
        self.check_header()
        self.columns = {name: self.header.index(name) for name in COLUMNS if name in self.header}
        self.losses = [name for name in MEASURES if name in self.columns]
        self.step_name = "step" if "step" in self.columns else "epoch"
        self.faults: list[str] = []
        self.lines: dict[tuple, dict[int, int]] = {}  # of each run's steps
        self.values: dict[tuple, dict[int, tuple[float, ...]]] = {}
        self.parameters: dict[tuple[str, str], tuple[int, int]] = {}  # and the line that says so

    def read(self, digest: str) -> CurvesFile:
        """The checked content. Raises StudyError."""
        self.read_rows()
        self.stop_if(self.faults)
        if not self.values:
            self.stop("no rows below the header")
        seeds, sizes = self.seeds(), self.sizes()
        return CurvesFile(
            path=self.path,
            digest=digest,
            measures=tuple(MEASURES.values()) if len(self.losses) > 1 else ("objective",),
            step_name=self.step_name,
            size_name="parameters" if "parameters" in self.columns else "size",
            seeds=seeds,
            sizes=sizes,
            runs=self.curves(sizes, seeds),
            unused=tuple(name for name in self.header if name and name not in COLUMNS),
        )

    def stop(self, text: str) -> NoReturn:
        """Raises StudyError with this line."""
        raise StudyError([f"curves: {self.path}: {text}"])

    def stop_if(self, faults: Sequence[str]) -> None:
        """Raises StudyError with the first of the faults, if there are any."""
        more = [f"{len(faults) - MOST_FAULTS} more rows like these"] if len(faults) > MOST_FAULTS else []
        raise_if_any(f"curves: {self.path}, {fault}" for fault in [*faults[:MOST_FAULTS], *more])

    def check_header(self) -> None:
        """Stops if a column is missing or there twice."""
        header = self.header
        if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
            self.stop("its columns are not separated by commas; write commas")
        for name in COLUMNS:
            if header.count(name) > 1:
                self.stop(f"two columns {name}; keep one")
        unknown = [name for name in header if name and name not in COLUMNS]
        for choices, content in NEEDED.items():
            if not any(name in header for name in choices):
                close = similar_column(choices[0], unknown)
                hint = f" (did you mean {close}?); " if close else "; add one, or "
                columns = ", ".join(filter(None, header)) or "none"
                self.stop(
                    f"no column {' or '.join(choices)}{hint}rename the column with {content} to {choices[0]}; its "
                    f"columns are {columns}"
                )
        if "data_loss" in header and "loss" not in header and "penalty" not in header:
            self.stop("data_loss without loss or penalty; add penalty, or call it loss if that is all there is")

    def read_rows(self) -> None:
        """Collects the values of every row, and the faults. Stops at a fault of a column."""
        for row in self.rows:
            if not any(map(str.strip, row)):
                continue
            try:
                if len(row) != len(self.header):
                    raise Fault(f"{len(row)} fields, but the header has {len(self.header)}")
                self.read_row({name: row[place].strip() for name, place in self.columns.items()})
            except ColumnFault as fault:
                self.stop_if([f"line {self.rows.line_num}: {fault}", *self.faults])
            except Fault as fault:
                self.faults.append(f"line {self.rows.line_num}: {fault}")

    def read_row(self, cells: Mapping[str, str]) -> None:
        """Keeps the values of one row. Raises Fault."""
        line = self.rows.line_num
        circumstance = name_of(cells, "circumstance") if "circumstance" in cells else ROOT
        parameters = whole(cells, "parameters" if "parameters" in cells else "size", least=1)
        size = size_of(cells)
        known, where = self.parameters.setdefault((circumstance, size), (parameters, line))
        if known != parameters:
            raise Fault(f"size {size} has {parameters} parameters, but {known} on line {where}")
        seed = whole(cells, "seed", most=LARGEST_SEED) if "seed" in cells else 0
        step = whole(cells, self.step_name)
        run = (circumstance, size, seed)
        # Read first: a validation may have its own row, without a training loss, at a step that is there already.
        parts = parts_of({name: loss(cells, name) for name in self.losses})
        other = self.lines.setdefault(run, {}).setdefault(step, line)
        if other != line:
            text = f"{self.step_name} {step} of {format_run(run)} again, as on line {other}; keep one row"
            raise repetition(cells, text)
        self.values.setdefault(run, {})[step] = parts

    def seeds(self) -> list[int]:
        """The seeds, which every circumstance and size has. Stops where one is missing."""
        seeds_of: dict[str, set[int]] = {}
        for circumstance, _, seed in self.values:
            seeds_of.setdefault(circumstance, set()).add(seed)
        seeds = sorted(set.union(*seeds_of.values()))
        for circumstance, size in sorted(self.parameters):
            for seed in seeds:
                run = (circumstance, size, seed)
                if run not in self.values:
                    self.stop(
                        f"no rows of {format_run(run)}, though other sizes or circumstances have that seed; add them, "
                        "or leave out the size or the seed everywhere"
                    )
        return seeds

    def sizes(self) -> dict[str, dict[str, int]]:
        """Every circumstance's sizes. Stops where there is only one, or where two have the same parameters."""
        found: dict[str, dict[str, int]] = {}
        for (circumstance, size), (parameters, line) in sorted(self.parameters.items()):
            of_circumstance = found.setdefault(circumstance, {})
            for other, known in of_circumstance.items():
                if known == parameters:
                    where = self.parameters[circumstance, other][1]
                    self.stop(
                        f"line {line}: size {size} has {parameters} parameters, as size {other} on line {where}; "
                        "leave one out"
                    )
            of_circumstance[size] = parameters
        for circumstance, sizes in found.items():
            if len(sizes) == 1:
                self.stop(f"{circumstance} has one size, {next(iter(sizes))}; {LEAST_SIZES} are needed for a verdict")
        return sort_sizes(found)

    def curves(self, sizes: Mapping[str, Mapping[str, int]], seeds: list[int]) -> dict[str, dict[RunKey, LossCurve]]:
        """Every run's curve, by circumstance. Stops where one has too few rows, or goes on after a divergence."""
        found: dict[str, dict[RunKey, LossCurve]] = {}
        for circumstance, names in sizes.items():
            runs = {(size, seed): self.curve((circumstance, size, seed)) for size in names for seed in seeds}
            self.check_overlap(circumstance, runs)
            found[circumstance] = runs
        if all(self.lacks_the_last_loss((name, *run), runs[run]) for name, runs in found.items() for run in runs):
            self.stop(
                f"the last row of every run, and no other, has no loss; {without_loss(self.losses[0])}; if every run "
                "diverged there, nothing can be compared"
            )
        return found

    def lacks_the_last_loss(self, run: tuple[str, str, int], curve: LossCurve) -> bool:
        """Whether the last row of a run is nan, and no other, as where only validation was logged at the end."""
        values = self.values[run]
        return len(curve.steps) == len(values) - 1 and any(map(math.isnan, values[max(values)]))

    def curve(self, run: tuple[str, str, int]) -> LossCurve:
        """One run's curve. Stops where it has too few rows, or goes on after it diverged."""
        rows, lines = sorted(self.values[run].items()), self.lines[run]
        finite = [all(map(math.isfinite, values)) for _, values in rows]
        count = finite.index(False) if False in finite else len(rows)
        if True in finite[count:]:
            again = rows[finite.index(True, count)][0]
            self.stop(
                f"line {lines[again]}: a finite loss of {format_run(run)} after one that is not, on line "
                f"{lines[rows[count][0]]}; {without_loss(self.losses[0])}, or, if the run diverged there, the rows "
                "after it"
            )
        if len(rows) < 2 and count:
            self.stop(f"line {lines[rows[0][0]]}: the only row of {format_run(run)}; a curve needs 2")
        rows = rows[:count]
        names = tuple(MEASURES.values())
        measures = dict(zip(names, map(list, zip(*(values for _, values in rows), strict=True)), strict=False))
        return LossCurve([step for step, _ in rows], measures, False in finite, min(lines.values()))

    def check_overlap(self, circumstance: str, runs: Mapping[RunKey, LossCurve]) -> None:
        """Stops where runs of a circumstance have no steps in common."""
        begun = {run: curve for run, curve in runs.items() if curve.steps}
        if not begun:
            self.stop(f"{circumstance}: no run has a finite loss; leave it out")
        whole = {run: curve for run, curve in runs.items() if not curve.diverged}
        if not whole:
            return
        latest = max(begun, key=lambda run: begun[run].steps[0])
        shortest = min(whole, key=lambda run: whole[run].steps[-1])
        first, last = begun[latest].steps[0], whole[shortest].steps[-1]
        if first >= last:
            self.stop(
                f"line {begun[latest].line}: {format_run((circumstance, *latest))} begins at {self.step_name} {first}, "
                f"where {format_run((circumstance, *shortest))} has ended; all runs must have steps in common"
            )


def similar_column(name: str, given: Sequence[str]) -> str | None:
    """The given column that is most likely meant, never one of a validation or a test."""
    fit = [column for column in given if not OF_OTHER_DATA.search(column)]
    training = [column for column in fit if name == "loss" and TRAINING_LOSS.match(column)]
    return next(iter(training or difflib.get_close_matches(name, fit, n=1)), None)


def repetition(cells: Mapping[str, str], text: str) -> Fault:
    """The fault of a row whose step its run has already, with what may have made them one run."""
    remedies = [
        *(["add a column seed if these are several runs"] if "seed" not in cells else []),
        *(["let step count on through all epochs if it restarts in each"] if {"step", "epoch"} <= set(cells) else []),
    ]
    return ColumnFault(", or ".join([text, *remedies])) if remedies else Fault(text)


def sort_sizes(sizes: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Sorts circumstances by name with `baseline` first, and each one's sizes by parameters."""
    names = sorted(sizes, key=lambda name: (name != ROOT, name))
    return {name: dict(sorted(sizes[name].items(), key=lambda item: item[1])) for name in names}


def name_of(cells: Mapping[str, str], column: str) -> str:
    """A name of a circumstance or size. Raises Fault."""
    if not NAME.fullmatch(cells[column]):
        raise Fault(f"{column} {cells[column]!r} given; write letters, digits and _ . , = + -, a letter or digit first")
    return cells[column]


def size_of(cells: Mapping[str, str]) -> str:
    """The name of a size; a number is written in one way."""
    column = "size" if "size" in cells else "parameters"
    try:
        return str(whole_number(cells[column]))
    except ValueError:
        return name_of(cells, column)


def whole(cells: Mapping[str, str], column: str, *, least: int = 0, most: int = 2**63 - 1) -> int:
    """A whole number. Raises Fault."""
    try:
        value = whole_number(cells[column])
    except ValueError:
        value = -1
    if least <= value <= most:
        return value
    remedy = ", or add a column parameters" if column == "size" else ""
    upwards = f"to {most}" if value > most else "on"
    raise Fault(f"{column} {cells[column]!r} given; write a whole number from {least} {upwards}{remedy}")


def whole_number(text: str) -> int:
    """A whole number, as 64, 64.0 or 6.4e1. Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        value = float(text)
        if not value.is_integer():
            raise
        return int(value)


def loss(cells: Mapping[str, str], column: str) -> float:
    """A loss, which may be nan or inf. Raises Fault."""
    try:
        return float(cells[column])
    except ValueError:
        raise Fault(
            f"{column} {cells[column]!r} given; write a number; {without_loss(column)}, or, if the run diverged there, "
            'write nan (pandas: to_csv(..., na_rep="nan"))'
        ) from None


def without_loss(column: str) -> str:
    """What to do with rows in which this loss was not logged."""
    return f'leave out the rows without a loss (pandas: dropna(subset=["{column}"]))'


def parts_of(given: Mapping[str, float]) -> tuple[float, ...]:
    """Objective, data loss and penalty, or the objective alone. Raises ColumnFault where they do not fit."""
    if len(given) == 1:
        return tuple(given.values())
    objective, data_loss, penalty = map(given.get, MEASURES)
    if penalty is None:
        penalty = objective - data_loss
    elif data_loss is None:
        data_loss = objective - penalty
    else:
        objective = data_loss + penalty
    rounding = max(ABSOLUTE, RELATIVE * abs(objective))
    if len(given) == len(MEASURES) and abs(given["loss"] - objective) > rounding:
        raise ColumnFault(
            f"loss {given['loss']:g} given, but data_loss + penalty is {objective:g}; leave out the column that is "
            "not part of this sum"
        )
    if penalty < -rounding:
        raise ColumnFault(f"a penalty of {penalty:g}, which no penalty is; loss is data_loss + penalty")
    if data_loss < -rounding:
        remedy = (
            "if it is another loss, give loss alone"
            if "data_loss" in given
            else "loss is data_loss + penalty; if yours is without the penalty, call the column data_loss"
        )
        raise ColumnFault(f"a data loss of {data_loss:g}, which no cross-entropy is; {remedy}")
    return objective, data_loss, penalty


def format_run(run: tuple[str, str, int]) -> str:
    """A run in the words of messages."""
    circumstance, size, seed = run
    return f"{circumstance}, size {size}, seed {seed}"
