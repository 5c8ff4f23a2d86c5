"""The question's answer in Markdown, written from the study's tables alone.

Every statement carries its number, interval, seeds and figure; what was not decided is called undecided, and what
was not trained to a plateau is called still falling. It must not know files, and it computes nothing that a table
does not hold.
"""

import itertools
from operator import attrgetter

import numpy
import pandas

from widthwise.analysis.claims import MOST_STANDARD_ERRORS
from widthwise.analysis.comparisons import TIME_LAPSE_MARGIN
from widthwise.analysis.features import CROSSOVER_MARGIN, MEASURES
from widthwise.analysis.learning_rates import EQUIVALENCE
from widthwise.analysis.verdicts import LOSS_MARGIN, PRIMARY_FEATURES, TIME_MARGIN
from widthwise.report.evidence import (
    NAMES,
    Evidence,
    all_plateaus,
    by_verdict,
    crossing_words,
    interval,
    missing,
    number,
    penalty_notes,
    statement,
)
from widthwise.report.wording import size_label

# What a published verdict needs.
SEEDS, SIZES = 5, 4


def write_answer(evidence: Evidence) -> str:
    """The whole answer, as Markdown."""
    sections = [
        heading(evidence),
        observations(evidence),
        lengths(evidence),
        questions(evidence),
        causes(evidence),
        rates(evidence),
        lapse(evidence),
        beside_others(evidence),
        advice(evidence),
        conditions(evidence),
    ]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def heading(evidence: Evidence) -> str:
    """Title, and what was run."""
    runs = evidence.runs[evidence.runs["circumstance"].isin(evidence.circumstances)]
    smallest, largest = (size_label(int(bound)) for bound in (runs["parameters"].min(), runs["parameters"].max()))
    sizes = span(runs.groupby("circumstance")["size"].nunique())
    steps = span(runs.groupby("circumstance")["steps"].max())
    of_grids = len(evidence.runs) - len(runs)
    beside = f" ({of_grids} more are in grids of learning rates)" if of_grids else ""
    return f"""
# Under which circumstances do more parameters raise the training loss?

The question ([Cross Validated 438992](https://stats.stackexchange.com/questions/438992)) sees, in one 3D-CNN at many
widths: (1) the smaller the model, the lower the starting loss; (2) the larger, the more abrupt the initial decay and
the higher the plateau; (3) curves that do not look like they will cross. This answer was written by the workflow from
{len(runs)} runs: {counted(len(evidence.circumstances), "circumstance")}, {sizes} sizes each from {smallest} to
{largest} parameters, {runs["seed"].nunique()} seeds, {steps} steps{beside}. Losses are in nats; the
*objective* is what is minimised and what Keras reports (data loss + penalty), the *data loss* is mean cross-entropy
alone.{departures(evidence)}
"""


def departures(evidence: Evidence) -> str:
    """Which of the question's own settings the study has changed for all of its circumstances."""
    if not evidence.departures:
        return ""
    changed = ", ".join(f"`{key}` is {here}, not {posted}" for key, (posted, here) in evidence.departures.items())
    return f"\n\nBefore any circumstance does, this study changes what was posted: {changed}."


def counted(count: int, noun: str) -> str:
    """A number of things, in words: 1 circumstance, 3 circumstances."""
    return f"{count} {noun}" + "s" * (count != 1)


def span(counts: pandas.Series) -> str:
    """The least to the most of a column of counts: one number where all are the same."""
    return " to ".join(f"{count:.0f}" for count in sorted({counts.min(), counts.max()}))


def observations(evidence: Evidence) -> str:
    """The three observations, circumstance by circumstance, and which circumstance shows all of them."""
    rows, whole = [], []
    for name in evidence.circumstances:
        start, decay, end = (
            evidence.verdict(name, "objective", feature) for feature in ("starting_loss", "initial_decay", "end_value")
        )
        crossing = evidence.extremes(name, "objective")
        never = crossing["crossed"] == 0 and not evidence.largest_diverged(name)
        seen = [start["verdict"] == "rises", decay["verdict"] == "rises", end["verdict"] == "rises", never]
        if all(seen):
            whole.append(name)
        cells = [
            f"{row['verdict']} ({number(row['slope_per_doubling'])})" if numpy.isfinite(row["slope_per_doubling"])
            else row["verdict"]
            for row in (start, decay, end)
        ]  # fmt: skip
        cells.append(f"{crossing['crossed']} of {crossing['seeds']} seeds")
        rows.append(
            f"| `{name}` | " + " | ".join(cells) + f" | {'**all four**' if all(seen) else f'{sum(seen)} of 4'} |"
        )
    summary = (
        f"The order of the post's curves shows in {', '.join(whole)}."
        if whole
        else "No circumstance of this study shows the whole picture of the post at once."
    )
    statements = [
        f"- {statement(evidence.verdict('as_posted', measure, feature))}"
        for measure in ("objective", "data_loss")
        for feature in ("starting_loss", "initial_decay", "end_value")
        if evidence.verdict("as_posted", measure, feature) is not None
    ]
    as_posted = "\n".join(["`as_posted` in full:", "", *statements] if statements else [])
    return f"""
## The three observations

How the *reported* loss, the objective, moves as parameters grow: verdict, and change per doubling of parameters in
nats. Crossing: seeds in which the largest network lies at least {CROSSOVER_MARGIN} nats below the smallest at every
logged step from some step on, nine tenths of the way at the latest. The post's picture is *rises, rises, rises, none*.

| circumstance | 1. starting loss | 2a. initial decay | 2b. end value | 3. largest crosses smallest | as posted |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(rows)}

{summary} (Figures `loss_curves`, `verdicts`, `crossover`.)

{as_posted}
"""


ORDER = {
    "rises": "higher",
    "falls": "lower",
    "flat": "alike",
    "mixed": "not in the order of size",
    "undecided": "undecided",
}


def lengths(evidence: Evidence) -> str:
    """For how long each circumstance shows larger networks above smaller ones: what a shorter run would say."""
    lines = []
    for name in evidence.circumstances:
        table = evidence.slopes_by_step
        of_objective = table[(table["circumstance"] == name) & (table["measure"] == "objective")]
        stretches = []
        for verdict, group in itertools.groupby(of_objective.query("step > 0").itertuples(), attrgetter("verdict")):
            steps = [row.step for row in group]
            stretches.append(f"{ORDER[verdict]} at step {steps[0]}" + (f" to {steps[-1]}" if len(steps) > 1 else ""))
        lines.append(f"- `{name}`: {', '.join(stretches) or 'no step that every run reached'}")
    return f"""
### How long a run shows it

The larger the network, the higher or lower the objective at each logged step: what a run stopped there would have
shown, by the rules of the verdicts, unadjusted and descriptive (`tables/slopes_by_step.csv`, figure `loss_curves`).

{chr(10).join(lines)}
"""


SIDES = ("as_posted", "no_l2", "l2_in_optimiser")
FORK = {
    True: "If the reported loss holds the penalty (Keras' `l2`)",
    False: "If it does not (no L2, or torch's `weight_decay`)",
}


def questions(evidence: Evidence) -> str:
    """The question's five questions, each on both sides of the fork as far as the study has them."""
    sides = [name for name in SIDES if name in evidence.circumstances] or evidence.circumstances[:1]
    asked = {
        "Is this expected?": is_expected,
        "Does a larger model just take longer to train?": takes_longer,
        "Is its starting point harder?": starts_harder,
        "Is it stuck in local minima?": is_stuck,
        "Would the larger ones win later?": wins_later,
    }
    blocks = []
    for question, answer in asked.items():
        lines = [f"**{question}**", ""]
        for name in sides:
            words, *grounds = answer(evidence, name)
            fork = FORK[evidence.reports_penalty(name)] if name in SIDES else "As trained"
            lines.append(f"- *{fork}* (`{name}`): {words}")
            lines += [f"  - {ground}" for ground in grounds]
        blocks.append("\n".join(lines))
    return "## The five questions\n\n" + "\n\n".join(blocks)


def is_expected(evidence: Evidence, name: str) -> list[str]:
    """Does the reported loss start and end higher? The answer in words, then its grounds."""
    start, end = (evidence.verdict(name, "objective", feature) for feature in ("starting_loss", "end_value"))
    words = by_verdict(
        start,
        {
            "rises": "yes, a larger network's reported loss starts higher.",
            "flat": "no, the reported loss starts alike at every size.",
            "falls": "no, a larger network's reported loss starts lower.",
        },
    )
    at_the_end = by_verdict(
        end,
        {
            "rises": "At the end a larger network's is higher.",
            "flat": "It ends alike at every size.",
            "falls": "At the end a larger network's is lower.",
            "undecided": "How it ends is undecided.",
            "mixed": "How it ends is not in the order of size.",
            "diverged": "At some size no run came to an end.",
        },
    )
    return [f"{words} {at_the_end}", statement(start), statement(end), *penalty_notes(evidence, name)]


def takes_longer(evidence: Evidence, name: str) -> list[str]:
    """Does a larger network need more steps?"""
    midway = evidence.verdict(name, "data_loss", "steps_to_midway")
    words = by_verdict(
        midway,
        {
            "falls": "no, it takes fewer steps.",
            "rises": "yes, it takes more steps.",
            "flat": "no, it takes as many steps as a smaller one, as far as the logged steps can tell.",
        },
    )
    return [words, statement(midway), statement(evidence.verdict(name, "data_loss", "initial_decay"))]


def starts_harder(evidence: Evidence, name: str) -> list[str]:
    """Is the data loss higher before any update?"""
    start = evidence.verdict(name, "data_loss", "starting_loss")
    words = by_verdict(
        start,
        {
            "flat": "no, the data loss starts alike at every size.",
            "rises": "its data loss starts higher.",
            "falls": "no, its data loss starts lower.",
        },
    )
    return [words, statement(start), evidence.start_against_guessing(name)]


def is_stuck(evidence: Evidence, name: str) -> list[str]:
    """Does the data loss end higher?"""
    end = evidence.verdict(name, "data_loss", "end_value")
    settled = "no" if all_plateaus(evidence, name) else "there is no sign of it so far"
    words = by_verdict(
        end,
        {
            "falls": f"{settled}, its data loss ends lower: it fits better, whatever the reported loss says.",
            "flat": "there is no sign of it, the data loss ends alike at every size.",
            "rises": "its data loss ends higher.",
        },
    )
    plateau_note = "these are plateaus" if all_plateaus(evidence, name) else "of those, no plateau is claimed"
    return [words, statement(end), f"{evidence.plateaus(name)}; {plateau_note}"]


def wins_later(evidence: Evidence, name: str) -> list[str]:
    """Does the largest network cross below the smallest, against steps and against cost?"""
    crossing = evidence.extremes(name, "objective")
    if crossing["crossed"] == crossing["seeds"]:
        words = "they do within these steps, in every seed."
    elif evidence.largest_diverged(name):
        words = "the largest diverged, in some seed or in all."
    elif crossing["crossed"] == 0:
        words = "not within these steps."
        if not all_plateaus(evidence, name):
            words += " Not all have settled by then, and they may cross later."
        elif evidence.reports_penalty(name):
            words += " The data losses have settled; the penalty may still shrink, and they may cross later."
    else:
        words = "within these steps they do in some seeds, in others not."
    grounds = [
        f"{measure.replace('_', ' ')}, against {words_of_axis}: "
        f"{crossing_words(evidence.extremes(name, measure, axis))} (figure `crossover`)"
        for measure in ("objective", "data_loss")
        for axis, words_of_axis in (("step", "steps"), ("flops", "training FLOPs"))
    ]
    return [words, *grounds]


CAUSES = tuple(itertools.product(MEASURES, PRIMARY_FEATURES))


def causes(evidence: Evidence) -> str:
    """What each contrast of one factor says, the only ground for naming a cause; nothing in a study without."""
    lines = []
    for name in evidence.circumstances:
        for measure, feature in CAUSES:
            row = evidence.contrast(name, measure, feature)
            if row is None:
                continue
            expected = "" if missing(row["expected"]) else f" (expected {row['expected']})"
            lines.append(
                f"| `{name}` | `{row['reference']}` | {measure.replace('_', ' ')}, {NAMES[feature]} | "
                f"{row['verdict']}{expected} | "
                f"{interval(row['slope_difference'], row['slope_ci_low'], row['slope_ci_high'])} | "
                f"{interval(row['difference_at_largest'], row['ci_low'], row['ci_high'])} |"
            )
    if not lines:
        return ""
    table = "\n".join(lines)
    return f"""
## What causes it: contrasts of one factor

A cause is claimed only from two circumstances that are one factor apart, paired by seed and size: how the factor bends
the slope per doubling of parameters, and what it does at the largest size, circumstance less reference, in nats.
Intervals are not adjusted for their number. A slope is *flat* where the interval of its difference lies within
{LOSS_MARGIN} nats over the whole range of sizes.

| circumstance | less reference | measure, feature | slope | its difference [95%] | at the largest size [95%] |
| --- | --- | --- | --- | --- | --- |
{table}
"""


def rates(evidence: Evidence) -> str:
    """What the grids of learning rates say; nothing in a study without."""
    if not evidence.learning_rates:
        return ""
    slopes, verdicts = evidence.learning_rates
    lines = [
        f"- `{row.grid}`: **{row.verdict}**"
        + (
            ""
            if missing(row.expected)
            else f" (expected {row.expected}{', which it does' * (str(row.agrees) == 'True')})"
        )
        + (
            f", no slope: {row.censored} optima lie at the grid's edge"
            if row.censored
            else f", {interval(row.slope, row.ci_low, row.ci_high, 2)}"
        )
        + f", {row.seeds} seeds"
        for row in slopes.itertuples()
    ]
    for grid, group in verdicts.groupby("grid", sort=False):
        for below, where in ((True, "at and below"), (False, "above")):
            found = group[group["at_or_below_best"] == below]
            said = ", ".join(f"{row.verdict} at {row.learning_rate:g}" for row in found.itertuples()) or "no rate"
            best = f"width {group['base_width'].iloc[0]}'s best rate"
            lines.append(f"- `{grid}`, data loss' end value by size, {where} {best}: {said}")
    return "\n".join(
        ["## The learning rate", "", "How the best rate moves, in doublings per doubling of width, and what wider",
         "networks do at each rate, descriptive and unadjusted (figure `learning_rates`):", "", *lines]
    )  # fmt: skip


def lapse(evidence: Evidence) -> str:
    """Whether the higher rate is a time-lapse of the posted one; nothing in a study without it."""
    table = evidence.time_lapse
    if table.empty:
        return ""
    failed = int((table["equivalent"].astype(str) != "True").sum())
    verdict = "passes at every size" if not failed else f"fails at {failed} of {len(table)} sizes: no time-lapse"
    sizes = "\n".join(
        f"- {size_label(row.parameters)} parameters: {interval(row.difference, row.ci_low, row.ci_high)}"
        for row in table.itertuples()
    )
    return f"""
## The time-lapse

`time_lapse` less `as_posted` at equal rate x steps: that the data losses are within {TIME_LAPSE_MARGIN} nats of each
other {verdict}. Mean differences in nats, with 90% intervals over {table["seeds"].max()} seeds:

{sizes}
"""


def beside_others(evidence: Evidence) -> str:
    """The study's numbers beside published ones."""
    rows = "\n".join(
        f"| {row.claim} ({row.source}) | {row.theirs} | {row.ours} | {row.agrees} | {row.shown_by} |"
        for row in evidence.literature.itertuples()
    )
    return f"""
## Beside what others have found

Ours agrees with *rises*, *falls* and *flat* by its verdict, with a slope's sign where the 95% interval excludes 0, with
*stays* and *level* where it lies within {EQUIVALENCE} of 0, and with a formula within {MOST_STANDARD_ERRORS} standard
errors. These margins are this study's, not the sources'; what is undecided contradicts nothing.

| what | theirs | ours | agrees | shown by |
| --- | --- | --- | --- | --- |
{rows}
"""


def advice(evidence: Evidence) -> str:
    """For each circumstance: what was expected, what came out, what to look for and what to change."""
    blocks = []
    for name in evidence.circumstances:
        entry = evidence.catalogue[name]
        lines = [f"### `{name}`", "", f"Hypothesis: {entry['hypothesis'].strip()}", "", *outcomes(evidence, name)]
        lines.append(f"- Ends: {evidence.plateaus(name)}.")
        lines += [
            f"- {title}: {entry[key]}"
            for key, title in (("look_for", "Look for"), ("change", "If it is yours, and came out as expected"))
            if key in entry
        ]
        blocks.append("\n".join(lines))
    return "## Which circumstance are you in, and what to change\n\n" + "\n\n".join(blocks)


def outcomes(evidence: Evidence, name: str) -> list[str]:
    """What was expected of a circumstance, by itself and less its reference, and what came out; a line each."""
    lines = []
    for table, what in ((evidence.verdicts, ""), (evidence.contrasts, " of the slope, less its reference's")):
        asked = table[(table["circumstance"] == name) & table["expected"].notna()]
        if asked.empty:
            continue
        agrees = asked["agrees"].astype(str) == "True"
        failed = "; ".join(
            f"{row.measure.replace('_', ' ')}, {NAMES[row.feature]}: expected {row.expected}, found {row.verdict}"
            for row in asked[~agrees].itertuples()
        )
        lines.append(
            f"- Expected before the run{what}: {agrees.sum()} of {len(asked)} came out so."
            + (f" Not: {failed}." if failed else "")
        )
    return lines


def conditions(evidence: Evidence) -> str:
    """What the answer is conditional on."""
    seeds, sizes = evidence.runs["seed"].nunique(), evidence.verdicts["widths"].min()
    published = f"a published verdict needs {SEEDS} and {SIZES}"
    few = (
        f"\n\nWith {seeds} seeds and {sizes} sizes this is an indication: {published}."
        if seeds < SEEDS or sizes < SIZES
        else ""
    )
    return f"""
## What this is conditional on

The post does not name its framework: what it leaves open (initialisation, LeakyReLU's slope, BatchNorm's and Adam's
epsilon, batch size, steps) is as this study's configuration has it, by default Keras' defaults; `config/README.md`
marks each. Inference is over seeds on one dataset, {evidence.data_words()}.
Losses are measured on a balanced part of the training cubes, where guessing costs {evidence.guessing}.
That starting losses and end values rise or fall is judged in one Holm family over all circumstances; `mixed` and
`flat` are judged one by one, and all else is descriptive. A size of effect is a mean slope over seeds with a t
interval; `flat` means within {LOSS_MARGIN} nats of the smallest size ({2**TIME_MARGIN - 1:.0%} per doubling for times).
A trend that goes back by more than that at some size, in every seed, is called undecided. Against training FLOPs, sizes
are compared up to the smallest one's budget: a few steps of the largest.
Definitions: `scripts/widthwise/analysis/features.py`, `inference.py`, `verdicts.py`.{few}
"""
