"""The question's answer in Markdown, written from the study's tables alone.

Every statement carries its number, interval, seeds and figure; what was not decided is called undecided, and what
was not trained to a plateau is called still falling. It must not know files, and it computes nothing that a table
does not hold.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import pandas

from widthwise.wording import size_label

UNITS = {"steps_to_midway": "doublings of time"}
FIGURE_OF = {
    "starting_loss": "features",
    "initial_decay": "features",
    "steps_to_midway": "verdicts",
    "end_value": "features",
}
NAMES = {
    "starting_loss": "starting loss",
    "initial_decay": "initial decay",
    "steps_to_midway": "steps to midway",
    "end_value": "end value",
}


@dataclass(frozen=True)
class Evidence:
    """The study's tables, and what its catalogue says of each judged circumstance."""

    verdicts: pandas.DataFrame
    contrasts: pandas.DataFrame
    crossovers: pandas.DataFrame
    runs: pandas.DataFrame
    slopes_by_step: pandas.DataFrame
    time_lapse: pandas.DataFrame
    learning_rate_slopes: Sequence[pandas.DataFrame]
    catalogue: Mapping[str, Mapping[str, Any]]

    @property
    def circumstances(self) -> list[str]:
        """The judged circumstances, in the study's order."""
        return list(self.verdicts["circumstance"].unique())

    def verdict(self, circumstance: str, measure: str, feature: str) -> pandas.Series | None:
        """One row of verdicts.csv; None where the study has no such circumstance."""
        return only(self.verdicts, circumstance=circumstance, measure=measure, feature=feature)

    def contrast(self, circumstance: str, measure: str, feature: str) -> pandas.Series | None:
        """One row of contrasts.csv: the circumstance less its reference."""
        return only(self.contrasts, circumstance=circumstance, measure=measure, feature=feature)

    def extremes(self, circumstance: str, measure: str, axis: str = "step") -> pandas.Series | None:
        """Largest against smallest, of crossovers.csv."""
        return only(self.crossovers, circumstance=circumstance, measure=measure, axis=axis, pair="extremes")

    def plateaus(self, circumstance: str) -> str:
        """How many of the circumstance's runs ended on a plateau."""
        runs = self.runs[self.runs["circumstance"] == circumstance]
        diverged = int(runs["diverged"].sum())
        text = f"{int(runs['plateau'].sum())} of {len(runs)} runs ended on a plateau, the rest were still falling"
        return text + (f" or ({diverged}) diverged" if diverged else "")


def only(table: pandas.DataFrame, **values: str) -> pandas.Series | None:
    """The single row with these values, or None."""
    for column, value in values.items():
        table = table[table[column] == value]
    return None if table.empty else table.iloc[0]


def number(value: float, digits: int = 3) -> str:
    """A signed number as it is printed: +0.031."""
    return f"{value:+.{digits}f}".replace("-", "−")


def statement(row: pandas.Series | None) -> str:
    """A verdict in words, with all that stands behind it."""
    if row is None:
        return "not part of this study"
    seeds = f"{row['seeds']} {'initialisations' if row['feature'] == 'starting_loss' else 'seeds'}"
    unit = UNITS.get(row["feature"], "nats")
    size = (
        f"{number(row['slope_per_doubling'])} {unit} per doubling of parameters, 95% interval "
        f"{number(row['ci_low'])} to {number(row['ci_high'])}"
        if numpy.isfinite(row["slope_per_doubling"])
        else f"no slope, since {row['diverged']} values are not finite (diverged, or not reached)"
    )
    p_value = row["p_value"] if pandas.isna(row["p_holm"]) else row["p_holm"]
    name = "p" if pandas.isna(row["p_holm"]) else "Holm's p"
    certainty = f"{name} < 0.001" if p_value < 0.001 else f"{name} = {p_value:.3f}"
    measure = row["measure"].replace("_", " ")
    return (
        f"{measure}, {NAMES[row['feature']]}: **{row['verdict']}** ({size}; {certainty}; {seeds}; figure "
        f"`{FIGURE_OF[row['feature']]}`)"
    )


def by_verdict(row: pandas.Series | None, answers: Mapping[str, str]) -> str:
    """The answer that a verdict gives; what it leaves open is said to be open."""
    if row is None:
        return "Not asked of this study."
    open_answers = {
        "mixed": "It depends on the size: the response is not monotone.",
        "diverged": "Some size diverged in every run; there is no answer for it.",
        "undecided": "Undecided by this study.",
    }
    return (open_answers | dict(answers))[row["verdict"]]


def write_answer(evidence: Evidence) -> str:
    """The whole answer, as Markdown."""
    sections = [
        heading(evidence),
        observations(evidence),
        lengths(evidence),
        questions(evidence),
        causes(evidence),
        advice(evidence),
        conditions(evidence),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def heading(evidence: Evidence) -> str:
    """Title, and what was run."""
    runs = evidence.runs[evidence.runs["circumstance"].isin(evidence.circumstances)]
    smallest, largest = (size_label(int(bound)) for bound in (runs["parameters"].min(), runs["parameters"].max()))
    return f"""
# Under which circumstances do more parameters raise the training loss?

The question ([Cross Validated 438992](https://stats.stackexchange.com/questions/438992)) sees, in one 3D-CNN at many
widths: (1) the smaller the model, the lower the starting loss; (2) the larger, the more abrupt the initial decay and
the higher the plateau; (3) curves that do not look like they will cross. This answer was written by the workflow from
{len(runs)} runs: {len(evidence.circumstances)} circumstances, {runs["parameters"].nunique()} sizes from {smallest} to
{largest} parameters, {runs["seed"].nunique()} seeds, {int(runs["steps"].max())} steps. Losses are in nats; the
*objective* is what is minimised and what Keras reports (data loss + penalty), the *data loss* is mean cross-entropy
alone.
"""


def observations(evidence: Evidence) -> str:
    """The three observations, circumstance by circumstance, and which circumstance shows all of them."""
    rows = []
    for name in evidence.circumstances:
        start, decay, end = (
            evidence.verdict(name, "objective", feature) for feature in ("starting_loss", "initial_decay", "end_value")
        )
        crossing = evidence.extremes(name, "objective")
        never = crossing["below_in_the_end"] == 0
        seen = [start["verdict"] == "rises", decay["verdict"] == "rises", end["verdict"] == "rises", never]
        cells = [
            f"{row['verdict']} ({number(row['slope_per_doubling'])})" if numpy.isfinite(row["slope_per_doubling"])
            else row["verdict"]
            for row in (start, decay, end)
        ]  # fmt: skip
        cells.append(f"{crossing['below_in_the_end']} of {crossing['seeds']} seeds")
        rows.append(
            f"| `{name}` | " + " | ".join(cells) + f" | {'**all four**' if all(seen) else f'{sum(seen)} of 4'} |"
        )
    whole = [row.split("`")[1] for row in rows if "**all four**" in row]
    summary = (
        f"The whole picture of the post shows in {', '.join(f'`{name}`' for name in whole)}."
        if whole
        else "No circumstance of this study shows the whole picture of the post at once."
    )
    as_posted = "\n".join(
        f"- {statement(evidence.verdict('as_posted', measure, feature))}"
        for measure in ("objective", "data_loss")
        for feature in ("starting_loss", "initial_decay", "end_value")
        if evidence.verdict("as_posted", measure, feature) is not None
    )
    return f"""
## The three observations

How the *reported* loss, the objective, moves as parameters grow: verdict, and change per doubling of parameters in
nats. Crossing: seeds in which the largest network ends below the smallest. The post's picture is *rises, rises, rises,
none*.

| circumstance | 1. starting loss | 2a. initial decay | 2b. end value | 3. largest below smallest | as posted |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(rows)}

{summary} (Figures `loss_curves`, `verdicts`, `crossover`.) As posted, in full:

{as_posted}
"""


def lengths(evidence: Evidence) -> str:
    """For how long each circumstance shows larger networks above smaller ones: what a shorter run would say."""
    lines = []
    for name in evidence.circumstances:
        table = evidence.slopes_by_step
        of_objective = table[(table["circumstance"] == name) & (table["measure"] == "objective")]
        signs = [
            "higher" if row.ci_low > 0 else "lower" if row.ci_high < 0 else "neither shown"
            for row in of_objective.itertuples()
        ]
        stretches = []
        for sign, group in itertools.groupby(zip(signs, of_objective["step"], strict=True), key=lambda pair: pair[0]):
            steps = [step for _, step in group]
            stretches.append(f"{sign} at step {steps[0]}" + (f" to {steps[-1]}" if len(steps) > 1 else ""))
        lines.append(f"- `{name}`: {', '.join(stretches) or 'no step that every run reached'}")
    return f"""
### How long a run shows it

The larger the network, the higher or lower the objective at each logged step, where the 95% interval of the slope
excludes 0 (`tables/slopes_by_step.csv`, figure `loss_curves`): what a run stopped there would have shown.

{chr(10).join(lines)}
"""


def questions(evidence: Evidence) -> str:
    """The question's five questions."""
    base = "as_posted" if "as_posted" in evidence.circumstances else evidence.circumstances[0]
    start_objective = evidence.verdict(base, "objective", "starting_loss")
    start_data = evidence.verdict(base, "data_loss", "starting_loss")
    midway = evidence.verdict(base, "data_loss", "steps_to_midway")
    end_data = evidence.verdict(base, "data_loss", "end_value")
    crossing, crossing_data = evidence.extremes(base, "objective"), evidence.extremes(base, "data_loss")
    expected = by_verdict(
        start_objective,
        {
            "rises": "Yes, if the reported loss holds the penalty: the objective starts higher the larger the network.",
            "flat": "Not from the start alone: with these settings the objective starts alike at every size.",
            "falls": "No: the objective starts lower the larger the network.",
        },
    )
    slower = by_verdict(
        midway,
        {
            "falls": "No: it takes fewer steps.",
            "rises": "Yes: it takes more steps.",
            "flat": "No: it takes as many steps as a smaller one.",
        },
    )
    harder = by_verdict(
        start_data,
        {
            "flat": "No: the data loss starts alike at every size.",
            "rises": "Its data loss starts higher.",
            "falls": "No: its data loss starts lower.",
        },
    )
    stuck = by_verdict(
        end_data,
        {
            "falls": "No: its data loss ends lower, so it fits better, whatever the reported loss says.",
            "flat": "There is no sign of it: the data loss ends alike at every size.",
            "rises": "Its data loss ends higher, so something holds it back; the contrasts below say what does.",
        },
    )
    plateau_note = (
        "these end values are plateaus" if all_plateaus(evidence, base) else "of those, no plateau is claimed"
    )
    return f"""
## The five questions

Answered for `{base}`; the fork whether the reported loss holds the penalty is in the next section.

**Is this expected?** {expected}
- {statement(start_objective)}
- {statement(evidence.verdict(base, "objective", "end_value"))}{penalty_note(evidence, base)}

**Does a larger model just take longer to train?** {slower}
- {statement(midway)}
- {statement(evidence.verdict(base, "data_loss", "initial_decay"))}

**Is its starting point harder?** {harder}
- {statement(start_data)}

**Is it stuck in local minima?** {stuck}
- {statement(end_data)}
- {evidence.plateaus(base)}; {plateau_note}.

**Would the larger ones win later?** {winning(crossing)}
- Objective: {crossing_words(crossing)}. Data loss: {crossing_words(crossing_data)}. Against training FLOPs: objective
  {crossing_words(evidence.extremes(base, "objective", "flops"))}; data loss
  {crossing_words(evidence.extremes(base, "data_loss", "flops"))} (figure `crossover`).
"""


def penalty_note(evidence: Evidence, circumstance: str) -> str:
    """Of each rise of the objective, the share that is penalty."""
    notes = []
    for feature in ("starting_loss", "end_value"):
        share = evidence.verdict(circumstance, "objective", feature)["penalty_share"]
        if numpy.isfinite(share):
            notes.append(f"{share:.0%} of the rise of the {NAMES[feature]} from smallest to largest")
    return f"\n- The penalty makes {' and '.join(notes)} (an identity, not a cause)." if notes else ""


def all_plateaus(evidence: Evidence, circumstance: str) -> bool:
    """Whether every run of the circumstance ended on a plateau."""
    return bool(evidence.runs.loc[evidence.runs["circumstance"] == circumstance, "plateau"].all())


def winning(crossing: pandas.Series) -> str:
    """Whether the largest network ends below the smallest."""
    if crossing["below_in_the_end"] == crossing["seeds"]:
        return "They do within these steps: the largest ends below the smallest in every seed."
    if crossing["below_in_the_end"] == 0:
        return "Not within these steps; what is still falling at their end may cross after it."
    return "In some seeds they do within these steps, in others not."


def crossing_words(crossing: pandas.Series) -> str:
    """How often, and from where on, the largest stays below the smallest."""
    seeds = f"the largest ends below the smallest in {crossing['below_in_the_end']} of {crossing['seeds']} seeds"
    if not numpy.isfinite(crossing["median_crossover"]):
        return seeds
    unit = "step " if crossing["axis"] == "step" else "FLOPs "
    return f"{seeds}, from {unit}{crossing['median_crossover']:.3g} on (median)"


def causes(evidence: Evidence) -> str:
    """What each contrast of one factor says: the only ground for naming a cause."""
    lines = []
    for name in evidence.circumstances:
        for measure, feature in (
            ("objective", "starting_loss"),
            ("objective", "end_value"),
            ("data_loss", "end_value"),
        ):
            row = evidence.contrast(name, measure, feature)
            if row is None or not numpy.isfinite(row["slope_difference"]):
                continue
            low, high = row["slope_ci_low"], row["slope_ci_high"]
            says = (
                "no difference shown"
                if low <= 0 <= high
                else ("steeper" if row["slope_difference"] > 0 else "less steep")
            )
            lines.append(
                f"| `{name}` | `{row['reference']}` | {measure.replace('_', ' ')}, {NAMES[feature]} | "
                f"{number(row['slope_difference'])} [{number(low)}, {number(high)}] | {says} | "
                f"{number(row['difference_at_largest'])} [{number(row['ci_low'])}, {number(row['ci_high'])}] |"
            )
    grids = ""
    for slopes in evidence.learning_rate_slopes:
        grids = (
            "\n\nThe best learning rate, in doublings per doubling of width (figure `learning_rates`):\n\n"
            + "\n".join(
                f"- `{row.grid}`: "
                + (
                    f"{number(row.slope, 2)}, 95% interval {number(row.ci_low, 2)} to {number(row.ci_high, 2)}"
                    if numpy.isfinite(row.slope)
                    else f"censored: {row.censored} optima lie at the grid's edge"
                )
                + f" ({row.seeds} seeds)"
                for row in slopes.itertuples()
            )
        )
    lapse = evidence.time_lapse
    if len(lapse):
        passed = lapse["equivalent"].astype(str) == "True"
        verdict = (
            "passes at every size"
            if passed.all()
            else f"fails at {(~passed).sum()} of {len(lapse)} sizes, and is just 1e-4"
        )
        grids += (
            "\n\nThe time-lapse (ten times the learning rate for a tenth of the steps, within 0.03 nats of the posted "
            f"rate's data loss) {verdict}: largest difference {number(lapse['difference'].abs().max())} nats."
        )
    table = "\n".join(lines) or "| - | - | - | - | - | - |"
    return f"""
## What causes it: contrasts of one factor

A cause is claimed only from two circumstances that are one factor apart, paired by seed and size: differences of the
slope per doubling of parameters, and of the value at the largest size, circumstance less reference. If your framework
reports the penalty (Keras' `l2`), read `as_posted` and its kin; if it does not (torch's `weight_decay`), read `no_l2`:
that is the fork on which the answer turns.

| circumstance | less reference | measure, feature | slope per doubling [95%] | slope is | at the largest size [95%] |
| --- | --- | --- | --- | --- | --- |
{table}{grids}
"""


def advice(evidence: Evidence) -> str:
    """For each circumstance: what was expected, what came out, what to look for and what to change."""
    blocks = []
    for name in evidence.circumstances:
        entry = evidence.catalogue[name]
        rows = evidence.verdicts[evidence.verdicts["circumstance"] == name]
        asked = rows[rows["expected"].notna()]
        met = int((asked["agrees"].astype(str) == "True").sum())
        failed = "; ".join(
            f"{row.measure.replace('_', ' ')}, {NAMES[row.feature]}: expected {row.expected}, found {row.verdict}"
            for row in asked[asked["agrees"].astype(str) != "True"].itertuples()
        )
        lines = [f"### `{name}`", "", entry["hypothesis"].strip(), ""]
        lines.append(
            f"- Expected before the run: {met} of {len(asked)} came out so." + (f" Not: {failed}." if failed else "")
        )
        lines.append(f"- Ends: {evidence.plateaus(name)}.")
        lines += [
            f"- {title}: {entry[key]}"
            for key, title in (("look_for", "Look for"), ("change", "Change"))
            if key in entry
        ]
        blocks.append("\n".join(lines))
    return "## Which circumstance are you in, and what to change\n\n" + "\n\n".join(blocks)


def conditions(evidence: Evidence) -> str:
    """What the answer is conditional on."""
    return """
## What this is conditional on

The post does not name its framework: initialisation, LeakyReLU's slope, BatchNorm's and Adam's epsilon, batch size and
steps are assumed (Keras' defaults; `config/config.yaml` marks each). Inference is over seeds on one synthetic dataset.
Verdicts on starting losses and end values share one Holm family; the others are descriptive. A size of effect is a mean
slope over seeds with a t interval; `flat` means within 0.05 nats of the smallest size (5% per doubling for times).
Definitions: `scripts/widthwise/features.py`, `trend.py`, `verdicts.py`.
"""
