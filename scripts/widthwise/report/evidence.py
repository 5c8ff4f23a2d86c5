"""What the tables of a study say: look-ups for the answer, and evidence.md, the page with the long tables."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import pandas

from widthwise.analysis.comparisons import same_circumstances
from widthwise.analysis.inference import seeds_to_halve
from widthwise.analysis.learning_rates import EQUIVALENCE, INSIDE, LOWER_EDGE, UPPER_EDGE
from widthwise.analysis.penalties import LEVEL_DRIFT
from widthwise.analysis.tables import rows_with
from widthwise.analysis.verdicts import has_starts
from widthwise.report.wording import (
    FEATURES,
    MEASURES,
    NO_VALUE,
    UNITS,
    capitalised,
    change_with_interval,
    counted,
    escaped,
    format_verdict,
    markdown_table,
    measured,
    number,
    p_value_label,
    percentage,
    rate_label,
    setting_label,
    short_number,
    size_label,
    size_title,
    size_titles,
    span,
)
from widthwise.study.catalogue import ROOT, factors, flatten, resolve
from widthwise.study.curves import AnyStudy

JUDGED_LOSSES = ("objective", "data_loss")
PENALTY_TABLES = ("penalties", "penalty_ratios")
TABLES = ("verdicts", "features", "contrasts", "crossings", "slopes_by_step", "runs", "literature")
RATE_TABLES = ("learning_rates", "learning_rate_slopes", "learning_rate_choices", "learning_rate_verdicts")
RATE_BOUNDS = {LOWER_EDGE: "≤ ", UPPER_EDGE: "≥ "}
# Why a verdict is undecided though its interval excludes 0: rule 3 of `analysis.inference`.
NOT_ONE_WAY = "the sizes do not go one way"
# What `analysis.verdicts.plateau` says, in words.
PLATEAUS = {
    "settled": "settled",
    "moving": "still moving",
    "unresolved": "too noisy to tell",
    "some diverged": "diverged in part",
    "diverged": "diverged",
}
MOST_STRETCHES = 3  # stretches of steps at the beginning that are listed, and as many at the end
KINDS = {
    "starting_loss": "starts",
    "initial_decay": "times",
    "steps_to_midway": "times",
    "end_value": "ends",
    "equal_compute": "ends",
}


@dataclass(frozen=True)
class Prediction:
    """A verdict that the catalogue expects, the one that was found (None if it was not tested), and whether it held.

    `kind` is starts, ends, times, contrasts or learning rates; `subject` and `feature` say what it is about.
    """

    kind: str
    subject: str
    feature: str
    expected: str
    found: str | None
    held: bool


@dataclass(frozen=True)
class Evidence:
    """A study, the summary of (one draw of) its data, and its tables by name; tables that it lacks are left out.

    A study of loss curves has no summary of its data. `without_penalty` names the weights of a user's own networks that
    penalty and initialisations leave out.
    """

    study: AnyStudy
    dataset: Mapping[str, Any] | None
    tables: Mapping[str, pandas.DataFrame]
    without_penalty: Sequence[str] = ()

    @property
    def root(self) -> str:
        """The study's own settings: the circumstance that others are compared with."""
        return ROOT if ROOT in self.study.judged else self.study.judged[0]

    def title(self, name: str) -> str:
        """The name of a circumstance or a grid in words, as Markdown."""
        return escaped(self.study.title(name))

    def titles(self, names: Iterable[str]) -> list[str]:
        """The names of some circumstances or grids in words, as Markdown."""
        return [self.title(name) for name in names]

    def rows(self, table: str, **values: object) -> pandas.DataFrame:
        """The rows of a table with these values; none where the study lacks the table."""
        return rows_with(self.tables.get(table, pandas.DataFrame()), **values)

    def row(self, table: str, **values: object) -> pandas.Series | None:
        """The single row of a table with these values, or None."""
        found = self.rows(table, **values)
        return None if found.empty else found.iloc[0]

    def verdict(self, name: str, measure: str, feature: str) -> pandas.Series:
        """The row of verdicts.csv for a judged circumstance."""
        return self.rows("verdicts", circumstance=name, measure=measure, feature=feature).iloc[0]

    def extremes(self, name: str, measure: str) -> pandas.Series:
        """The row of crossings.csv that compares a circumstance's largest size with its smallest."""
        return self.rows("crossings", circumstance=name, measure=measure, pair="extremes").iloc[0]

    def ends_of_range(self, name: str, measure: str, feature: str) -> tuple[pandas.Series, pandas.Series]:
        """The rows of features.csv for the smallest and the largest size."""
        found = self.rows("features", circumstance=name, measure=measure, feature=feature).sort_values("parameters")
        return found.iloc[0], found.iloc[-1]

    def size_words(self, parameters: int) -> str:
        """One size: "2.61 M" parameters; where curves do not tell the parameters, its number as the file has it."""
        return size_label(parameters) if self.study.size_name == "parameters" else str(parameters)

    def range_words(self, parameters: pandas.Series) -> str:
        """A range of sizes: "15.7 k to 2.61 M parameters"; where curves do not tell the parameters, "2 to 26"."""
        unit = " parameters" if self.study.size_name == "parameters" else ""
        return f"{self.size_words(parameters.min())} to {self.size_words(parameters.max())}{unit}"

    @property
    def start_and_end_words(self) -> str:
        """Says what the start and the end of a loss are."""
        start = "the first row that all runs have" if self.study.curves else "the mean over untrained networks"
        last = f"{percentage(self.study.analysis.end_window)} of the {self.study.step_name}s"
        return f"The start is {start}; the end is the mean over the last {last}."

    def steps_words(self, steps: Iterable[float]) -> str:
        """The smallest and the largest of some numbers of steps, or of epochs where curves have those."""
        return f"{span(steps)} {self.study.step_name}s"

    def runs(self, name: str) -> pandas.DataFrame:
        """The runs of a circumstance."""
        return self.rows("runs", circumstance=name)

    def parameter_range(self, name: str) -> str:
        """A circumstance's smallest and largest number of parameters."""
        parameters = self.runs(name)["parameters"]
        return f"{size_label(parameters.min())} to {size_label(parameters.max())}"

    def knows(self, name: str, measure: str, feature: str = "end_value") -> bool:
        """Whether this feature of a circumstance's losses was judged; loss curves need not hold the data loss."""
        return self.row("verdicts", circumstance=name, measure=measure, feature=feature) is not None

    @cached_property
    def judged_losses(self) -> tuple[str, ...]:
        """The losses of a trained study that differ: where none holds a penalty, the reported loss is the data loss."""
        return JUDGED_LOSSES if self.study.penalised else ("data_loss",)

    def losses(self, name: str) -> tuple[str, ...]:
        """The losses of a circumstance that differ: without a penalty in it, the reported loss is the data loss.

        Loss curves need not hold the data loss.
        """
        if self.rows("features", circumstance=name, measure="data_loss", feature="end_value").empty:
            return ("objective",)
        return JUDGED_LOSSES if self.study.circumstances[name].reports_penalty else ("data_loss",)

    def penalty_share(self, name: str, feature: str) -> float:
        """The share of a change of the reported loss that is penalty: an identity. The rest is data loss.

        NaN where there is no penalty, and where runs diverged, since changes are then bounds.
        """
        if self.losses(name) != JUDGED_LOSSES:
            return math.nan
        reported, data = (self.verdict(name, measure, feature) for measure in JUDGED_LOSSES)
        if reported["diverged"] or data["diverged"]:
            return math.nan
        return 1 - data["change"] / reported["change"]

    @property
    def classes(self) -> int | None:
        """The number of classes in the data; None if loss curves do not come with it."""
        return self.study.classes if self.study.curves else len(self.dataset["class_counts"]["train"])

    @property
    def guessing(self) -> str | None:
        """The data loss of guessing, in words."""
        return None if self.classes is None else f"log({self.classes}) = {math.log(self.classes):.3f} nats"

    @cached_property
    def distinct(self) -> list[list[str]]:
        """The judged circumstances, those together whose losses are the same to rounding at every size."""
        return same_circumstances(self.study, self.tables["features"])

    def plateaus(self, name: str, measure: str) -> dict[str, str | None]:
        """For each size of a circumstance, smallest first, the key of `PLATEAUS` that holds of its end."""
        rows = self.rows("features", circumstance=name, measure=measure, feature="end_value").sort_values("parameters")
        return {row.size: None if pandas.isna(row.plateau) else row.plateau for row in rows.itertuples()}

    def has_settled(self, name: str, measure: str) -> bool:
        """Whether every size of a circumstance has settled."""
        return set(self.plateaus(name, measure).values()) == {"settled"}

    def plateau_words(self, name: str, measure: str) -> str:
        """Says which sizes have settled, are still moving or diverged, and of which that cannot be told."""
        found = self.plateaus(name, measure)
        if None in found.values():
            return "too few rows to tell a plateau"
        sizes = {words: [size for size, state in found.items() if state == key] for key, words in PLATEAUS.items()}
        sizes = {words: of for words, of in sizes.items() if of}
        if len(sizes) == 1:
            return f"every size {next(iter(sizes))}"
        return ", ".join(f"{size_titles(of)} {words}" for words, of in sizes.items())

    def predictions(self, name: str) -> list[Prediction]:
        """What the catalogue expects of a judged circumstance, by itself and against its reference."""
        circumstance = self.study.circumstances[name]
        predictions = []
        for measure, feature, expected in each_verdict(circumstance.expectation):
            row = self.row("verdicts", circumstance=name, measure=measure, feature=feature)
            predictions.append(prediction(KINDS[feature], self.title(name), measured(measure, feature), expected, row))
        for measure, feature, expected in each_verdict(circumstance.expected_contrast):
            row = self.row("contrasts", circumstance=name, measure=measure, feature=feature)
            subject = f"{self.title(name)} against {self.title(circumstance.reference)}"
            predictions.append(prediction("contrasts", subject, measured(measure, feature), expected, row))
        return [*predictions, *self.penalty_predictions(name)]

    def penalty_predictions(self, name: str) -> Iterator[Prediction]:
        """What the catalogue expects of a judged circumstance's penalty at the end."""
        for row in self.rows("penalty_ratios", circumstance=name).to_dict("records"):
            if pandas.isna(row["agrees"]):
                continue
            by_size = pandas.isna(row["reference"])
            yield Prediction(
                kind="ends" if by_size else "contrasts",
                subject=self.title(name) if by_size else f"{self.title(name)} over {self.title(row['reference'])}",
                feature="penalty, end, largest over smallest" if by_size else "penalty, end",
                expected=expected_ratio(row),
                found="undecided" if row["agrees"] == "undecided" else ratio_words(row),
                held=row["agrees"] == "yes",
            )

    def tested_predictions(self) -> list[Prediction]:
        """All predictions that the study tests."""
        made = [found for name in self.study.judged for found in self.predictions(name)]
        return [found for found in [*made, *self.rate_predictions()] if found.found is not None]

    def rate_predictions(self) -> list[Prediction]:
        """What the catalogue expects of each grid of learning rates."""
        slopes, verdicts = (
            self.rows(name).to_dict("records") for name in ("learning_rate_slopes", "learning_rate_verdicts")
        )
        rows = [(f"{row['quantity'].replace('_', ' ')} rate", row) for row in slopes]
        rows += [("data loss, end, each width at its best rate", row) for row in verdicts]
        return [
            Prediction(
                kind="learning rates",
                subject=self.title(row["grid"]),
                feature=feature,
                expected=row["expected"],
                found=decided_words(row),
                held=row["agrees"] == "yes",
            )
            for feature, row in rows
            if not pandas.isna(row["expected"])
        ]


def decided_words(row: Mapping[str, Any]) -> str:
    """What was found of a prediction about learning rates; an undecided order may still contradict "no higher"."""
    if row["agrees"] == "undecided":
        return "undecided"
    return "higher" if (row["agrees"], row["verdict"]) == ("no", "undecided") else row["verdict"]


def table_names(study: AnyStudy) -> list[str]:
    """The tables that a study has."""
    return [
        *TABLES,
        *(PENALTY_TABLES if study.penalised else ()),
        *(RATE_TABLES if study.grids else ()),
        *(("coordinate_powers",) if study.coordinate_checks else ()),
        *(("nesting",) if study.nested else ()),
    ]


def each_verdict(expectation: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Each expected verdict, with its measure and feature; starts before ends."""
    for feature, measure in itertools.product(FEATURES, MEASURES):
        if feature in expectation.get(measure, {}):
            yield measure, feature, expectation[measure][feature]


def prediction(kind: str, subject: str, feature: str, expected: str, row: Mapping[str, Any] | None) -> Prediction:
    """A prediction and the row of a table that tests it, if there is one."""
    found, held = (None, False) if row is None else (row["verdict"], is_true(row["agrees"]))
    return Prediction(kind, subject, feature, expected, found, held)


def is_true(value: object) -> bool:
    """Whether a cell of a table is true; an empty one is not."""
    return not pandas.isna(value) and bool(value)


def factor_words(evidence: Evidence, name: str, reference: str) -> str:
    """The one factor between a circumstance and its reference, with its values; nothing where curves do not tell it."""
    if evidence.study.curves:
        return ""
    config = evidence.study.config
    entries = [config["circumstances"][other] for other in (reference, name)]
    before, after = (flatten(resolve(config, entry)) | entry for entry in entries)
    return ", ".join(
        f"`{key}` {setting_label(before.get(key, 'absent'))} → {setting_label(after.get(key, 'absent'))}"
        for key in sorted(changed_keys(evidence, name, reference))
    )


def changed_keys(evidence: Evidence, name: str, reference: str) -> set[str]:
    """The dotted keys of the one factor between a circumstance and its reference; none where curves do not tell."""
    if evidence.study.curves:
        return set()
    config = evidence.study.config
    return factors(config, config["circumstances"][name], config["circumstances"][reference])


def verdict_words(row: Mapping[str, Any], *, with_replicates: bool = True) -> str:
    """The verdict of a row of verdicts.csv or contrasts.csv, in words.

    An undecided one says so where a size goes against the trend; else, `with_replicates`, how many replicates would
    halve its interval.
    """
    why = ""
    if goes_against_its_trend(row):
        why = NOT_ONE_WAY
    elif with_replicates and math.isfinite(row["ci_low"]) and math.isfinite(row["ci_high"]):
        why = f"about {replicates_to_halve(row)} would halve the interval"
    bounded = row.get("diverged", 0) > 0 or row.get("at_edge", 0) > 0
    return format_verdict(row["verdict"], slight=is_true(row.get("slight")), bounded=bounded, why=why)


def goes_against_its_trend(row: Mapping[str, Any]) -> bool:
    """Whether the interval of an undecided row excludes 0: a size goes against the trend by more than the margin."""
    return row["verdict"] == "undecided" and bool(row["ci_low"] > 0 or row["ci_high"] < 0)


def verdict_and_change(row: Mapping[str, Any]) -> str:
    """A verdict with its change and interval, if there is a change, in a cell."""
    verdict = verdict_words(row, with_replicates=False)
    return verdict if math.isnan(row["change"]) else f"{verdict} {change_words(row)}"


def ratio_words(row: Mapping[str, Any]) -> str:
    """A ratio of penalties with its interval: 3.10 [2.80, 3.40]."""
    return with_interval(row["ratio"], row["ci_low"], row["ci_high"], digits=2)


def with_interval(value: float, low: float, high: float, digits: int) -> str:
    """A number and its interval, if that is bounded."""
    interval = f" [{short_number(low, digits)}, {short_number(high, digits)}]" if math.isfinite(high) else ""
    return short_number(value, digits) + interval


def expected_ratio(row: Mapping[str, Any]) -> str:
    """The lowest and the highest ratio that was expected."""
    return f"{row['expected_low']:g} to {row['expected_high']:g}"


def replicates_to_halve(row: Mapping[str, Any]) -> str:
    """How many replicates would halve the interval of a row: seeds, or initial networks for starts."""
    noun = "initial network" if has_starts(row["measure"], row["feature"]) else "seed"
    return counted(seeds_to_halve(int(row["seeds"]), row["level"]), noun)


def change_words(row: Mapping[str, Any]) -> str:
    """The change of a row with its interval."""
    return change_with_interval(row["change"], row["ci_low"], row["ci_high"])


# evidence.md


def write_evidence(evidence: Evidence) -> str:
    """The page with all verdicts, features, contrasts, crossings, penalties and rates."""
    sections = [
        "# Evidence\n\nThe tables behind [answer.md](answer.md), in nats where no unit is given.",
        *(circumstance_section(evidence, name) for name in evidence.study.judged),
        contrasts_section(evidence),
        penalties_section(evidence),
        rates_section(evidence),
        coordinates_section(evidence),
        literature_section(evidence),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def circumstance_section(evidence: Evidence, name: str) -> str:
    """Verdicts, features by size, crossings and trends by step of one circumstance; what there is of them."""
    by_step = "\n".join(stretches(evidence.rows("slopes_by_step", circumstance=name), evidence.study.step_name))
    parts = [
        f"## {capitalised(evidence.title(name))} (`{name}`)",
        f"Hypothesis: {hypothesis}" if (hypothesis := evidence.study.circumstances[name].hypothesis.strip()) else "",
        verdict_table(evidence.rows("verdicts", circumstance=name)),
        feature_table(evidence, name),
        crossing_table(evidence, name),
        f"How the loss goes with size at each row of the log (descriptive, at 5%; all of them are in "
        f"slopes_by_step.csv):\n\n{by_step}"
        if by_step
        else "",
    ]
    return "\n\n".join(filter(None, parts))


def verdict_table(rows: pandas.DataFrame) -> str:
    """All verdicts of a circumstance."""
    return markdown_table(
        {
            "loss, feature": measured(row["measure"], row["feature"]),
            "verdict": verdict_words(row),
            "change [interval]": change_words(row),
            "unit": UNITS[row["feature"]],
            "level": percentage(row["level"]),
            "p": p_value_label(row["p_value"]),
            "seeds": row["seeds"],
            "sizes": row["sizes"],
            "diverged runs": row["diverged"],
            "expected": expected_words(row),
        }
        for row in rows.to_dict("records")
    )


def expected_words(row: Mapping[str, Any]) -> str:
    """What was expected of a verdict, and whether it came out so; a verdict that is none is named."""
    if pandas.isna(row["expected"]):
        return ""
    found = row["verdict"] if row["verdict"] in ("undecided", "diverged") else "no"
    return f"{row['expected']}: {'yes' if is_true(row['agrees']) else found}"


def feature_table(evidence: Evidence, name: str) -> str:
    """Mean and 95% interval of each feature of a circumstance at each size."""
    rows = evidence.rows("features", circumstance=name)
    sizes = {}
    for size, parameters in rows.sort_values("parameters")[["size", "parameters"]].itertuples(index=False):
        words = evidence.size_words(parameters)
        sizes[size] = words if evidence.study.curves else f"{size_title(size)} ({words})"
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows.to_dict("records"):
        is_bounded = not row["diverged"] and math.isfinite(row["ci_high"])
        interval = f" [{number(row['ci_low'])}, {number(row['ci_high'])}]" if is_bounded else ""
        cells.setdefault((row["measure"], row["feature"]), {})[row["size"]] = mean_words(row) + interval
    return markdown_table(
        {"loss, feature": measured(*key) + (" (log2)" if key[1] == "steps_to_midway" else "")}
        | {title: by_size.get(size, NO_VALUE) for size, title in sizes.items()}
        for key, by_size in cells.items()
    )


def mean_words(row: Mapping[str, Any]) -> str:
    """The mean of a feature at one size, or how many runs diverged; a lower bound where runs ended before midway."""
    if row["diverged"]:
        return "diverged" if row["diverged"] == row["seeds"] else f"{row['diverged']} of {row['seeds']} diverged"
    return ("≥ " if row["at_horizon"] else "") + number(row["mean"])


def crossing_table(evidence: Evidence, name: str) -> str:
    """Which sizes of a circumstance cross below a smaller one, and when."""
    return markdown_table(
        {
            "loss": MEASURES[row["measure"]],
            "larger": evidence.size_words(row["larger"]),
            "smaller": evidence.size_words(row["smaller"]),
            "larger crosses below in": f"{row['crossed']} of {counted(row['seeds'], 'seed')}",
            "is below throughout in": f"{row['always_below']} of {counted(row['seeds'], 'seed')}",
            f"median {evidence.study.step_name}": f"{row['median_crossing']:,.0f}"
            if math.isfinite(row["median_crossing"])
            else NO_VALUE,
        }
        for row in evidence.rows("crossings", circumstance=name).to_dict("records")
    )


def stretches(rows: pandas.DataFrame, unit: str) -> Iterator[str]:
    """For each loss, the first and the last stretches of steps (`unit`) over which it rises or falls with size."""
    if rows.empty:
        return
    for measure, of_measure in rows.groupby("measure", sort=False):
        parts = []
        for verdict, group in itertools.groupby(of_measure.itertuples(), attrgetter("verdict")):
            steps = [row.step for row in group]
            parts.append(f"{verdict} at {unit if len(steps) == 1 else unit + 's'} {span(steps)}")
        if (others := len(parts) - 2 * MOST_STRETCHES) > 0:
            parts[MOST_STRETCHES:-MOST_STRETCHES] = [f"{counted(others, 'more stretch', 'more stretches')}"]
        yield f"- {MEASURES[measure]}: {', '.join(parts)}"


def contrasts_section(evidence: Evidence) -> str:
    """All contrasts; nothing in a study without."""
    rows = evidence.rows("contrasts").to_dict("records")
    if not rows:
        return ""
    return "## Contrasts\n\n" + markdown_table(
        {
            "circumstance": evidence.title(row["circumstance"]),
            "against": evidence.title(row["reference"]),
            "loss, feature": measured(row["measure"], row["feature"]),
            "verdict": verdict_words(row),
            "change [interval]": change_words(row),
            "level": percentage(row["level"]),
            "at the largest size": change_with_interval(
                row["at_largest"], row["at_largest_low"], row["at_largest_high"]
            ),
            "expected": expected_words(row),
        }
        for row in rows
    )


def penalties_section(evidence: Evidence) -> str:
    """The penalty of each size, and its ratios with what was expected of them; nothing in a study without a penalty."""
    rows, ratios = (evidence.rows(name).to_dict("records") for name in PENALTY_TABLES)
    if not rows:
        return ""
    by_size = markdown_table(
        {
            "circumstance": evidence.title(row["circumstance"]),
            "size": size_title(row["size"]),
            "penalty, start": short_number(row["start"], 4),
            "penalty, end [95%]": with_interval(row["end"], row["ci_low"], row["ci_high"], digits=4),
            "level in": f"{row['level']} of {counted(row['seeds'], 'run')}",
        }
        for row in rows
    )
    by_ratio = markdown_table(
        {
            "circumstance": evidence.title(row["circumstance"]),
            "ratio to": "the smallest size" if pandas.isna(row["reference"]) else evidence.title(row["reference"]),
            "penalty, end, largest size [95%]": ratio_words(row),
            "power of parameters": number(row["power"], 2),
            "seeds": row["seeds"],
            "expected": "" if pandas.isna(row["agrees"]) else f"{expected_ratio(row)}: {row['agrees']}",
        }
        for row in ratios
    )
    words = (
        "The penalty in the reported loss, and ratios of the largest size's, as geometric means (descriptive). It is "
        f"level where it changes by at most {LEVEL_DRIFT:.0%} in a tenth of the steps."
    )
    return "\n\n".join(filter(None, ["## Penalties", words, by_size, by_ratio]))


def rates_section(evidence: Evidence) -> str:
    """Best and highest stable rate by width, and the verdict at each rate; nothing in a study without grids."""
    rates = evidence.rows("learning_rates").to_dict("records")
    verdicts = evidence.rows("learning_rate_verdicts").to_dict("records")
    if not rates:
        return ""
    choices = evidence.rows("learning_rate_choices")
    on_edge, chosen = int(choices["at_edge"].sum()), len(choices)
    by_width = markdown_table(
        {
            "grid": evidence.title(row["grid"]),
            "width": row["width"],
            "best rate [95%]": best_rate_words(row),
            "lowest loss": number(row["lowest_loss"]),
            "highest stable rate": stable_rate_words(row),
            "diverged": row["diverged"],
        }
        for row in rates
    )
    by_rate = markdown_table(
        {
            "grid": evidence.title(row["grid"]),
            "learning rate": (
                "each width's best" if pandas.isna(row["learning_rate"]) else rate_label(row["learning_rate"])
            ),
            "data loss, end": verdict_words(row, with_replicates=False),
            "change [95%]": change_words(row),
            "diverged": row["diverged"],
            "seeds": row["seeds"],
        }
        for row in verdicts
    )
    words = (
        "The lowest loss is chosen and measured on the same seeds. A rate is stable if no run up to it diverges, or "
        "ends above guessing."
    )
    if chosen:
        words += (
            " Each width's best rate is chosen on the other seeds; learning_rate_choices.csv has all choices, of which "
            f"{on_edge} of {chosen} lie at the grid's edge and are bounds."
        )
    return f"## Learning rates\n\n{words}\n\n{by_width}\n\n{by_rate}"


def rate_words(log2_rate: float) -> str:
    """A learning rate from its logarithm."""
    return rate_label(2**log2_rate) if math.isfinite(log2_rate) else NO_VALUE


def best_rate_words(row: Mapping[str, Any]) -> str:
    """The best learning rate of one width with its interval, or which bound it is."""
    if row["optimum"] != INSIDE:
        return f"{bound_of_rate(row)} ({row['optimum']})"
    interval = f" [{rate_words(row['ci_low'])}, {rate_words(row['ci_high'])}]" if math.isfinite(row["ci_low"]) else ""
    return f"{rate_words(row['log2_rate'])}{interval}"


def bound_of_rate(row: Mapping[str, Any]) -> str:
    """The best learning rate of one width, marked where it is a bound."""
    return f"{RATE_BOUNDS.get(row['optimum'], '')}{rate_words(row['log2_rate'])}"


def stable_rate_words(row: Mapping[str, Any]) -> str:
    """The highest stable rate of one width, marked where all rates of the grid are stable."""
    return f"{'≥ ' if row['all_stable'] else ''}{rate_words(row['log2_highest_stable'])}"


def coordinates_section(evidence: Evidence) -> str:
    """The power of width with which each layer's first changes grow; nothing in a study without the check."""
    rows = evidence.rows("coordinate_powers").to_dict("records")
    if not rows:
        return ""
    layers: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        power = change_with_interval(row["power"], row["ci_low"], row["ci_high"], digits=2)
        layers.setdefault((row["circumstance"], row["layer"]), {})[f"step {row['step']}"] = power
    table = markdown_table(
        {"circumstance": evidence.title(circumstance), "layer": layer.replace("_", ", ")} | steps
        for (circumstance, layer), steps in layers.items()
    )
    rate = rate_label(evidence.study.config["analysis"]["coordinate_check"]["learning_rate"])
    words = f"The power of width with which a layer's output changes [95%], at a learning rate of {rate}:"
    return f"## Coordinate check\n\n{words}\n\n{table}"


def literature_section(evidence: Evidence) -> str:
    """Every claim of the literature, with its source and what shows ours."""
    rows = evidence.rows("literature").rename(columns={"shown_by": "shown by"}).to_dict("records")
    intro = f"A power of width is level, and a best rate stays, where the interval lies within ±{EQUIVALENCE:g}."
    return f"## Literature\n\n{intro}\n\n{markdown_table(rows)}" if rows else ""
