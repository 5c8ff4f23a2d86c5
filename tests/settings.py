"""Settings for tests of the library: the post's, from the default study, and small ones that train in milliseconds."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
import yaml
from hypothesis import strategies as st

from widthwise.model.build import build_network
from widthwise.model.network import Network
from widthwise.study.architecture import Task
from widthwise.study.plan import Study, StudyError
from widthwise.study.settings import EvaluationSettings, NetworkSettings, RunSettings
from widthwise.training.loop import Row, Training, prepare_training
from widthwise.training.seeding import Stream, torch_generator

ROOT = Path(__file__).resolve().parent.parent
torch.set_num_threads(1)  # tensors are small here, and threads only wait for each other
SCHEMA = yaml.safe_load((ROOT / "config/schema.yaml").read_text())


@cache
def _text(name: str) -> dict:
    return yaml.safe_load((ROOT / "config" / name).read_text())


def load(name: str) -> dict:
    """One of the configuration files."""
    return copy.deepcopy(_text(name))


def default_config() -> dict:
    """The default study's configuration, as Snakemake hands it over."""
    return load("circumstances.yaml") | load("config.yaml")


@cache
def default_study() -> Study:
    return Study(default_config(), SCHEMA)


def changed(*changes: tuple[str, Any]) -> dict:
    """The default configuration with the value at each dotted key replaced."""
    config = default_config()
    for key, value in changes:
        *path, last = key.split(".")
        section = config
        for name in path:
            section = section.setdefault(name, {})
        section[last] = value
    return config


def study_with(*changes: tuple[str, Any]) -> Study:
    """The default study with the value at each dotted key replaced."""
    return Study(changed(*changes), SCHEMA)


def errors_of(*changes: tuple[str, Any]) -> list[str]:
    """The lines of the error that the changed configuration raises."""
    with pytest.raises(StudyError) as caught:
        study_with(*changes)
    return str(caught.value).splitlines()


# What the catalogue's own tests and those of a whole study vary.
CATALOGUE = default_config()["circumstances"]
BASE_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "training.learning_rate": st.floats(1e-6, 1e-3),
        "training.l2": st.sampled_from([0, 1e-4]),
        "training.epochs": st.integers(3, 60),
        "training.betas": st.tuples(st.floats(0.5, 0.99), st.floats(0.9, 0.9999)).map(list),
        "network.negative_slope": st.floats(0, 0.5),
        "network.normalisation_momentum": st.floats(0.001, 0.5),
        "dataset.noise": st.floats(0, 4),
        "evaluation.row_interval": st.sampled_from([2, 4, 6, 8]),
    },
)

# A study of a user's own data must say what L2 is and where it acts.
OWN_DATA = (("dataset.path", "cubes.npz"), ("training.l2", 1e-4), ("training.l2_as", "loss"))


def cubes(classes: int = 2, side: int = 5) -> Task:
    """The task of classifying cubes."""
    return Task(classes, (1, side, side, side))


CUBES = cubes()
POSTED = default_study().run_settings("baseline", "width2", 0)
# Two convolutions, and 2 epochs of 6 steps on the 24 samples of make_arrays; rows at 0, 1, 2, 4, 6, 8, 12.
SMALL = replace(
    POSTED,
    network=replace(POSTED.network, stages=(1, 1), multipliers=(1, 2)),
    training=replace(POSTED.training, batch_size=4, epochs=2),
    evaluation=EvaluationSettings(row_interval=4, starting_batches=3),
)


def small_run(
    *, seed: int = 0, network: Mapping[str, Any] = {}, evaluation: Mapping[str, Any] = {}, **training: Any
) -> RunSettings:
    """Settings of a small run; `network`, `evaluation` and the rest are what differs."""
    return replace(
        SMALL,
        seed=seed,
        network=replace(SMALL.network, **network),
        training=replace(SMALL.training, **training),
        evaluation=replace(SMALL.evaluation, **evaluation),
    )


def make_network(
    settings: NetworkSettings = SMALL.network, *, seed: int = 0, task: Task = CUBES, **changes: Any
) -> Network:
    """A network before any update, as the run of this seed starts with it."""
    return build_network(replace(settings, **changes), task, torch_generator(seed, Stream.INITIALISATION))


def make_arrays(*, samples: int = 24, side: int = 5, classes: int = 2) -> dict[str, numpy.ndarray]:
    """A dataset of noise with equally many samples of each class, the same in every call."""
    generator = numpy.random.default_rng(7)
    arrays = {}
    for split in ("train", "test"):
        shape = (samples, 1, side, side, side)
        arrays[f"{split}/images"] = generator.standard_normal(shape, dtype=numpy.float32)
        arrays[f"{split}/labels"] = generator.permutation(numpy.arange(samples) % classes).astype(numpy.uint8)
    return arrays


def make_training(*, samples: int = 24, side: int = 5, classes: int = 2, **changes: Any) -> Training:
    """A small training, not yet begun; `changes` as in `small_run`."""
    arrays = make_arrays(samples=samples, side=side, classes=classes)
    return prepare_training(small_run(**changes), arrays, cubes(classes, side))


def log_of(training: Training) -> list[Row]:
    """Trains to the end; returns the log."""
    for _ in training.proceed():
        pass
    return training.log
