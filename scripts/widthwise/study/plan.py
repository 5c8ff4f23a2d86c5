"""A study: its checked configuration, its runs, and each run's settings.

Every error of a configuration is reported at once, one line each, before anything is computed. A run is named by its
circumstance, its size and its seed, as in "baseline/width8/seed1"; where files lie is the rules' affair.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

import yaml

from widthwise.study.architecture import Task, complexity_of
from widthwise.study.catalogue import (
    ROOT,
    SECTIONS,
    ancestors,
    catalogue_errors,
    changes_nothing,
    flatten,
    grid_errors,
    grid_members,
    with_absolute_overrides,
)
from widthwise.study.circumstances import (
    START_KEYS,
    Circumstance,
    Naming,
    circumstance_of,
    contradictions_of_a_circumstance,
    faults_of_expectations,
    size_value,
    sizes_alike,
    start_key,
)
from widthwise.study.configuration import (
    alternatives,
    expanded_path,
    foreign_to_json,
    schema_errors,
    with_defaults,
    without_nulls,
)
from widthwise.study.cost import disk_mb, memory_mb, run_work
from widthwise.study.factory import FACTORY_KEYS, FOLLOWED, Factory, FactoryError
from widthwise.study.requirements import PUBLICATION_NEEDS, is_publishable, missing_data, unjudged
from widthwise.study.settings import (
    AnalysisSettings,
    EvaluationSettings,
    RunSettings,
    StartSettings,
    TrainingSettings,
    canonical_json,
    plain,
)

SCHEMA = Path(__file__).resolve().parents[3] / "config/schema.yaml"
SHIPPED_CATALOGUE = SCHEMA.with_name("circumstances.yaml")
# Keys that say where a study is run and where its results go, not what it is.
PLACES = ("pathvars", "device")
# Keys that hold paths.
PATHS = (("pathvars", "results"), ("dataset", "path"), ("network", "factory"), ("curves",))
AS_BUILT = "as_built"
USED_WITH_A_FACTORY = ("factory", "options", "precision")
DIGITS = 16  # of the digest in a trial's name
# What Snakemake replaces in a path, or a variable that is not set.
UNFIT = "${}<>\n"
# Keys of `dataset` that are about a user's own data.
OWN_DATA_KEYS = ("path", "channels", "standardise", "names")
OWN_DRAW = "own"
CLAIMS_OF_A_FEATURE = ("verdict", "contrast")
# Keys of a claim's subject that name circumstances.
NAMES_IN_CLAIMS = ("circumstance", "grid", "less", "fast", "slow")
# What frameworks differ in most, and a study of own data or an own network must say.
SAID = ("l2", "l2_as")


class StudyError(ValueError):
    """A configuration that cannot be run; its text holds one line for each error."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))


@dataclass(frozen=True)
class Run:
    """One training, as the workflow names it."""

    circumstance: str
    size: str
    seed: int

    @property
    def name(self) -> str:
        """The run's folder, as in "baseline/width8/seed1"."""
        return f"{self.circumstance}/{self.size}/seed{self.seed}"


class Study(Naming):
    """A checked configuration. `config` is Snakemake's, `schema` that of config/schema.yaml.

    Attributes:
        config: the configuration with the schema's defaults.
        widths, seeds: what grows, and what replicates.
        judged: the circumstances that are judged one by one.
        unused_settings: settings that are given, but mean nothing with a factory.
        left_out: those of `study` that are the same as their reference with these base settings.
        grids: each grid of learning rates, with the names of its members.
        circumstances: all that have runs, members of grids included.
        coordinate_checks: those whose first steps are followed, with runs or without.
        evaluation, analysis: settings that all circumstances share.
        dataset: the generator's settings; with `own_file`, the path of a user's own data, nothing is generated.
        factory: what builds a user's own network; None for the built-in one.
        curves: None: a study of loss curves alone is a `CurvesStudy`.
        claims: what others have published, by name, as the catalogue has it.

    Raises StudyError where the configuration, or the settings that it gives any run, are outside the schema or
    contradict each other.
    """

    curves = None

    def __init__(self, config: dict, schema: dict) -> None:
        given, self.config = checked_configuration(config, schema)
        unchanged = with_defaults({}, schema["properties"]["dataset"])
        raise_if_any(
            f"dataset.{key}: given without dataset.path; write where your data are"
            for key in OWN_DATA_KEYS
            if not self.own_file and self.config["dataset"][key] != unchanged[key]
        )
        self.factory = self._read_factory()
        self.unused_settings = [
            f"network.{key}" for key in given.get("network", {}) if self.factory and key not in USED_WITH_A_FACTORY
        ]
        raise_if_any(unsaid_settings(given, self))
        self._posted = posted_settings(schema)
        self.widths: list[int] = self.config["widths"]
        self.seeds: list[int] = self.config["seeds"]
        self.claims: dict[str, dict] = self.config["claims"]
        self.evaluation = EvaluationSettings.from_dict(self.config["evaluation"])
        self.analysis = AnalysisSettings.from_dict(self.config["analysis"])
        self.dataset = {key: value for key, value in self.config["dataset"].items() if key not in OWN_DATA_KEYS}
        catalogue = self.config["circumstances"]
        known = [name for name in self.config["study"] if name in catalogue]
        self.left_out = [name for name in known if changes_nothing(name, catalogue, self.config)]
        listed = [name for name in known if name not in self.left_out]
        members = {name: grid_members(name, catalogue[name]) for name in listed}
        self.judged = [name for name in listed if "learning_rates" not in catalogue[name]]
        self.grids = {name: list(members[name]) for name in listed if name not in self.judged}
        followed_names = [] if self.factory else self.analysis.coordinate_check.circumstances
        self.coordinate_checks = [name for name in followed_names if name in catalogue]
        entries = {name: entry for grid in members.values() for name, entry in grid.items()}
        followed = {name: catalogue[name] for name in self.coordinate_checks}
        raise_if_any(self._faults_of_the_catalogue(listed, followed | entries))
        self.circumstances = {name: self._circumstance(name, entry) for name, entry in entries.items()}
        self._followed = {name: self._circumstance(name, entry) for name, entry in followed.items()}
        raise_if_any(self._faults_of_circumstances({name: next(iter(grid)) for name, grid in members.items()}))

    def _faults_of_the_catalogue(self, listed: list[str], entries: dict[str, dict]) -> Iterator[str]:
        """What is wrong with names, references, grids and overrides. `entries` are of all chosen circumstances."""
        catalogue = self.config["circumstances"]
        checked = "analysis.coordinate_check.circumstances"
        yield from unknown_names("study", self.config["study"], catalogue)
        yield from unknown_names(checked, self.analysis.coordinate_check.circumstances, catalogue)
        for key, name in circumstances_of_claims(self.claims):
            if name not in catalogue and name not in shipped_circumstances():  # which a study may take out
                yield from unknown_names(key, [name], catalogue)
        yield from nothing_to_judge(self)
        yield from [] if self.factory else contradictions_of_the_analysis(self.analysis)
        yield from catalogue_errors(catalogue, self.config, listed)
        for name in listed:
            yield from grid_errors(name, catalogue)
        yield from [] if self.own_file else contradictions_of_a_generator(self.dataset)
        # Of the study's own settings; told once, however many circumstances they are a fault in.
        own_faults = contradictions_of_a_circumstance({}, self.config, self.factory)
        for name, entry in entries.items():
            for error in contradictions_of_a_circumstance(entry, self.config, self.factory):
                yield error if error in own_faults else f"circumstances.{name}: {error}"

    def _faults_of_circumstances(self, chosen: dict[str, str]) -> Iterator[str]:
        """What is wrong with expectations, claims, sizes and data. A grid is `chosen` by its first member."""
        for name, first in chosen.items():
            reference = self.circumstances.get(self.references.get(name))
            for fault in faults_of_expectations(self.circumstances[first], reference):
                yield f"circumstances.{name}: {fault}"
        for name, claim in self.claims.items():
            for kind in CLAIMS_OF_A_FEATURE:
                if kind in claim and (fault := unjudged(claim[kind]["measure"], claim[kind]["feature"])):
                    yield f"claims.{name}.{kind}.{fault}"
        for circumstance in self._every.values():
            yield from sizes_alike(circumstance)
        yield from [] if self.own_file else self.missing_data(self.synthetic_summary)

    def _circumstance(self, name: str, entry: dict) -> Circumstance:
        return circumstance_of(name, entry, self.config, self.factory)

    def _read_factory(self) -> Factory | None:
        """The factory, if there is one; the settings of its networks are then all that is left in `network`."""
        network = self.config["network"]
        if not network["factory"]:
            if network["options"]:
                raise StudyError(["network.options: given without network.factory; write FILE.py:FUNCTION there"])
            self.config["network"] = {key: value for key, value in network.items() if key not in FACTORY_KEYS}
            return None
        kept = ("factory", *FOLLOWED)
        self.config["network"] = {key: network[key] for key in kept} | {"initialisation": AS_BUILT}
        try:
            factory = Factory.of(network["factory"])
        except FactoryError as error:
            raise StudyError([f"network.factory: {error}"]) from error
        raise_if_any(f"network.options: {fault}" for fault in factory.faults(network["options"]))
        return factory

    @classmethod
    def read(cls, path: Path) -> Self:
        """The study that a study.json holds."""
        schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
        return cls(json.loads(path.read_text(encoding="utf-8")), schema)

    @property
    def own_file(self) -> str | None:
        """The path of a user's own data."""
        return self.config["dataset"]["path"]

    @property
    def of_the_post(self) -> bool:
        """Whether it is about the question's own network and data: the built-in ones."""
        return not (self.own_file or self.factory)

    @property
    def record(self) -> str:
        """What study.json holds: the configuration as canonical JSON, without where the study is run."""
        return canonical_json({key: value for key, value in self.config.items() if key not in PLACES})

    @property
    def _every(self) -> dict[str, Circumstance]:
        return self._followed | self.circumstances

    # Runs and sizes

    @property
    def all_sizes(self) -> list[str]:
        """Every size of any circumstance, with runs or without."""
        return list(dict.fromkeys(size for circumstance in self._every.values() for size in circumstance.sizes))

    def sizes(self, circumstance: str) -> list[str]:
        """A circumstance's sizes, as "width8", or as "depth20" where depth grows instead."""
        return list(self._every[circumstance].sizes)

    def runs(self, circumstance: str | None = None) -> Iterator[Run]:
        """The study's runs, or one circumstance's: largest first, since they take longest."""
        for name in [circumstance] if circumstance else self.circumstances:
            for size in sorted(self.sizes(name), key=size_value, reverse=True):
                for seed in self.seeds:
                    yield Run(name, size, seed)

    def example_runs(self) -> list[Run]:
        """The first circumstance's smallest, middle and largest size, with the first seed."""
        name = self.judged[0]
        sizes = sorted(self.sizes(name), key=size_value)
        chosen = dict.fromkeys((sizes[0], sizes[(len(sizes) - 1) // 2], sizes[-1]))
        return [Run(name, size, self.seeds[0]) for size in chosen]

    # Settings of jobs

    def run_settings(self, circumstance: str, size: str, seed: int) -> RunSettings:
        """Everything that decides a run's numbers, except the dataset."""
        chosen = self._every[circumstance]
        return RunSettings(circumstance, size, int(seed), chosen.network(size), chosen.training, self.evaluation)

    def start_settings(self, circumstance: str, size: str) -> StartSettings:
        """Everything that decides the starting losses under one of the names in `starts`, except the dataset."""
        chosen = self.circumstances[next(name for name, start in self.starts.items() if start == circumstance)]
        return StartSettings(
            circumstance,
            size,
            chosen.network(size),
            **{key: getattr(chosen.training, key) for key in START_KEYS},
            starting_batches=self.evaluation.starting_batches,
            initialisations=self.analysis.initialisations,
            heads_per_backbone=self.heads_per_backbone,
        )

    @cached_property
    def trials(self) -> dict[str, RunSettings]:
        """The settings with which a user's own networks are tried, by the trial's name: one for each network.

        They are trained with the study's own settings, whatever circumstances do besides.
        """
        trials: dict[str, RunSettings] = {}
        for name in self.circumstances:
            for size in self.sizes(name):
                settings = replace(self.run_settings(name, size, 0), training=self._trial_training)
                trials.setdefault(self.trial_name(settings), settings)
        return trials

    def trial_name(self, settings: RunSettings | StartSettings) -> str:
        """The name of the trial of a user's own network: the same network has the same name in any circumstance."""
        decisive = canonical_json([settings.network, self._trial_training])
        return f"{settings.size}-{hashlib.sha256(decisive.encode()).hexdigest()[:DIGITS]}"

    @cached_property
    def _trial_training(self) -> TrainingSettings:
        return replace(TrainingSettings.from_dict(self.config["training"]), epochs=0)

    @property
    def heads_per_backbone(self) -> int:
        """Initialisations that share all layers but the head; a user's own networks are drawn whole."""
        return 1 if self.factory else self.analysis.heads_per_backbone

    def first_steps_settings(self, circumstance: str, size: str) -> RunSettings:
        """Everything that decides a network's first steps, except seed and dataset; later steps do not count."""
        settings = self.run_settings(circumstance, size, 0)
        rate = self.analysis.coordinate_check.learning_rate
        return replace(settings, training=replace(settings.training, learning_rate=rate, epochs=0))

    # Data

    @property
    def draws(self) -> list[str]:
        """The datasets' names: one for each seed where data are synthetic, else one."""
        return list(dict.fromkeys(self.draw(seed) for seed in self.seeds))

    def draw(self, seed: int | str) -> str:
        """The dataset that the runs of a seed train on."""
        return OWN_DRAW if self.own_file else f"seed{seed}"

    @property
    def synthetic_summary(self) -> dict | None:
        """How much data there is, as dataset/{draw}.json has it; None for own data, which the config does not count."""
        if self.own_file:
            return None
        counts = {split: synthetic_counts(self.dataset, split) for split in ("train", "test")}
        return {"class_counts": counts, "shape": [1, *[self.dataset["cube_side"]] * 3]}

    @property
    def data_requirements(self) -> dict:
        """What the study needs of its data, as `requirements.missing_data` takes it.

        Where the first steps alone are followed, there are no epochs.
        """
        keys = ("batch_size", "epochs", "class_weights")
        trainings = {name: circumstance.training for name, circumstance in self.circumstances.items()}
        for name, circumstance in self._followed.items():
            trainings.setdefault(name, replace(circumstance.training, epochs=0))
        return {
            "evaluation": self.config["evaluation"],
            "decay_step": self.analysis.decay_step,
            "end_window": self.analysis.end_window,
            "training": {name: {key: getattr(training, key) for key in keys} for name, training in trainings.items()},
        }

    def missing_data(self, dataset: dict) -> list[str]:
        """A line for each setting that a dataset with this summary cannot serve."""
        return missing_data(self.data_requirements, dataset["class_counts"]["train"])

    @property
    def import_settings(self) -> dict[str, Any]:
        """How a user's own data are read."""
        return {key: self.config["dataset"][key] for key in OWN_DATA_KEYS if key != "path"}

    # For the analysis

    @property
    def changed_posted_settings(self) -> dict[str, tuple]:
        """Where the study's own settings differ from the post's: by dotted key, what was posted and what is here."""
        sections = SECTIONS if self.own_file else (*SECTIONS, "dataset")
        here = flatten({section: self.config[section] for section in sections})
        return {key: (posted, here[key]) for key, posted in self._posted.items() if here.get(key, posted) != posted}

    @property
    def limitations(self) -> Iterator[str]:
        """Sentences that say what of the configuration has no effect, and what the study cannot tell."""
        if self.left_out:
            yield f"Left out, the same as their reference with these settings: {', '.join(self.left_out)}."
        known = shipped_circumstances() | {*self.config["study"], *self.coordinate_checks}
        if own := [name for name in self.config["circumstances"] if name not in known]:
            yield f"Not run, since `study` does not list them: {', '.join(own)}."
        missing = {name: self.circumstances[name].reference for name in self.judged if name not in self.references}
        yield from not_compared(missing, "`study`")
        if self.unused_settings:
            yield f"Not used by {self.factory}: {', '.join(self.unused_settings)}."
        seeds, sizes = len(self.seeds), min(len(self.sizes(name)) for name in self.judged)
        if not is_publishable(seeds, sizes):
            yield f"{seeds} seeds and {sizes} sizes give an indication; {PUBLICATION_NEEDS}."

    @property
    def references(self) -> dict[str, str]:
        """Each judged circumstance's reference, where the study judges that too."""
        references = {name: self.circumstances[name].reference for name in self.judged}
        return {name: reference for name, reference in references.items() if reference in self.judged}

    @property
    def penalised(self) -> list[str]:
        """The judged circumstances whose reported loss holds a penalty."""
        return [name for name in self.judged if self.circumstances[name].reports_penalty]

    @property
    def expected_penalty_ratios(self) -> dict[tuple[str, str | None], tuple[float, float]]:
        """What is expected of the penalty's ratios, by circumstance and reference: `analysis.penalties`."""
        ratios = {}
        for name in self.judged:
            circumstance = self.circumstances[name]
            ratios[name, None] = circumstance.expected_penalty_ratio
            if circumstance.reference:
                ratios[name, circumstance.reference] = circumstance.expected_penalty_contrast
        return {key: ratio for key, ratio in ratios.items() if ratio}

    @property
    def nested(self) -> list[str]:
        """The judged circumstances whose trained networks are embedded in every wider one.

        They are of the built-in network under the standard parametrisation, and their width grows.
        """
        if self.factory:
            return []
        chosen = [self.circumstances[name] for name in self.judged]
        return [one.name for one in chosen if not one.depths and one.base_network.parametrisation == "standard"]

    @cached_property
    def starts(self) -> dict[str, str]:
        """For each judged circumstance, the circumstance whose initial networks and starting losses it shares.

        Most circumstances change the training alone. Their starting losses are measured once, under the name nearest
        to the root of the catalogue.
        """
        catalogue = self.config["circumstances"]
        keys = {
            name: start_key(self._circumstance(name, entry))
            for name, entry in catalogue.items()
            if not contradictions_of_a_circumstance(entry, self.config, self.factory)
        }
        nearest = sorted(keys, key=lambda name: (len(ancestors(name, catalogue)), name))
        return {name: next(other for other in nearest if keys[other] == keys[name]) for name in self.judged}

    def work(self, dataset: Mapping[str, Any], networks: Mapping[str, Any]) -> list[dict]:
        """What the runs of every circumstance and size compute, and what they take.

        `dataset` is a dataset's summary, `networks` the content of networks.json, or empty.
        """
        rows = []
        for name in self.circumstances:
            for size in self.sizes(name):
                settings = self.run_settings(name, size, self.seeds[0])
                complexity = complexity_of(settings.network, Task.of(dataset), networks)
                work = run_work(settings, complexity, dataset)
                memory = memory_mb(complexity, settings.training.batch_size, dataset)
                rows.append(
                    {"circumstance": name, "size": size, "runs": len(self.seeds)}
                    | asdict(work)
                    | {"memory_mb": memory, "disk_mb": disk_mb(work)}
                )
        return rows


def unsaid_settings(given: dict, study: Study) -> list[str]:
    """A line if a study of own data or of an own network leaves open what frameworks differ in most."""
    unsaid = [key for key in SAID if key not in given.get("training", {})]
    if study.of_the_post or not unsaid:
        return []
    return [
        f"{', '.join(f'training.{key}' for key in unsaid)}: missing; with your own data or network, write l2 (lambda; "
        "0 for none) and l2_as: loss (Keras' l2, reported), optimiser (torch's weight_decay) or decoupled (AdamW); "
        "config/presets/keras.yaml and torch.yaml set l2_as and what else the two differ in"
    ]


def checked_configuration(config: dict, schema: dict) -> tuple[dict, dict]:
    """Checks a configuration against the schema. Returns what is given, and a copy with defaults and expanded paths.

    Raises StudyError with a line for each fault.
    """
    given = without_nulls(config)
    raise_if_any(foreign_to_json(given))
    given, errors = with_absolute_overrides(plain(given), schema)
    raise_if_any(errors + schema_errors(given, schema))
    filled = with_defaults(given, schema)
    raise_if_any(expand_paths(filled))
    return given, filled


def expand_paths(config: dict) -> list[str]:
    """Expands `~` and variables in all paths, in place. Returns a line for each that cannot be used."""
    errors = []
    for *sections, key in PATHS:
        holder = config
        for section in sections:
            holder = holder[section]
        text = holder.get(key)
        if text is None:
            continue
        name, path = ".".join([*sections, key]), expanded_path(text)
        holder[key] = path
        if path[0] in "-~":
            errors.append(f"{name}: {text} given; write a path that does not begin with {path[0]!r}")
        elif unfit := [character for character in UNFIT if character in path]:
            remedy = ", or set the environment variable" if unfit[0] == "$" else ""
            errors.append(f"{name}: {text!r} given; write a path without {unfit[0]!r}{remedy}")
    return errors


def posted_settings(schema: dict) -> dict[str, Any]:
    """What the post states, by dotted key: the default of each setting that the schema marks so."""
    sections = {name: schema["$defs"].get(name, key) for name, key in schema["properties"].items()}
    settings = {
        f"{name}.{key}": setting
        for name, section in sections.items()
        for key, setting in section.get("properties", {}).items()
    }
    return {key: setting["default"] for key, setting in settings.items() if setting.get("origin") == "posted"}


def not_compared(missing: Mapping[str, str | None], place: str) -> Iterator[str]:
    """A sentence on the circumstances whose references are not in a place; those without a reference have none."""
    if alone := [f"{name} (against {reference})" for name, reference in missing.items() if reference]:
        yield f"Not compared, since the reference is not in {place}: {', '.join(alone)}."


def raise_if_any(errors: Iterable[str]) -> None:
    """Raises StudyError with all of the errors, each once."""
    errors = list(dict.fromkeys(errors))
    if errors:
        raise StudyError(errors)


def nothing_to_judge(study: Study) -> list[str]:
    """A line if, of the circumstances that the study names, none is left to judge one by one."""
    if study.judged:
        return []
    if study.grids:
        return ["study: only grids of learning rates given; write one more circumstance"]
    if same := ", ".join(study.left_out):
        return [f"study: with these settings, the same as their reference: {same}; write {ROOT} besides"]
    return []


def unknown_names(key: str, names: Iterable[str], catalogue: dict) -> list[str]:
    """A line for each name that is not in the catalogue."""
    return [
        f"{key}: unknown circumstance {name!r}; {alternatives(name, catalogue)}"
        for name in names
        if name not in catalogue
    ]


@cache
def shipped_circumstances() -> frozenset[str]:
    """The circumstances of the shipped catalogue, most of which a study leaves out."""
    return frozenset(yaml.safe_load(SHIPPED_CATALOGUE.read_text(encoding="utf-8"))["circumstances"])


def circumstances_of_claims(claims: Mapping[str, dict]) -> Iterator[tuple[str, str]]:
    """Each circumstance or grid that a claim names, after the key that holds it."""
    for name, claim in claims.items():
        for kind, subject in claim.items():
            if isinstance(subject, dict):
                yield from ((f"claims.{name}.{kind}.{key}", subject[key]) for key in NAMES_IN_CLAIMS if key in subject)


def contradictions_of_the_analysis(analysis: AnalysisSettings) -> list[str]:
    """Errors between the settings of the analysis that no schema can state."""
    backbones, rest = divmod(analysis.initialisations, analysis.heads_per_backbone)
    if rest == 0 and backbones > 1:
        return []
    return [
        f"analysis.heads_per_backbone: {analysis.heads_per_backbone} given for {analysis.initialisations} "
        "initialisations; write a divisor of them, and not themselves"
    ]


def synthetic_counts(dataset: dict, split: str) -> list[int]:
    """Cubes of each class in a split of the synthetic data, background first."""
    cubes = dataset[f"{split}_cubes"]
    positives = round(cubes * dataset["positive_fraction"])
    return [cubes - positives, positives]


def contradictions_of_a_generator(dataset: dict) -> list[str]:
    """Errors between the settings of the synthetic data that no schema can state."""
    errors, side = [], dataset["cube_side"]
    if dataset["volume_side"] < side:
        errors.append(
            f"dataset.volume_side: {dataset['volume_side']} given, less than dataset.cube_side; write at least {side}"
        )
    if not all(synthetic_counts(dataset, "train")):
        errors.append(
            f"dataset.positive_fraction: {dataset['positive_fraction']} given, which leaves a class without any of the "
            f"{dataset['train_cubes']} training cubes; write one nearer to 0.5"
        )
    return errors
