"""The five questions of the post, answered from the tables of a study.

An answer is a statement, and a detail of one circumstance: statements that are the same are told once, with the
circumstances that they hold for.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, Context, Decimal

from widthwise.analysis.gathering import budget_steps
from widthwise.analysis.inference import START
from widthwise.report.evidence import NOT_ONE_WAY, Evidence, goes_against_its_trend, is_true, mean_words
from widthwise.report.wording import (
    FEATURES,
    MEASURES,
    capitalised,
    change,
    counted,
    group_by_words,
    listed,
    share_label,
    span,
    uncapitalised,
)

PRIMARY = ("starting_loss", "end_value")  # the primary outcomes: verdicts on other features are descriptive
SIGNS = ("starting_loss", "initial_decay", "end_value")  # of the post's figure: each rises
VERBS = {"starting_loss": "starts", "end_value": "ends"}
UNDECIDED = "is undecided "
EVERYWHERE = "every circumstance"
DIVERGED = "No answer: at some size every run diverged"
BY_SIZE = "It depends on the size"
NO_LATER = "Not in steps: the largest takes no more to midway"
NO_HIGHER = ("flat", "falls")
Answer = tuple[str, str]  # a statement, and a detail
NESTED = (
    "With its added weights at zero, a wider network computes what the narrower one does. So more filters cannot raise "
    "the lowest loss that a network can reach, though training need not reach it."
)


def questions(evidence: Evidence) -> str:
    """The question's five questions, answered for every circumstance."""
    widths = any(not evidence.study.circumstances[name].depths for name in evidence.study.judged)
    asked: tuple[tuple[str, str, Callable[[Evidence, str], Answer]], ...] = (
        ("Is this expected?", f"{signs_of_the_post(evidence)}{penalty_shares(evidence)}", is_expected),
        ("Does a larger model just take longer to train?", f"{midway(evidence)}{behind(evidence)}", takes_longer),
        ("Is its starting point harder?", f"Guessing costs {evidence.guessing}.", starts_harder),
        ("Is it stuck in local minima?", nested(evidence) if widths else "", is_stuck),
        ("Would the larger ones win later?", "", wins_later),
    )
    lines = ["## The five questions of the post"]
    for question, note, answer in asked:
        lines += filter(None, [f"### {question}", note, *grouped_answers(evidence, answer)])
    return "\n".join(lines)


def grouped_answers(evidence: Evidence, answer: Callable[[Evidence, str], Answer]) -> Iterable[str]:
    """One bullet for each different statement, with the circumstances that it holds for."""
    pairs = []
    with_details: set[str] = set()
    for names in evidence.distinct:
        statement, detail = answer(evidence, names[0])
        title = listed(evidence.titles(names))
        pairs.append((statement, f"{title} ({detail})" if detail else title))
        with_details.update([statement] if detail else [])
    for statement, titles in group_by_words(pairs).items():
        is_of_all = len(titles) == len(evidence.distinct) > 1 and statement not in with_details
        yield f"- *{statement}.* {capitalised(EVERYWHERE if is_of_all else '; '.join(titles))}."


def start_and_time(evidence: Evidence) -> str:
    """The start, the time, the end and the crossing of losses in a study's own settings; for one seed, the crossing."""
    name, replicated = evidence.root, len(evidence.study.seeds) > 1
    asked = []
    if replicated and evidence.knows(name, "data_loss", "starting_loss"):
        asked.append(("Does it start higher?", starts_harder, ""))
    if replicated and evidence.knows(name, "data_loss", "steps_to_midway"):
        asked.append(("Does it just take longer?", takes_longer, midway(evidence)))
    if replicated and evidence.knows(name, "data_loss"):
        is_nested = not evidence.study.curves and evidence.study.factory is None
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
    difference = Decimal((rows["embedded_objective"] - rows["smaller_objective"]).abs().max())
    higher = int((rows["larger_data_loss"] > rows["embedded_data_loss"]).sum())
    most = difference.normalize(Context(prec=1, rounding=ROUND_CEILING))
    differ = f"differ by at most {most:.0e} nats" if difference else "do not differ"
    return (
        f"{NESTED} Each trained network was embedded in every wider one ({counted(len(rows), 'pair')}, none diverged): "
        f"the reported losses {differ}. In {counted(higher, 'pair')} the wider network, as trained, has the higher "
        "data loss on the same few mini-batches."
    )


def midway(evidence: Evidence) -> str:
    """What midway is."""
    what = "the penalty or the end" if evidence.study.penalised else "the end"
    return (
        f"Midway is halfway from the data loss at the start to half of {guess(evidence)}: it tells of the early fall, "
        f"not of how long {what} takes.{budget_words(evidence)}"
    )


def guess(evidence: Evidence) -> str:
    """The data loss of guessing, as a formula."""
    return f"log({evidence.classes or 'classes'})"


def is_expected(evidence: Evidence, name: str) -> Answer:
    """Does the reported loss start and end higher in larger networks?"""
    start, end = (evidence.verdict(name, "objective", feature) for feature in PRIMARY)
    verdicts = (start["verdict"], end["verdict"])
    loss = "in larger networks the reported loss"
    negated = {
        verb: f"does not {verb}" if row["verdict"] in NO_HIGHER else f"is not shown to {verb}"
        for verb, row in (("start", start), ("end", end))
    }
    others = {"diverged": DIVERGED, "mixed": BY_SIZE, "undecided": undecided_words(*verdicts)}
    statement = {
        (True, True): f"Yes: {loss} starts and ends higher",
        (True, False): f"In part: {loss} starts higher, but {negated['end']} higher",
        (False, True): f"In part: {loss} ends higher, but {negated['start']} higher",
        (False, False): next(
            (words for verdict, words in others.items() if verdict in verdicts),
            f"No: {loss} neither starts nor ends higher",
        ),
    }[verdicts[0] == "rises", verdicts[1] == "rises"]
    details = [f"start {bare_change(start)}, end {bare_change(end)}"]
    details += [f"the reported loss {movements(start, end)}"] if "mixed" in verdicts else []
    if printed_differs(evidence, name):
        printed = (evidence.verdict(name, "printed", feature) for feature in PRIMARY)
        details.append(f"the printed loss {movements(*printed)}")
    return statement, "; ".join(details)


def undecided_words(start: str, end: str) -> str:
    """Says which of start and end of the reported loss is open, by their verdicts."""
    loss = "Undecided: in larger networks the reported loss"
    if start in NO_HIGHER:
        return f"{loss} starts no higher; whether it ends higher is open"
    if end in NO_HIGHER:
        return f"{loss} ends no higher; whether it starts higher is open"
    return f"{loss} is not shown to start or to end higher"


def printed_differs(evidence: Evidence, name: str) -> bool:
    """Whether the printed loss has other verdicts at start or end than the reported loss."""
    return any(
        evidence.verdict(name, "printed", feature)["verdict"] != evidence.verdict(name, "objective", feature)["verdict"]
        for feature in PRIMARY
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
    both_open = first.startswith(UNDECIDED) and last.startswith(UNDECIDED)
    comma = "," if goes_against_its_trend(start) else ""
    return f"{first}{comma} and {last.removeprefix(UNDECIDED) if both_open else last}"


def movement(row: Mapping, verb: str) -> str:
    """Says how a loss starts or ends in larger networks: "ends higher"."""
    verdict = row["verdict"]
    if goes_against_its_trend(row):
        return f"{verb} {'higher' if row['change'] > 0 else 'lower'}, but not size by size"
    if verdict in ("rises", "falls"):
        return f"{verb} {'slightly ' if is_true(row['slight']) else ''}{'higher' if verdict == 'rises' else 'lower'}"
    return {
        "flat": f"{verb} about the same",
        "mixed": f"{verb} higher at some sizes and lower at others",
        "diverged": "has diverged at some size",
        "undecided": f"{UNDECIDED}at the {verb.removesuffix('s')}",
    }[verdict]


def signs_of_the_post(evidence: Evidence) -> str:
    """In which circumstances the reported and the printed loss show all four signs of the post's figure."""
    reported, printed = (
        evidence.titles(name for name in evidence.study.judged if has_all_signs(evidence, name, measure)) or ["none"]
        for measure in ("objective", "printed")
    )
    return (
        "The post's figure has four signs: in larger networks the loss starts higher, falls faster at first and ends "
        "higher, and the largest does not cross below the smallest. The reported loss shows all four in "
        f"{listed(reported)}; the printed loss, its mean over each epoch and what the post shows, in {listed(printed)}."
    )


def has_all_signs(evidence: Evidence, name: str, measure: str) -> bool:
    """Whether a loss starts higher, falls faster at first and ends higher, and the extremes cross in no seed."""
    rows = evidence.rows("verdicts", circumstance=name, measure=measure)
    verdicts = list(rows.loc[rows["feature"].isin(SIGNS), "verdict"])
    return verdicts == ["rises"] * len(SIGNS) and not evidence.extremes(name, measure)["crossed"]


def penalty_shares(evidence: Evidence) -> str:
    """How much of the rises of the reported loss is penalty, over all circumstances: an identity."""
    parts = []
    for feature in PRIMARY:
        shares = [
            share
            for names in evidence.distinct
            if evidence.verdict(names[0], "objective", feature)["verdict"] == "rises"
            and not math.isnan(share := evidence.penalty_share(names[0], feature))
        ]
        if shares:
            rise = "the rise" if len(shares) == 1 else "each rise"
            parts.append(f"{share_span(shares)} of {rise} at the {FEATURES[feature]}")
    return f" The penalty, where the reported loss holds one, is {listed(parts)}." if parts else ""


def share_span(shares: Iterable[float]) -> str:
    """The smallest and the largest of some shares of rises: "all", or "between 71% and all".

    All of a rise is penalty where the data loss falls, and none where the penalty does.
    """
    low, high = (share_label(max(share, 0.0)) for share in (min(shares), max(shares)))
    return {"0%": "none"}.get(low, low) if low == high else f"between {low} and {high}"


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
        details.append(f"at equal compute {bare_change(compute)}")
    statement = {
        "rises": "Yes: the largest takes more steps to midway",
        "falls": NO_LATER,
        "flat": NO_LATER,
        "mixed": BY_SIZE,
        "diverged": DIVERGED,
        "undecided": "Undecided" + (f", since {NOT_ONE_WAY}" if goes_against_its_trend(row) else ""),
    }[row["verdict"]]
    return statement, "; ".join(details)


def midway_steps(row: Mapping) -> str:
    """The steps to midway at one size; a lower bound where runs ended before."""
    return ("≥ " if row["at_horizon"] else "") + f"{2 ** row['mean']:,.0f}"


def behind(evidence: Evidence) -> str:
    """Says in how many circumstances larger networks are behind at equal compute, if in any."""
    verdicts = list(evidence.rows("verdicts", measure="data_loss", feature="equal_compute")["verdict"])
    higher, of_all = verdicts.count("rises"), counted(len(verdicts), "circumstance")
    return f" For equal compute, larger networks end with a higher data loss in {higher} of {of_all}." if higher else ""


def budget_words(evidence: Evidence) -> str:
    """Says what equal compute is, where it is known; with how many steps of the largest network have that cost."""
    steps = []
    for name in evidence.study.judged:
        if evidence.knows(name, "data_loss", "equal_compute"):
            runs = evidence.runs(name)
            steps.append(budget_steps(runs)[runs["parameters"].argmax()])
    if not steps:
        return ""
    return (
        f" Equal compute is what the middle size's whole training costs: {span(steps)} steps of the largest. *At equal "
        "compute* below is how the data loss then changes with size."
    )


def starts_harder(evidence: Evidence, name: str) -> Answer:
    """Is the data loss higher before any update?"""
    row = evidence.verdict(name, "data_loss", "starting_loss")
    is_slight = is_true(row["slight"]) or row["change"] < START.margin
    higher = "Hardly: in larger networks the data loss starts slightly higher"
    openings = {"rises": higher if is_slight else "Yes: in larger networks the data loss starts higher"}
    openings |= dict.fromkeys(NO_HIGHER, "No: in larger networks the data loss starts no higher")
    return answer_with_losses(evidence, name, "starting_loss", openings)


def answer_with_losses(evidence: Evidence, name: str, feature: str, openings: Mapping[str, str]) -> Answer:
    """The statement for a verdict on the data loss, else why there is none; with the smallest's and largest's loss."""
    row = evidence.verdict(name, "data_loss", feature)
    smallest, largest = evidence.ends_of_range(name, "data_loss", feature)
    words = list(map(mean_words, (smallest, largest)))
    is_same = words[0] == words[1] and not largest["diverged"]
    losses = words[0] if is_same else " → ".join(words)
    if row["verdict"] in openings:
        return openings[row["verdict"]], losses
    return f"No clear answer: the data loss {movement(row, VERBS[feature])}", losses


def is_stuck(evidence: Evidence, name: str) -> Answer:
    """Does the data loss end higher, and has it settled?"""
    settled = evidence.has_settled(name, "data_loss")
    openings = {"rises": "It may be: in larger networks the data loss ends higher"}
    no_sign = f"No sign of it{'' if settled else ' so far'}: in larger networks the data loss ends no higher"
    statement, losses = answer_with_losses(evidence, name, "end_value", openings | dict.fromkeys(NO_HIGHER, no_sign))
    return statement, losses if settled else f"{losses}; {evidence.plateau_words(name, 'data_loss')}"


def wins_later(evidence: Evidence, name: str) -> Answer:
    """Does the largest network cross below the smallest?"""
    found = {measure: crossing_words(evidence, name, measure) for measure in evidence.losses(name)}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    details = "; ".join(f"{MEASURES[measure]}: {detail}" for measure, (_, detail) in found.items() if detail)
    reported, data = (statement for statement, _ in found.values())
    if data == reported:
        return reported, details
    return f"By the reported loss, {uncapitalised(reported)}; by the data loss, {uncapitalised(data)}", details


def crossing_words(evidence: Evidence, name: str, measure: str) -> Answer:
    """Whether and when the largest network's loss crosses below the smallest's."""
    row, runs = evidence.extremes(name, measure), evidence.runs(name)
    if row["always_below"] == row["seeds"]:
        return "The largest is below the smallest from the start", ""
    if row["crossed"] == row["seeds"]:
        when = f"at {evidence.study.step_name} {row['median_crossing']:,.0f} in the median"
        return "Yes: the largest crosses below the smallest in every seed", when
    if row["crossed"]:
        seeds = f"in {row['crossed']} of {counted(row['seeds'], 'seed')}"
        return "In some seeds the largest crosses below the smallest", seeds
    diverged = runs.loc[runs["parameters"] == runs["parameters"].max(), "diverged"].sum()
    if diverged == row["seeds"]:
        return "No: the largest diverged", f"in {counted(diverged, 'seed')}"
    some = f"the largest diverged in {diverged} of {counted(row['seeds'], 'seed')}" if diverged else ""
    settled = "and every size has settled" if evidence.has_settled(name, measure) else "but not every size has settled"
    return f"Not within {evidence.steps_words(runs['planned_steps'])}, {settled}", some
