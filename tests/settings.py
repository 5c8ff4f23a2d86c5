"""Settings for tests of the library: as posted, from the schema, and small ones that train in milliseconds."""

import copy
from pathlib import Path

import numpy
import torch
import yaml

from widthwise.model.network import Network
from widthwise.study.configuration import with_defaults
from widthwise.training.loop import Measurement, Training
from widthwise.training.probe import Probe
from widthwise.training.seeding import Stream, torch_generator

ROOT = Path(__file__).resolve().parent.parent
torch.set_num_threads(1)  # tensors are small here, and threads only wait for each other
SCHEMA = yaml.safe_load((ROOT / "config/schema.yaml").read_text())


def load(name: str) -> dict:
    return yaml.safe_load((ROOT / "config" / name).read_text())


def default_config() -> dict:
    """The default study's configuration, as Snakemake hands it over."""
    return copy.deepcopy(load("circumstances.yaml") | load("config.yaml"))


POSTED = with_defaults(default_config(), SCHEMA)
SMALL = {"stages": [1, 1], "multipliers": [1, 2]}


def make_network(*, seed: int = 0, width: int = 2, **settings) -> Network:
    return Network(
        **POSTED["network"] | {"width": width} | settings,
        classes=2,
        generator=torch_generator(seed, Stream.INITIALISATION),
    )


def make_training(
    *, seed: int = 0, width: int = 2, samples: int = 24, side: int = 5, network=None, **settings
) -> Training:
    """A training of a shallow network on random cubes, the same for every seed."""
    generator = numpy.random.default_rng(7)
    images = torch.from_numpy(generator.standard_normal((samples, 1, side, side, side), dtype=numpy.float32))
    labels = torch.from_numpy(generator.permutation(numpy.arange(samples) % 2))
    of_the_data = ("random_labels", "class_weights")
    hyper_parameters = {key: value for key, value in POSTED["training"].items() if key not in of_the_data}
    return Training(
        network or make_network(seed=seed, width=width, **SMALL),
        images,
        labels,
        Probe(images[:8], labels[:8], batch_size=4),
        seed=seed,
        **{"evaluations_per_epoch": 2} | hyper_parameters | {"batch_size": 4, "epochs": 2} | settings,
    )


def log_of(training: Training) -> list[Measurement]:
    """Trains to the end."""
    for _ in training.proceed():
        pass
    return training.log
