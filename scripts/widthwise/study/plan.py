"""A study: its checked configuration, its runs, and each run's settings.

Every error of a configuration is reported at once, one line each, before anything is computed. A run is named by its
circumstance, its size and its seed, as in "baseline/width8/seed1"; where files lie is the rules' affair.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import yaml

from widthwise.study.catalogue import (
    SECTIONS,
    ancestors,
    catalogue_errors,
    flatten,
    grid_errors,
    grid_members,
)
from widthwise.study.circumstances import (
    START_KEYS,
    Circumstance,
    circumstance_of,
    contradictions_of_a_circumstance,
    size_value,
    sizes_alike,
    start_key,
)
from widthwise.study.configuration import (
    alternatives,
    expanded_path,
    schema_errors,
    with_defaults,
    without_nulls,
)
from widthwise.study.cost import disk_mb, memory_mb, run_work
from widthwise.study.requirements import missing_data
from widthwise.study.settings import (
    AnalysisSettings,
    EvaluationSettings,
    RunSettings,
    StartSettings,
    canonical_json,
    whole_numbers_as_integers,
)

SCHEMA = Path(__file__).resolve().parents[3] / "config/schema.yaml"
# Keys that say where a study is run and where its results go, not what it is.
PLACES = ("pathvars", "device")
# Keys that hold paths.
PATHS = (("pathvars", "results"), ("dataset", "path"))
# What Snakemake replaces in a path, or a variable that is not set.
UNFIT = "${}<>\n"
OWN_DRAW = "own"


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


class Study:
    """A checked configuration. `config` is Snakemake's, `schema` that of config/schema.yaml.

    Attributes:
        config: the configuration with the schema's defaults.
        widths, seeds: what grows, and what replicates.
        judged: the circumstances that are judged one by one.
        grids: each grid of learning rates, with the names of its members.
        circumstances: all that have runs, members of grids included.
        coordinate_checks: those whose first steps are followed, with runs or without.
        evaluation, analysis: settings that all circumstances share.
        dataset: the generator's settings; with `own_file`, the path of a user's own data, nothing is generated.
        claims: what others have published, by name, as the catalogue has it.

    Raises StudyError where the configuration, or the settings that it gives any run, are outside the schema or
    contradict each other.
    """

    def __init__(self, config: dict, schema: dict) -> None:
        given = whole_numbers_as_integers(without_nulls(config))
        raise_if_any(schema_errors(given, schema))
        self.config = with_defaults(given, schema)
        raise_if_any(self._expand_paths())
        self._posted = posted_settings(schema)
        self.widths: list[int] = self.config["widths"]
        self.seeds: list[int] = self.config["seeds"]
        self.claims: dict[str, dict] = self.config["claims"]
        self.evaluation = EvaluationSettings.from_dict(self.config["evaluation"])
        self.analysis = AnalysisSettings.from_dict(self.config["analysis"])
        self.dataset = {key: value for key, value in self.config["dataset"].items() if key != "path"}
        self.own_file: str | None = self.config["dataset"]["path"]
        catalogue = self.config["circumstances"]
        listed = [name for name in self.config["study"] if name in catalogue]
        members = {name: grid_members(name, catalogue[name]) for name in listed}
        self.judged = [name for name in listed if "learning_rates" not in catalogue[name]]
        self.grids = {name: list(members[name]) for name in listed if name not in self.judged}
        self.coordinate_checks = [name for name in self.analysis.coordinate_check.circumstances if name in catalogue]
        entries = {name: entry for grid in members.values() for name, entry in grid.items()}
        followed = {name: catalogue[name] for name in self.coordinate_checks}
        raise_if_any(
            [
                *unknown_names("study", self.config["study"], catalogue),
                *unknown_names(
                    "analysis.coordinate_check.circumstances",
                    self.analysis.coordinate_check.circumstances,
                    catalogue,
                ),
                *(
                    ["study: only grids of learning rates given; write one more circumstance"]
                    if listed and not self.judged
                    else []
                ),
                *contradictions_of_the_analysis(self.analysis),
                *catalogue_errors(catalogue, self.config, listed),
                *(error for name in listed for error in grid_errors(name, catalogue[name])),
                *([] if self.own_file else contradictions_of_a_generator(self.dataset)),
                *(
                    f"circumstances.{name}: {error}"
                    for name, entry in (followed | entries).items()
                    for error in contradictions_of_a_circumstance(entry, self.config)
                ),
            ]
        )
        self.circumstances = {name: circumstance_of(name, entry, self.config) for name, entry in entries.items()}
        self._followed = {name: circumstance_of(name, entry, self.config) for name, entry in followed.items()}
        raise_if_any(
            [
                *(error for circumstance in self._every.values() for error in sizes_alike(circumstance)),
                *([] if self.own_file else self.missing_data(self.synthetic_summary)),
            ]
        )

    def _expand_paths(self) -> list[str]:
        errors = []
        for section, key in PATHS:
            text = self.config[section].get(key)
            if text is None:
                continue
            path = self.config[section][key] = expanded_path(text)
            if path.startswith("-"):
                errors.append(f"{section}.{key}: {text} given; write a path that does not begin with '-'")
            elif unfit := [character for character in UNFIT if character in path]:
                remedy = ", or set the environment variable" if unfit[0] == "$" else ""
                errors.append(f"{section}.{key}: {text!r} given; write a path without {unfit[0]!r}{remedy}")
        return errors

    @classmethod
    def read(cls, path: Path) -> Self:
        """The study that a study.json holds."""
        schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
        return cls(json.loads(path.read_text(encoding="utf-8")), schema)

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
            heads_per_backbone=self.analysis.heads_per_backbone,
        )

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
        return {"class_counts": counts, "cube_side": self.dataset["cube_side"]}

    @property
    def data_requirements(self) -> dict:
        """What the study needs of its data, as `requirements.missing_data` takes it."""
        keys = ("batch_size", "epochs", "class_weights")
        return {
            "evaluation": self.config["evaluation"],
            "decay_step": self.analysis.decay_step,
            "end_window": self.analysis.end_window,
            "training": {
                name: {key: getattr(circumstance.training, key) for key in keys}
                for name, circumstance in self.circumstances.items()
            },
        }

    def missing_data(self, dataset: dict) -> list[str]:
        """A line for each setting that a dataset with this summary cannot serve."""
        return missing_data(self.data_requirements, dataset["class_counts"]["train"])

    # For the analysis

    @property
    def changed_posted_settings(self) -> dict[str, tuple]:
        """Where the study's own settings differ from the post's: by dotted key, what was posted and what is here."""
        sections = SECTIONS if self.own_file else (*SECTIONS, "dataset")
        here = flatten({section: self.config[section] for section in sections})
        return {key: (posted, here[key]) for key, posted in self._posted.items() if here.get(key, posted) != posted}

    @property
    def references(self) -> dict[str, str]:
        """Each judged circumstance's reference, where the study judges that too."""
        references = {name: self.circumstances[name].reference for name in self.judged}
        return {name: reference for name, reference in references.items() if reference in self.judged}

    @cached_property
    def starts(self) -> dict[str, str]:
        """For each judged circumstance, the circumstance whose initial networks and starting losses it shares.

        Most circumstances change the training alone. Their starting losses are measured once, under the name nearest
        to the root of the catalogue.
        """
        catalogue = {
            name: circumstance_of(name, entry, self.config) for name, entry in self.config["circumstances"].items()
        }
        depth_in_the_tree = {name: len(ancestors(name, self.config["circumstances"])) for name in catalogue}
        nearest_first = sorted(catalogue, key=lambda name: (depth_in_the_tree[name], name))
        keys = {name: start_key(catalogue[name]) for name in nearest_first}
        return {name: next(other for other in keys if keys[other] == keys[name]) for name in self.judged}

    def work(self, dataset: dict) -> list[dict]:
        """What the runs of every circumstance and size compute on a dataset with this summary, and what they take."""
        rows = []
        for name in self.circumstances:
            for size in self.sizes(name):
                settings = self.run_settings(name, size, self.seeds[0])
                work = run_work(settings, dataset)
                memory = memory_mb(settings.network, settings.training.batch_size, dataset)
                rows.append(
                    {"circumstance": name, "size": size, "runs": len(self.seeds)}
                    | asdict(work)
                    | {"memory_mb": memory, "disk_mb": disk_mb(work)}
                )
        return rows


def posted_settings(schema: dict) -> dict[str, Any]:
    """What the post states, by dotted key: the default of each setting that the schema marks so."""
    sections = {name: schema["$defs"].get(name, key) for name, key in schema["properties"].items()}
    settings = {
        f"{name}.{key}": setting
        for name, section in sections.items()
        for key, setting in section.get("properties", {}).items()
    }
    return {key: setting["default"] for key, setting in settings.items() if setting.get("origin") == "posted"}


def raise_if_any(errors: Iterable[str]) -> None:
    """Raises StudyError with all of the errors, each once."""
    errors = list(dict.fromkeys(errors))
    if errors:
        raise StudyError(errors)


def unknown_names(key: str, names: Iterable[str], catalogue: dict) -> list[str]:
    """A line for each name that is not in the catalogue."""
    return [
        f"{key}: unknown circumstance {name!r}; {alternatives(name, catalogue)}"
        for name in names
        if name not in catalogue
    ]


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
