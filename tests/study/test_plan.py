"""A study: runs, sizes, settings of jobs, datasets, shared starts, and what the analysis is told."""

import copy
import itertools
import json
from dataclasses import replace

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from settings import (
    BASE_SETTINGS,
    CATALOGUE,
    OWN_DATA,
    SCHEMA,
    changed,
    cubes,
    default_config,
    default_study,
    errors_of,
    load,
    study_with,
)
from snakemake.utils import update_config

from widthwise.data.volumes import make_dataset
from widthwise.study.architecture import parameter_count
from widthwise.study.catalogue import ancestors, factors
from widthwise.study.circumstances import size_value
from widthwise.study.identity import IDENTITY, identity, run_name
from widthwise.study.plan import PLACES, Study
from widthwise.study.requirements import FEATURES
from widthwise.study.settings import canonical_json

DEPTHS = {"depths": [8, 14, 20, 32, 56], "width": 8}


# Errors


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "network.multipliers",
            [1],
            "network.multipliers: 1 given for 4 stages; write one for each entry of network.stages",
        ),
        (
            "dataset.positive_fraction",
            0.0001,
            "dataset.positive_fraction: 0.0001 given, which leaves a class without any of the 768 ",
        ),
        ("dataset.volume_side", 20, "dataset.volume_side: 20 given, less than dataset.cube_side; write at least 25"),
        (
            "circumstances.deep_plain.depths",
            [3, 14, 20],
            "circumstances.deep_plain: depths: 3 given for 4 stages; write at least 5, one convolution a stage and ",
        ),
        ("circumstances.deep_plain.width", None, "circumstances.deep_plain: width: write it where, and only where, "),
        ("circumstances.no_l2.width", 4, "circumstances.no_l2: width: write it where, and only where, `depths` says "),
        (
            "circumstances.deep_residual.depths",
            [8, 14, 21],
            "circumstances.deep_residual: network.residual: a depth of 21 given; write an even depth, so that ",
        ),
        (
            "circumstances.decoupled_decay.overrides.training.optimiser",
            "sgd",
            "circumstances.decoupled_decay: training.l2_as: decoupled given with sgd; write optimiser, or use adam",
        ),
        (
            "circumstances.baseline.expectation.penalty_ratio",
            [8, 3],
            "circumstances.baseline: expectation.penalty_ratio: 8, 3 given; write the lowest first",
        ),
        (
            "circumstances.no_l2.expectation.contrast.penalty_ratio",
            [1.5, 0.5],
            "circumstances.no_l2: expectation.contrast.penalty_ratio: 1.5, 0.5 given; write the lowest first",
        ),
        (
            "circumstances.baseline.expectation.contrast",
            {"objective": {"end_value": "flat"}},
            "circumstances.baseline: expectation.contrast: given without a reference; leave it out",
        ),
        (
            "circumstances.deep_plain.expectation.contrast",
            {"objective": {"end_value": "flat"}},
            "circumstances.deep_plain: expectation.contrast: given, but baseline has other sizes; leave it out",
        ),
        (
            "circumstances.no_l2.expectation.penalty_ratio",
            [1, 2],
            "circumstances.no_l2: expectation.penalty_ratio: given where no penalty is reported; leave it out",
        ),
        (
            "circumstances.no_l2.expectation.contrast.penalty_ratio",
            [1, 2],
            "circumstances.no_l2: expectation.contrast.penalty_ratio: given where no penalty is reported; leave it out",
        ),
        (
            "circumstances.no_l2.expectation.best_learning_rate",
            "stays",
            "circumstances.no_l2: expectation.best_learning_rate: given without learning_rates, a grid of them; leave ",
        ),
        *(
            (
                f"circumstances.learning_rates.expectation.{key}",
                value,
                "circumstances.learning_rates: expectation: a grid of learning rates allows only best_learning_rate, ",
            )
            for key, value in {
                "data_loss": {"end_value": "falls"},
                "contrast": {"printed": {"end_value": "falls"}},
                "penalty_ratio": [1, 2],
            }.items()
        ),
    ],
)
def test_a_contradiction_is_one_line_that_names_the_key(key, value, line):
    study = ["baseline", "no_l2", "deep_plain", "deep_residual", "decoupled_decay", "learning_rates"]
    errors = errors_of(("study", study), (key, value))
    assert any(error.startswith(line) for error in errors), errors


@given(initialisations=st.integers(2, 300), heads=st.integers(1, 300))
@settings(max_examples=50)
def test_heads_per_backbone_divide_the_initialisations_of_several_backbones(initialisations, heads):
    changes = [("analysis.initialisations", initialisations), ("analysis.heads_per_backbone", heads)]
    if initialisations % heads == 0 and heads < initialisations:
        study_with(*changes)
        return
    assert errors_of(*changes) == [
        f"analysis.heads_per_backbone: {heads} given for {initialisations} initialisations; write a divisor of them, "
        "and not themselves"
    ]


@pytest.mark.parametrize("key", ["expectation", "expectation.contrast"])
def test_a_verdict_is_expected_of_what_is_judged(key):
    for measure, feature in itertools.product(FEATURES, SCHEMA["$defs"]["expected_verdicts"]["properties"]):
        change = (f"circumstances.no_l2.{key}.{measure}", {feature: "falls"})
        if feature in FEATURES[measure]:
            study_with(change)
        else:
            (line,) = errors_of(change)
            assert line.startswith(f"circumstances.no_l2: {key}.{measure}.{feature}: not judged of this loss; write ")


def test_a_fault_of_the_studys_own_settings_is_told_once():
    assert errors_of(("network.multipliers", [1]), ("training.l2_as", "decoupled"), ("training.optimiser", "sgd")) == [
        "training.l2_as: decoupled given with sgd; write optimiser, or use adam",
        "network.multipliers: 1 given for 4 stages; write one for each entry of network.stages",
    ]
    # It is no fault where no circumstance has it.
    odd = [("network.stages", [2, 4, 5, 7]), ("network.residual", True)]
    study_with(*odd, ("study", ["deep_plain"]), ("analysis.coordinate_check.circumstances", []))


def test_contradictions_are_told_at_once():
    errors = errors_of(
        ("study", ["baseline", "nope"]),
        ("dataset.volume_side", 20),
        ("analysis.initialisations", 50),
        ("analysis.heads_per_backbone", 3),
        ("circumstances.no_l2.overrides", {}),
        ("circumstances.fixed_std_init.width", 3),
    )
    assert [error.split(":")[0] for error in errors] == [
        "study",
        "analysis.heads_per_backbone",
        "dataset.volume_side",
    ]
    errors = errors_of(("circumstances.fixed_std_init.width", 3))
    assert [error.split(":")[0] for error in errors] == ["circumstances.fixed_std_init"] * 2


def test_sizes_with_the_same_number_of_parameters_are_refused():
    # Largest remainders may take a convolution from a wide stage when depth grows by one: at width 2, with kernels of
    # one voxel, depths 11 and 12 then have 276 parameters each.
    network = {"stages": [1, 3, 3], "multipliers": [3, 2, 2], "kernel_size": 1}
    changes = [
        ("study", ["baseline", "deep_plain"]),
        ("circumstances.deep_plain.width", 2),
        *((f"network.{key}", value) for key, value in network.items()),
    ]
    assert errors_of(("circumstances.deep_plain.depths", [5, 11, 12]), *changes) == [
        "circumstances.deep_plain: depth11 and depth12 have the same number of parameters, 276; leave one out"
    ]
    study_with(("circumstances.deep_plain.depths", [5, 11, 13]), *changes)


# Runs and their settings


def test_the_default_study_has_a_run_for_every_circumstance_width_and_seed():
    study = default_study()
    names = [run.name for run in study.runs()]
    assert len(names) == len(set(names)) == 3 * 6 * 3
    assert names[0] == "baseline/width26/seed0"
    assert [run.name for run in study.runs("no_l2")] == [n for n in names if n.startswith("no_l2/")]
    assert (study.widths, study.seeds, study.judged) == (
        [2, 3, 5, 8, 14, 26],
        [0, 1, 2],
        ["baseline", "no_l2", "fixed_std_init"],
    )
    assert (study.grids, study.own_file) == ({}, None)


def test_a_circumstance_differs_by_its_own_settings_only():
    study = default_study()
    baseline, no_l2 = (study.run_settings(name, "width8", 1) for name in ("baseline", "no_l2"))
    assert (baseline.training.l2, baseline.network.width, baseline.seed) == (1e-4, 8, 1)
    assert no_l2 == replace(baseline, circumstance="no_l2", training=replace(baseline.training, l2=0))


def test_schema_defaults_do_not_beat_a_users_base_setting_in_a_circumstance():
    study = study_with(("training.learning_rate", 0.25))
    assert study.run_settings("no_l2", "width2", 0).training.learning_rate == 0.25


def test_the_users_config_is_left_as_it_was():
    config = default_config()
    before = copy.deepcopy(config)
    study = Study(config, SCHEMA)
    study.config["training"]["l2"] = study.circumstances["no_l2"].training.l2
    assert config == before


@pytest.mark.parametrize("key", ["hypothesis", "look_for", "change", "title", "family"])
def test_texts_are_no_part_of_a_runs_settings(key):
    study = study_with((f"circumstances.no_l2.{key}", "another"))
    assert getattr(study.circumstances["no_l2"], key) == "another"
    for name in ("no_l2", "baseline"):
        assert study.run_settings(name, "width2", 0) == default_study().run_settings(name, "width2", 0)


def test_depth_grows_at_one_width():
    study = study_with(("study", ["deep_plain", "deep_residual"]))
    assert study.sizes("deep_plain") == [f"depth{depth}" for depth in DEPTHS["depths"]]
    network = study.run_settings("deep_residual", "depth32", 0).network
    assert (network.width, network.depth, network.stages, network.residual) == (8, 32, (3, 7, 8, 13), True)
    assert study.all_sizes == [f"width{width}" for width in study.widths] + study.sizes("deep_plain")
    assert [run.size for run in study.runs("deep_plain")][:3] == ["depth56"] * 3


def test_expectations_are_told_apart():
    entry = {
        "data_loss": {"end_value": "falls"},
        "penalty_ratio": [2, 4],
        "contrast": {"objective": {"starting_loss": "falls"}, "penalty_ratio": [0.5, 0.5]},
    }
    change = ("circumstances.fixed_std_init.expectation", entry)
    circumstance = study_with(change).circumstances["fixed_std_init"]
    assert circumstance.expectation == {"data_loss": {"end_value": "falls"}}
    assert circumstance.expected_contrast == {"objective": {"starting_loss": "falls"}}
    assert circumstance.expected_rates == {}
    assert (circumstance.expected_penalty_ratio, circumstance.expected_penalty_contrast) == ((2, 4), (0.5, 0.5))


def test_first_steps_can_be_followed_in_circumstances_without_runs():
    study = default_study()
    assert study.coordinate_checks == ["high_learning_rate", "high_learning_rate_mup"]
    assert "high_learning_rate_mup" not in study.circumstances
    settings = study.first_steps_settings("high_learning_rate_mup", "width8")
    assert settings.network.parametrisation == "mup"
    assert settings.training.learning_rate == 1e-4  # the check's, not the circumstance's
    longer = study_with(("training.epochs", 7), ("seeds", [0, 1, 2, 3]))
    assert longer.first_steps_settings("high_learning_rate_mup", "width8") == settings
    assert study_with(
        ("analysis.coordinate_check.learning_rate", 1e-3)
    ).first_steps_settings("high_learning_rate_mup", "width8") != settings  # fmt: skip


def test_example_runs_are_the_smallest_the_middle_and_the_largest_size():
    assert [run.name for run in default_study().example_runs()] == [
        "baseline/width2/seed0",
        "baseline/width5/seed0",
        "baseline/width26/seed0",
    ]


def test_a_run_has_one_name_and_one_identity():
    settings = default_study().run_settings("no_l2", "width8", 1)
    row = identity(settings, 248_154, 20)
    assert list(row) == IDENTITY
    assert list(row.values()) == ["no_l2", "width8", 8, 20, 248_154, 1]
    assert run_name(row) == "no_l2/width8/seed1"
    assert [size_value(size) for size in ("width8", "depth20")] == [8, 20]


# study.json


@settings(max_examples=30)
@given(
    widths=st.lists(st.integers(1, 99), min_size=3, max_size=6, unique=True),
    seeds=st.lists(st.integers(0, 99), min_size=2, max_size=6, unique=True),
    study=st.lists(st.sampled_from(list(CATALOGUE)), max_size=4, unique=True),
    base=BASE_SETTINGS,
)
def test_any_study_has_unique_runs_and_comes_back_from_its_record(widths, seeds, study, base, tmp_path_factory):
    study = list(dict.fromkeys(["baseline", *study]))
    config = changed(("widths", widths), ("seeds", seeds), ("study", study), *base.items())
    written = Study(config, SCHEMA)
    path = tmp_path_factory.getbasetemp() / "study.json"
    path.write_text(written.record)
    read = Study.read(path)
    assert read.record == written.record
    runs = list(written.runs())
    assert runs == list(read.runs())
    assert len({run.name for run in runs}) == len(runs)
    of_runs = [written.run_settings(*vars(run).values()) for run in runs]
    assert len({canonical_json(each) for each in of_runs}) == len(runs)
    assert of_runs == [read.run_settings(*vars(run).values()) for run in runs]
    for name in ("judged", "grids", "circumstances", "coordinate_checks", "starts", "references", "analysis", "draws",
                 "families", "penalised", "expected_penalty_ratios"):  # fmt: skip
        assert getattr(read, name) == getattr(written, name), name
    assert read.changed_posted_settings == written.changed_posted_settings
    for name in written.judged:
        nearest = next((other for other in ancestors(name, CATALOGUE) if other not in written.left_out), None)
        if nearest in written.judged:
            assert written.references[name] == nearest
            assert len(factors(written.config, *(written.config["circumstances"][one] for one in (name, nearest)))) == 1


def test_where_a_study_is_run_is_not_recorded():
    elsewhere = study_with(("pathvars", {"results": "elsewhere"}), ("device", "cpu"))
    assert elsewhere.record == default_study().record
    assert not {*PLACES} & json.loads(elsewhere.record).keys()
    assert {*json.loads(elsewhere.record), *PLACES} == {*SCHEMA["properties"]}
    assert study_with(("training.l2", 0.5)).record != elsewhere.record


def test_own_data_come_back_from_the_record(tmp_path):
    path = tmp_path / "study.json"
    path.write_text(study_with(*OWN_DATA).record)
    study = Study.read(path)
    assert (study.own_file, study.draws) == ("cubes.npz", ["own"])


# Data


def test_every_seed_has_a_dataset_of_its_own_unless_data_are_the_users():
    study = study_with(("seeds", [4, 0]))
    assert study.draws == ["seed4", "seed0"]
    assert {study.draw(seed) for seed in study.seeds} == {*study.draws}
    own = study_with(("seeds", [4, 0]), *OWN_DATA)
    assert own.draws == [own.draw(4)] == [own.draw(0)] == ["own"]
    assert "path" not in study.dataset
    assert study.dataset["cube_side"] == 25


@settings(max_examples=30)
@given(cubes=st.integers(300, 2000), percent=st.integers(10, 90))
def test_a_synthetic_dataset_is_counted_before_it_is_made(cubes, percent):
    study = study_with(
        ("dataset.train_cubes", cubes), ("dataset.positive_fraction", percent / 100), ("evaluation.row_interval", 1)
    )
    negatives, positives = study.synthetic_summary["class_counts"]["train"]
    assert negatives + positives == cubes
    assert abs(positives - cubes * percent / 100) <= 0.5


def test_a_generated_dataset_has_the_counts_that_were_planned():
    small = {"train_cubes": 21, "test_cubes": 7, "train_volumes": 1, "test_volumes": 1, "cube_side": 8}
    changes = small | {"volume_side": 24, "smoothness": 2, "positive_fraction": 0.3}
    study = study_with(
        *((f"dataset.{key}", value) for key, value in changes.items()),
        ("training.batch_size", 2),
        ("training.epochs", 10),
        ("evaluation.row_interval", 1),
    )
    splits, _ = make_dataset(**study.dataset, draw=0)
    assert study.synthetic_summary == {
        "class_counts": {split: numpy.bincount(labels).tolist() for split, (_, labels) in splits.items()},
        "shape": list(splits["train"][0].shape[1:]),
    }


# Starting losses


def test_circumstances_with_the_same_networks_start_as_one():
    names = ["sgd", "baseline", "no_l2", "he_init", "l2_in_optimiser", "time_lapse", "warmup", "high_learning_rate"]
    own = ["random_labels", "small_batch", "dropout", "reduced_precision", "no_batch_norm", "deep_plain"]
    study = study_with(("study", [*names, *own]))
    assert study.starts == {
        "sgd": "baseline",
        "baseline": "baseline",
        "no_l2": "baseline",
        "he_init": "he_init",
        "l2_in_optimiser": "baseline",
        "time_lapse": "baseline",
        "warmup": "zero_head",  # not in this study
        "high_learning_rate": "zero_head",
        **{name: name for name in own},
    }


def test_what_the_study_does_not_run_need_not_be_what_it_could_run():
    overrides = {"network": {"options": {"norm": "group"}}}  # of a factory
    entry = {"hypothesis": "a", "source": "b", "reference": "baseline", "overrides": overrides}
    assert study_with(("circumstances.group_norm", entry)).starts == default_study().starts


def test_the_same_start_has_the_same_settings_whatever_is_trained():
    study = study_with(("study", ["sgd", "baseline", "no_l2"]), ("seeds", [0, 1, 2, 3]))
    alone = study_with(("study", ["no_l2"]), ("training.learning_rate", 0.1), ("seeds", [8, 9]))
    assert alone.start_settings("baseline", "width8") == study.start_settings("baseline", "width8")
    settings = study.start_settings("baseline", "width8")
    assert settings.network == study.run_settings("no_l2", "width8", 0).network
    given = (study.analysis.initialisations, study.analysis.heads_per_backbone, study.evaluation.starting_batches)
    assert (settings.initialisations, settings.heads_per_backbone, settings.starting_batches) == given


@pytest.mark.parametrize(
    ("overrides", "shares"),
    [
        ({"training": {"learning_rate": 0.1}}, True),
        ({"training": {"l2": 0.1}}, True),
        ({"training": {"l2_as": "decoupled"}}, True),
        ({"training": {"optimiser": "sgd"}}, True),
        ({"training": {"epochs": 9}}, True),
        ({"training": {"batch_size": 4}}, False),
        ({"training": {"random_labels": True}}, False),
        ({"training": {"class_weights": [1, 2]}}, False),
        ({"network": {"initialisation": "he"}}, False),
        ({"network": {"dropout": 0.5}}, False),
        ({"network": {"precision": "bfloat16"}}, False),
        ({"network": {"parametrisation": "mup"}}, False),
    ],
)
def test_a_circumstance_shares_a_start_if_it_changes_nothing_that_decides_it(overrides, shares):
    study = study_with(("study", ["baseline", "no_l2"]), ("circumstances.no_l2.overrides", overrides))
    assert (study.starts["no_l2"] == "baseline") == shares


# For the analysis


def test_what_differs_from_the_question_is_known():
    assert default_study().changed_posted_settings == {}
    study = study_with(("training.learning_rate", 1e-4), ("training.epochs", 9), ("dataset.cube_side", 9))
    assert study.changed_posted_settings == {"dataset.cube_side": (25, 9), "training.learning_rate": (1e-5, 1e-4)}
    own = study_with(*OWN_DATA, ("dataset.cube_side", 9))
    assert own.changed_posted_settings == {}


def test_references_are_told_where_both_are_judged():
    study = study_with(("study", ["fixed_std_no_l2", "baseline", "no_l2", "learning_rates", "deep_residual"]))
    assert study.references == {"no_l2": "baseline"}
    study = study_with(("study", ["fixed_std_no_l2", "fixed_std_init", "deep_residual", "deep_plain"]))
    assert study.references == {"fixed_std_no_l2": "fixed_std_init", "deep_residual": "deep_plain"}


def test_expected_ratios_of_penalties_are_told_by_circumstance_and_reference():
    config = default_config()
    update_config(config, load("studies/penalty.yaml"))
    study = Study(config, SCHEMA)
    assert study.penalised == study.judged
    assert study.expected_penalty_ratios == {
        ("baseline", None): (3, 8),
        ("fixed_std_init", None): (3, 8),
        ("fixed_std_init", "baseline"): (0.8, 1.25),
        ("strong_l2", "baseline"): (1.5, 3),
        ("fixed_std_strong_l2", "fixed_std_init"): (1.5, 3),
        ("fixed_std_faster", "fixed_std_init"): (1, 2.52),
    }
    assert default_study().expected_penalty_ratios == {}


def test_what_reports_a_penalty_is_known():
    study = study_with(("study", ["baseline", "no_l2", "fixed_std_init", "l2_in_optimiser", "decoupled_decay"]))
    assert study.penalised == ["baseline", "fixed_std_init"]


def test_names_in_words_are_the_titles_or_else_the_keys():
    study = study_with(
        ("study", ["sgd", "baseline", "no_l2", "deep_plain", "learning_rates"]),
        ("circumstances.deep_plain.title", None),
        ("circumstances.deep_plain.family", None),
    )
    titles = ["SGD", "baseline", "no L2", "deep plain", "rates with BatchNorm"]
    assert study.titles([*study.judged, "learning_rates"]) == titles
    assert study.title(study.grids["learning_rates"][0]).startswith("rates with BatchNorm, at ")
    assert study.title("high_learning_rate_mup") == "BatchNorm at 1e-2 under mup"  # followed, but without runs
    # In the order of their first circumstance, without grids.
    assert list(study.families.items()) == [
        ("optimiser", ["sgd"]),
        ("what is reported", ["baseline", "no_l2"]),
        ("other circumstances", ["deep_plain"]),
    ]


@settings(max_examples=30)
@given(families=st.lists(st.text("a -_", min_size=1, max_size=3), min_size=10, max_size=10))
def test_every_circumstance_is_on_one_page(families):
    names = [name for name, entry in CATALOGUE.items() if "learning_rates" not in entry][: len(families)]
    changes = [(f"circumstances.{name}.family", family) for name, family in zip(names, families, strict=True)]
    study = study_with(("study", names), *changes)
    pages = study.pages(study.judged)
    assert len({*pages}) == len(pages)
    on_pages = [name for page in pages for name in study.on_page(page).judged]
    assert sorted(on_pages) == sorted(names)


def test_claims_are_the_catalogues():
    study = default_study()
    assert study.claims == default_config()["claims"]
    kinds = {"verdict", "contrast", "best_rate", "order_at_rates", "coordinates", "time_lapse"}
    assert all(len(kinds & claim.keys()) == 1 for claim in study.claims.values())


def test_work_has_one_row_for_each_circumstance_and_size():
    study = study_with(("study", ["baseline", "deep_plain"]))
    rows = study.work(study.synthetic_summary, {})
    assert [(row["circumstance"], row["size"]) for row in rows] == [
        (name, size) for name in study.circumstances for size in study.sizes(name)
    ]
    for row in rows:
        network = study.circumstances[row["circumstance"]].network(row["size"])
        assert row["parameters"] == parameter_count(network, cubes())
        assert row["layers"] == network.depth
        assert row["runs"] == len(study.seeds)
        assert min(row["flops_per_sample"], row["samples"], row["memory_mb"], row["disk_mb"]) > 0
