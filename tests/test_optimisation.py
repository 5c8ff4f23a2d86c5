"""Which weights learn at which rate: the published rules of maximal update, and the standard at the base width."""

import pytest
import torch
from settings import SMALL, log_of, make_network, make_training

from widthwise.training.optimisation import make_optimiser, parameter_groups, root_second_moments

# Yang et al. 2022, Tensor Programs V, Table 8, with r = width / base width. With width the head grows on its input
# side, the first convolution, BatchNorm and convolutions' biases on their output side, the other convolutions on
# both. Under Adam the last learn at 1 / r; under SGD all but them, and but the head's biases, at r.
TABLE_8 = {
    "adam": {"first": 1, "vector": 1, "hidden": 1 / 3, "head.weight": 1, "head.bias": 1},
    "sgd": {"first": 3, "vector": 3, "hidden": 1, "head.weight": 3, "head.bias": 1},
}


def kind(name: str) -> str:
    if name in ("head.weight", "head.bias"):
        return name
    if name == "blocks.0.convolution.weight":
        return "first"
    return "hidden" if name.endswith("convolution.weight") else "vector"


@pytest.mark.parametrize("optimiser", TABLE_8)
@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_rates_under_mup_are_the_published_ones(optimiser, normalisation):
    network = make_network(width=6, base_width=2, parametrisation="mup", normalisation=normalisation, **SMALL)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    rates = {
        names[id(parameter)]: group["lr"]
        for group in parameter_groups(network, optimiser, 0.1)
        for parameter in group["params"]
    }
    assert rates.keys() == set(names.values())
    assert rates == {name: pytest.approx(0.1 * TABLE_8[optimiser][kind(name)]) for name in rates}


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_at_the_base_width_mup_is_standard_to_the_bit(optimiser):
    losses = [
        [
            row.data_loss
            for row in log_of(
                make_training(
                    network=make_network(width=3, base_width=3, parametrisation=parametrisation, **SMALL),
                    optimiser=optimiser,
                    learning_rate=1e-2,
                )
            )
        ]
        for parametrisation in ("standard", "mup")
    ]
    assert losses[0] == losses[1]


def test_the_heads_input_is_divided_by_the_width_ratio():
    standard, mup = (make_network(width=6, base_width=2, parametrisation=p, **SMALL) for p in ("standard", "mup"))
    images = torch.randn(4, 1, 5, 5, 5)
    bias = standard.head.bias
    torch.testing.assert_close((standard(images) - bias) / 3, mup(images) - bias)


def test_under_mup_a_step_moves_the_function_alike_at_every_width():
    def change_of_logits(width, parametrisation):
        network = make_network(
            width=width, base_width=4, parametrisation=parametrisation, head_initialisation="zero", **SMALL
        )
        training = make_training(network=network, learning_rate=1e-2, l2=0)
        for _ in range(3):
            training.advance()
        return network(training.probe.images).square().mean().sqrt().item()

    growth = {p: change_of_logits(64, p) / change_of_logits(4, p) for p in ("standard", "mup")}
    assert growth["standard"] > 4
    assert 0.5 < growth["mup"] < 2


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(ValueError, match="allowed are adam, sgd"):
        make_optimiser(
            make_network(**SMALL),
            "lion",
            learning_rate=1,
            betas=(0, 0),
            epsilon=1,
            momentum=0,
            decay=0,
            decoupled=False,
        )


def test_root_second_moments_after_one_step_are_the_gradients():
    training = make_training(l2=0)
    training.advance()
    gradients = torch.cat([parameter.grad.flatten() for parameter in training.network.parameters()])
    torch.testing.assert_close(root_second_moments(training.optimiser), gradients.abs())
    assert root_second_moments(make_training(optimiser="sgd").optimiser) is None
