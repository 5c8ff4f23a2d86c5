"""A user's own network is tried before it is trained, and is trained, stopped and continued as ours is."""

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace

import numpy
import pytest
import torch
from own_networks import EXAMPLES, FLAT, arrays_of, example_factory, own_run, save_factory, write_factory
from settings import ROOT, log_of

from widthwise.data.storage import write_dataset
from widthwise.model.factory import OwnNetworkError
from widthwise.model.initialisation import kernels
from widthwise.study.architecture import Complexity, Task, network_key
from widthwise.study.cost import memory_mb, requested_mb
from widthwise.study.settings import StartSettings, canonical_json
from widthwise.training.loop import prepare_training
from widthwise.training.own_network import Trial, try_network
from widthwise.training.starts import measure_starts

# What is refused

NOT_REPEATED = (
    "two passes from the same random state differ; in forward, draw from torch without a generator of your own, and "
    "keep what changes in buffers"
)
NOT_IN_CHECKPOINTS = "its forward draws from random or numpy.random, which no checkpoint holds; draw from torch"
NOT_TRAINED = (
    "has gradients but is no parameter of the network, so it is never trained; hold modules in nn.ModuleList or "
    "nn.ModuleDict, tensors in nn.Parameter"
)

REFUSED = {
    "wrong shape": (
        {"forward": "return self.first(x)"},
        "its network maps (4, 1, 6) to (4, 4); return logits (4, 2), (samples, classes)",
    ),
    "tuple": (
        {"forward": "return self.first(x), x"},
        "its network returns tuple; return logits (4, 2), (samples, classes)",
    ),
    "tuple in eval mode": (
        {"forward": "if not self.training: return x, x"},
        "its network returns tuple; return logits (4, 2), (samples, classes)",
    ),
    "probabilities": (
        {"forward": "return self.last(self.first(x)).softmax(1)"},
        "its network returns probabilities; return logits, without the softmax",
    ),
    "not finite": (
        {"forward": "x = x / 0"},
        "the first logits are not finite; check its initial weights",
    ),
    "gradient not finite": (
        {"forward": "x = x + (0 * self.first(x)).sqrt().sum()"},
        "the first gradient of first.weight is not finite; check its initial weights",
    ),
    "changes its input": (
        {"forward": "x -= 1"},
        "its network changes its input in place; write x = x + 1 for x += 1, or clone x first",
    ),
    "parameters without a part": (
        {"init": "self.head = nn.Linear(6, 1000)"},
        "head.weight takes no part in the logits; leave it out of the network",
    ),
    "another build each time": (
        {"init": "import numpy; self.first.weight.data.mul_(numpy.random.default_rng().random())"},
        "first.weight for the same seed; draw from torch, numpy.random or random, without a generator of your own",
    ),
    "the same build for every seed": (
        {"build": "torch.manual_seed(0)"},
        "gives the same weights for every seed; leave torch.manual_seed and generators of your own out",
    ),
    "own torch.Generator": (
        {"init": "self.generator = torch.Generator()", "forward": "x = x + torch.rand(6, generator=self.generator)"},
        NOT_REPEATED,
    ),
    "own generator of numpy": (
        {"forward": "import numpy; x = x * numpy.random.default_rng().random()"},
        NOT_REPEATED,
    ),
    "random in forward": (
        {"forward": "import random; x = x if random.random() < 2 else -x"},
        NOT_IN_CHECKPOINTS,
    ),
    "numpy.random in forward": (
        {"forward": "import numpy; x = x * numpy.random.rand()"},
        NOT_IN_CHECKPOINTS,
    ),
    "counts its passes": (
        {"init": "self.passes = 0", "forward": "self.passes += 1; x = x / self.passes"},
        NOT_REPEATED,
    ),
    "keeps what no checkpoint has": (
        {
            "init": "self.register_buffer('mean', torch.zeros(6), persistent=False)",
            "forward": "x = x - self.mean; self.mean = self.mean + x.mean(0).detach() * self.training",
        },
        "differs in a run that goes on from a checkpoint; keep all that changes in parameters and persistent buffers",
    ),
    "dropout in eval mode": (
        {"forward": "x = nn.functional.dropout(x)"},
        "in eval mode two passes differ; call functional.dropout with training=self.training",
    ),
    "statistics of the batch in eval mode": (
        {"init": "self.norm = nn.BatchNorm1d(6, track_running_stats=False)", "forward": "x = self.norm(x)"},
        "in eval mode a sample's logits depend on the rest of its batch; use running statistics "
        "(track_running_stats=True), or a normalisation without batches",
    ),
    "sigmoid": (
        {"forward": "return self.last(self.first(x)).sigmoid()"},
        "its network returns numbers within 0 and 1 whatever its weights; return logits, without the sigmoid",
    ),
    "layers in a list": (
        {"init": "self.layers = [nn.Linear(6, 6)]", "forward": "x = self.layers[0](x)"},
        NOT_TRAINED,
    ),
    "a tensor that is no parameter": (
        {"init": "self.scale = torch.ones(6, requires_grad=True)", "forward": "x = self.scale * x"},
        NOT_TRAINED,
    ),
    "nothing for the penalty": (
        {"build": "return nn.Sequential(nn.Flatten(), nn.LayerNorm(6), nn.AdaptiveAvgPool1d(2))"},
        "its network has no convolution or linear module, whose weights the penalty covers; write training.l2: 0, or "
        "l2_as: optimiser",
    ),
    "nothing that can be seen for the penalty": (
        {
            "init": "import warnings; warnings.simplefilter('ignore'); "
            "self.first, self.last = map(torch.jit.script, (self.first, self.last))"
        },
        "its network has no convolution or linear module that can be seen in TorchScript, whose weights the penalty "
        "covers; write training.l2: 0, or l2_as: optimiser",
    ),
}


def trial(factory, task=FLAT, **changes):
    return try_network(own_run(factory, **changes), arrays_of(task), task)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_refused_with_what_to_do(name, tmp_path):
    statements, line = REFUSED[name]
    with pytest.raises(OwnNetworkError, match=f"{re.escape(line)}$") as caught:
        trial(write_factory(tmp_path, **statements))
    assert str(caught.value).startswith(f"{tmp_path}/network.py:build")
    assert "\n" not in str(caught.value)


def test_an_initialisation_that_draws_nothing_is_refused(tmp_path):
    layers = "nn.Flatten(), nn.LayerNorm(6), nn.AdaptiveAvgPool1d(2), nn.LayerNorm(2)"
    factory = write_factory(tmp_path, build=f"return nn.Sequential({layers})")
    with pytest.raises(
        OwnNetworkError,
        match=r"whose weights network\.initialisation draws; write .*as_built, or take \w+ out of `study`$",
    ):
        trial(factory, l2=0, network={"initialisation": "he"})


@pytest.mark.parametrize(
    ("forward", "line"),
    [
        (
            "x = self.first(x, 3)",
            r"line 15, in forward: TypeError: Linear\.forward\(\) takes 2 positional arguments but 3",
        ),
        ("x = self.first(x.T)", r"line 15, in forward: RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
        (
            "return self.last(self.first(x)).detach()",
            r"network\.py: RuntimeError: element 0 of tensors does not require gra",
        ),
    ],
)
def test_an_exception_in_forward_is_shown_with_its_place(forward, line, tmp_path, capfd):
    with pytest.raises(OwnNetworkError, match=line):
        trial(write_factory(tmp_path, forward=forward))
    assert "Traceback" in capfd.readouterr().err


# What is accepted

ATTENTION = """
from torch import nn



class Net(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.embed, self.attention = nn.Linear(1, width), nn.MultiheadAttention(width, 2, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.embed(x.transpose(1, 2))
        return self.head(self.attention(x, x, x)[0].mean(1))


def build(width, *, classes, shape):
    return Net(width, classes)
"""
WORDS = 7
# For samples that are whole numbers from 0.
EMBEDDING = f"""
import torch
from torch import nn


class Embedding(nn.Embedding):
    def forward(self, x):
        return super().forward(x.flatten(1).long()).flatten(1)


def build(width, *, classes, shape):
    return nn.Sequential(Embedding({WORDS}, width), nn.Linear(6 * width, classes))
"""
ACCEPTED = {
    "dropout": {"init": "self.dropout = nn.Dropout(0.5)", "forward": "x = self.dropout(x)"},
    "batch norm": {"init": "self.norm = nn.BatchNorm1d(6)", "forward": "x = self.norm(x)"},
    "a buffer that is replaced": {
        "init": "self.register_buffer('mean', torch.zeros(6))",
        "forward": "x = x - self.mean; self.mean = self.mean + x.mean(0).detach() * self.training",
    },
    "a frozen tensor": {"init": "self.scale = torch.full((6,), 2.0)", "forward": "x = self.scale * x"},
    "a leaf that is made in forward": {"forward": "x = x + torch.zeros(6, requires_grad=True)"},
    "logits within 0 and 1 at first": {
        "init": "nn.init.zeros_(self.last.weight); nn.init.constant_(self.last.bias, 0.3)"
    },
    "logits that are bounded": {"forward": "return nn.functional.normalize(self.last(self.first(x).relu()))"},
    "log probabilities": {"forward": "return self.last(self.first(x)).log_softmax(1)"},
    "data parallel": {"build": "return nn.DataParallel(Net(width, classes))"},
    "a frozen start of another kind": {"init": "nn.init.zeros_(self.last.weight)"},
    "a table that the first pass makes": {
        "init": "self.table = None",
        "forward": "self.table = torch.arange(6.0) if self.table is None else self.table; "
        "x = x + self.table * self.first.bias.mean()",
    },
    "gradients checkpointed": {
        "forward": "from torch.utils.checkpoint import checkpoint; x = checkpoint(torch.sin, x, use_reentrant=False)"
    },
}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_can_be_trained_is_accepted_and_counted(name, precision, tmp_path):
    factory = write_factory(tmp_path, **ACCEPTED[name])
    found = trial(factory, network={"precision": precision})
    training = prepare_training(own_run(factory, network={"precision": precision}), arrays_of(FLAT), FLAT)
    assert log_of(training)[-1].step == training.steps
    assert found.complexity.layers == 2
    # Two operations for each weight, three times over.
    assert found.complexity.flops_per_sample == 3 * 2 * (6 * 4 + 4 * 2)
    assert found.without_penalty == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("l2_as", ["loss", "optimiser"])
def test_a_block_may_be_left_out_of_steps_at_random(l2_as, seed, tmp_path):
    factory = write_factory(
        tmp_path,
        "self.block = nn.Linear(6, 6)",
        "x = x + self.block(x) if not self.training or torch.rand(()) < 0.3 else x",
    )
    run = own_run(factory, l2_as=l2_as, seed=seed)
    assert try_network(run, arrays_of(FLAT), FLAT).complexity.layers == 3
    training = prepare_training(run, arrays_of(FLAT), FLAT)
    taken = []
    training.network.block.register_forward_hook(lambda *_: taken.append(training.step))
    assert log_of(training)[-1].step == training.steps
    assert 0 < len({*taken}) < training.steps


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples_are_accepted(name):
    found = trial(example_factory(name), EXAMPLES[name])
    network = prepare_training(own_run(example_factory(name)), arrays_of(EXAMPLES[name]), EXAMPLES[name]).network
    assert found.complexity.parameters == sum(map(torch.numel, network.parameters()))
    assert found.complexity.layers == len(kernels(network))
    assert found.complexity.kept_per_sample > max(EXAMPLES[name].numbers, 1)


def test_an_example_costs_what_its_layers_make():
    # 3 linear layers of 10 to 4, 4 to 4 and 4 to 3. Kept: the input, two ReLUs' outputs, log probabilities, and labels
    # of 8 bytes; for the batch of 4, one number that its loss is divided by.
    assert trial(example_factory("mlp"), EXAMPLES["mlp"]).complexity == Complexity(
        parameters=44 + 20 + 15,
        layers=3,
        flops_per_sample=3 * 2 * (40 + 16 + 12),
        kept_per_sample=math.ceil(2 * (10 + 4 + 4 + 3 + 2 + 1 / 4)),
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [(ATTENTION, ["attention.in_proj_weight"]), (EMBEDDING, ["0.weight"])],
    ids=["attention", "table"],
)
def test_matrices_that_the_penalty_leaves_out_are_told(text, names, tmp_path):
    run = own_run(save_factory(tmp_path, text))
    words = arrays_of(FLAT) | {"train/images": numpy.arange(24 * 6, dtype=numpy.float32).reshape(24, 1, 6) % WORDS}
    found = try_network(run, words, FLAT)
    assert found.without_penalty == names
    assert isinstance(found, Trial)
    assert log_of(prepare_training(run, words, FLAT))


# Training

VARIANTS = {
    "resnet_2d": {},
    "cnn_1d": {"learning_rate": 1e-2, "l2_as": "decoupled", "network": {"precision": "bfloat16"}},
    "mlp": {"optimiser": "sgd", "learning_rate": 1e-2, "warmup_steps": 7, "random_labels": True},
    "wrapped_mobilenet": {"class_weights": (1.0, 2.0, 1.0, 3.0), "learning_rate": 1e-2},
}


def training_of(name, **changes):
    task = EXAMPLES[name]
    return prepare_training(own_run(example_factory(name), **VARIANTS[name] | changes), arrays_of(task), task)


def stopped_after(training, stops):
    for _, _ in zip(range(stops), training.proceed(), strict=False):
        pass
    return training


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("stops", [1, 4, 9])
def test_a_run_that_goes_on_elsewhere_is_the_run_that_never_stopped(name, stops, tmp_path):
    whole = training_of(name)
    rows = log_of(whole)
    torch.save(stopped_after(training_of(name), stops).state_dict(), tmp_path / "state.pt")
    second = training_of(name)
    torch.rand(7)  # what happens in between does not matter
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert second.step == stops - 1
    assert log_of(second) == rows
    assert rows[-1].step == whole.steps == 12
    for one, other in zip(second.network.state_dict().values(), whole.network.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", EXAMPLES)
def test_training_lowers_the_loss(name):
    rows = log_of(training_of(name, epochs=20, learning_rate=1e-2, random_labels=False))
    assert rows[-1].data_loss < rows[0].data_loss
    assert all(row.objective == pytest.approx(row.data_loss + row.penalty) for row in rows)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_start_is_the_row_before_the_first_update_of_its_seed(name):
    task, training = EXAMPLES[name], VARIANTS[name]
    run = own_run(example_factory(name), **training)
    settings = StartSettings(
        "baseline",
        "width4",
        run.network,
        run.training.batch_size,
        run.training.random_labels,
        run.training.class_weights,
        run.evaluation.starting_batches,
        initialisations=3,
        heads_per_backbone=1,
    )
    starts = list(measure_starts(settings, arrays_of(task), task))
    assert [(start.backbone, start.head) for start in starts] == [(0, 0), (1, 0), (2, 0)]
    for start in starts:
        row = next(prepare_training(replace(run, seed=start.backbone), arrays_of(task), task).proceed())
        assert start.data_loss == pytest.approx(row.data_loss, rel=1e-6)
        assert start.sum_of_squares == pytest.approx(row.sum_of_squares, rel=1e-12)
    assert len({start.data_loss for start in starts}) == 3


# Programs

# Runs a program of ours, then writes the peak of its resident memory in kB.
MEASURED = """
import re, runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")
@pytest.mark.parametrize(
    ("name", "task", "width", "batch_size"),
    [("resnet_2d", Task(10, (1, 48, 48)), 32, 32), ("mlp", Task(10, (1, 1000)), 1500, 32)],
    ids=["large images", "many weights"],
)
def test_the_memory_that_is_asked_for_is_enough_and_not_far_too_much(name, task, width, batch_size, tmp_path):
    arrays = arrays_of(task, samples=2 * batch_size)
    run = own_run(
        example_factory(name), network={"width": width}, batch_size=batch_size, evaluation={"starting_batches": 1}
    )
    complexity = try_network(run, arrays, task).complexity
    counts = {split: numpy.bincount(arrays[f"{split}/labels"]).tolist() for split in ("train", "test")}
    summary = {"digest": write_dataset(tmp_path / "own.h5", arrays, {}), "shape": task.shape, "class_counts": counts}
    (tmp_path / "own.json").write_text(json.dumps(summary))
    (tmp_path / "networks.json").write_text(json.dumps({network_key(run.network): {"complexity": asdict(complexity)}}))
    files = {
        "dataset": "own.h5",
        "summary": "own.json",
        "networks": "networks.json",
        "losses": "losses.csv",
        "run": "run.json",
        "weights": "weights.pt",
    }
    arguments = [f"--{key}={tmp_path / file}" for key, file in files.items()]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "scripts/train.py", f"--settings={canonical_json(run)}", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "scripts"},
        capture_output=True,
        text=True,
        check=True,
    )
    peak = int(done.stdout) * 1024 / 1e6
    estimate = memory_mb(complexity, batch_size, summary)
    assert peak <= estimate <= 2 * peak
    assert estimate < requested_mb(estimate) < 2 * estimate


def test_a_network_may_use_torchs_compiler_where_ours_leave_it_out(tmp_path):
    factory = write_factory(
        tmp_path, forward="x = torch.utils.checkpoint.checkpoint(torch.sin, x, use_reentrant=False)"
    )
    program = (
        "import sys, torch.utils.checkpoint; from own_networks import FLAT, arrays_of, own_run\n"
        "from widthwise.training.device import leave_compiler_out; leave_compiler_out()\n"
        "from widthwise.training.own_network import try_network\n"
        "try_network(own_run(sys.argv[1]), arrays_of(FLAT), FLAT)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "tests")])}
    subprocess.run([sys.executable, "-c", program, factory], env=environment, check=True)
