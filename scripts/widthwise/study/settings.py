"""Typed settings of a run: network, training, and where the loss log has its rows.

The values come from a checked configuration; defaults, limits and origins stand in config/schema.yaml alone. Everything
here is frozen, and `canonical_json` writes it as the one parameter that decides whether a job runs again.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


class Settings:
    """What all settings share: they are built from plain mappings, and written as them."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Builds the settings; lists become tuples. Raises TypeError for an unknown or missing key."""
        nested = {field.name: field.type for field in dataclasses.fields(cls)}
        return cls(**{key: _typed(nested.get(key), value) for key, value in values.items()})

    def as_dict(self) -> dict[str, Any]:
        """The settings as nested dictionaries, lists and plain values."""
        return plain(self)


# Types of lists whose whole numbers are read as floats.
REAL_NUMBERS = (tuple[float, float], tuple[float, ...] | None)


def _typed(kind: Any, value: Any) -> Any:
    if kind == NetworkSettings | FactorySettings and isinstance(value, Mapping):
        kind = FactorySettings if "factory" in value else NetworkSettings
    if isinstance(kind, type) and issubclass(kind, Settings) and isinstance(value, Mapping):
        return kind.from_dict(value)
    if isinstance(value, list):
        return tuple(map(float, value)) if kind in REAL_NUMBERS else tuple(value)
    return value


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """The network of one size. `stages` are convolutions per stage, `multipliers` filters in units of the width."""

    width: int
    stages: tuple[int, ...]
    multipliers: tuple[int, ...]
    kernel_size: int
    normalisation: str
    normalisation_momentum: float
    normalisation_epsilon: float
    activation: str
    negative_slope: float
    initialisation: str
    initial_std: float
    head_initialisation: str
    parametrisation: str
    base_width: int
    residual: bool
    dropout: float
    precision: str

    @property
    def depth(self) -> int:
        """Weight layers: every convolution, and the head."""
        return sum(self.stages) + 1

    @property
    def width_ratio(self) -> float:
        """Width over base width under maximal update, else 1: what rates and variances are scaled by."""
        return self.width / self.base_width if self.parametrisation == "mup" else 1.0


@dataclass(frozen=True)
class FactorySettings(Settings):
    """A user's own network at one size: what builds it, and what is done to it.

    `factory` is FILE.py:NAME, called with the width, `depth` if there is one, and the options. `code` is a digest of
    that file and its local imports.
    """

    width: int
    depth: int | None
    factory: str
    code: str
    options: dict[str, Any] = dataclasses.field(hash=False)
    initialisation: str
    initial_std: float
    precision: str

    @property
    def width_ratio(self) -> float:
        """1: the maximal update parametrisation is the built-in network's alone."""
        return 1.0


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """How a network is trained. lambda is `l2`; the properties say where it acts, and are the only place that does."""

    optimiser: str
    learning_rate: float
    warmup_steps: int
    betas: tuple[float, float]
    epsilon: float
    momentum: float
    l2: float
    l2_as: str
    batch_size: int
    epochs: int
    random_labels: bool
    class_weights: tuple[float, ...] | None

    @property
    def reported_l2(self) -> float:
        """lambda in the objective: the penalty is minimised and reported (Keras' l2)."""
        return self.l2 if self.l2_as == "loss" else 0

    @property
    def weight_decay(self) -> float:
        """lambda in the optimiser, as torch's `weight_decay`: it acts on every parameter and is never reported."""
        return 0 if self.l2_as == "loss" else self.l2

    @property
    def decay_is_decoupled(self) -> bool:
        """Whether the optimiser shrinks weights apart from the gradients (AdamW)."""
        return self.l2_as == "decoupled"


@dataclass(frozen=True)
class EvaluationSettings(Settings):
    """Which steps have a row in the loss log, and how many batches the row before any update is measured on."""

    row_interval: int
    starting_batches: int

    def has_row(self, step: int, steps_per_epoch: int) -> bool:
        """Whether the log has a row at `step`: at 0, 1, 2, 4, 8, ..., then evenly, and at each epoch's end.

        It depends on the step alone, so a longer run has the same rows and more.
        """
        if step < self.row_interval and step & (step - 1) == 0:
            return True
        return step % self.row_interval == 0 or step % steps_per_epoch == 0


@dataclass(frozen=True)
class RunSettings(Settings):
    """Everything that decides a run's numbers, except the dataset."""

    circumstance: str
    size: str
    seed: int
    network: NetworkSettings | FactorySettings
    training: TrainingSettings
    evaluation: EvaluationSettings


@dataclass(frozen=True)
class StartSettings(Settings):
    """Everything that decides the starting losses of one network, except the dataset.

    `initialisations` networks are measured; `heads_per_backbone` of them share all layers but the head.
    """

    circumstance: str
    size: str
    network: NetworkSettings | FactorySettings
    batch_size: int
    random_labels: bool
    class_weights: tuple[float, ...] | None
    starting_batches: int
    initialisations: int
    heads_per_backbone: int


@dataclass(frozen=True)
class CoordinateCheckSettings(Settings):
    """The circumstances whose first steps are followed, and the learning rate of those steps."""

    circumstances: tuple[str, ...]
    learning_rate: float


@dataclass(frozen=True)
class AnalysisSettings(Settings):
    """What is read off the runs, and off networks that are not trained."""

    decay_step: int
    end_window: float
    initialisations: int
    heads_per_backbone: int
    coordinate_check: CoordinateCheckSettings


def end_window_start(steps: int, share: float) -> int:
    """The step after which the end window of a run begins: rows after it average over the last `share` of the steps."""
    return math.floor(round((1 - share) * steps, 6))


def canonical_json(value: Any) -> str:
    """The same text for the same settings: keys sorted, a whole number written as an integer."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"))


def plain(value: Any) -> Any:
    """Settings as dictionaries, lists and values; 1.0 becomes 1, so that two ways of writing it are one setting."""
    match value:
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case str() | int() | float() | None:
            return value
    return {key: plain(item) for key, item in vars(value).items()}
