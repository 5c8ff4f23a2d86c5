"""answer.md: the answer to the question, from the tables of a study.

It opens with the short answer; for somebody's own network, data or curves with a diagnosis. Every statement follows a
verdict of the tables; what is undecided is called undecided.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

import pandas

from widthwise.analysis.penalties import LEVEL_DRIFT
from widthwise.report.certainty import certainty, conditions, not_shown, scope, what_was_run
from widthwise.report.diagnosis import Diagnosis, explanation, open_points, opening, remedies
from widthwise.report.evidence import (
    JUDGED_LOSSES,
    Evidence,
    Prediction,
    factor_words,
    mean_words,
    ratio_words,
    verdict_and_change,
)
from widthwise.report.questions import PRIMARY, VERBS, guess, movement, questions, start_and_time
from widthwise.report.rates import learning_rates, movement_of_rate, rates_in_short
from widthwise.report.wording import (
    FEATURES,
    MEASURES,
    NO_VALUE,
    capitalised,
    change,
    counted,
    listed,
    markdown_table,
    measured,
    no_rise,
    number,
    short_number,
    size_titles,
)
from widthwise.study.circumstances import Circumstance

TITLE = "Under which circumstances do more parameters raise the training loss?"
OWN_TITLE = "Does your training loss rise with size, and why?"
DIVERGED = -1.0  # ranks an effect that diverged after all that have a size
# Most circumstances that a sentence names, most rows of the short table that are listed whatever their verdicts, most
# rows of the table of causes, and most pieces of advice.
MOST_NAMED, MOST_ROWS, MOST_CAUSES, MOST_ADVICE = 4, 12, 6, 12


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
    diagnosis = Diagnosis(evidence)
    yield from (section(diagnosis) for section in (opening, explanation, remedies, open_points))
    yield from (section(evidence) for section in (start_and_time, learning_rates, certainty, scope))


# The short answer


def short_answer(evidence: Evidence) -> str:
    """Where networks with more parameters start and end higher, and by how much."""
    shown, unlisted = circumstances_of_the_short_table(evidence)
    parts = "The reported loss is the data loss: no penalty is in it."
    if evidence.study.penalised:
        parts = "Reported loss = data loss + penalty."
    return f"""\
**With more parameters {higher_in(evidence, "end_value")}. {capitalised(higher_in(evidence, "starting_loss"))}.**
{rates_in_short(evidence)}
{what_is_open(evidence)}

{short_table(evidence, shown)}

Mean losses in nats, smallest → largest network; then the verdict, and the trend over all sizes times their range, \
with its interval. {evidence.start_and_end_words} {parts} Guessing costs {evidence.guessing}.\
{unlisted_words(evidence, unlisted)} {what_was_run(evidence)} All tables: [evidence.md](evidence.md)."""


def higher_in(evidence: Evidence, feature: str) -> str:
    """Names the circumstances in which the reported loss, and the data loss, starts or ends higher."""
    first, *others = (
        (f"the {MEASURES[measure]}", f"in {rises_in(evidence, measure, feature)}") for measure in evidence.judged_losses
    )
    return "; ".join([f"{first[0]} {VERBS[feature]} higher {first[1]}", *map(" ".join, others)])


def rises_in(evidence: Evidence, measure: str, feature: str) -> str:
    """Names the circumstances in which a feature rises, with its values.

    Of more than `MOST_NAMED` it names those that rise most. Values are those of the smallest and the largest network.
    """
    rows = {name: evidence.verdict(name, measure, feature) for name in evidence.study.judged}
    changes = {name: row["change"] for name, row in rows.items() if row["verdict"] == "rises"}
    named = sorted(changes, key=changes.__getitem__, reverse=True) if len(changes) > MOST_NAMED else list(changes)
    if not changes:
        return no_rise(row["verdict"] for row in rows.values())
    values = {name: " → ".join(map(mean_words, evidence.ends_of_range(name, measure, feature))) for name in named}
    words = listed(f"{evidence.title(name)} ({values[name]})" for name in named[:MOST_NAMED])
    return f"{len(changes)} circumstances, above all in {words}" if len(changes) > MOST_NAMED else words


def what_is_open(evidence: Evidence) -> str:
    """Says in how many circumstances ends and starts are undecided, and in which they depend on the size or diverge."""
    found = {
        (feature, measure): {name: evidence.verdict(name, measure, feature) for name in evidence.study.judged}
        for feature, measure in itertools.product(PRIMARY, evidence.judged_losses)
    }
    parts = []
    for feature in reversed(PRIMARY):
        undecided = {
            MEASURES[measure]: sum(row["verdict"] == "undecided" for row in found[feature, measure].values())
            for measure in evidence.judged_losses
        }
        if counts := [f"{count} ({loss})" for loss, count in undecided.items() if count]:
            parts.append(f"the {FEATURES[feature]} is undecided in {listed(counts)}")
    for (feature, measure), rows in found.items():
        if mixed := [name for name, row in rows.items() if row["verdict"] == "mixed"]:
            ways = movement(rows[mixed[0]], VERBS[feature])
            parts.append(f"the {MEASURES[measure]} {ways} in {listed(evidence.titles(mixed))}")
    if diverging := [name for name in evidence.study.judged if any(rows[name]["diverged"] for rows in found.values())]:
        parts.append(f"networks diverge in {listed(evidence.titles(diverging))}")
    return f"Of {counted(len(evidence.study.judged), 'circumstance')}, {'; '.join(parts) or 'none is undecided'}."


def short_table(evidence: Evidence, shown: Sequence[Sequence[str]]) -> str:
    """Smallest, largest and change of the losses at start and end: one row for each group of circumstances."""
    ranges = {evidence.parameter_range(name) for name in evidence.study.judged}
    rows = []
    for names in shown:
        title = ", ".join(evidence.titles(names))
        if len(ranges) > 1:
            title += f" ({evidence.parameter_range(names[0])})"
        cells = {"circumstance": title}
        for measure, feature in itertools.product(evidence.judged_losses, PRIMARY):
            cell = "= data loss"
            if measure in evidence.losses(names[0]):
                means = " → ".join(map(mean_words, evidence.ends_of_range(names[0], measure, feature)))
                cell = f"{means}: {verdict_and_change(evidence.verdict(names[0], measure, feature))}"
            cells[measured(measure, feature)] = cell
        rows.append(cells)
    return markdown_table(rows)


def circumstances_of_the_short_table(evidence: Evidence) -> tuple[list[list[str]], list[str]]:
    """The distinct circumstances in the table, and those left out.

    Of more than `MOST_ROWS`, those are left out whose losses are flat or undecided at start and end, without a
    divergence.
    """

    def is_notable(row: pandas.Series) -> bool:
        return row["verdict"] not in ("flat", "undecided") or row["diverged"] > 0

    distinct = evidence.distinct
    if len(distinct) <= MOST_ROWS:
        return distinct, []
    shown = [
        names
        for names in distinct
        if any(
            is_notable(evidence.verdict(names[0], measure, feature))
            for measure, feature in itertools.product(evidence.losses(names[0]), PRIMARY)
        )
    ]
    return shown, [name for names in distinct if names not in shown for name in names]


def unlisted_words(evidence: Evidence, unlisted: Sequence[str]) -> str:
    """Names the circumstances that the table leaves out; nothing if it has all."""
    if not unlisted:
        return ""
    names = listed(evidence.titles(unlisted))
    return f" Not in the table, since no loss rises, falls or diverges at start or end: {names}."


# Causes, penalties, literature


def causes(evidence: Evidence) -> str:
    """What each contrast of one factor says, the only ground for naming a cause; nothing in a study without."""
    pairs = evidence.rows("contrasts")
    if pairs.empty:
        return ""
    found: list[tuple[float, dict[str, str]]] = []
    without = []
    for name, reference in pairs[["circumstance", "reference"]].drop_duplicates().itertuples(index=False):
        contrasts = {
            (measure, feature): evidence.row("contrasts", circumstance=name, measure=measure, feature=feature)
            for measure, feature in itertools.product(evidence.judged_losses, PRIMARY)
        }
        pair = f"{evidence.title(name)} against {evidence.title(reference)}"
        if not any(map(is_difference, contrasts.values())):
            without.append(pair)
            continue
        cells = {"circumstance": pair, "factor": factor_words(evidence, name, reference)}
        cells |= {measured(*key): verdict_and_change(contrast) for key, contrast in contrasts.items()}
        found.append((effect_size(row for (_, feature), row in contrasts.items() if feature == "end_value"), cells))
    found.sort(key=itemgetter(0), reverse=True)
    rest = found[MOST_CAUSES:]
    smaller = [cells["circumstance"] for size, cells in rest if size != DIVERGED]
    diverging = [cells["circumstance"] for size, cells in rest if size == DIVERGED]
    parts = [
        "## What causes it",
        "A cause is claimed only from two circumstances that differ in one factor, paired by seed and size. The cells "
        "say how much more, or less, the loss rises with size once the factor is changed: *falls* means that it rises "
        "less, or falls more. The largest effect on an end comes first.",
        markdown_table(cells for _, cells in found[:MOST_CAUSES]),
        " ".join(
            f"{words}: {'; '.join(names)}."
            for words, names in (
                ("Smaller effects", smaller),
                ("Networks diverge", diverging),
                ("No certain difference", without),
            )
            if names
        ),
    ]
    return "\n\n".join(filter(None, parts))


def effect_size(ends: Iterable[Mapping]) -> float:
    """The largest certain effect of a factor on the ends: its contrasts' rows. Effects that diverged have no size."""
    changes = [abs(row["change"]) for row in ends if is_difference(row)]
    return max((size for size in changes if not math.isnan(size)), default=DIVERGED if changes else 0.0)


def is_difference(contrast: Mapping) -> bool:
    """Whether a contrast shows that the factor changes how a loss goes with size."""
    return contrast["verdict"] in ("rises", "falls", "mixed", "diverged")


def penalty_left(evidence: Evidence) -> str:
    """The penalty at the start and the end, and how it goes with size; nothing where no loss holds one.

    Of more than `MOST_NAMED` circumstances, those of whose penalty something was predicted.
    """
    ratios = {names[0]: evidence.rows("penalty_ratios", circumstance=names[0]) for names in evidence.distinct}
    shown = [names for names in evidence.distinct if len(ratios[names[0]])]
    if len(shown) > MOST_NAMED:
        shown = [names for names in shown if ratios[names[0]]["agrees"].notna().any()]
    if not shown:
        return ""
    return f"""\
## The penalty that is left

Penalties in nats, smallest → largest network. The largest network's at the end is compared with the smallest's, also \
as a power of the ratio of their parameters, and with the same size's in the reference circumstance. Geometric means \
with 95% intervals over seeds (descriptive). A penalty is level where it changes by at most {LEVEL_DRIFT:.0%} in a \
tenth of the steps.

{markdown_table(penalty_row(evidence, names, ratios[names[0]]) for names in shown)}"""


def penalty_row(evidence: Evidence, names: Sequence[str], ratios: pandas.DataFrame) -> dict[str, str]:
    """The row of circumstances with the same losses in the table of penalties."""
    sizes = evidence.runs(names[0]).sort_values("parameters")["size"].unique()
    of_sizes = evidence.rows("penalties", circumstance=names[0]).set_index("size").reindex(sizes)
    by_size, by_reference = (
        ratios[known].to_dict("records") for known in (ratios["reference"].isna(), ratios["reference"].notna())
    )
    over = [f"{ratio_words(row)} ({evidence.title(row['reference'])})" for row in by_reference]
    cells = {"circumstance": ", ".join(evidence.titles(names))}
    for when in ("start", "end"):
        cells[f"penalty, {when}"] = " → ".join(short_number(value, 4) for value in of_sizes[when].iloc[[0, -1]])
    cells["level at the end"] = level_words(of_sizes)
    return cells | {
        "end, largest / smallest": "".join(map(ratio_words, by_size)) or NO_VALUE,
        "power of parameters": "".join(number(row["power"], 2) for row in by_size) or NO_VALUE,
        "end, largest / reference's": "".join(over) or NO_VALUE,
    }


def level_words(of_sizes: pandas.DataFrame) -> str:
    """At which sizes the penalty of every run is level. Rows of sizes of which runs diverged are empty."""
    level = of_sizes.index[of_sizes["level"] == of_sizes["seeds"]]
    return "every size" if len(level) == len(of_sizes) else size_titles(list(level)) if len(level) else "no size"


def literature(evidence: Evidence) -> str:
    """With how many published results the study agrees, and those that it does not; nothing where it can test none."""
    rows = evidence.rows("literature").to_dict("records")
    if not rows:
        return ""
    counts = Counter(row["agrees"] for row in rows)
    summary = (
        f"Of {counted(len(rows), 'published result')} that this study tests, it agrees with {counts['yes']}, disagrees "
        f"with {counts['no']} and leaves {counts['undecided']} undecided: [evidence.md](evidence.md)."
    )
    lines = [
        f"- {capitalised(row['claim'])}: {row['theirs']} ({row['source']}); here: {row['ours']}."
        for row in rows
        if row["agrees"] == "no"
    ]
    return "\n".join(["## Beside the literature\n", summary + (" It disagrees with:" if lines else ""), *lines])


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
        found = "divergence" if one.found == "diverged" else one.found
        words = f"expected {one.expected}, found {found}"
        by_feature.setdefault(one.feature, {}).setdefault(words, []).append(one.subject)
    lines = [
        f"- {capitalised(feature)}: {'; '.join(f'{words}, in {listed(found)}' for words, found in contrary.items())}."
        for feature, contrary in by_feature.items()
    ]
    flat = sum(found.found == "undecided" and found.expected == "flat" for found in failed)
    undecided = len(failed) - len(decided)
    were = "was" if flat == 1 else "were"
    who = f"Of these, {flat} {were}" if flat < undecided else "It was" if flat == 1 else "All were"
    needs = "which needs every size to be surely within the margin of the smallest"
    words = (
        f"Written down before the runs and confirmed: {summary}.{starts_by_construction(evidence)} "
        f"Undecided: {undecided or 'none'}.{f' {who} expected flat, {needs}.' if flat else ''} "
        f"Contradicted:{'' if lines else ' none.'}"
    )
    return "\n".join(["## What was expected, and what came out\n", words, *lines])


def starts_by_construction(evidence: Evidence) -> str:
    """Says how many of the predicted starts hold by construction: those of networks whose head starts at zero."""
    count = 0
    for name in evidence.study.judged:
        if evidence.study.circumstances[name].base_network.head_initialisation == "zero":
            start = ("starts", measured("data_loss", "starting_loss"))
            count += sum((one.kind, one.feature) == start for one in evidence.predictions(name))
    verb = "is" if count == 1 else "are"
    found = f" Of the starts, {count} {verb} {guess(evidence)} by construction: the head starts at zero."
    return found if count else ""


def advice(evidence: Evidence) -> str:
    """How to tell which circumstance one is in, and what to change.

    Ranked by how much it moves the end of a loss, in a circumstance or against its reference: the end of which
    something was predicted, if there is one. Only where all that was predicted of it came out. Grids of learning rates
    come last: they have no single end.
    """
    ranked, withheld, others = [], [], []
    for name in evidence.study.judged:
        circumstance, title = evidence.study.circumstances[name], evidence.title(name)
        effect = effect_on_the_end(evidence, name)
        texts = advice_texts(circumstance)
        if not texts or not (effect or breaks_down(evidence, name)):
            others.append(effect)
            continue
        size, measure, words = effect or (math.nan, "data_loss", "")
        if not all(prediction.held for prediction in predictions_of_the_end(evidence, name, measure)):
            withheld.append(title)
        elif effect:
            ranked.append((size, title, f"({words}). {texts}"))
    ranked.sort(key=itemgetter(0), reverse=True)
    lines = [f"- **{capitalised(title)}** {words}" for _, title, words in ranked[:MOST_ADVICE]]
    smaller = [title for _, title, _ in ranked[MOST_ADVICE:]]
    lines += [f"- Smaller effects: {listed(smaller)}."] if smaller else []
    on_rates = list(advice_on_rates(evidence))
    lines += on_rates
    intro = " ".join(
        words
        for words, is_needed in (
            ("Ranked by effect on the end, in nats; only where every prediction about that end was confirmed.", ranked),
            ("Of learning rates, only where the best rate moves as predicted.", on_rates),
        )
        if is_needed
    )
    parts = ["## Which circumstance are you in, and what to change", "\n".join([intro, *lines])] if lines else []
    if withheld:
        parts += [] if lines else ["## What to change"]
        words = f"No advice on {listed(withheld)}: some prediction about that end was not confirmed."
        parts.append(words + (" Of the others, no effect on an end is decided." if others and not any(others) else ""))
    return "\n\n".join(parts)


def advice_texts(circumstance: Circumstance) -> str:
    """What to look for and what to change, as far as the circumstance says."""
    texts = (("Look for", circumstance.look_for), ("Change", circumstance.change))
    return " ".join(f"{heading}: {text.strip().rstrip('.')}." for heading, text in texts if text)


def advice_on_rates(evidence: Evidence) -> Iterable[str]:
    """Advice on each grid whose best learning rate goes with width as predicted."""
    for grid, members in evidence.study.grids.items():
        row = evidence.row("learning_rate_slopes", grid=grid, quantity="best")
        texts = advice_texts(evidence.study.circumstances[members[0]])
        if texts and row["agrees"] == "yes":
            title = capitalised(evidence.title(grid))
            yield f"- **{title}** (best rate {movement_of_rate(row['expected'])}). {texts}"


def predictions_of_the_end(evidence: Evidence, name: str, measure: str) -> list[Prediction]:
    """What was predicted of a loss' end in a circumstance and against its reference; of its penalty too."""
    ends = (measured(measure, "end_value"), *(["penalty, end"] if measure == "objective" else []))
    return [prediction for prediction in evidence.predictions(name) if prediction.feature.startswith(ends)]


def breaks_down(evidence: Evidence, name: str) -> bool:
    """Whether networks diverge in a circumstance, or in its reference, so that nothing is known of what it changes."""
    contrast = evidence.row("contrasts", circumstance=name, measure="data_loss", feature="end_value")
    return contrast is not None and contrast["verdict"] == "diverged"


def effect_on_the_end(evidence: Evidence, name: str) -> tuple[float, str, str] | None:
    """The decided change of an end that advice rests on: its size, the loss, and the change in words.

    It is the largest of those of which something was predicted, else the largest: a rise in the circumstance, or what
    the circumstance changes against its reference.
    """
    effects = []
    for measure in JUDGED_LOSSES:
        row = evidence.verdict(name, measure, "end_value")
        if row["verdict"] == "rises" and measure in evidence.losses(name):
            effects.append((row["change"], measure, f"{MEASURES[measure]} {change(row['change'])}"))
        contrast = evidence.row("contrasts", circumstance=name, measure=measure, feature="end_value")
        if contrast is not None and contrast["verdict"] in ("rises", "falls"):
            words = f"{MEASURES[measure]} {change(contrast['change'])} against {evidence.title(contrast['reference'])}"
            effects.append((abs(contrast["change"]), measure, words))
    effects.sort(key=itemgetter(0), reverse=True)
    predicted = (effect for effect in effects if predictions_of_the_end(evidence, name, effect[1]))
    return next(predicted, effects[0] if effects else None)
