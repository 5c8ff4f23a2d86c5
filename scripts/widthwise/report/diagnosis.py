"""A diagnosis of somebody's own network, data or loss curves: does the loss rise with size, and what explains it?

A factor explains the part of the rise that goes away when it alone is changed, in a contrast that was run and decided,
and with which the largest network ends lower. The penalty's part is arithmetic: the change of the reported loss less
that of the data loss.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas

from widthwise.report.evidence import (
    JUDGED_LOSSES,
    NOT_ONE_WAY,
    Evidence,
    change_words,
    changed_keys,
    factor_words,
    goes_against_its_trend,
    is_true,
    mean_words,
    verdict_and_change,
    verdict_words,
)
from widthwise.report.questions import PRIMARY, bare_change, movement
from widthwise.report.wording import (
    ALL,
    FEATURES,
    MEASURES,
    NO_VALUE,
    capitalised,
    change,
    counted,
    group_by_words,
    listed,
    markdown_table,
    measured,
    number,
    quoted,
    sentence,
    share_label,
    short_number,
)
from widthwise.study.catalogue import ROOT, factors, flatten
from widthwise.study.circumstances import contradictions_of_a_circumstance
from widthwise.study.requirements import LEAST_SIZES

REPORTED, DATA = JUDGED_LOSSES
END = "end_value"
PENALTY, RATE, INITIALISATION, STEPS = "penalty", "learning rate", "initialisation", "number of steps"
WARM_UP, EPSILON = "warm-up", "epsilon"
# What a setting is called as a cause; one that is not here is called by its key.
CAUSES = {
    "training.l2": PENALTY,
    "training.l2_as": PENALTY,
    "training.learning_rate": RATE,
    "learning_rates": RATE,
    "network.initialisation": INITIALISATION,
    "network.initial_std": INITIALISATION,
    "network.head_initialisation": INITIALISATION,
    "training.epochs": STEPS,
    "training.warmup_steps": WARM_UP,
    "training.epsilon": EPSILON,
    "training.batch_size": "batch size",
    "training.optimiser": "optimiser",
}
WORTH_TRYING = (PENALTY, RATE, INITIALISATION, STEPS, WARM_UP, EPSILON)
# The study whose suspects are these, and their family: in it, `change` says what the suspect changed.
DIAGNOSE, SUSPECTS = "config/studies/diagnose.yaml", "suspects"
# The least share of the rise that makes the penalty a cause, and the least that is most of it.
LEAST_SHARE, MOST = 0.05, 0.5
DECIDED = ("rises", "falls", "flat")
LOWER, HIGHER, UNCERTAIN = "lower", "higher", "uncertain"
# What is said of suspects that are no cause, by the verdict of their contrast and how the largest network ends.
WITHOUT_EFFECT = {
    ("flat", UNCERTAIN): "no difference, within the margin",
    ("flat", LOWER): "the largest network ends lower, and gains about as much as the smaller ones",
    ("flat", HIGHER): "the largest network ends higher, and is harmed about as much as the smaller ones",
    ("rises", HIGHER): "the largest network ends higher, and is harmed more than the smaller ones",
    ("rises", UNCERTAIN): "the loss rises more with size, or falls less; whether the largest ends higher is open",
    ("rises", LOWER): "the largest network ends lower, but gains less than the smaller ones",
    ("falls", LOWER): "the largest network ends lower, and gains more than the smaller ones",
    ("falls", UNCERTAIN): "the loss rises less with size, or falls more; whether the largest ends lower is open",
    ("falls", HIGHER): "the largest network ends higher, but is harmed less than the smaller ones",
}
HEADLINES = {
    "rises": "Yes: the larger the network, the higher its loss ends.",
    "falls": "No: the larger the network, the lower its loss ends.",
    "flat": "No: the loss ends about the same at every size.",
    "mixed": "No clear answer: the loss ends higher at some sizes and lower at others.",
    "diverged": "No answer: at some size every run diverged.",
    "undecided": "Undecided: these runs do not show whether larger networks end with a higher loss.",
}


@dataclass(frozen=True)
class Suspect:
    """A circumstance one factor from its reference, and what the factor does to the change of the end with size.

    Attributes:
        contrasts: by loss, the row of contrasts.csv.
        shares: by loss, the share of the diagnosed rise that goes away; only where both are decided. Where runs
            diverged it is the least share. None of a suspect with another reference than what is diagnosed.
    """

    name: str
    reference: str
    cause: str
    contrasts: Mapping[str, pandas.Series]
    shares: Mapping[str, float]

    def has_verdict(self, measure: str, verdict: str) -> bool:
        """Whether this is what the factor does to the change with size."""
        return measure in self.contrasts and self.contrasts[measure]["verdict"] == verdict

    def explains(self, measure: str) -> bool:
        """Whether some of the rise of this loss goes away, for certain, and not by harm to small networks."""
        return measure in self.shares and self.has_verdict(measure, "falls") and self.largest_ends(measure) == LOWER

    def largest_ends(self, measure: str) -> str:
        """Whether the largest network ends lower or higher, for certain; else that is open."""
        row = self.contrasts[measure]
        return LOWER if row["at_largest_high"] < 0 else HIGHER if row["at_largest_low"] > 0 else UNCERTAIN

    def share_words(self, measure: str) -> str:
        """The share of the rise that goes away, in words."""
        share = self.shares[measure]
        least = "at least " if self.contrasts[measure]["diverged"] and share < ALL else ""
        return f"{least}{share_label(share)}"


@dataclass(frozen=True)
class Cause:
    """What explains a share of the rise: by arithmetic (`is_penalty`), or with its best suspect first."""

    name: str
    share: float
    share_words: str
    suspects: tuple[Suspect, ...]
    is_penalty: bool


@dataclass(frozen=True)
class Diagnosis:
    """What the tables say about the end of the loss in the study's own settings."""

    evidence: Evidence

    @property
    def name(self) -> str:
        """The circumstance that is diagnosed."""
        return self.evidence.root

    @cached_property
    def is_judged(self) -> bool:
        """Whether there are replicates and sizes enough. Otherwise the losses are described."""
        return len(self.evidence.study.seeds) > 1 and self.evidence.knows(self.name, self.measures[0])

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """The losses that differ."""
        return self.evidence.losses(self.name)

    def row(self, measure: str, feature: str = END) -> pandas.Series:
        """The verdict on a loss."""
        return self.evidence.verdict(self.name, measure, feature)

    @cached_property
    def rising(self) -> str | None:
        """The loss whose rise is explained: the reported one if it rises, else the data loss; None if neither does."""
        if not self.is_judged:
            return None
        return next((measure for measure in self.measures if self.row(measure)["verdict"] == "rises"), None)

    def change(self, measure: str, feature: str = END) -> float:
        """The change with size: the trend that was judged; else the largest network's loss less the smallest's."""
        if self.is_judged:
            return self.row(measure, feature)["change"]
        smallest, largest = self.ends_of_range(measure, feature)
        return largest["mean"] - smallest["mean"]

    def ends_of_range(self, measure: str, feature: str = END) -> tuple[pandas.Series, pandas.Series]:
        """The rows of features.csv for the smallest and the largest network."""
        return self.evidence.ends_of_range(self.name, measure, feature)

    def penalty(self, feature: str = END) -> float:
        """The change of the penalty with size: that of the reported loss less that of the data loss.

        NaN if unknown: where runs diverged, the two changes are bounds.
        """
        if len(self.measures) == 1:
            return math.nan
        if self.is_judged and any(self.row(measure, feature)["diverged"] for measure in self.measures):
            return math.nan
        return self.change(REPORTED, feature) - self.change(DATA, feature)

    @cached_property
    def penalty_share(self) -> float:
        """The share of the rise of the reported loss that is penalty; NaN where that does not rise or is not known."""
        return self.evidence.penalty_share(self.name, END) if self.rising == REPORTED else math.nan

    @cached_property
    def suspects(self) -> list[Suspect]:
        """Every contrast that was run, those first that explain most of the rise."""
        pairs = self.evidence.rows("contrasts")
        if pairs.empty or not self.is_judged:
            return []
        pairs = pairs[["circumstance", "reference"]].drop_duplicates().itertuples(index=False)
        measure = self.rising or self.measures[0]
        found = [self._suspect(name, reference) for name, reference in pairs]
        return sorted(found, key=lambda suspect: -suspect.shares.get(measure, -math.inf))

    def _suspect(self, name: str, reference: str) -> Suspect:
        contrasts, shares = {}, {}
        for measure in self.measures:
            contrast = self.evidence.row("contrasts", circumstance=name, measure=measure, feature=END)
            if contrast is None:
                continue
            contrasts[measure] = contrast
            whole = self.row(measure)
            if reference == self.name and whole["verdict"] == "rises" and contrast["verdict"] in DECIDED:
                shares[measure] = -contrast["change"] / whole["change"]
        return Suspect(name, reference, self._cause(name, reference), contrasts, shares)

    def _cause(self, name: str, reference: str) -> str:
        """The factor between the two. Of curves, what the catalogue says, else the circumstance's title."""
        if keys := sorted(changed_keys(self.evidence, name, reference)):
            return listed(dict.fromkeys(CAUSES.get(key, f"`{key}`") for key in keys))
        entry = self.evidence.study.config["circumstances"].get(name, {})
        return overridden_cause(entry) or self.evidence.title(name)

    @cached_property
    def causes(self) -> list[Cause]:
        """What explains the rise, the largest share first; each cause once."""
        if not self.rising:
            return []
        by_cause: dict[str, list[Suspect]] = {}
        for suspect in self.suspects:
            if suspect.explains(self.rising):
                by_cause.setdefault(suspect.cause, []).append(suspect)
        found = []
        if self.penalty_share >= LEAST_SHARE:
            suspects = tuple(by_cause.pop(PENALTY, ()))
            words = share_label(self.penalty_share)
            found.append(Cause(PENALTY, self.penalty_share, words, suspects, is_penalty=True))
        for cause, suspects in by_cause.items():
            share, words = suspects[0].shares[self.rising], suspects[0].share_words(self.rising)
            found.append(Cause(cause, share, words, tuple(suspects), is_penalty=False))
        return sorted(found, key=lambda cause: -cause.share)


# Does it rise, and by how much?


def opening(diagnosis: Diagnosis) -> str:
    """Says whether larger networks end with a higher loss, by how much, and what explains most of it."""
    parts = (ends, rescues, split, main_cause, elsewhere)
    sentences = [f"**{headline(diagnosis)}**", *itertools.chain(*(part(diagnosis) for part in parts))]
    return f"{' '.join(sentences)}\n\n{numbers(diagnosis)}\n\n{notes(diagnosis)}"


def headline(diagnosis: Diagnosis) -> str:
    """The first sentence; it names what is diagnosed where that is not the study's own settings."""
    words = rise_words(diagnosis)
    if diagnosis.name == ROOT:
        return words
    return f"{words.removesuffix('.')} with {diagnosis.evidence.title(diagnosis.name)}."


def rise_words(diagnosis: Diagnosis) -> str:
    """Says whether larger networks end with a higher loss."""
    if not diagnosis.is_judged:
        few = "One seed" if len(diagnosis.evidence.study.seeds) == 1 else "Too few sizes"
        return f"{few}: nothing is judged. This is what the curves show."
    row = diagnosis.row(diagnosis.measures[0])
    if diagnosis.rising == DATA and len(diagnosis.measures) > 1:
        if row["verdict"] in ("flat", "falls"):
            return "The data loss, not the reported loss, ends higher the larger the network is."
        return f"The data loss ends higher the larger the network is; the reported loss {movement(row, 'ends')}."
    if goes_against_its_trend(row):
        way = "higher" if row["change"] > 0 else "lower"
        return f"Undecided: larger networks end {way} as a trend, but {NOT_ONE_WAY}."
    if row["verdict"] in ("rises", "falls") and is_true(row["slight"]):
        return f"Hardly: larger networks end slightly {'higher' if row['verdict'] == 'rises' else 'lower'}."
    return HEADLINES[row["verdict"]]


def ends(diagnosis: Diagnosis) -> Iterator[str]:
    """How each loss ends in the smallest and in the largest network; of an undecided one, what would narrow it."""
    for measure in diagnosis.measures:
        rows = diagnosis.ends_of_range(measure)
        smallest, largest = ending(rows[0], "smallest network"), ending(rows[1], "largest")
        if not any(row["diverged"] for row in rows):
            largest = largest.removeprefix("ends ")
        words = f"The {MEASURES[measure]} {smallest} and {largest}"
        if (changed := changed_by(diagnosis, measure)) != NO_VALUE:
            words += f": {changed}"
        if diagnosis.is_judged and diagnosis.row(measure)["verdict"] == "undecided":
            words += f", {verdict_words(diagnosis.row(measure))}"
        yield f"{words}."


def ending(row: Mapping, where: str) -> str:
    """How a loss ends in one size, or that it has diverged there: "ends at 0.215 in the smallest network"."""
    if not row["diverged"]:
        return f"ends at {mean_words(row)} in the {where}"
    if row["diverged"] == row["seeds"]:
        return f"has diverged in the {where}"
    return f"has diverged in {row['diverged']} of {row['seeds']} runs of the {where}"


def changed_by(diagnosis: Diagnosis, measure: str, feature: str = END) -> str:
    """The change of a loss with size, with its interval where there are replicates."""
    if diagnosis.is_judged:
        return change_words(diagnosis.row(measure, feature))
    return change(diagnosis.change(measure, feature))


def rescues(diagnosis: Diagnosis) -> Iterator[str]:
    """The suspects that stop a divergence, and with which larger networks fare better for certain."""
    evidence, measure = diagnosis.evidence, diagnosis.measures[0]
    if not diagnosis.is_judged or not diagnosis.row(measure)["diverged"]:
        return
    names = [
        suspect.name
        for suspect in diagnosis.suspects
        if suspect.reference == diagnosis.name
        and suspect.has_verdict(measure, "falls")
        and not evidence.verdict(suspect.name, measure, END)["diverged"]
    ]
    if names:
        yield f"No run diverged with {listed(evidence.titles(names))}."


def split(diagnosis: Diagnosis) -> Iterator[str]:
    """How much of the rise of the reported loss is penalty."""
    if math.isnan(diagnosis.penalty_share):
        return
    if diagnosis.penalty_share < LEAST_SHARE:
        yield f"The penalty is not the reason: it changes by {change(diagnosis.penalty())}."
    else:
        share = share_label(diagnosis.penalty_share)
        yield f"The penalty rises by {short_number(diagnosis.penalty(), 3)}: {share} of the rise."


def main_cause(diagnosis: Diagnosis) -> Iterator[str]:
    """What explains most; nothing where that is the penalty, since `split` says so."""
    if diagnosis.causes and not diagnosis.causes[0].is_penalty:
        cause = diagnosis.causes[0]
        part = "What explains most of it" if cause.share >= MOST else "The largest part of it that was explained"
        yield f"{part}: {cause.name} ({cause.share_words})."
    elif diagnosis.rising and diagnosis.suspects and not diagnosis.causes:
        yield "Nothing that was tried explains it for certain."


def elsewhere(diagnosis: Diagnosis) -> Iterator[str]:
    """How the loss ends in other circumstances.

    Where the study's own settings show no rise, the circumstances with one. Without own settings, all.
    """
    evidence, measure = diagnosis.evidence, diagnosis.measures[0]
    is_own = diagnosis.name == ROOT
    if not diagnosis.is_judged or (is_own and diagnosis.rising):
        return
    pairs = []
    for name in evidence.study.judged:
        if name != diagnosis.name and evidence.knows(name, measure):
            row = evidence.verdict(name, measure, END)
            if not is_own or row["verdict"] == "rises":
                known = "" if math.isnan(row["change"]) else f" ({bare_change(row)})"
                pairs.append((movement(row, "ends"), evidence.title(name) + known))
    if pairs:
        parts = "; it ".join(f"{words} with {listed(names)}" for words, names in group_by_words(pairs).items())
        yield f"In larger networks the {MEASURES[measure]} {parts}."


def numbers(diagnosis: Diagnosis) -> str:
    """Losses and penalty at start and end, in the smallest and the largest network."""
    evidence, name = diagnosis.evidence, diagnosis.name
    smallest, largest = diagnosis.ends_of_range(diagnosis.measures[0])
    columns = (
        evidence.title(name),
        f"smallest ({evidence.size_words(smallest['parameters'])})",
        f"largest ({evidence.size_words(largest['parameters'])})",
        "change [interval]" if diagnosis.is_judged else "change",
        *(["verdict"] if diagnosis.is_judged else []),
    )
    rows = []
    for feature in PRIMARY:
        for measure in diagnosis.measures:
            if evidence.rows("features", circumstance=name, measure=measure, feature=feature).empty:
                continue
            cells = [
                *map(mean_words, diagnosis.ends_of_range(measure, feature)),
                changed_by(diagnosis, measure, feature),
            ]
            if diagnosis.is_judged:
                cells.append(verdict_words(diagnosis.row(measure, feature), with_replicates=False))
            rows.append((measured(measure, feature), *cells))
        if not math.isnan(diagnosis.penalty(feature)):
            rows.append((f"penalty, {FEATURES[feature]}", *penalty_cells(diagnosis, feature)))
    return markdown_table(dict(itertools.zip_longest(columns, row, fillvalue=NO_VALUE)) for row in rows)


def penalty_cells(diagnosis: Diagnosis, feature: str) -> tuple[str, str, str]:
    """The penalty in the smallest and the largest network, and its change."""
    reported, data = (diagnosis.ends_of_range(measure, feature) for measure in (REPORTED, DATA))
    smallest, largest = (
        short_number(one["mean"] - other["mean"], 3) for one, other in zip(reported, data, strict=True)
    )
    return smallest, largest, change(diagnosis.penalty(feature))


def notes(diagnosis: Diagnosis) -> str:
    """How to read the table of numbers."""
    sizes = (
        "sizes in parameters" if diagnosis.evidence.study.size_name == "parameters" else "sizes as the file has them"
    )
    trend = (
        "*Change* is the least-squares trend over all sizes, with the interval that decides the verdict."
        if diagnosis.is_judged
        else "*Change* is the largest less the smallest."
    )
    parts = " Reported loss = data loss + penalty." if len(diagnosis.measures) > 1 else ""
    guessing = f" Guessing costs {diagnosis.evidence.guessing}." if diagnosis.evidence.guessing else ""
    times = diagnosis.evidence.start_and_end_words
    return f"Mean losses in nats, {sizes}. {times} {trend}{parts}{guessing} All tables: [evidence.md](evidence.md)."


# What explains it


def explanation(diagnosis: Diagnosis) -> str:
    """What explains the rise, ranked, and what every suspect does; nothing in a study without contrasts or a rise."""
    if not diagnosis.is_judged or not (diagnosis.causes or diagnosis.suspects):
        return ""
    parts = ["## What explains the rise" if diagnosis.rising else "## What each suspect does"]
    if diagnosis.causes:
        parts.append(
            "Ranked by the share of the rise that goes away when one factor is changed. Shares overlap: they need not "
            "add up to 100%."
        )
        parts.append("\n".join(f"{rank}. {words}" for rank, words in enumerate(ranked_causes(diagnosis), start=1)))
    parts += filter(None, [noise(diagnosis), without_effect(diagnosis)])
    if diagnosis.suspects:
        parts.append(suspect_table(diagnosis))
    return "\n\n".join(parts)


def ranked_causes(diagnosis: Diagnosis) -> Iterator[str]:
    """A line for each cause: its share, and the evidence for it."""
    for cause in diagnosis.causes:
        suspect = next(iter(cause.suspects), None)
        words = f"**{capitalised(cause.name)}: {cause.share_words}** of the rise of the {MEASURES[diagnosis.rising]}"
        for measure in diagnosis.measures:
            if suspect and measure != diagnosis.rising and suspect.explains(measure):
                words += f", {suspect.share_words(measure)} of the rise of the {MEASURES[measure]}"
        words += "."
        if cause.is_penalty:
            reported, data = (change(diagnosis.change(measure)) for measure in (REPORTED, DATA))
            words += f" By arithmetic: {reported} of reported loss less {data} of data loss."
        yield f"{words} {suspect_words(diagnosis, suspect)}" if suspect else words


def suspect_words(diagnosis: Diagnosis, suspect: Suspect) -> str:
    """What a suspect does to the rise, in a sentence."""
    measure = diagnosis.rising
    before, after = (
        bare_change(diagnosis.evidence.verdict(name, measure, END)) for name in (suspect.reference, suspect.name)
    )
    changed = factor_words(diagnosis.evidence, suspect.name, suspect.reference)
    return (
        f"With {diagnosis.evidence.title(suspect.name)}{f' ({changed})' if changed else ''} the change with size is "
        f"{after}, not {before}: {change_words(suspect.contrasts[measure])}."
    )


def noise(diagnosis: Diagnosis) -> str:
    """How far the seeds alone move the change, as a share of the rise; nothing where the change is a bound."""
    if not diagnosis.rising:
        return ""
    row = diagnosis.row(diagnosis.rising)
    reach = row["ci_high"] - row["change"]
    if not math.isfinite(reach):
        return ""
    seeds = counted(int(row["seeds"]), "seed")
    return f"Noise: over {seeds} the change is known to ±{number(reach)}, {reach / row['change']:.0%} of the rise."


def without_effect(diagnosis: Diagnosis) -> str:
    """The suspects that make no difference, those that make it worse, and those that help but are no cause."""
    measure = diagnosis.rising or diagnosis.measures[0]
    found: dict[str, list[str]] = {text: [] for text in WITHOUT_EFFECT.values()}
    for suspect in diagnosis.suspects:
        if measure in suspect.contrasts and not suspect.explains(measure):
            key = (suspect.contrasts[measure]["verdict"], suspect.largest_ends(measure))
            if text := WITHOUT_EFFECT.get(key):
                found[text].append(suspect_title(diagnosis, suspect))
    return " ".join(f"{capitalised(listed(titles))}: {text}." for text, titles in found.items() if titles)


def suspect_title(diagnosis: Diagnosis, suspect: Suspect) -> str:
    """The name of a suspect, with its reference where that is not what is diagnosed."""
    title = diagnosis.evidence.title
    against = "" if suspect.reference == diagnosis.name else f" against {title(suspect.reference)}"
    return f"{title(suspect.name)}{against}"


def suspect_table(diagnosis: Diagnosis) -> str:
    """What every suspect does to the change from the smallest to the largest size."""
    rows = []
    for suspect in diagnosis.suspects:
        cells = {"suspect": suspect_title(diagnosis, suspect)}
        if changed := factor_words(diagnosis.evidence, suspect.name, suspect.reference):
            cells["changed"] = changed
        for measure in diagnosis.measures:
            contrast = suspect.contrasts.get(measure)
            verdict = NO_VALUE if contrast is None else verdict_and_change(contrast)
            share = f" ({suspect.share_words(measure)})" if suspect.explains(measure) else ""
            cells[measured(measure, END)] = verdict + share
        rows.append(cells)
    words = "What one factor does to the change from the smallest to the largest size, paired by seed and size"
    words += "; in brackets the share of the rise that goes away:" if diagnosis.rising else ":"
    return f"{words}\n\n{markdown_table(rows)}"


# What to do, and what is left


def remedies(diagnosis: Diagnosis) -> str:
    """What to change, ranked by what explained most; nothing where the loss does not rise."""
    if not diagnosis.rising:
        return ""
    lines = []
    circumstances, title = diagnosis.evidence.study.circumstances, diagnosis.evidence.title
    for cause in diagnosis.causes:
        found = [circumstances[suspect.name] for suspect in cause.suspects]
        if tried := next((one for one in found if one.family == SUSPECTS and one.change), None):
            lines.append(f"{sentence(tried.change).removesuffix('.')} (tried: {title(tried.name)}).")
        elif cause.is_penalty:
            lines.append("Compare sizes by data loss, which the penalty is no part of.")
        else:
            lines.append(f"As in: {title(found[0].name)}.")
    if not lines:
        return ""
    numbered = "\n".join(f"{rank}. {line}" for rank, line in enumerate(lines, start=1))
    return f"## What to change\n\n{numbered}"


def open_points(diagnosis: Diagnosis) -> str:
    """What could not be told."""
    lines = [*open_contrasts(diagnosis), *not_tried(diagnosis), *runs_that_end_early(diagnosis)]
    return "## What could not be told\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def open_contrasts(diagnosis: Diagnosis) -> Iterator[str]:
    """The suspects whose contrasts are not decided, those for the same reason together."""
    if not diagnosis.is_judged:
        return
    pairs = []
    measure = diagnosis.rising or diagnosis.measures[0]
    suspects = {suspect.name: suspect for suspect in diagnosis.suspects if measure in suspect.contrasts}
    for name, reference in diagnosis.evidence.study.references.items():
        if name in suspects:
            title, why = suspect_title(diagnosis, suspects[name]), why_undecided(suspects[name].contrasts[measure])
        else:
            title, why = diagnosis.evidence.title(name), why_not_compared(diagnosis.evidence, name, reference)
        pairs.append((why, title))
    yield from (f"{why}: {listed(titles)}." for why, titles in group_by_words(pairs).items() if why)


def why_undecided(contrast: Mapping) -> str:
    """Why it is not known what a suspect does; nothing where that is decided."""
    if contrast["verdict"] in DECIDED:
        return ""
    if math.isnan(contrast["change"]):
        return "Unknown, since networks diverge"
    if contrast["verdict"] == "mixed":
        return "The effect depends on the size"
    return f"The effect is {verdict_words(contrast)}"


def why_not_compared(evidence: Evidence, name: str, reference: str) -> str:
    """Why a circumstance has no contrast with its reference."""
    if evidence.study.sizes(name) != evidence.study.sizes(reference):
        return f"Unknown, since sizes are not those of {evidence.title(reference)}"
    return f"Unknown, since a verdict needs {LEAST_SIZES} sizes"


def not_tried(diagnosis: Diagnosis) -> Iterator[str]:
    """The causes that no run of the study tells of."""
    study = diagnosis.evidence.study
    if diagnosis.evidence.study.curves:
        what = "What else" if diagnosis.suspects else "Which setting"
        yield f"{what} causes a rise: curves do not tell. `{DIAGNOSE}` tries suspects on your network and data."
        yield from map(sentence, study.limitations)
        return
    catalogue, training = study.config["circumstances"], study.config["training"]
    tried = {suspect.cause for suspect in diagnosis.suspects} | {RATE for _ in study.grids}
    tried |= {overridden_cause(catalogue[name]) for name in study.judged}
    tried |= {PENALTY} if training["l2"] == 0 else set()
    tried |= {EPSILON} if training["optimiser"] != "adam" else set()
    causes = [cause for cause in WORTH_TRYING if cause not in tried]
    if missing := {cause: names for cause in causes if (names := names_to_try(diagnosis, cause)) is not None}:
        how = f"`{DIAGNOSE}` tries them."
        if all(missing.values()):
            how = f"To try them, add to `study`: {quoted(itertools.chain(*missing.values()))}."
        yield f"What these would change was not tried: {listed(missing)}. {how}"


def overridden_cause(circumstance: Mapping) -> str | None:
    """What an entry of the catalogue overrides, as a cause; None if it is not one cause."""
    causes = {CAUSES.get(key) for key in flatten(circumstance.get("overrides", {}))}
    return causes.pop() if len(causes) == 1 else None


def names_to_try(diagnosis: Diagnosis, cause: str) -> list[str] | None:
    """The circumstances of a cause that can run beside the diagnosed one and are expected to end lower with size.

    None where the study's own settings already are all that the catalogue has.
    """
    study = diagnosis.evidence.study
    catalogue = study.config["circumstances"]
    known = {
        name: factors(study.config, entry, catalogue[diagnosis.name])
        for name, entry in catalogue.items()
        if entry.get("reference") == diagnosis.name
        and overridden_cause(entry) == cause
        and any(of.get(END) == "falls" for of in entry.get("expectation", {}).get("contrast", {}).values())
        and not contradictions_of_a_circumstance(entry, study.config, study.factory)
    }
    useful = [name for name, keys in known.items() if len(keys) == 1]
    return None if known and not any(known.values()) else useful


def runs_that_end_early(diagnosis: Diagnosis) -> Iterator[str]:
    """Runs that diverged, and sizes that had not settled."""
    evidence = diagnosis.evidence
    runs = evidence.tables["runs"]
    diverged = runs[runs["circumstance"].isin(evidence.study.judged) & runs["diverged"].fillna(False).astype(bool)]
    for name, group in diverged.groupby("circumstance", sort=False):
        parameters = sorted(group["parameters"].unique())
        sizes = listed(map(evidence.size_words, parameters))
        if evidence.study.size_name == "parameters":
            where = f"{sizes} parameters"
        else:
            where = f"{'size' if len(parameters) == 1 else 'sizes'} {sizes}"
        of_all = f"{len(group)} of {len(evidence.runs(name))} runs diverged"
        yield f"How the loss ends at {where} with {evidence.title(name)}: {of_all}."
    if not evidence.has_settled(diagnosis.name, diagnosis.measures[0]):
        yield f"What longer runs reach: {evidence.plateau_words(diagnosis.name, diagnosis.measures[0])}."
