"""A small study with runs whose loss curves are formulas, for the tests of gathering, verdicts and claims."""

import copy
import json
import math
from pathlib import Path

import numpy
import pandas
import yaml

from widthwise.files import file_digest
from widthwise.study.identity import identity
from widthwise.study.plan import SCHEMA, Run, Study

STEPS_PER_EPOCH = 20


def texts(**entry):
    return {"hypothesis": "A hypothesis.", "source": "A source.", "expectation": {}} | entry


CIRCUMSTANCES = {
    "baseline": texts(
        expectation={
            "objective": {"starting_loss": "rises", "end_value": "rises"},
            "data_loss": {"end_value": "falls"},
            "penalty_ratio": [10, 20],
        }
    ),
    "no_l2": texts(
        reference="baseline",
        expectation={"objective": {"end_value": "falls"}, "contrast": {"objective": {"end_value": "falls"}}},
        overrides={"training": {"l2": 0}},
    ),
    "fast": texts(
        reference="baseline",
        expectation={"data_loss": {"starting_loss": "flat"}},
        overrides={"training": {"learning_rate": 1.0e-4}},
    ),
    "rates": texts(
        reference="baseline",
        expectation={"best_learning_rate": "falls"},
        learning_rates=[2.0**power for power in range(-12, -4)],
    ),
    # Not in the study.
    "gone": texts(
        reference="baseline",
        expectation={"data_loss": {"end_value": "flat"}},
        overrides={"training": {"l2": 1.0e-3}},
    ),
}
END = {"circumstance": "baseline", "measure": "objective", "feature": "end_value"}
CLAIMS = {
    "width": {"expected": "rises", "verdict": END},
    "lapse": {"expected": "equal", "time_lapse": {"fast": "fast", "slow": "baseline"}},
    "rate": {"expected": "falls", "best_rate": {"grid": "rates"}},
    "order": {"expected": "falls", "order_at_rates": {"grid": "rates"}},
    "absent": {"expected": "flat", "contrast": END | {"circumstance": "gone"}},
}  # fmt: skip
CONFIG = {
    "widths": [2, 3, 5, 8],
    "seeds": [0, 1, 2],
    "study": ["baseline", "no_l2", "fast", "rates"],
    "circumstances": CIRCUMSTANCES,
    "claims": {name: {"claim": name, "source": "S", "theirs": "T"} | claim for name, claim in CLAIMS.items()},
    "dataset": {"train_volumes": 2, "test_volumes": 1, "train_cubes": 160, "test_cubes": 16, "cube_side": 9,
                "volume_side": 24},
    "network": {"stages": [1, 1], "multipliers": [1, 2]},
    "training": {"batch_size": 8, "epochs": 10, "learning_rate": 1.0e-5},
    "evaluation": {"row_interval": 4},
    "analysis": {"decay_step": 40, "initialisations": 12, "heads_per_backbone": 2,
                 "coordinate_check": {"circumstances": []}},
}  # fmt: skip


def make_study(**changes) -> Study:
    return Study(copy.deepcopy(CONFIG | changes), yaml.safe_load(SCHEMA.read_text()))


def parameters_of(width: int) -> int:
    return 100 * width**2


def losses_of(study: Study, run: Run, *, last: int | None = None) -> pandas.DataFrame:
    """A run's log: the data loss decays faster the wider the network, and at a rate in proportion to the learning rate.

    The penalty is lambda x parameters. `last` is the last step, for a run that diverged.
    """
    settings = study.run_settings(run.circumstance, run.size, run.seed)
    width, training = settings.network.width, settings.training
    total = training.epochs * STEPS_PER_EPOCH
    last = total if last is None else last
    steps = [step for step in range(last + 1) if settings.evaluation.has_row(step, STEPS_PER_EPOCH)]
    generator = numpy.random.default_rng([run.seed, width])
    scaled = numpy.array(steps) * training.learning_rate / 1e-5
    noise = 0.002 * generator.standard_normal(len(steps)) + 0.003 * generator.standard_normal()
    data_loss = 0.05 + 0.65 * numpy.exp(-0.0002 * width * scaled) + noise
    if run.circumstance.startswith("rates"):  # the best rate falls as 1 / width
        away = math.log2(training.learning_rate) + 8 + math.log2(width) - 0.1 * generator.standard_normal()
        data_loss = numpy.where(numpy.array(steps) == 0, 0.7, 0.05 * math.exp(0.1 * away**2) + 0 * noise)
    squares = numpy.full(len(steps), 10.0 * parameters_of(width))
    rows = identity(settings, parameters_of(width), 20) | {
        "step": steps,
        "epoch": numpy.array(steps) / STEPS_PER_EPOCH,
        "objective": data_loss + training.reported_l2 * squares,
        "data_loss": data_loss,
        "penalty": training.reported_l2 * squares,
        "accuracy": 0.5,
        "sum_of_squares": squares,
    }
    return pandas.DataFrame(rows)


def record_of(study: Study, run: Run, log: Path, *, last: int | None = None) -> dict:
    settings = study.run_settings(run.circumstance, run.size, run.seed)
    total = settings.training.epochs * STEPS_PER_EPOCH
    return identity(settings, parameters_of(settings.network.width), 20) | {
        "learning_rate": settings.training.learning_rate,
        "batch_size": settings.training.batch_size,
        "diverged": last is not None,
        "steps": total if last is None else last,
        "planned_steps": total,
        "steps_per_epoch": STEPS_PER_EPOCH,
        "classes": 2,
        "sittings": 1,
        "seconds": 1.5,
        "samples_per_second": 100.0,
        "flops_per_step": 1000 * parameters_of(settings.network.width),
        "test_data_loss": 0.6 if last is None else None,
        "test_accuracy": 0.7 if last is None else None,
        "median_root_second_moment": None,
        "share_below_epsilon": None,
        "device": "cpu",
        "threads": 1,
        "versions": {"torch": "2"},
        "losses_digest": file_digest(log),
        "settings": settings.as_dict(),
        "dataset": {"digest": f"digest of {study.draw(run.seed)}", "class_counts": {"train": [80, 80]}},
    }


def write_run(study: Study, run: Run, results: Path, *, last: int | None = None) -> Path:
    folder = results / "runs" / run.name
    folder.mkdir(parents=True, exist_ok=True)
    losses_of(study, run, last=last).to_csv(folder / "losses.csv", index=False)
    (folder / "run.json").write_text(json.dumps(record_of(study, run, folder / "losses.csv", last=last)))
    return folder


def write_study(study: Study, results: Path, *, diverged: dict[str, int] | None = None) -> Path:
    """Writes what the analysis reads: study.json, datasets, runs and starts. `diverged` gives runs' last steps."""
    (results / "dataset").mkdir(parents=True, exist_ok=True)
    (results / "study.json").write_text(study.record)
    for draw in study.draws:
        (results / "dataset" / f"{draw}.json").write_text(json.dumps({"digest": f"digest of {draw}"}))
    for run in study.runs():
        write_run(study, run, results, last=(diverged or {}).get(run.name))
    for source in dict.fromkeys(study.starts.values()):
        for size in study.sizes(source):
            path = results / "starts" / source / f"{size}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            starts_of(study, source, size).to_csv(path, index=False)
    return results


def starts_of(study: Study, source: str, size: str) -> pandas.DataFrame:
    """A network's starting losses: the heads of a backbone vary about the backbone's own loss."""
    settings = study.start_settings(source, size)
    width, heads = settings.network.width, settings.heads_per_backbone
    generator = numpy.random.default_rng(width)
    backbones = settings.initialisations // heads
    losses = 0.7 + 0.002 * generator.standard_normal((backbones, 1)) + 0.01 * generator.standard_normal((1, heads))
    return pandas.DataFrame(
        {
            "circumstance": source,
            "size": size,
            "width": width,
            "depth": 3,
            "parameters": parameters_of(width),
            "backbone": numpy.repeat(range(backbones), heads),
            "head": numpy.tile(range(heads), backbones),
            "data_loss": losses.ravel(),
            "sum_of_squares": 10.0 * parameters_of(width),
        }
    )
