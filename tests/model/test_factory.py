"""A user's own network is built as its factory says, from the seed alone, or refused in a line that says what to do."""

import subprocess
import sys
from dataclasses import replace

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from own_networks import EXAMPLES, FLAT, NETWORK, example_factory, own_network, save_factory, write_factory
from settings import ROOT
from torch import nn

from widthwise.model.build import build_network
from widthwise.model.factory import OwnNetworkError
from widthwise.model.initialisation import kernels
from widthwise.training.objective import Penalty
from widthwise.training.seeding import Stream, torch_generator


def build(settings, task=FLAT, seed=0):
    return build_network(settings, task, torch_generator(seed, Stream.INITIALISATION))


def example(name, seed=0, **changes):
    return build(own_network(example_factory(name), **changes), EXAMPLES[name], seed)


def values(network):
    return [value.detach().clone() for value in network.parameters()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(values(one), values(other), strict=True))


# What is built


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples_map_samples_to_logits_and_grow_with_their_width(name):
    task = EXAMPLES[name]
    networks = [example(name, width=width) for width in (4, 8, 16)]
    assert [tuple(network(torch.zeros(3, *task.shape)).shape) for network in networks] == [(3, task.classes)] * 3
    sizes = [sum(map(torch.numel, network.parameters())) for network in networks]
    assert sizes[0] < sizes[1] < sizes[2]


def test_options_and_depth_reach_the_factory():
    group, batch = (example("resnet_2d", options={"norm": norm}) for norm in ("group", "batch"))
    assert {type(module) for module in group.modules()} - {type(module) for module in batch.modules()} == {nn.GroupNorm}
    assert [len(kernels(example("resnet_2d", depth=depth))) for depth in (8, 14)] == [10, 16]
    assert len(kernels(example("mlp", depth=5, options={"depth": 2}))) == 5
    with pytest.raises(
        OwnNetworkError, match=r"resnet_2d\.py, line \d+, in build: ValueError: depth 9: write 8, 14, 20"
    ):
        example("resnet_2d", depth=9)


@pytest.mark.parametrize(
    "text",
    [
        NETWORK.replace("width, *, classes, shape", "*, shape, classes, width"),
        NETWORK.replace("class Net", "class build").partition("\n\ndef")[0].replace("classes)", "classes, shape)", 1),
        f"{NETWORK}\n\nimport functools\nmade = build\nbuild = functools.partial(made)",
    ],
    ids=["by name", "class", "partial"],
)
def test_any_callable_is_a_factory(tmp_path, text):
    text = text.replace("INIT", "pass").replace("FORWARD", "pass").replace("BUILD", "pass")
    assert build(own_network(save_factory(tmp_path, text)))(torch.zeros(3, 1, 6)).shape == (3, 2)


OTHER_FILES = {
    "network.py": """
import files, study, train
from parts_of_mine import head


def build(width, *, classes, shape):
    return head(shape[-1] + train.ONE + study.ONE + files.ONE, classes)
""",
    "train.py": "ONE = 1\n",
    "study.py": "ONE = 1\n",
    "files.py": "ONE = 1\n",
    "parts_of_mine/__init__.py": "from .heads import head\n",
    "parts_of_mine/heads.py": "from torch.nn import Linear as head\n",
}
# As a program of ours does it.
PROGRAM = """
import sys
sys.path[:0] = ["scripts", "tests"]
import own_networks, torch
from widthwise.model.build import build_network
network = build_network(own_networks.own_network(sys.argv[1]), own_networks.FLAT, torch.Generator())
assert network.in_features == 9
"""


def test_its_folder_comes_first_where_it_imports(tmp_path):
    (tmp_path / "parts_of_mine").mkdir()
    for name, text in OTHER_FILES.items():
        (tmp_path / name).write_text(text)
    subprocess.run([sys.executable, "-c", PROGRAM, f"{tmp_path}/network.py:build"], cwd=ROOT, check=True)


def test_a_factory_that_has_changed_since_the_plan_is_not_called(tmp_path):
    settings = own_network(write_factory(tmp_path))
    with pytest.raises(
        OwnNetworkError, match=r"network\.py or what it imports has changed since the study was planned"
    ):
        build(replace(settings, code="other"))


# Its weights


@given(seed=st.integers(0, 2**31 - 1), name=st.sampled_from(sorted(EXAMPLES)))
def test_the_seed_alone_decides_the_weights(seed, name):
    before = torch.get_rng_state()
    one, other = example(name, seed), example(name, seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert same(one, other)
    assert not same(one, example(name, seed + 1))


def test_numpy_and_random_are_seeded_too(tmp_path):
    factory = write_factory(
        tmp_path,
        "import numpy, random; self.scale = nn.Parameter(torch.tensor([numpy.random.rand(), random.random()]))",
    )
    one, other, third = (build(own_network(factory), seed=seed) for seed in (0, 0, 1))
    assert same(one, other)
    assert not numpy.isin(one.scale.detach().numpy(), third.scale.detach().numpy()).any()


DRAWN = """
import torch
from torch import nn


def build(width, *, classes, shape):
    layers = nn.Sequential(
        nn.Conv1d(1, 40, 5), nn.BatchNorm1d(40), nn.ConvTranspose1d(40, 30, 3, groups=2),
        nn.Conv1d(30, 60, 3, groups=5), nn.Flatten(), nn.Linear(120, classes),
    )
    for index, parameter in enumerate(layers.parameters()):
        nn.init.constant_(parameter, index + 1)
    return layers
"""


def test_as_built_leaves_what_build_has_drawn(tmp_path):
    network = build(own_network(save_factory(tmp_path, DRAWN)))
    assert [parameter.flatten()[0].item() for parameter in network.parameters()] == [*range(1, 11)]


# Of each kernel, the inputs that an output has and the outputs that an input has.
FANS = {0: (1 * 5, 40 * 5), 2: (20 * 3, 15 * 3), 3: (6 * 3, 12 * 3), 5: (120, 2)}
# The variance of an entry, and that of its square in units of the entry's variance squared.
SCHEMES = {
    "glorot": (lambda fan_in, fan_out: 2 / (fan_in + fan_out), 0.8),
    "he": (lambda fan_in, fan_out: 2 / fan_in, 2),
    "default": (lambda fan_in, fan_out: 1 / (3 * fan_in), 0.8),
    "fixed_std": (lambda fan_in, fan_out: 0.3**2, 2),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_initialisation_draws_kernels_with_its_variance_and_nothing_else(tmp_path, scheme):
    network = build(own_network(save_factory(tmp_path, DRAWN), initialisation=scheme, initial_std=0.3))
    variance_of, spread = SCHEMES[scheme]
    for index, fans in FANS.items():
        kernel, bias, variance = network[index].weight, network[index].bias, variance_of(*fans)
        deviation = (
            (kernel.square().sum().item() - kernel.numel() * variance) / (kernel.numel() * spread) ** 0.5 / variance
        )
        assert abs(deviation) < 4
        assert bool(bias.any()) == (scheme == "default")
        assert bool((bias.abs() <= fans[0] ** -0.5).all())
    assert [network[1].weight.unique().tolist(), network[1].bias.unique().tolist()] == [[3], [4]]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_penalty_covers_weights_of_convolutions_and_linear_layers_alone(name):
    network = example(name)
    expected = sum(
        module.weight.double().square().sum().item()
        for module in network.modules()
        if type(module) in (nn.Conv1d, nn.Conv2d, nn.Linear)
    )
    assert Penalty(kernels(network), l2=0).sum_of_squares() == pytest.approx(expected)
    whole = sum(parameter.double().square().sum().item() for parameter in network.parameters())
    assert expected < whole


# What is refused

REFUSED = {
    "no module": ({"build": "return [1]"}, r"network\.py:build returned list; return a torch\.nn\.Module$"),
    "no parameters": ({"build": "return nn.Flatten()"}, r"network\.py:build returned a module without parameters$"),
    "not finite": (
        {"init": "self.first.weight.data[0, 0] = float('nan')"},
        r"network\.py:build: first\.weight starts with values that are not finite; check how it is drawn$",
    ),
    "tied": (
        {"init": "self.again = nn.Linear(6, width); self.again.weight = self.first.weight"},
        r"network\.py:build: first\.weight and again\.weight are one parameter; give each module its own$",
    ),
    "frozen": (
        {"init": "self.first.requires_grad_(False)"},
        r"network\.py:build: first\.weight is frozen; train it, or hold constants as buffers \(register_buffer\)$",
    ),
    "lazy": (
        {"init": "self.first = nn.LazyLinear(width)"},
        r"network\.py:build: first\.weight has no shape yet; use modules that are not lazy, or let a batch pass",
    ),
    "float64": (
        {"init": "self.double()"},
        r"network\.py:build: first\.weight is torch\.float64; build it as torch\.float32$",
    ),
    "weight norm": (
        {"init": "nn.utils.parametrizations.weight_norm(self.first)"},
        r"network\.py:build: first\.weight is computed from others, as weight_norm and spectral_norm do; use",
    ),
    "exception": (
        {"build": "raise ValueError('no\\nsuch norm')"},
        r"network\.py, line 20, in build: ValueError: no such norm$",
    ),
    "exception in a library": (
        {"init": "nn.Conv1d(3, 4, 1, groups=2)"},
        r"network\.py, line 11, in __init__: ValueError: in_channels must be divisible by groups$",
    ),
    "exit": ({"build": "raise SystemExit('usage')"}, r"network\.py, line 20, in build: SystemExit: usage$"),
    "missing library": (
        {"build": "import torchvisions"},
        r"network\.py, line 20, in build: ModuleNotFoundError: No module named 'torchvisions'$",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_refused_with_what_to_do(name, tmp_path, capfd):
    statements, line = REFUSED[name]
    factory = write_factory(tmp_path, **statements)
    with pytest.raises(OwnNetworkError, match=line) as caught:
        build(own_network(factory))
    assert "\n" not in str(caught.value)
    trace = capfd.readouterr().err
    assert ("Traceback" in trace) == ("line" in str(caught.value))
    # Theirs begins in their file, not in ours.
    assert str(ROOT / "scripts") not in trace


def test_a_place_in_the_users_code_is_shown_relative_to_where_the_program_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_factory(tmp_path, build="1 / 0")
    with pytest.raises(OwnNetworkError, match=r"^network\.py, line 20, in build: ZeroDivisionError: division by zero$"):
        build(own_network("network.py:build"))


ACCEPTED = {
    "a module under two names": {"init": "self.layers = nn.ModuleList([self.first, self.last])"},
    "lazy, with a batch": {"init": "self.first = nn.LazyLinear(width); self.first(torch.zeros(1, 6))"},
    "other types as buffers": {"init": "self.register_buffer('count', torch.zeros(2, dtype=torch.float64))"},
    "data parallel": {"build": "return nn.DataParallel(Net(width, classes))"},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_can_be_trained_is_accepted(name, tmp_path):
    network = build(own_network(write_factory(tmp_path, **ACCEPTED[name])))
    assert network(torch.zeros(3, 1, 6)).shape == (3, 2)
    assert len(kernels(network)) == 2
