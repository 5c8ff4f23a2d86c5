"""A study of a user's own network on data that nobody made for it: the example's ResNet on handwritten digits."""

import json
import math

import pandas
import pytest
from workflow.checkout import copy_checkout, copy_study, make, planned, refusal
from workflow.real_data import save_digits

# Laid over the worked example.
SMALL = """
pathvars: {results: results/digits}
dataset: {path: digits.npz}
widths: [4, 8, 12]
seeds: [0, 1]
study: [baseline, batch_norm]
training: {batch_size: 16, epochs: 3}
evaluation: {row_interval: 1, starting_batches: 2}
analysis: {decay_step: 8, end_window: 0.4, initialisations: 4}
"""
STUDY = ("--configfile", "config/examples/resnet_2d.yaml", "small.yaml")
FACTORY = "config/examples/resnet_2d.py"
RUNS = 2 * 3 * 2


def prepare(folder, study=SMALL):
    save_digits(folder / "digits.npz")
    (folder / "small.yaml").write_text(study)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout whose study is done."""
    folder = prepare(copy_checkout(tmp_path_factory.mktemp("digits") / "checkout"))
    make(folder, *(f"results/digits/{name}" for name in ("answer.md", "networks.json")), *STUDY)
    return folder


@pytest.fixture
def study(finished, tmp_path):
    return copy_study(finished, tmp_path / "study")


def test_an_own_network_goes_the_whole_way_to_the_answer(finished):
    results = finished / "results/digits"
    runs = pandas.read_csv(results / "tables/runs.csv")
    assert len(runs) == RUNS
    assert set(runs["classes"]) == {10}
    assert not runs["diverged"].any()
    # BatchNorm has as many parameters as GroupNorm; both kinds have 10 convolutions and linear layers.
    assert set(runs["parameters"]) == {5142, 19810, 44014}
    losses = pandas.read_csv(results / "tables/losses.csv")
    assert losses["data_loss"].iloc[0] == pytest.approx(math.log(10), rel=0.2)
    ends = losses[losses["step"] == losses["step"].max()]
    assert (ends["data_loss"] < math.log(10)).all()
    assert (ends["penalty"] == 0).all()  # it acts in the optimiser
    described = json.loads((results / "networks.json").read_text())
    names = [name for network in described.values() for name in network["names"]]
    assert sorted(names) == sorted(f"{name}/width{n}" for name in ("baseline", "batch_norm") for n in (4, 8, 12))
    run = json.loads((results / "runs/batch_norm/width8/seed1/run.json").read_text())
    assert run["settings"]["network"]["options"] == {"norm": "batch"}
    (network,) = (network for network in described.values() if "batch_norm/width8" in network["names"])
    assert run["flops_per_step"] == 16 * network["complexity"]["flops_per_sample"]
    answer = (results / "answer.md").read_text()
    assert f"{FACTORY}:build" in answer
    assert "network.options.norm" in answer
    assert "160 training images of 8 x 8" in answer
    assert "438992" not in answer  # the posted question is about another network


@pytest.mark.parametrize(
    ("file", "old", "new", "described", "trained"),
    [
        (
            FACTORY,
            '"""Two convolutions, and a shortcut around them."""',
            '"""Two convolutions."""  # and a shortcut',
            0,
            0,
        ),
        (FACTORY, "functional.relu(self.convolutions(x)", "functional.elu(self.convolutions(x)", 6, RUNS),
        ("small.yaml", "decay_step: 8", "decay_step: 9", 0, 0),
        ("small.yaml", "epochs: 3", "epochs: 4", 0, RUNS),
        ("small.yaml", "12]", "12, 16]", 2, 2 * 2),
        ("small.yaml", "batch_norm]", "batch_norm, no_l2]", 0, 3 * 2),
        ("small.yaml", "batch_norm]", "batch_norm, he_init]", 3, 3 * 2),
        ("small.yaml", "[baseline, batch_norm]", "[no_l2]", 0, 3 * 2),
    ],
    ids=["docstring", "code", "analysis", "epochs", "a width", "a circumstance", "an initialisation", "others"],
)
def test_what_is_changed_decides_what_is_made_again(study, file, old, new, described, trained):
    path = study / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    jobs = planned(study, *STUDY)
    assert (jobs.get("describe_network", 0), jobs.get("train", 0)) == (described, trained)
    assert "import_dataset" not in jobs


def test_a_checkpoint_of_other_code_is_not_continued(study):
    path = study / FACTORY
    path.write_text(path.read_text().replace("nn.ReLU()", "nn.ELU()"))
    make(study, "results/digits/runs/baseline/width4/seed0/run.json", *STUDY)
    log = (study / "results/digits/logs/train/baseline/width4/seed0.log").read_text()
    assert (
        "checkpoint.pt: is of a run with other settings; kept as checkpoint.set_aside.pt, and the run starts again"
        in log
    )


def test_sizes_that_are_alike_are_refused(study):
    (study / "small.yaml").write_text(SMALL.replace("[4, 8, 12]", "[8, 12, 16]").replace(", batch_norm]", "]"))
    path = study / FACTORY
    path.write_text(path.read_text().replace("    blocks, rest =", "    width = min(width, 12)\n    blocks, rest ="))
    output = refusal(study, "results/digits/networks.json", *STUDY)
    assert (
        f"{FACTORY}:build: width12 and width16 of baseline have the same number of parameters, 44014; leave one out, "
        "or let the network grow with its size" in output
    )


def test_longer_runs_go_on_from_their_checkpoints(study):
    (study / "small.yaml").write_text(SMALL.replace("epochs: 3", "epochs: 4"))
    run = study / "results/digits/runs/baseline/width4/seed0/run.json"
    make(study, str(run.relative_to(study)), *STUDY)
    record = json.loads(run.read_text())
    assert (record["sittings"], record["steps"]) == (2, 40)
    assert "going on from step 30" in (study / "results/digits/logs/train/baseline/width4/seed0.log").read_text()


def test_a_circumstance_that_it_cannot_follow_is_refused_before_any_job(checkout):
    prepare(checkout, SMALL.replace("batch_norm]", "no_batch_norm]"))
    output = refusal(checkout, *STUDY)
    assert (
        f"circumstances.no_batch_norm: network.normalisation: of the built-in network, but {FACTORY}:build builds this "
        "one and accepts depth, norm, groups; take the circumstance out of `study`" in output
    )
    assert not (checkout / "results").exists()


def test_an_exception_in_its_code_is_shown_as_theirs_before_any_training(checkout):
    prepare(checkout)
    path = checkout / FACTORY
    path.write_text(path.read_text().replace("self.shortcut(x)", "self.shortcuts(x)"))
    line = 1 + path.read_text().splitlines().index(
        "        return nn.functional.relu(self.convolutions(x) + self.shortcuts(x))"
    )
    output = refusal(checkout, *STUDY)
    assert f"{FACTORY}, line {line}, in forward: AttributeError: 'Block' object has no attribute 'shortcuts'" in output
    assert "Error in rule describe_network" in output
    assert "Trying to restart" not in output
    assert not (checkout / "results/digits/runs").exists()
