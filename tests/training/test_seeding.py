"""Random streams: one for each purpose, seed and epoch, the same everywhere."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from widthwise.training.seeding import Stream, random_order, random_state, set_random_state, torch_generator

CPU = torch.device("cpu")
SEEDS = st.integers(0, 2**31 - 1)


@given(seed=SEEDS, stream=st.sampled_from(Stream), samples=st.integers(1, 200), epoch=st.integers(0, 1000))
def test_an_order_is_a_permutation_that_repeats(seed, stream, samples, epoch):
    order = random_order(seed, stream, samples, epoch)
    assert order.dtype == torch.int64
    assert order.sort().values.tolist() == list(range(samples))
    assert torch.equal(order, random_order(seed, stream, samples, epoch))


def test_orders_differ_between_seeds_streams_and_epochs():
    orders = {
        tuple(random_order(seed, stream, 50, epoch).tolist())
        for seed in (0, 1, 2**31 - 1)
        for stream in Stream
        for epoch in (0, 1)
    }
    assert len(orders) == 3 * len(Stream) * 2


@given(seed=SEEDS)
def test_a_generator_repeats_and_differs_between_streams(seed):
    draws = [torch.rand(4, generator=torch_generator(seed, stream)) for stream in Stream]
    assert torch.equal(draws[0], torch.rand(4, generator=torch_generator(seed, Stream(0))))
    assert len({tuple(draw.tolist()) for draw in draws}) == len(Stream)


def test_streams_are_never_renumbered():
    # They are part of every result: these numbers are those of the published runs.
    assert dict(Stream.__members__) == {"INITIALISATION": 0, "DATA_ORDER": 1, "DROPOUT": 2, "LABELS": 3}
    assert random_order(0, Stream.DATA_ORDER, 8).tolist() == [1, 3, 7, 6, 0, 4, 2, 5]
    assert torch.rand(1, generator=torch_generator(0, Stream.INITIALISATION)).item() == pytest.approx(
        0.11343264579772949
    )


def test_the_random_state_is_put_back():
    state = random_state(CPU)
    first = torch.rand(3)
    set_random_state(state, CPU)
    assert torch.equal(torch.rand(3), first)
