"""How sure the answer is, what it leaves open, and what it is conditional on."""

import itertools
from collections.abc import Iterable, Sequence

import pandas

from widthwise.analysis.verdicts import (
    DESCRIPTIVE_LEVEL,
    LEVELS,
    PLATEAU_LEVEL,
    PLATEAU_NATS,
    PLATEAU_SHARE_OF_DROP,
    level_of,
)
from widthwise.report.evidence import JUDGED_LOSSES, Evidence, verdict_words
from widthwise.report.questions import EVERYWHERE, PRIMARY
from widthwise.report.wording import (
    FEATURES,
    MEASURES,
    capitalised,
    counted,
    group_by_words,
    listed,
    measured,
    percentage,
    rate_label,
    sentence,
    setting_label,
    span,
)
from widthwise.study.plan import Study
from widthwise.study.requirements import DRIFT_SHARE, PUBLICATION_NEEDS, is_publishable

QUESTION = "https://stats.stackexchange.com/questions/438992"
CATALOGUE_LEVEL = 0.05
MOST_NAMED = 4  # weights that a sentence names
AXES = {1: "series of {} points", 2: "images of {} pixels", 3: "volumes of {} voxels"}
INITIALISATIONS = {
    "glorot": "Glorot's initialisation",
    "he": "He's initialisation",
    "default": "torch's default initialisation",
}
NORMALISATIONS = {"batch": "BatchNorm", "none": "no BatchNorm"}
OPTIMISERS = {"adam": "Adam", "sgd": "SGD"}


def certainty(evidence: Evidence) -> str:
    """Seeds, sizes and levels behind the verdicts; nothing where one seed leaves none."""
    verdicts = evidence.tables["verdicts"]
    if len(evidence.study.seeds) == 1 or verdicts.empty:
        return ""
    starts, ends = (verdicts[verdicts["feature"] == feature] for feature in PRIMARY)
    seeds, sizes = len(evidence.study.seeds), int(pandas.concat([starts, ends])["sizes"].min())
    decided = (
        f"each end is decided at a level of {levels(ends)}"
        if evidence.study.curves
        else f"the two starts are decided at a level of {levels(starts)} each and the two ends at {levels(ends)} each, "
        f"{percentage(sum(LEVELS.values()))} in all"
    )
    lines = [
        f"- Ends rest on {counted(seeds, 'seed')}. Starts rest on {initialisation_words(evidence)}. In each "
        f"circumstance {decided}. Everything else is descriptive, at {percentage(DESCRIPTIVE_LEVEL)}.",
        f"- {catalogue_words(evidence, verdicts)}",
        "- If one size's runs alone scatter, with single spikes, the rule is too lenient: in simulations up to 12% of "
        f"ends, not {percentage(level_of('objective', 'end_value'))}, were falsely called rising or falling, most of "
        "them slightly (`scripts/simulate_inference.py`).",
        f"- A loss has settled where the {1 - PLATEAU_LEVEL:.0%} interval of its drift, over the last "
        f"{percentage(DRIFT_SHARE)} of the steps, lies within {PLATEAU_NATS:g} nats and {PLATEAU_SHARE_OF_DROP:.0%} of "
        "its drop in a tenth of the steps; it may still move as far again in as many steps.",
    ]
    if not is_publishable(seeds, sizes):
        lines.append(f"- This is an indication: {PUBLICATION_NEEDS}.")
    return "## How sure\n\n" + "\n".join(lines)


def catalogue_words(evidence: Evidence, verdicts: pandas.DataFrame) -> str:
    """Which of the rises and falls of starts and ends do not remain over all circumstances together.

    Starts of curves are descriptive, so they are not told of.
    """
    decided = verdicts[verdicts["verdict"].isin(["rises", "falls"]) & verdicts["p_catalogue"].notna()]
    lost = decided[decided["p_catalogue"] >= CATALOGUE_LEVEL]
    level = f"at {percentage(CATALOGUE_LEVEL)} over all circumstances together (Holm)"
    if decided.empty:
        return f"No {'' if evidence.study.curves else 'start and no '}end rises or falls."
    if lost.empty:
        return f"All rises and falls of {'' if evidence.study.curves else 'starts and '}ends remain {level}."
    names = (f"{evidence.title(row.circumstance)}, {measured(row.measure, row.feature)}" for row in lost.itertuples())
    return f"These rises and falls do not remain {level}: {'; '.join(names)}."


def initialisation_words(evidence: Evidence) -> str:
    """The initialisations behind the starting losses."""
    study = evidence.study
    if study.curves:
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
    lines = [f"- Undecided, {words}." for words in undecided(evidence)]
    unsettled = [name for name in evidence.study.judged if not evidence.has_settled(name, "objective")]
    if unsettled:
        is_all = len(unsettled) == len(evidence.study.judged) > 1
        where = EVERYWHERE if is_all else listed(evidence.titles(unsettled))
        lines.append(f"- What longer runs reach in {where}: not every size has settled.")
    if evidence.rows("contrasts").empty:
        lines.append("- Causes: no two circumstances of this study differ in one factor.")
    if not evidence.study.grids:
        lines.append("- Whether another learning rate changes the order: the study has no grid of learning rates.")
    else:
        runs = evidence.tables["runs"]
        of_grids = runs["circumstance"].isin(itertools.chain(*evidence.study.grids.values()))
        lines.append(
            "- Which learning rates are best in longer runs: the best ones are those of "
            f"{evidence.steps_words(runs.loc[of_grids, 'planned_steps'])}, not tested for a plateau."
        )
    return "## What was not shown\n\n" + "\n".join(lines) if lines else ""


def undecided(evidence: Evidence) -> Iterable[str]:
    """Says of each loss, start and end, in which circumstances it is undecided, and what would narrow it."""
    for measure, feature in itertools.product(JUDGED_LOSSES, PRIMARY):
        pairs = []
        for names in evidence.distinct:
            row = evidence.verdict(names[0], measure, feature)
            if row["verdict"] == "undecided" and measure in evidence.losses(names[0]):
                reason = verdict_words(row).removeprefix("undecided")
                pairs += [(reason, title) for title in evidence.titles(names)]
        if pairs:
            titles_by_reason = "; ".join(f"{listed(titles)}{why}" for why, titles in group_by_words(pairs).items())
            yield f"{MEASURES[measure]} at the {FEATURES[feature]}: {titles_by_reason}"


def conditions(evidence: Evidence) -> str:
    """The settings and data that the answer is conditional on."""
    changed = evidence.study.changed_posted_settings
    same = evidence.titles(evidence.study.left_out)
    left_out = f" Left out, the same as their reference with these settings: {listed(same)}." if same else ""
    settings = (
        "This study changes posted settings: "
        + ", ".join(
            f"`{key}` is {setting_label(here)}, not {setting_label(posted)}" for key, (posted, here) in changed.items()
        )
        if changed
        else "All posted settings are as in the post"
    )
    return f"""\
## What this is conditional on

- Baseline: {settings_words(evidence.study)}, unless a circumstance says otherwise. {settings}.{left_out}
- The post ([Cross Validated 438992]({QUESTION})) does not name its framework. What it leaves open is assumed: above \
all whether the reported loss holds the penalty, then initialisation, batch size and number of steps. `study.json` has \
every setting and `config/keys.md` marks each as posted or assumed.
{data_lines(evidence)}"""


def scope(evidence: Evidence) -> str:
    """The network, settings and data that a diagnosis holds for."""
    study = evidence.study
    if study.curves:
        return f"## What this holds for\n\n- The runs whose losses are in `{study.curves}`. {what_was_run(evidence)}"
    network = f"the network of `{study.factory}`" if study.factory else "the built-in network"
    same = f" Already part of them, so not run: {listed(evidence.titles(study.left_out))}." if study.left_out else ""
    lines = (
        f"{capitalised(network)} with {settings_words(study)}. `study.json` has every setting.{same}",
        without_penalty_words(evidence.without_penalty),
        what_was_run(evidence),
    )
    bullets = "\n".join(f"- {line}" for line in lines if line)
    return f"## What this holds for\n\n{bullets}\n{data_lines(evidence)}"


def without_penalty_words(names: Sequence[str]) -> str:
    """Names the weights that penalty and initialisations leave out, the first of many; nothing where there are none."""
    if not names:
        return ""
    named = [f"`{name}`" for name in names[:MOST_NAMED]]
    if len(names) > MOST_NAMED:
        named.append(counted(len(names) - MOST_NAMED, "other"))
    return (
        "A penalty in the loss, and initialisations, cover the weights of convolutions and linear layers alone: they "
        f"leave out {listed(named)}."
    )


def settings_words(study: Study) -> str:
    """The settings of training and network in a few words; of a factory's network, only what is known."""
    training = study.config["training"]
    where = {"loss": "in the loss", "optimiser": "in the optimiser's gradients", "decoupled": "decoupled (AdamW)"}
    penalty = f"lambda {rate_label(training['l2'])} {where[training['l2_as']]}" if training["l2"] else "no L2"
    return (
        f"{OPTIMISERS[training['optimiser']]} at {rate_label(training['learning_rate'])}, {penalty}, "
        f"{network_words(study)}mini-batches of {training['batch_size']}, {training['epochs']} epochs"
    )


def network_words(study: Study) -> str:
    """Initialisation and normalisation of the built-in network, followed by a comma; nothing of a factory's network."""
    if study.factory:
        return ""
    network = study.config["network"]
    std = f"{network['initial_std']:g}"
    if network["initialisation"] == "fixed_std":
        scheme = f"a fixed standard deviation of {std}"
    else:
        used = {study.circumstances[name].base_network.initialisation for name in study.judged}
        scheme = INITIALISATIONS[network["initialisation"]]
        scheme += f" (where one standard deviation is fixed, it is {std})" if "fixed_std" in used else ""
    return f"{scheme}, {NORMALISATIONS[network['normalisation']]}, "


def data_lines(evidence: Evidence) -> str:
    """A bullet on the data, and one for each thing that their import noted."""
    return "\n".join(f"- {line}" for line in (data_words(evidence), *map(sentence, evidence.dataset.get("notes", ()))))


def data_words(evidence: Evidence) -> str:
    """What the data are, and what the intervals cover of them."""
    counts = evidence.dataset["class_counts"]
    what = f"training {sample_words(evidence.dataset['shape'])} in {evidence.classes} classes"
    samples = f"{sum(counts['train']):,} {what}"
    if evidence.study.own_file:
        return f"The data are one dataset, {samples}: intervals cover seeds, not other data."
    return (
        f"The data are synthetic, {samples}. Each seed draws its own dataset, so intervals of ends cover the "
        "generator's draws; starts are measured on the first seed's."
    )


def sample_words(shape: Sequence[int]) -> str:
    """What samples of this shape (channels, *spatial) are called, and how large they are."""
    channels, *sides = shape
    in_channels = "" if channels == 1 else f" in {channels} channels"
    if len(sides) == 3 and len(set(sides)) == 1:
        return f"cubes of {sides[0]} voxels a side{in_channels}"
    return AXES[len(sides)].format(" x ".join(map(str, sides))) + in_channels


def what_was_run(evidence: Evidence) -> str:
    """The runs behind the answer, in a sentence."""
    runs = evidence.tables["runs"]
    judged = runs[runs["circumstance"].isin(evidence.study.judged)]
    sizes = span(judged.groupby("circumstance")["size"].nunique())
    grids = f", and {len(runs) - len(judged):,} more for learning rates" if len(runs) > len(judged) else ""
    return (
        f"{len(judged):,} runs: {sizes} sizes of {evidence.range_words(judged['parameters'])}, "
        f"{counted(len(evidence.study.seeds), 'seed')}, {evidence.steps_words(judged['planned_steps'])}{grids}."
    )
