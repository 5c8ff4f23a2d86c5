"""Starting losses over many initialisations: the first of each backbone is what the run of that seed starts with."""

from dataclasses import replace

import pytest
import torch
from settings import cubes, make_arrays, make_network, make_training, small_run

from widthwise.model.build import build_network
from widthwise.model.initialisation import count_parameters, initialise_head, kernels
from widthwise.model.parametrisation import kernel_variances
from widthwise.study.settings import StartSettings
from widthwise.training.objective import Penalty, data_loss
from widthwise.training.seeding import Stream, torch_generator
from widthwise.training.starts import measure_starts

VARIANTS = {
    "as kernels": {},
    "zero head": {"network": {"head_initialisation": "zero"}},
    "unit head": {"network": {"head_initialisation": "unit"}},
    "torch's default": {"network": {"initialisation": "default", "normalisation": "none"}},
    "random labels": {"random_labels": True},
    "class weights": {"class_weights": (1.0, 3.0)},
    "dropout": {"network": {"dropout": 0.5}},
    "reduced precision": {"network": {"precision": "bfloat16"}},
    "mup": {"network": {"width": 6, "base_width": 2, "parametrisation": "mup"}},
    "residual": {"network": {"stages": (2, 1), "residual": True}},
    "many batches": {"evaluation": {"starting_batches": 16}},
    "all": {
        "network": {"head_initialisation": "unit", "dropout": 0.25, "precision": "bfloat16"},
        "random_labels": True,
        "class_weights": (2.0, 1.0),
    },
}


def start_settings(initialisations=6, heads_per_backbone=2, **changes) -> StartSettings:
    """Settings of the starts that runs with these changes share."""
    run = small_run(**changes)
    return StartSettings(
        run.circumstance,
        run.size,
        run.network,
        run.training.batch_size,
        run.training.random_labels,
        run.training.class_weights,
        run.evaluation.starting_batches,
        initialisations,
        heads_per_backbone,
    )


def starts_of(**changes):
    return list(measure_starts(start_settings(**changes), make_arrays(samples=26), cubes()))


@pytest.mark.parametrize("name", VARIANTS)
def test_the_first_head_of_a_backbone_starts_as_the_run_of_its_seed_to_the_bit(name):
    starts = starts_of(**VARIANTS[name])
    assert [(start.backbone, start.head) for start in starts] == [(b, h) for b in range(3) for h in range(2)]
    for start in starts[::2]:
        training = make_training(seed=start.backbone, samples=26, **VARIANTS[name])
        row = next(training.proceed())
        assert (start.data_loss, start.sum_of_squares) == (row.data_loss, row.sum_of_squares)
        assert start.parameters == count_parameters(training.network)


def test_backbones_and_heads_differ():
    losses = [start.data_loss for start in starts_of(initialisations=12, heads_per_backbone=3)]
    assert len(set(losses)) == 12


@pytest.mark.parametrize("name", ["as kernels", "unit head", "torch's default", "dropout", "mup", "reduced precision"])
def test_heads_share_their_backbone(name):
    changes, heads = VARIANTS[name], 3
    settings = start_settings(initialisations=6, heads_per_backbone=heads, **changes)
    starts = list(measure_starts(settings, make_arrays(samples=26), cubes()))
    variance = kernel_variances(settings.network, cubes())[-1]
    for seed in (0, 1):
        training = make_training(seed=seed, samples=26, **changes)
        generator = torch_generator(seed, Stream.INITIALISATION)
        backbone = kernels(build_network(settings.network, cubes(), generator))[:-1]
        for head in range(heads):
            if head:
                initialise_head(training.network.head, settings.network, variance, generator)
            totals = training.starting_totals()
            start = starts[heads * seed + head]
            assert start.data_loss == pytest.approx(totals.loss / totals.batches, rel=1e-6)
            # Only the head's share of the sum of squares is new.
            of_head = training.network.head.weight.double().square().sum().item()
            of_backbone = Penalty(backbone, l2=0).sum_of_squares()
            assert start.sum_of_squares == pytest.approx(of_backbone + of_head, rel=1e-12)


def test_heads_of_zero_are_alike_and_start_at_guessing():
    starts = starts_of(**VARIANTS["zero head"])
    assert [start.data_loss for start in starts] == pytest.approx([torch.log(torch.tensor(2.0)).item()] * 6)
    assert len({start.sum_of_squares for start in starts}) == 3


def test_a_unit_head_adds_its_variance_to_the_sum_of_squares():
    unit, zero = (
        starts_of(initialisations=200, heads_per_backbone=100, network={"head_initialisation": head, "width": 8})
        for head in ("unit", "zero")
    )
    added = torch.tensor([u.sum_of_squares - z.sum_of_squares for u, z in zip(unit, zero, strict=True)])
    # 16 x 2 entries of variance 1: 32 on average, with a standard deviation of 8 in each of 200 draws.
    assert added.mean().item() == pytest.approx(32, abs=4 * 8 / 200**0.5)
    assert len(set(added.tolist())) == 200


@pytest.mark.parametrize("changes", [{"l2": 0.5}, {"learning_rate": 0.1}, {"epochs": 9}, {"optimiser": "sgd"}], ids=str)
def test_what_only_trains_decides_no_start(changes):
    assert starts_of(**changes) == starts_of()


def test_measuring_more_repeats_what_was_measured():
    few, many = (starts_of(initialisations=count, heads_per_backbone=2) for count in (4, 8))
    assert many[:4] == few
    own = replace(start_settings(initialisations=4), size="another", circumstance="another")
    assert list(measure_starts(own, make_arrays(samples=26), cubes())) == few


def test_the_data_loss_is_the_mean_over_the_first_mini_batches():
    start = starts_of()[0]
    training = make_training(samples=26)
    network = make_network().train()
    losses = []
    for step in range(3):
        images, labels = training.batch(step)
        losses.append(data_loss(network(images), labels).item())
    assert start.data_loss == pytest.approx(sum(losses) / 3, rel=1e-6)
