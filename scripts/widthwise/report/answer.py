"""answer.md: the answer to the question, from the tables of a study.

It opens with the short answer; for somebody's own network, data or curves with a diagnosis. Every statement follows a
verdict of the tables; what is undecided is called undecided.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter

import numpy
import pandas

from widthwise.analysis.penalties import LEVEL_DRIFT
from widthwise.report import diagnosis
from widthwise.report.evidence import (
    NOT_ONE_WAY,
    Evidence,
    change_words,
    factor_words,
    goes_against_its_trend,
    is_true,
    mean_words,
    rate_words,
    ratio_words,
    verdict_and_change,
    verdict_words,
)
from widthwise.report.wording import (
    MEASURES,
    NO_VALUE,
    capitalised,
    change,
    change_with_interval,
    counted,
    listed,
    markdown_table,
    measured,
    number,
    percentage,
    rate_label,
    sentence,
    size_titles,
    span,
    uncapitalised,
)
from widthwise.study.curves import step_name
from widthwise.study.plan import Study
from widthwise.study.requirements import PUBLICATION_NEEDS, is_publishable

TITLE = "Under which circumstances do more parameters raise the training loss?"
OWN_TITLE = "Does your training loss rise with size, and why?"
QUESTION = "https://stats.stackexchange.com/questions/438992"
JUDGED_LOSSES = ("objective", "data_loss")
PRIMARY = (("starting_loss", "start"), ("end_value", "end"))
VERBS = {"starting_loss": "starts", "end_value": "ends"}
OPEN = "is undecided "
WHEN = {"starts": "at the start", "ends": "at the end", "is": "there"}
CATALOGUE_LEVEL = 0.05
# Most circumstances that a sentence names, most rows of the table of causes, and most pieces of advice.
MOST_NAMED, MOST_CAUSES, MOST_ADVICE = 4, 6, 12
EVERYWHERE = "every circumstance"
NO_LATER = "No, the largest takes no more steps to midway"
Answer = tuple[str, str]  # a statement, and a detail
NESTED = (
    "With its added weights at zero, a wider network computes what the narrower one does. So more filters cannot raise "
    "the lowest loss that a network can reach, though training need not reach it."
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
        contradictions,
        questions,
        causes,
        penalty_left,
        learning_rates,
        advice,
        literature,
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
**In this study of {counted(len(evidence.study.judged), "circumstance")}, larger networks end with \
{higher_in(evidence, "end_value")}. They start with {higher_in(evidence, "starting_loss")}.**

{short_table(evidence)}

Mean losses in nats, smallest → largest network. In brackets the trend over all sizes times their range, its interval, \
and the verdict. {reported_loss_words(evidence)} Guessing costs {evidence.guessing}. {what_was_run(evidence)} All \
tables: [evidence.md](evidence.md)."""


def reported_loss_words(evidence: Evidence) -> str:
    """Says where the reported loss holds the penalty."""
    if not any(map(evidence.reports_penalty, evidence.study.judged)):
        return "The reported loss is the data loss: no penalty is in it."
    return "Reported loss = data loss + penalty."


def higher_in(evidence: Evidence, feature: str) -> str:
    """Names the circumstances in which larger networks have a higher reported loss, and a higher data loss."""
    return ", and with ".join(
        f"a higher {MEASURES[measure]} in {rises_in(evidence, measure, feature)}" for measure in JUDGED_LOSSES
    )


def rises_in(evidence: Evidence, measure: str, feature: str) -> str:
    """Names the circumstances in which a feature rises, with its values; says where it is undecided or diverged.

    Of more than `MOST_NAMED` it names those that rise most. Values are those of the smallest and the largest network.
    """
    rows = {name: evidence.verdict(name, measure, feature) for name in evidence.study.judged}
    changes = {name: row["change"] for name, row in rows.items() if row["verdict"] == "rises"}
    named = sorted(changes, key=changes.__getitem__, reverse=True) if len(changes) > MOST_NAMED else list(changes)
    undecided = sum(row["verdict"] == "undecided" for row in rows.values())
    diverged = [name for name, row in rows.items() if row["verdict"] == "diverged" and measure == "data_loss"]
    asides = [f"undecided in {undecided}"] if undecided else []
    asides += [f"networks diverge in {listed(evidence.study.titles(diverged))}"] if diverged else []
    if not changes:
        words = "none for certain" if asides else "none"
    else:
        values = {name: " → ".join(map(mean_words, evidence.ends_of_range(name, measure, feature))) for name in named}
        words = listed(f"{evidence.title(name)} ({values[name]})" for name in named[:MOST_NAMED])
    if len(changes) > MOST_NAMED:
        words = f"{len(changes)}, most in {words}"
    return f"{words} ({'; '.join(asides)})" if asides else words


def short_table(evidence: Evidence) -> str:
    """Smallest, largest and change of the losses at start and end; circumstances that are the same have one row."""
    ranges = {evidence.parameter_range(name) for name in evidence.study.judged}
    rows = []
    for names in evidence.distinct:
        title = ", ".join(evidence.study.titles(names))
        if len(ranges) > 1:
            title += f" ({evidence.parameter_range(names[0])})"
        cells = {"circumstance": title}
        for measure, (feature, when) in itertools.product(JUDGED_LOSSES, PRIMARY):
            is_same = measure == "objective" and not evidence.reports_penalty(names[0])
            cell = "= data loss" if is_same else short_cell(evidence, names[0], measure, feature)
            cells[f"{MEASURES[measure]}, {when}"] = cell
        rows.append(cells)
    return markdown_table(rows)


def short_cell(evidence: Evidence, name: str, measure: str, feature: str) -> str:
    """A loss in the smallest and the largest network, its change with its interval, and the verdict."""
    smallest, largest = map(mean_words, evidence.ends_of_range(name, measure, feature))
    row = evidence.verdict(name, measure, feature)
    return f"{smallest} → {largest} ({change_words(row)} {verdict_words(row, with_replicates=False)})"


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


# The five questions. An answer is a statement, and a detail of one circumstance: statements that are the same are told
# once, with the circumstances that they hold for.


def questions(evidence: Evidence) -> str:
    """The question's five questions, answered for every circumstance."""
    widths = any(not evidence.study.circumstances[name].depths for name in evidence.study.judged)
    asked: tuple[tuple[str, str, Callable[[Evidence, str], Answer]], ...] = (
        ("Is this expected?", what_is_expected(evidence), is_expected),
        ("Does a larger model just take longer to train?", midway(evidence), takes_longer),
        ("Is its starting point harder?", f"Guessing costs {evidence.guessing}.", starts_harder),
        ("Is it stuck in local minima?", nested(evidence) if widths else "", is_stuck),
        ("Would the larger ones win later?", "", wins_later),
    )
    blocks = ["## The five questions of the post"]
    for question, note, answer in asked:
        blocks.append("\n".join([f"**{question}** {note}".rstrip(), *grouped_answers(evidence, answer)]))
    return "\n\n".join(blocks)


def grouped_answers(evidence: Evidence, answer: Callable[[Evidence, str], Answer]) -> Iterable[str]:
    """One bullet for each different statement, with the circumstances that it holds for."""
    found: dict[str, list[str]] = {}
    with_details: set[str] = set()
    for names in evidence.distinct:
        statement, detail = answer(evidence, names[0])
        title = listed(evidence.study.titles(names))
        found.setdefault(statement, []).append(f"{title} ({detail})" if detail else title)
        with_details.update([statement] if detail else [])
    for statement, titles in found.items():
        is_of_all = len(titles) == len(evidence.distinct) > 1 and statement not in with_details
        yield f"- {statement}: {EVERYWHERE if is_of_all else '; '.join(titles)}."


def start_and_time(evidence: Evidence) -> str:
    """The start, the time, the end and the crossing of losses in a study's own settings; for one seed, the crossing."""
    name, replicated = evidence.root, len(evidence.study.seeds) > 1
    asked = []
    if replicated and evidence.knows(name, "data_loss", "starting_loss"):
        asked.append(("Does it start higher?", starts_harder, ""))
    if replicated and evidence.knows(name, "data_loss", "steps_to_midway"):
        asked.append(("Does it just take longer?", takes_longer, midway(evidence)))
    if replicated and evidence.knows(name, "data_loss"):
        is_nested = not evidence.is_of_curves and evidence.study.factory is None
        asked.append(("Is it stuck?", is_stuck, nested(evidence, name) if is_nested else ""))
    if not evidence.rows("crossings", circumstance=name).empty:
        asked.append(("Would the largest win later?", wins_later, ""))
    if not asked:
        return ""
    return "## Start, time and crossing\n\n" + "\n".join(
        f"- **{question}** {single_answer(*answer(evidence, name))}" + (f" {note}" if note else "")
        for question, answer, note in asked
    )


def single_answer(statement: str, detail: str) -> str:
    """An answer about one circumstance, as a sentence."""
    return f"{statement} ({detail})." if detail else f"{statement}."


def nested(evidence: Evidence, *names: str) -> str:
    """What a wider network can reach, and what embedding trained ones shows, in all circumstances or these."""
    rows = evidence.rows("nesting")
    rows = rows[rows["circumstance"].isin(names or evidence.study.judged)] if len(rows) else rows
    if rows.empty:
        return NESTED
    # Of a loss that broke down, rounding alone is many nats.
    runs = evidence.tables["runs"]
    lost = set(
        runs.loc[runs["diverged"].astype(bool), ["circumstance", "size", "seed"]].itertuples(index=False, name=None)
    )
    whole = [
        not lost & {(row.circumstance, size, row.seed) for size in (row.smaller, row.larger)}
        for row in rows.itertuples()
    ]
    rows = rows[whole]
    if rows.empty:
        return NESTED
    difference = (rows["embedded_objective"] - rows["smaller_objective"]).abs().max()
    higher = int((rows["larger_data_loss"] > rows["embedded_data_loss"]).sum())
    differ = f"differ by at most {difference:.0e} nats" if difference else "do not differ"
    return (
        f"{NESTED} Each trained network was embedded in every wider one ({counted(len(rows), 'pair')}, none diverged): "
        f"the reported losses {differ}. In {counted(higher, 'pair')} the wider network, as trained, has the higher "
        "data loss on the same samples."
    )


def midway(evidence: Evidence) -> str:
    """What midway is."""
    what = "the penalty or the end" if any(map(evidence.reports_penalty, evidence.study.judged)) else "the end"
    return (
        f"Midway is halfway from the data loss at the start to half of {guess(evidence)}: it tells of the early fall, "
        f"not of how long {what} takes.{budget_words(evidence)}"
    )


def guess(evidence: Evidence) -> str:
    """The data loss of guessing, as a formula."""
    return f"log({evidence.classes or 'classes'})"


def is_expected(evidence: Evidence, name: str) -> Answer:
    """Does the reported loss start and end higher in larger networks?"""
    start, end = (evidence.verdict(name, "objective", feature) for feature, _ in PRIMARY)
    is_open = not {start["verdict"], end["verdict"]}.isdisjoint({"undecided", "diverged"})
    statement = {
        (True, True): "Yes, in larger networks the reported loss starts and ends higher",
        (True, False): "In part, in larger networks the reported loss starts higher, but is not shown to end higher",
        (False, True): "In part, in larger networks the reported loss ends higher, but is not shown to start higher",
        (False, False): "Undecided, in larger networks the reported loss is not shown to start or to end higher"
        if is_open
        else "No, in larger networks the reported loss neither starts nor ends higher",
    }[start["verdict"] == "rises", end["verdict"] == "rises"]
    details = [f"start {bare_change(start)}, end {bare_change(end)}"]
    if printed_differs(evidence, name):
        printed = (evidence.verdict(name, "printed", feature) for feature, _ in PRIMARY)
        details.append(f"the printed loss {movements(*printed)}")
    return statement, "; ".join(details)


def printed_differs(evidence: Evidence, name: str) -> bool:
    """Whether the printed loss has other verdicts at start or end than the reported loss."""
    return any(
        evidence.verdict(name, "printed", feature)["verdict"] != evidence.verdict(name, "objective", feature)["verdict"]
        for feature, _ in PRIMARY
    )


def bare_change(row: Mapping) -> str:
    """The change of a row, "at least" where runs diverged; where none is known, "diverged"."""
    if math.isnan(row["change"]):
        return "diverged"
    return change(row["change"]) + (" at least" if row["diverged"] and row["verdict"] in ("rises", "falls") else "")


def movements(start: Mapping, end: Mapping) -> str:
    """Says how a loss starts and ends in larger networks: "starts and ends higher"."""
    first, last = movement(start, "starts"), movement(end, "ends")
    if first.removeprefix("starts ") == last.removeprefix("ends "):
        return first.replace("starts ", "starts and ends ")
    both_open = first.startswith(OPEN) and last.startswith(OPEN)
    comma = "," if goes_against_its_trend(start) else ""
    return f"{first}{comma} and {last.removeprefix(OPEN) if both_open else last}"


def movement(row: Mapping, verb: str) -> str:
    """Says how a loss starts, ends or is in larger networks: "ends higher"."""
    verdict = row["verdict"]
    if goes_against_its_trend(row):
        return f"{verb} {'higher' if row['change'] > 0 else 'lower'}, but not size by size"
    if verdict in ("rises", "falls"):
        return f"{verb} {'slightly ' if is_true(row['slight']) else ''}{'higher' if verdict == 'rises' else 'lower'}"
    return {
        "flat": f"{verb} about the same",
        "mixed": f"{verb} higher at some sizes and lower at others",
        "diverged": "has diverged at some size",
        "undecided": f"{OPEN}{WHEN[verb]}",
    }[verdict]


def what_is_expected(evidence: Evidence) -> str:
    """The penalty's part in the rises, and what the printed loss is where it goes another way."""
    sentences = [penalty_shares(evidence)]
    if any(printed_differs(evidence, name) for name in evidence.study.judged):
        sentences.append("The post shows the printed loss: the reported loss averaged over each epoch.")
    return " ".join(filter(None, sentences))


def penalty_shares(evidence: Evidence) -> str:
    """How much of the rises of the reported loss is penalty, over all circumstances: an identity."""
    parts = []
    for feature, when in PRIMARY:
        shares = [
            share
            for names in evidence.distinct
            if evidence.reports_penalty(names[0])
            and evidence.verdict(names[0], "objective", feature)["verdict"] == "rises"
            and not math.isnan(share := penalty_share(evidence, names[0], feature))
        ]
        if shares:
            rise = "the rise" if len(shares) == 1 else "each rise"
            parts.append(f"{share_span(shares)} of {rise} at the {when}")
    return f"The penalty accounts for {listed(parts)}." if parts else ""


def share_span(shares: Iterable[float]) -> str:
    """The smallest and the largest of some shares: "all", or "between 71% and 100%"."""
    low, high = (f"{share:.0%}" for share in (min(shares), max(shares)))
    return {"0%": "none", "100%": "all"}.get(low, low) if low == high else f"between {low} and {high}"


def penalty_share(evidence: Evidence, name: str, feature: str) -> float:
    """The share of a rise of the reported loss that is penalty; the rest is data loss.

    All of it where the data loss falls, and none where the penalty does.
    """
    reported, data = (evidence.verdict(name, measure, feature)["change"] for measure in JUDGED_LOSSES)
    return float(numpy.clip(1 - data / reported, 0, 1))


def takes_longer(evidence: Evidence, name: str) -> Answer:
    """Does a larger network take more steps, and is it behind at equal compute?"""
    row = evidence.verdict(name, "data_loss", "steps_to_midway")
    features = evidence.rows("features", circumstance=name, measure="data_loss", feature="steps_to_midway")
    late, lost, runs = (int(features[column].sum()) for column in ("at_horizon", "diverged", "seeds"))
    ends = evidence.ends_of_range(name, "data_loss", "steps_to_midway")
    is_known = all(math.isfinite(end["mean"]) for end in ends)
    details = [" → ".join(midway_steps(end) for end in ends) + " steps"] if is_known else []
    if row["verdict"] == "undecided":
        details += [f"{late} of {runs} runs ended before midway"] if late else []
        details += [f"{lost} of {runs} runs diverged"] if lost else []
    compute = evidence.row("verdicts", circumstance=name, measure="data_loss", feature="equal_compute")
    if compute is not None and compute["verdict"] in ("rises", "falls"):
        details.append(f"at equal compute its data loss {movement(compute, 'is')}, {bare_change(compute)}")
    statement = {
        "rises": "Yes, the largest takes more steps to midway",
        "falls": NO_LATER,
        "flat": NO_LATER,
        "mixed": "It depends on the size",
        "diverged": "No answer, since at some size every run diverged",
        "undecided": "Undecided" + (f", since {NOT_ONE_WAY}" if goes_against_its_trend(row) else ""),
    }[row["verdict"]]
    return statement, "; ".join(details)


def midway_steps(row: Mapping) -> str:
    """The steps to midway at one size; a lower bound where runs ended before."""
    return ("≥ " if row["at_horizon"] else "") + f"{2 ** row['mean']:.0f}"


def budget_words(evidence: Evidence) -> str:
    """Says what equal compute is, where it is known; with how many steps of the largest network have that cost."""
    steps = []
    for name in evidence.study.judged:
        if evidence.row("verdicts", circumstance=name, measure="data_loss", feature="equal_compute") is not None:
            runs = evidence.runs(name).drop_duplicates("parameters").sort_values("parameters")
            middle, largest = runs.iloc[(len(runs) - 1) // 2], runs.iloc[-1]
            steps.append(round(middle["planned_steps"] * middle["flops_per_step"] / largest["flops_per_step"]))
    if not steps:
        return ""
    return f" Equal compute is what the middle size's whole training costs: {span(steps)} steps of the largest."


def starts_harder(evidence: Evidence, name: str) -> Answer:
    """Is the data loss higher before any update?"""
    row = evidence.verdict(name, "data_loss", "starting_loss")
    higher = "Hardly" if is_true(row["slight"]) else "Yes"
    openings = {"rises": f"{higher}, in larger networks the data loss {movement(row, 'starts')}"}
    openings |= dict.fromkeys(("falls", "flat"), "No, in larger networks the data loss starts no higher")
    return answer_with_losses(evidence, name, "starting_loss", openings)


def answer_with_losses(evidence: Evidence, name: str, feature: str, openings: Mapping[str, str]) -> Answer:
    """The statement for a verdict on the data loss, else that there is none; with the smallest's and largest's loss."""
    row = evidence.verdict(name, "data_loss", feature)
    losses = " → ".join(dict.fromkeys(map(mean_words, evidence.ends_of_range(name, "data_loss", feature))))
    if row["verdict"] in openings:
        return openings[row["verdict"]], losses
    return "No clear answer", f"{losses}; the data loss {movement(row, VERBS[feature])}"


def is_stuck(evidence: Evidence, name: str) -> Answer:
    """Does the data loss end higher, and has it settled?"""
    settled = evidence.has_settled(name, "data_loss")
    openings = {"rises": "It may be, in larger networks the data loss ends higher"}
    no_sign = f"No sign of it{'' if settled else ' so far'}, in larger networks the data loss ends no higher"
    statement, losses = answer_with_losses(
        evidence, name, "end_value", openings | dict.fromkeys(("falls", "flat"), no_sign)
    )
    return statement, losses if settled else f"{losses}; {evidence.plateau_words(name, 'data_loss')}"


def wins_later(evidence: Evidence, name: str) -> Answer:
    """Does the largest network cross below the smallest?"""
    found = [
        crossing_words(evidence, name, measure)
        for measure in judged_losses(evidence, name)
        if not evidence.rows("crossings", circumstance=name, measure=measure).empty
    ]
    (statement, detail), *others = found or [crossing_words(evidence, name, "objective")]
    if not others or others[0] == (statement, detail):
        return statement, detail
    data, detail_of_data = others[0]
    details = filter(None, [detail, detail_of_data and f"data loss: {detail_of_data}"])
    if data == statement:
        return statement, "; ".join(details)
    words = f"By the reported loss, {uncapitalised(statement)}; by the data loss, {uncapitalised(data)}"
    return words, "; ".join(details)


def crossing_words(evidence: Evidence, name: str, measure: str) -> Answer:
    """Whether and when the largest network's loss crosses below the smallest's."""
    row, runs = evidence.extremes(name, measure), evidence.runs(name)
    if row["always_below"] == row["seeds"]:
        return "The largest is below the smallest from the start", ""
    if row["crossed"] == row["seeds"]:
        when = f"at {step_name(evidence.study)} {row['median_crossing']:.0f} in the median"
        return "Yes, the largest crosses below the smallest in every seed", when
    if row["crossed"]:
        return "In some seeds the largest crosses below the smallest", f"{row['crossed']} of {row['seeds']}"
    diverged = runs.loc[runs["parameters"] == runs["parameters"].max(), "diverged"].sum()
    if diverged:
        return "No, the largest diverged", f"{diverged} of {counted(row['seeds'], 'seed')}"
    settled = "and every size has settled" if evidence.has_settled(name, measure) else "but not every size has settled"
    return f"Not within {evidence.steps_words(runs['planned_steps'])}, {settled}", ""


# Causes, penalties, rates, literature


def causes(evidence: Evidence) -> str:
    """What each contrast of one factor says, the only ground for naming a cause; nothing in a study without."""
    pairs = evidence.rows("contrasts")
    if pairs.empty:
        return ""
    found, without = [], []
    for name, reference in pairs[["circumstance", "reference"]].drop_duplicates().itertuples(index=False):
        contrasts = {
            (measure, feature): evidence.row("contrasts", circumstance=name, measure=measure, feature=feature)
            for measure, (feature, _) in itertools.product(JUDGED_LOSSES, PRIMARY)
        }
        less = f"{evidence.title(name)} against {evidence.title(reference)}"
        if not any(map(is_difference, contrasts.values())):
            without.append(less)
            continue
        cells = {"circumstance": less, "factor": factor_words(evidence, name, reference)}
        for measure, (feature, when) in itertools.product(JUDGED_LOSSES, PRIMARY):
            cells[f"{MEASURES[measure]}, {when}"] = verdict_and_change(contrasts[measure, feature])
        ends = [row for (_, feature), row in contrasts.items() if feature == "end_value" and is_difference(row)]
        found.append((max((abs(row["change"]) for row in ends), default=0), cells))
    found.sort(key=itemgetter(0), reverse=True)
    smaller = [cells["circumstance"] for _, cells in found[MOST_CAUSES:]]
    parts = [
        "## What causes it",
        "A cause is claimed only from two circumstances that differ in one factor, paired by seed and size. The cells "
        "say how much more, or less, the loss rises with size once the factor is changed; the largest effect on an end "
        "comes first.",
        markdown_table(cells for _, cells in found[:MOST_CAUSES]),
        " ".join(
            f"{words}: {'; '.join(names)}."
            for words, names in (("Smaller effects", smaller), ("No certain difference", without))
            if names
        ),
    ]
    return "\n\n".join(filter(None, parts))


def is_difference(contrast: Mapping) -> bool:
    """Whether a contrast shows that the factor changes how a loss goes with size."""
    return contrast["verdict"] in ("rises", "falls", "mixed", "diverged")


def penalty_left(evidence: Evidence) -> str:
    """The penalty at the start and the end, and how it goes with size; nothing where no loss holds one.

    Of more than `MOST_NAMED` circumstances, those of whose penalty something was predicted.
    """
    ratios = {names[0]: evidence.rows("penalty_ratios", circumstance=names[0]) for names in evidence.distinct}
    told = [names for names in evidence.distinct if len(ratios[names[0]])]
    if len(told) > MOST_NAMED:
        told = [names for names in told if ratios[names[0]]["agrees"].notna().any()]
    if not told:
        return ""
    return f"""\
## The penalty that is left

Penalties in nats, smallest → largest network. The largest network's at the end is compared with the smallest's, also \
as a power of the ratio of their parameters, and with the same size's in the reference circumstance. Geometric means \
with 95% intervals over seeds (descriptive). A penalty is level where it changes by at most {LEVEL_DRIFT:.0%} in a \
tenth of the steps.

{markdown_table(penalty_row(evidence, names, ratios[names[0]]) for names in told)}"""


def penalty_row(evidence: Evidence, names: Sequence[str], ratios: pandas.DataFrame) -> dict[str, str]:
    """The row of circumstances with the same losses in the table of penalties."""
    of_sizes = evidence.rows("penalties", circumstance=names[0]).sort_values("parameters")
    by_size, by_reference = (
        ratios[known].to_dict("records") for known in (ratios["reference"].isna(), ratios["reference"].notna())
    )
    over = [f"{ratio_words(row)} ({evidence.title(row['reference'])})" for row in by_reference]
    cells = {"circumstance": ", ".join(evidence.study.titles(names))}
    for when in ("start", "end"):
        cells[f"penalty, {when}"] = " → ".join(number(value, 4) for value in of_sizes[when].iloc[[0, -1]])
    cells["level at the end"] = level_words(of_sizes)
    return cells | {
        "end, largest / smallest": "".join(map(ratio_words, by_size)) or NO_VALUE,
        "power of parameters": "".join(number(row["power"], 2) for row in by_size) or NO_VALUE,
        "end, largest / reference's": "".join(over) or NO_VALUE,
    }


def level_words(of_sizes: pandas.DataFrame) -> str:
    """At which sizes the penalty of every run is level."""
    level = of_sizes.loc[of_sizes["level"] == of_sizes["seeds"], "size"]
    return "every size" if len(level) == len(of_sizes) else size_titles(list(level)) if len(level) else "no size"


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
        "grid": evidence.title(grid),
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
    """With how many published results the study agrees, and those that it does not; nothing where it can test none."""
    rows = evidence.rows("literature").to_dict("records")
    if not rows:
        return ""
    counts = Counter(row["agrees"] for row in rows)
    told = (
        f"Of {counted(len(rows), 'published result')} that this study tests, it agrees with {counts['yes']}, disagrees "
        f"with {counts['no']} and leaves {counts['undecided']} undecided: [evidence.md](evidence.md)."
    )
    lines = [
        f"- {capitalised(row['claim'])}: {row['theirs']} ({row['source']}); here: {row['ours']}."
        for row in rows
        if row["agrees"] == "no"
    ]
    return "\n".join(["## Beside the literature\n", told + (" It disagrees with:" if lines else ""), *lines])


# Predictions and advice


def contradictions(evidence: Evidence) -> str:
    """How many predictions came out, by kind, and those that did not, by feature; nothing where none was tested."""
    tested = evidence.tested_predictions()
    if not tested:
        return ""
    counts = Counter(found.kind for found in tested)
    held = Counter(found.kind for found in tested if found.held)
    summary = listed(f"{held[kind]} of {count} {kind}" for kind, count in counts.items())
    failed = [found for found in tested if not found.held]
    decided = [found for found in failed if found.found != "undecided"]
    by_feature: dict[str, dict[str, list[str]]] = {}
    for one in decided:
        found = "networks diverge" if one.found == "diverged" else one.found
        by_feature.setdefault(one.feature, {}).setdefault(f"{found}, not {one.expected}", []).append(one.subject)
    lines = [
        f"- {capitalised(feature)}: {'; '.join(f'{words}, in {listed(found)}' for words, found in contrary.items())}."
        for feature, contrary in by_feature.items()
    ]
    flat = sum(found.found == "undecided" and found.expected == "flat" for found in failed)
    words = (
        f"Written down before the runs and confirmed: {summary}. Undecided: {len(failed) - len(decided) or 'none'}"
        + (
            f", {flat} of them expected flat, for which every size must for certain be near the smallest"
            if flat
            else ""
        )
        + f". Contradicted:{'' if lines else ' none.'}"
    )
    return "\n".join(["## What was expected, and is not so\n", words, *lines])


def advice(evidence: Evidence) -> str:
    """How to tell which circumstance one is in, and what to change.

    Ranked by how much it moves the end of a loss, in a circumstance or against its reference; only where all that was
    predicted of that end came out.
    """
    ranked, withheld = [], []
    for name in evidence.study.judged:
        circumstance, effect = evidence.study.circumstances[name], effect_on_the_end(evidence, name)
        texts = (("Look for", circumstance.look_for), ("Change", circumstance.change))
        parts = [f"{title}: {text.strip().rstrip('.')}." for title, text in texts if text]
        if not parts or (effect is None and not breaks_down(evidence, name)):
            continue
        size, measure, words = effect or (math.inf, "data_loss", "")
        ends = (measured(measure, "end_value"), *(["penalty, end"] if measure == "objective" else []))
        held = all(prediction.held for prediction in evidence.predictions(name) if prediction.feature.startswith(ends))
        if effect and held:
            ranked.append((size, circumstance.title, f"({words}). {' '.join(parts)}"))
        elif not held:
            withheld.append(circumstance.title)
    intro = "Ranked by effect on the end, in nats; only where every prediction about that end was confirmed."
    ranked.sort(key=itemgetter(0), reverse=True)
    lines = [f"- **{capitalised(title)}** {words}" for _, title, words in ranked[:MOST_ADVICE]]
    smaller = [title for _, title, _ in ranked[MOST_ADVICE:]]
    lines += [f"- Smaller effects: {listed(smaller)}."] if smaller else []
    parts = ["## Which circumstance are you in, and what to change", "\n".join([intro, *lines])] if lines else []
    if withheld:
        parts += [] if lines else ["## What to change"]
        parts.append(f"No advice on {listed(withheld)}: some prediction about that end was not confirmed.")
    return "\n\n".join(parts)


def breaks_down(evidence: Evidence, name: str) -> bool:
    """Whether networks diverge in a circumstance, or in its reference, so that nothing is known of what it changes."""
    contrast = evidence.row("contrasts", circumstance=name, measure="data_loss", feature="end_value")
    return contrast is not None and contrast["verdict"] == "diverged"


def effect_on_the_end(evidence: Evidence, name: str) -> tuple[float, str, str] | None:
    """The largest decided change of an end: its size, the loss, and the change in words; None where no end changes.

    It is a rise in the circumstance, or what the circumstance changes against its reference.
    """
    effects = []
    for measure in JUDGED_LOSSES:
        row = evidence.verdict(name, measure, "end_value")
        if row["verdict"] == "rises" and measure in judged_losses(evidence, name):
            effects.append((row["change"], measure, f"{MEASURES[measure]} {change(row['change'])}"))
        contrast = evidence.row("contrasts", circumstance=name, measure=measure, feature="end_value")
        if contrast is not None and contrast["verdict"] in ("rises", "falls"):
            words = f"{MEASURES[measure]} {change(contrast['change'])} against {evidence.title(contrast['reference'])}"
            effects.append((abs(contrast["change"]), measure, words))
    return max(effects, key=itemgetter(0), default=None)


# How sure, and on what conditions


def certainty(evidence: Evidence) -> str:
    """Seeds, sizes and levels behind the verdicts; nothing where one seed leaves none."""
    verdicts = evidence.tables["verdicts"]
    if len(evidence.study.seeds) == 1 or verdicts.empty:
        return ""
    starts, ends = (verdicts[verdicts["feature"] == feature] for feature, _ in PRIMARY)
    seeds, sizes = len(evidence.study.seeds), int(pandas.concat([starts, ends])["sizes"].min())
    decided = (
        f"each end is decided at a level of {levels(ends)}"
        if evidence.is_of_curves
        else f"the two starts are decided at a level of {levels(starts)} each and the two ends at {levels(ends)} each, "
        "5% in all"
    )
    lines = [
        f"- Ends rest on {counted(seeds, 'seed')}. Starts rest on {initialisation_words(evidence)}.",
        f"- In each circumstance {decided}. Everything else is descriptive, at 5%.",
        f"- {catalogue_words(evidence, verdicts)}",
        "- If one size's runs alone scatter, with single spikes, the rule is too lenient: in simulations up to 12% of "
        "ends, not 2.25%, were falsely called rising or falling, most of them slightly "
        "(`scripts/simulate_inference.py`).",
        "- A loss has settled where the 90% interval of its drift, over the last two fifths, lies within 0.01 nats and "
        "2% of its drop in a tenth of the steps; it may still move as far again in as many steps.",
    ]
    if not is_publishable(seeds, sizes):
        lines.append(f"- This is an indication: {PUBLICATION_NEEDS}.")
    return "## How sure\n\n" + "\n".join(lines)


def catalogue_words(evidence: Evidence, verdicts: pandas.DataFrame) -> str:
    """Which of the rises and falls of starts and ends do not remain over all circumstances together."""
    decided = verdicts[verdicts["verdict"].isin(["rises", "falls"]) & verdicts["p_catalogue"].notna()]
    lost = decided[decided["p_catalogue"] >= CATALOGUE_LEVEL]
    level = f"at {percentage(CATALOGUE_LEVEL)} over all circumstances together (Holm)"
    if decided.empty:
        return "No start and no end rises or falls."
    if lost.empty:
        return f"All rises and falls of starts and ends remain {level}."
    names = (f"{evidence.title(row.circumstance)}, {measured(row.measure, row.feature)}" for row in lost.itertuples())
    return f"These rises and falls do not remain {level}: {'; '.join(names)}."


def initialisation_words(evidence: Evidence) -> str:
    """The initialisations behind the starting losses."""
    study = evidence.study
    if evidence.is_of_curves:
        return "the same seeds"
    initialisations, heads = study.analysis.initialisations, study.heads_per_backbone
    found = f"{initialisations} initialisations of each size"
    if heads == 1:
        return f"{found}, which are their replicates"
    backbones = counted(initialisations // heads, "backbone")
    each = f"with {counted(heads, 'head')} each"
    return f"{found}: {backbones} (all layers but the head) as their replicates, {each}"


def levels(rows: pandas.DataFrame) -> str:
    """The levels at which the judged losses of these rows were decided."""
    judged = rows[rows["measure"].isin(JUDGED_LOSSES)]
    return " or ".join(percentage(level) for level in sorted(judged["level"].unique()))


def not_shown(evidence: Evidence) -> str:
    """What the study leaves open."""
    lines = [f"- Whether these rise: {words}." for words in undecided(evidence)]
    unsettled = [name for name in evidence.study.judged if not evidence.has_settled(name, "objective")]
    if unsettled:
        is_all = len(unsettled) == len(evidence.study.judged) > 1
        where = EVERYWHERE if is_all else listed(evidence.study.titles(unsettled))
        lines.append(f"- What longer runs reach in {where}: not every size has settled.")
    if evidence.rows("contrasts").empty:
        lines.append("- Causes: no two circumstances of this study differ in one factor.")
    if not evidence.study.grids:
        lines.append("- Whether another learning rate changes the order: the study has no grid of learning rates.")
    return "## What was not shown\n\n" + "\n".join(lines) if lines else ""


def undecided(evidence: Evidence) -> Iterable[str]:
    """Says of each loss, start and end, in which circumstances it is undecided, and what would narrow it."""
    for measure, (feature, _) in itertools.product(JUDGED_LOSSES, PRIMARY):
        reasons: dict[str, list[str]] = {}
        for names in evidence.distinct:
            row = evidence.verdict(names[0], measure, feature)
            if row["verdict"] == "undecided" and measure in judged_losses(evidence, names[0]):
                reasons.setdefault(verdict_words(row).removeprefix("undecided"), []).extend(
                    evidence.study.titles(names)
                )
        if reasons:
            told = ", ".join(f"{listed(titles)}{reason}" for reason, titles in reasons.items())
            yield f"{measured(measure, feature)} in {told}"


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

- {capitalised(settings_words(evidence.study))}, unless a circumstance says otherwise. {settings}.
- The post ([Cross Validated 438992]({QUESTION})) does not name its framework. What it leaves open is assumed: above \
all whether the reported loss holds the penalty, then initialisation, batch size and number of steps. `study.json` has \
every setting and `config/keys.md` marks each as posted or assumed.
{data_lines(evidence)}"""


def scope(evidence: Evidence) -> str:
    """The network, settings and data that a diagnosis holds for."""
    study = evidence.study
    if evidence.is_of_curves:
        return f"## What this holds for\n\n- The runs whose losses are in `{study.curves}`. {what_was_run(evidence)}"
    network = f"the network of `{study.factory}`" if study.factory else "the built-in network"
    same = f" Already part of them, so not run: {listed(study.titles(study.left_out))}." if study.left_out else ""
    return f"""\
## What this holds for

- {capitalised(network)} with {settings_words(study)}. `study.json` has every setting.{same}
- {what_was_run(evidence)}
{data_lines(evidence)}"""


def settings_words(study: Study) -> str:
    """The settings of training in a few words."""
    training = study.config["training"]
    where = {"loss": "in the loss", "optimiser": "in the optimiser's gradients", "decoupled": "decoupled (AdamW)"}
    penalty = f"lambda {rate_label(training['l2'])} {where[training['l2_as']]}" if training["l2"] else "no L2"
    return (
        f"{training['optimiser']} at {rate_label(training['learning_rate'])}, {penalty}, mini-batches of "
        f"{training['batch_size']}, {training['epochs']} epochs"
    )


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
        f"The data are synthetic, {samples}. Each seed draws its own dataset, so intervals of ends cover the "
        "generator's draws; starts are measured on the first seed's."
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
