"""answer.md: the answer to the question, from the tables of a study.

It opens with the short answer; for somebody's own network, data or curves with a diagnosis. Every statement follows a
verdict of the tables; what is undecided is called undecided.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

import pandas

from widthwise.report import diagnosis
from widthwise.report.evidence import (
    AGAINST_THE_TREND,
    Evidence,
    Prediction,
    change_words,
    factor_words,
    goes_against_its_trend,
    is_true,
    mean_words,
    rate_words,
    verdict_and_change,
    verdict_words,
)
from widthwise.report.wording import (
    MEASURES,
    capitalised,
    change,
    change_with_interval,
    counted,
    listed,
    markdown_table,
    measured,
    number,
    percentage,
    quoted,
    rate_label,
    sentence,
    share_label,
    span,
)
from widthwise.study.curves import step_name
from widthwise.study.requirements import PUBLICATION_NEEDS, is_publishable

TITLE = "Under which circumstances do more parameters raise the training loss?"
OWN_TITLE = "Does your training loss rise with size, and why?"
QUESTION = "https://stats.stackexchange.com/questions/438992"
JUDGED_LOSSES = ("objective", "data_loss")
PRIMARY = (("starting_loss", "start"), ("end_value", "end"))
CATALOGUE_LEVEL = 0.05
# What is smaller is printed as 0.000 nats.
PRINTED_ZERO = 0.0005
NESTED = (
    "More filters cannot raise the lowest loss that a network can reach: with its added weights at zero, the larger "
    "network computes what the smaller one does. A higher end is a matter of start, optimiser or time."
)
AXES = {0: "vectors of {} numbers", 1: "series of {} points", 2: "images of {} pixels", 3: "volumes of {} voxels"}


def title(evidence: Evidence) -> str:
    """The answer's title."""
    return TITLE if evidence.study.of_the_post else OWN_TITLE


def write_answer(evidence: Evidence) -> str:
    """The whole answer, as Markdown."""
    sections = answer_of_the_post(evidence) if evidence.study.of_the_post else own_answer(evidence)
    return "\n\n".join([f"# {title(evidence)}", *filter(None, sections)]) + "\n"


def answer_of_the_post(evidence: Evidence) -> Iterable[str]:
    """The sections of an answer to the question; one that has nothing to say is empty."""
    sections = (
        short_answer,
        questions,
        causes,
        learning_rates,
        literature,
        predictions,
        advice,
        certainty,
        not_shown,
        conditions,
    )
    return (section(evidence) for section in sections)


def own_answer(evidence: Evidence) -> Iterable[str]:
    """The sections of an answer on an own network, own data or curves, which opens with the diagnosis."""
    found = diagnosis.Diagnosis(evidence)
    yield from (section(found) for section in diagnosis.SECTIONS)
    yield from (section(evidence) for section in (start_and_time, learning_rates, certainty, scope))


# The short answer


def short_answer(evidence: Evidence) -> str:
    """Where larger networks start and end higher, and by how much."""
    return f"""\
**In this study of {counted(len(evidence.study.judged), "circumstance")}, a larger network ends with \
{higher_in(evidence, "end_value")}. It starts with {higher_in(evidence, "starting_loss")}.**

{short_table(evidence)}

Mean losses in nats. *Change* is the least-squares trend over all sizes, from the smallest to the largest, with the \
interval that decides the verdict. {reported_loss_words(evidence)} Guessing costs {evidence.guessing}. \
{what_was_run(evidence)} All tables: [evidence.md](evidence.md)."""


def reported_loss_words(evidence: Evidence) -> str:
    """Says where the reported loss holds the penalty."""
    penalised = [name for name in evidence.study.judged if evidence.reports_penalty(name)]
    if not penalised:
        return "The reported loss is the data loss: no penalty is in it."
    elsewhere = "; elsewhere it is the data loss" if len(penalised) < len(evidence.study.judged) else ""
    return f"The reported loss is data loss + penalty in {quoted(penalised)}{elsewhere}."


def higher_in(evidence: Evidence, feature: str) -> str:
    """Names the circumstances in which larger networks have a higher reported loss, and a higher data loss."""
    return listed(
        f"a higher {MEASURES[measure]} in {rises_in(evidence, measure, feature)}" for measure in JUDGED_LOSSES
    )


def rises_in(evidence: Evidence, measure: str, feature: str) -> str:
    """Names the circumstances in which a feature rises, with its change, and those that are undecided."""
    rows = {name: evidence.verdict(name, measure, feature) for name in evidence.study.judged}
    rising = [f"`{name}` ({change(row['change'])})" for name, row in rows.items() if row["verdict"] == "rises"]
    undecided = [name for name, row in rows.items() if row["verdict"] == "undecided"]
    if not undecided:
        return listed(rising) if rising else "none"
    return f"{listed(rising) if rising else 'none for certain'} (undecided in {quoted(undecided)})"


def short_table(evidence: Evidence) -> str:
    """Smallest, largest and change of the losses at start and end; circumstances that are the same have one row."""
    ranges = {evidence.parameter_range(name) for name in evidence.study.judged}
    rows = []
    for names in evidence.distinct:
        name = names[0]
        title = ", ".join(f"`{other}`" for other in names)
        if len(ranges) > 1:
            title += f" ({evidence.parameter_range(name)})"
        for (feature, when), measure in itertools.product(PRIMARY, judged_losses(evidence, name)):
            smallest, largest = evidence.ends_of_range(name, measure, feature)
            row = evidence.verdict(name, measure, feature)
            rows.append(
                {
                    "circumstance": title,
                    "loss": f"{MEASURES[measure]}, {when}",
                    "smallest": mean_words(smallest),
                    "largest": mean_words(largest),
                    "change [interval]": change_words(row),
                    "verdict": verdict_words(row, with_replicates=False),
                }
            )
    return markdown_table(rows)


def judged_losses(evidence: Evidence, name: str) -> tuple[str, ...]:
    """The losses of a circumstance that differ: without a reported penalty, the reported loss is the data loss."""
    return JUDGED_LOSSES if evidence.reports_penalty(name) else ("data_loss",)


def what_was_run(evidence: Evidence) -> str:
    """The runs behind the answer, in a sentence."""
    runs = evidence.tables["runs"]
    judged = runs[runs["circumstance"].isin(evidence.study.judged)]
    sizes = span(judged.groupby("circumstance")["size"].nunique())
    grids = f", and {len(runs) - len(judged)} more for learning rates" if len(runs) > len(judged) else ""
    return (
        f"{len(judged)} runs: {sizes} sizes of {evidence.range_words(judged['parameters'])}, "
        f"{counted(len(evidence.study.seeds), 'seed')}, {evidence.steps_words(judged['planned_steps'])}{grids}."
    )


# The five questions


def questions(evidence: Evidence) -> str:
    """The question's five questions, answered for every circumstance; equal answers once."""
    judged = [evidence.study.circumstances[name] for name in evidence.study.judged]
    asked: tuple[tuple[str, str, Callable[[Evidence, str], str]], ...] = (
        ("Is this expected?", "", is_expected),
        ("Does a larger model just take longer to train?", midway(evidence), takes_longer),
        ("Is its starting point harder?", f"Guessing costs {evidence.guessing}.", starts_harder),
        ("Is it stuck in local minima?", nested(evidence) if any(not one.depths for one in judged) else "", is_stuck),
        ("Would the larger ones win later?", "", wins_later),
    )
    blocks = ["## The five questions of the post"]
    for question, note, answer in asked:
        blocks.append(f"**{question}**" + (f" {note}" if note else ""))
        blocks.append("\n".join(answers(evidence, answer)))
    return "\n\n".join(blocks)


def start_and_time(evidence: Evidence) -> str:
    """The start, the time, the end and the crossing of losses in a study's own settings; for one seed, the crossing."""
    name, replicated = evidence.root, len(evidence.study.seeds) > 1
    lines = []
    if replicated and evidence.knows(name, "data_loss", "starting_loss"):
        lines.append(f"**Does it start higher?** {starts_harder(evidence, name)}")
    if replicated and evidence.knows(name, "data_loss", "steps_to_midway"):
        lines.append(f"**Does it just take longer?** {takes_longer(evidence, name)} {midway(evidence)}")
    if replicated and evidence.knows(name, "data_loss"):
        is_nested = not evidence.is_of_curves and evidence.study.factory is None
        lines.append(
            f"**Is it stuck?** {is_stuck(evidence, name)}" + (f" {nested(evidence, name)}" if is_nested else "")
        )
    if not evidence.rows("crossings", circumstance=name).empty:
        lines.append(f"**Would the largest win later?** {wins_later(evidence, name)}")
    if not lines:
        return ""
    return "## Start, time and crossing\n\n" + "\n".join(f"- {line}" for line in lines)


def nested(evidence: Evidence, *names: str) -> str:
    """What a wider network can reach, and what embedding trained ones shows, in all circumstances or these."""
    rows = evidence.rows("nesting")
    rows = rows[rows["circumstance"].isin(names or evidence.study.judged)] if len(rows) else rows
    if rows.empty:
        return NESTED
    difference = (rows["embedded_objective"] - rows["smaller_objective"]).abs().max()
    higher = int((rows["larger_objective"] > rows["embedded_objective"]).sum())
    differ = f"differ by at most {difference:.0e} nats" if difference else "do not differ"
    return (
        f"{NESTED} Embedding each trained network in every wider one shows it ({counted(len(rows), 'pair')}): the "
        f"reported losses {differ}. In {higher} of them the wider one, as trained, is higher."
    )


def midway(evidence: Evidence) -> str:
    """What midway is."""
    return f"Midway is halfway from the data loss at the start to half of {guess(evidence)}."


def guess(evidence: Evidence) -> str:
    """The data loss of guessing, as a formula."""
    return f"log({evidence.classes or 'classes'})"


def answers(evidence: Evidence, answer: Callable[[Evidence, str], str]) -> Iterable[str]:
    """One bullet for each different answer, with the circumstances that it holds for."""
    by_text: dict[str, list[str]] = {}
    for names in evidence.distinct:
        by_text.setdefault(answer(evidence, names[0]), []).extend(names)
    return (f"- {quoted(names)}: {text}" for text, names in by_text.items())


def is_expected(evidence: Evidence, name: str) -> str:
    """Does the reported loss start and end higher in larger networks?"""
    start, end = (evidence.verdict(name, "objective", feature) for feature, _ in PRIMARY)
    rising = [row["verdict"] == "rises" for row in (start, end)]
    is_open = not {start["verdict"], end["verdict"]}.isdisjoint({"undecided", "diverged"})
    opening = "Yes" if all(rising) else "In part" if any(rising) else "Undecided" if is_open else "No"
    sentences = [f"{opening}: in larger networks the reported loss {movements(start, end)}."]
    printed_start, printed_end = (evidence.verdict(name, "printed", feature) for feature, _ in PRIMARY)
    if (printed_start["verdict"], printed_end["verdict"]) != (start["verdict"], end["verdict"]):
        sentences.append(f"Its mean over each epoch, which the post shows, {movements(printed_start, printed_end)}.")
    if evidence.reports_penalty(name) and any(rising):
        shares = [
            f"{penalty_share(evidence, name, feature)} of the rise at the {when}"
            for (feature, when), rises in zip(PRIMARY, rising, strict=True)
            if rises
        ]
        sentences.append(f"The penalty accounts for {listed(shares)}.")
    return " ".join(sentences)


def movements(start: Mapping, end: Mapping) -> str:
    """Says how a loss starts and ends in larger networks."""
    return f"{movement(start, 'starts')} and {movement(end, 'ends')}"


def movement(row: Mapping, verb: str) -> str:
    """Says how a loss starts, ends or is in larger networks: "ends higher (+0.279)"."""
    verdict = row["verdict"]
    if goes_against_its_trend(row):
        way = "higher" if row["change"] > 0 else "lower"
        return f"{verb} {way} as a trend ({change(row['change'])}), but {AGAINST_THE_TREND}"
    if verdict in ("rises", "falls"):
        way = ("slightly " if is_true(row["slight"]) else "") + ("higher" if verdict == "rises" else "lower")
        return f"{verb} {way} ({change(row['change'])}{' at least' if row['diverged'] else ''})"
    return {
        "flat": f"{verb} about the same",
        "mixed": f"{verb} neither higher nor lower throughout",
        "diverged": "has diverged at some size",
        "undecided": f"{verb} neither higher nor lower for certain",
    }[verdict]


def penalty_share(evidence: Evidence, name: str, feature: str) -> str:
    """The share of a rise of the reported loss that is penalty; an identity, since the rest is data loss."""
    reported, data = (evidence.verdict(name, measure, feature)["change"] for measure in JUDGED_LOSSES)
    return share_label((reported - data) / reported)


def takes_longer(evidence: Evidence, name: str) -> str:
    """Does a larger network take more steps, and is it behind at equal compute?"""
    row = evidence.verdict(name, "data_loss", "steps_to_midway")
    factor = 2 ** row["change"]
    features = evidence.rows("features", circumstance=name, measure="data_loss", feature="steps_to_midway")
    late, runs = int(features["at_horizon"].sum()), int(features["seeds"].sum())
    trend = f"the largest takes {factor:.2g} times the steps of the smallest to midway"
    reasons = [
        *([f"as a trend, {trend}, but {AGAINST_THE_TREND}"] if goes_against_its_trend(row) else []),
        *([f"{late} of {runs} runs ended before midway"] if late else []),
    ]
    in_words = {
        "rises": f"Yes: {trend}.",
        "falls": f"No: {trend}.",
        "flat": "No: every size takes as many steps to midway.",
        "mixed": "It depends on the size: the steps to midway neither rise nor fall throughout.",
        "diverged": "No answer: at some size every run diverged.",
        "undecided": f"Undecided{': ' if reasons else ''}{'; '.join(reasons)}.",
    }
    compute = evidence.row("verdicts", circumstance=name, measure="data_loss", feature="equal_compute")
    if compute is None or compute["verdict"] not in ("rises", "falls"):
        return in_words[row["verdict"]]
    at_equal_compute = f"At equal training compute the larger network's data loss {movement(compute, 'is')}."
    return f"{in_words[row['verdict']]} {at_equal_compute}"


def starts_harder(evidence: Evidence, name: str) -> str:
    """Is the data loss higher before any update, and the reported loss?"""
    row = evidence.verdict(name, "data_loss", "starting_loss")
    smallest, largest = map(mean_words, evidence.ends_of_range(name, "data_loss", "starting_loss"))
    openings = {"rises": "Hardly" if row["slight"] else "Yes", "falls": "No", "flat": "No"}
    opening = openings.get(row["verdict"], "No clear answer")
    values = f"{smallest} in the smallest, {largest} in the largest"
    data = f"{opening}: in larger networks the data loss {movement(row, 'starts')}: {values}."
    return " ".join([data, *reported_start(evidence, name)])


def reported_start(evidence: Evidence, name: str) -> Iterable[str]:
    """How the reported loss starts, and how much of its rise is penalty; nothing where no penalty is in it."""
    if not evidence.reports_penalty(name):
        return
    row, data = (evidence.verdict(name, measure, "starting_loss") for measure in JUDGED_LOSSES)
    words = f"The reported loss {movement(row, 'starts')}"
    if row["verdict"] == "rises":
        penalty = row["change"] - data["change"]
        is_all = penalty_share(evidence, name, "starting_loss") == share_label(1)
        words += f", {'none' if penalty < PRINTED_ZERO else 'all' if is_all else number(penalty)} of it penalty"
    yield f"{words}."


def is_stuck(evidence: Evidence, name: str) -> str:
    """Does the data loss end higher, and has it settled?"""
    row = evidence.verdict(name, "data_loss", "end_value")
    so_far = "" if evidence.has_settled(name, "data_loss") else " so far"
    openings = {"rises": "It may be", "falls": f"No sign of it{so_far}", "flat": f"No sign of it{so_far}"}
    opening = openings.get(row["verdict"], "No clear answer")
    plateaus = evidence.plateau_sentence(name, "data_loss")
    return f"{opening}: in larger networks the data loss {movement(row, 'ends')}. {plateaus}"


def wins_later(evidence: Evidence, name: str) -> str:
    """Does the largest network cross below the smallest?"""
    reported, *others = (
        crossing_words(evidence, name, measure)
        for measure in JUDGED_LOSSES
        if not evidence.rows("crossings", circumstance=name, measure=measure).empty
    )
    data = others[0] if others else reported
    if reported == data:
        return f"{reported}."
    return f"{reported}, by the reported loss. By the data loss: {data[0].lower()}{data[1:]}."


def crossing_words(evidence: Evidence, name: str, measure: str) -> str:
    """Whether and when the largest network's loss crosses below the smallest's."""
    row, runs = evidence.extremes(name, measure), evidence.runs(name)
    seeds = counted(row["seeds"], "seed")
    if row["always_below"] == row["seeds"]:
        return "Yes, the largest is below the smallest from the start in every seed"
    if row["crossed"] == row["seeds"]:
        step = f"{step_name(evidence.study)} {row['median_crossing']:.0f} (median)"
        return f"Yes, the largest crosses below the smallest in every seed, at {step}"
    if row["crossed"]:
        return f"The largest crosses below the smallest in {row['crossed']} of {seeds}"
    diverged = runs.loc[runs["parameters"] == runs["parameters"].max(), "diverged"].sum()
    if diverged:
        return f"No, the largest diverged in {diverged} of {seeds}"
    ending = "all have settled" if evidence.has_settled(name, measure) else "not all have settled: it may cross later"
    return f"Not within {evidence.steps_words(runs['planned_steps'])} ({ending})"


# Causes, rates, literature


def causes(evidence: Evidence) -> str:
    """What each contrast of one factor says, the only ground for naming a cause; nothing in a study without."""
    pairs = evidence.rows("contrasts")
    if pairs.empty:
        return ""
    rows = []
    for name, reference in pairs[["circumstance", "reference"]].drop_duplicates().itertuples(index=False):
        cells = {"circumstance": f"`{name}` less `{reference}`", "factor": factor_words(evidence, name, reference)}
        for (feature, when), measure in itertools.product(PRIMARY, JUDGED_LOSSES):
            row = evidence.row("contrasts", circumstance=name, measure=measure, feature=feature)
            cells[f"{MEASURES[measure]}, {when}"] = verdict_and_change(row)
        rows.append(cells)
    return f"""\
## What causes it

A cause is claimed only from two circumstances that differ in one factor, paired by seed and size. The cells say what \
the factor does to the change from the smallest to the largest size.

{markdown_table(rows)}"""


def learning_rates(evidence: Evidence) -> str:
    """How the best learning rate goes with width, and what larger networks do at each; nothing without grids."""
    if not evidence.study.grids:
        return ""
    return f"""\
## The learning rate

Slopes are doublings of the rate for each doubling of width, with 95% intervals. The verdicts say how the data loss \
ends as networks grow (descriptive, at 5%).

{markdown_table(grid_row(evidence, grid) for grid in evidence.study.grids)}"""


def grid_row(evidence: Evidence, grid: str) -> dict[str, str]:
    """The row of one grid of learning rates."""
    best = evidence.rows("learning_rates", grid=grid).sort_values("width")
    narrowest, widest = (rate_words(best["log2_rate"].iloc[end]) for end in (0, -1))
    verdicts = evidence.rows("learning_rate_verdicts", grid=grid)
    by_rate = verdicts[verdicts["learning_rate"].notna()]
    own_best = verdicts[verdicts["learning_rate"].isna()].to_dict("records")
    low = by_rate["at_or_below_best"].astype(bool)
    base = verdicts["base_width"].iloc[0]
    return {
        "grid": f"`{grid}`",
        "best rate, narrowest → widest": f"{narrowest} → {widest}",
        "its slope": slope_words(evidence, grid, "best"),
        "slope of the highest stable rate": slope_words(evidence, grid, "highest_stable"),
        "up to the base width's best rate": f"width {base}: {verdicts_by_rate(by_rate[low])}",
        "above it": verdicts_by_rate(by_rate[~low]),
        "each width at its best": "".join(verdict_and_change(row) for row in own_best),
    }


def slope_words(evidence: Evidence, grid: str, quantity: str) -> str:
    """How a rate of a grid goes with width, in words."""
    row = evidence.rows("learning_rate_slopes", grid=grid, quantity=quantity).iloc[0]
    if row["censored"]:
        return f"{row['verdict']}: {counted(row['censored'], 'width')} at the grid's edge"
    return f"{row['verdict']} {change_with_interval(row['slope'], row['ci_low'], row['ci_high'], digits=2)}"


def verdicts_by_rate(rows: pandas.DataFrame) -> str:
    """The verdicts of some rates of a grid, neighbours with the same verdict together."""
    parts = []
    for verdict, group in itertools.groupby(rows.sort_values("learning_rate").itertuples(), attrgetter("verdict")):
        parts.append(f"{verdict} at {', '.join(rate_label(row.learning_rate) for row in group)}")
    return "; ".join(parts) or "no rate"


def literature(evidence: Evidence) -> str:
    """The study's results beside published ones; nothing where the study can test none."""
    rows = evidence.rows("literature").to_dict("records")
    if not rows:
        return ""
    table = markdown_table(
        {
            "claim": f"{row['claim']} ({row['source']})",
            "theirs": row["theirs"],
            "ours": row["ours"],
            "agrees": row["agrees"],
        }
        for row in rows
    )
    return f"## Beside the literature\n\nWhat is undecided contradicts nothing.\n\n{table}"


# Predictions and advice


def predictions(evidence: Evidence) -> str:
    """How many predictions came out, by kind, and which did not; nothing where none was tested."""
    made = [found for name in evidence.study.judged for found in evidence.predictions(name)]
    tested = [found for found in [*made, *evidence.rate_predictions()] if found.found is not None]
    if not tested:
        return ""
    counts = Counter(found.kind for found in tested)
    held = Counter(found.kind for found in tested if found.held)
    summary = listed(f"{held[kind]} of {count} {kind}" for kind, count in counts.items())
    failed = [found for found in tested if not found.held]
    lines = [f"- {subject}: {failures(group)}." for subject, group in itertools.groupby(failed, attrgetter("subject"))]
    confirmed = f"## What was expected\n\nWritten down before the runs and confirmed: {summary}."
    return confirmed + (" The others:\n\n" + "\n".join(lines) if lines else "")


def failures(failed: Iterable[Prediction]) -> str:
    """The predictions of one subject that did not hold, and what was found; undecided ones together."""
    failed = list(failed)
    parts = [f"{one.feature}: {one.found}, not {one.expected}" for one in failed if one.found != "undecided"]
    undecided = [one.feature for one in failed if one.found == "undecided"]
    return "; ".join(parts + ([f"undecided are {'; '.join(undecided)}"] if undecided else []))


def advice(evidence: Evidence) -> str:
    """How to tell which circumstance one is in, and what to change, where every prediction of it came out."""
    lines, withheld = [], []
    for name in evidence.study.judged:
        circumstance = evidence.study.circumstances[name]
        if not all(prediction.held for prediction in evidence.predictions(name)):
            withheld.append(name)
            continue
        texts = (("Look for", circumstance.look_for), ("Change", circumstance.change))
        parts = [f"{title}: {text.strip().rstrip('.')}." for title, text in texts if text]
        if parts:
            lines.append(f"- `{name}`. {' '.join(parts)}")
    if withheld:
        lines.append(f"- No advice from {quoted(withheld)}: not all that was expected there came out.")
    return "## Which circumstance are you in, and what to change\n\n" + "\n".join(lines) if lines else ""


# How sure, and on what conditions


def certainty(evidence: Evidence) -> str:
    """Seeds, sizes and levels behind the verdicts; nothing where one seed leaves none."""
    verdicts = evidence.tables["verdicts"]
    if len(evidence.study.seeds) == 1 or verdicts.empty:
        return ""
    starts, ends = (verdicts[verdicts["feature"] == feature] for feature, _ in PRIMARY)
    seeds, sizes = len(evidence.study.seeds), int(verdicts["sizes"].min())
    decided = (
        f"each end is decided at a level of {levels(ends)}"
        if evidence.is_of_curves
        else f"the two starts are decided at a level of {levels(starts)} each and the two ends at {levels(ends)} each, "
        "5% in all"
    )
    lines = [
        f"- Ends rest on {counted(seeds, 'seed')}. Starts rest on {initialisation_words(evidence)}.",
        f"- In each circumstance {decided}. Everything else is descriptive, at 5%.",
        f"- {catalogue_words(verdicts)}",
        "- A t interval promises less where one size alone scatters, in single spikes: in simulations of that, up to "
        "12% of ends were falsely called rising or falling, most of them slightly, where 2.25% are claimed "
        "(`scripts/simulate_inference.py`).",
    ]
    if not is_publishable(seeds, sizes):
        lines.append(f"- This is an indication: {PUBLICATION_NEEDS}.")
    return "## How sure\n\n" + "\n".join(lines)


def catalogue_words(verdicts: pandas.DataFrame) -> str:
    """Which of the rises and falls of starts and ends do not remain over all circumstances together."""
    decided = verdicts[verdicts["verdict"].isin(["rises", "falls"]) & verdicts["p_catalogue"].notna()]
    lost = decided[decided["p_catalogue"] >= CATALOGUE_LEVEL]
    level = f"at {percentage(CATALOGUE_LEVEL)} over all circumstances together (Holm)"
    if decided.empty:
        return "No start and no end rises or falls."
    if lost.empty:
        return f"All rises and falls of starts and ends remain {level}."
    names = (f"`{row.circumstance}`, {measured(row.measure, row.feature)}" for row in lost.itertuples())
    return f"These rises and falls do not remain {level}: {'; '.join(names)}."


def initialisation_words(evidence: Evidence) -> str:
    """The initialisations behind the starting losses."""
    study = evidence.study
    if evidence.is_of_curves:
        return "the same seeds"
    initialisations, heads = study.analysis.initialisations, study.heads_per_backbone
    replicates = f"{initialisations} initialisations of each size. The replicates of an interval are the seeds, and"
    if heads == 1:
        return f"{replicates} at the start the initialisations"
    backbones = counted(initialisations // heads, "backbone")
    return f"{replicates} at the start {backbones} (all layers but the head), each with {counted(heads, 'head')}"


def levels(rows: pandas.DataFrame) -> str:
    """The levels at which the judged losses of these rows were decided."""
    judged = rows[rows["measure"].isin(JUDGED_LOSSES)]
    return " or ".join(percentage(level) for level in sorted(judged["level"].unique()))


def not_shown(evidence: Evidence) -> str:
    """What the study leaves open."""
    lines = [f"- Undecided in {text}." for names in evidence.distinct if (text := undecided_words(evidence, names))]
    unsettled = [name for name in evidence.study.judged if not evidence.has_settled(name, "objective")]
    if unsettled:
        lines.append(f"- What longer runs reach in {quoted(unsettled)}: not every size has settled.")
    if evidence.rows("contrasts").empty:
        lines.append("- Causes: no two circumstances of this study differ in one factor.")
    if not evidence.study.grids:
        lines.append("- Whether another learning rate changes the order: the study has no grid of learning rates.")
    return "## What was not shown\n\n" + "\n".join(lines) if lines else ""


def undecided_words(evidence: Evidence, names: list[str]) -> str:
    """The starts and ends that are undecided in circumstances with the same losses, and what would narrow them."""
    losses = itertools.product(PRIMARY, judged_losses(evidence, names[0]))
    rows = [evidence.verdict(names[0], measure, feature) for (feature, _), measure in losses]
    parts = [
        measured(row["measure"], row["feature"]) + verdict_words(row).removeprefix("undecided")
        for row in rows
        if row["verdict"] == "undecided"
    ]
    return f"{quoted(names)}: {'; '.join(parts)}" if parts else ""


def conditions(evidence: Evidence) -> str:
    """The settings and data that the answer is conditional on."""
    changed = evidence.study.changed_posted_settings
    settings = (
        "This study changes posted settings: "
        + ", ".join(f"`{key}` is {here}, not {posted}" for key, (posted, here) in changed.items())
        if changed
        else "All posted settings are as in the post"
    )
    return f"""\
## What this is conditional on

- {settings}.
- The post ([Cross Validated 438992]({QUESTION})) does not name its framework. What it leaves open is assumed: above \
all whether the reported loss holds the penalty, then initialisation, batch size and number of steps. `study.json` has \
every setting and `config/keys.md` marks each as posted or assumed.
{data_lines(evidence)}"""


def scope(evidence: Evidence) -> str:
    """The network, settings and data that a diagnosis holds for."""
    study = evidence.study
    if evidence.is_of_curves:
        return f"## What this holds for\n\n- The runs whose losses are in `{study.curves}`. {what_was_run(evidence)}"
    training = study.config["training"]
    network = f"the network of `{study.factory}`" if study.factory else "the built-in network"
    same = f" Already so, and not run apart: {quoted(study.left_out)}." if study.left_out else ""
    where = {"loss": "in the loss", "optimiser": "in the optimiser's gradients", "decoupled": "decoupled (AdamW)"}
    penalty = f"lambda {training['l2']:g} {where[training['l2_as']]}" if training["l2"] else "no L2"
    return f"""\
## What this holds for

- {capitalised(network)} with {training["optimiser"]} at {rate_label(training["learning_rate"])}, {penalty}, \
mini-batches of {training["batch_size"]}, {training["epochs"]} epochs. `study.json` has every setting.{same}
- {what_was_run(evidence)}
{data_lines(evidence)}"""


def data_lines(evidence: Evidence) -> str:
    """A bullet on the data, and one for each thing that their import noted."""
    return "\n".join(f"- {line}" for line in (data_words(evidence), *map(sentence, evidence.dataset.get("notes", ()))))


def data_words(evidence: Evidence) -> str:
    """What the data are, and what the intervals cover of them."""
    counts = evidence.dataset["class_counts"]
    samples = f"{sum(counts['train'])} training {sample_words(evidence.dataset['shape'])} in {evidence.classes} classes"
    if evidence.study.own_file:
        return f"The data are one dataset, {samples}: intervals cover seeds, not other data."
    return (
        f"The data are synthetic, {samples}. Each seed draws its own dataset, so intervals cover the generator's draws."
    )


def sample_words(shape: Sequence[int]) -> str:
    """What samples of this shape (channels, *spatial) are called, and how large they are."""
    channels, *sides = shape
    if not sides:
        return AXES[0].format(channels)
    in_channels = "" if channels == 1 else f" in {channels} channels"
    if len(sides) == 3 and len(set(sides)) == 1:
        return f"cubes of {sides[0]} voxels a side{in_channels}"
    return AXES[len(sides)].format(" x ".join(map(str, sides))) + in_channels
