"""A run: its mini-batches, its updates, and the rows of its log, against a plain loop."""

import itertools
import json

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from settings import cubes, log_of, make_arrays, make_network, make_training, small_run

from widthwise.model.initialisation import kernels
from widthwise.study.settings import RunSettings, canonical_json
from widthwise.training.loop import MiniBatches, as_tensors, dealt_at_random, prepare_network, prepare_training
from widthwise.training.seeding import Stream, random_order

CPU = torch.device("cpu")
DROPOUT = {"dropout": 0.5}


def plain_loop(training, steps):
    """The loop that one writes first, on a copy of the network: data loss and share correct before each update."""
    run = training.run
    network = make_network(run.network, seed=run.seed)
    network.train()
    weights = run.training.class_weights and torch.tensor(run.training.class_weights)
    optimiser = torch.optim.Adam(network.parameters(), lr=run.training.learning_rate, eps=1e-7)
    measured = []
    for batch in plain_batches(training, steps):
        optimiser.zero_grad()
        logits, labels = network(training.images[batch]), training.labels[batch]
        loss = torch.nn.functional.cross_entropy(logits, labels, weights)
        (loss + run.training.l2 * sum(kernel.square().sum() for kernel in kernels(network))).backward()
        measured.append((loss.item(), (logits.argmax(1) == labels).float().mean().item()))
        optimiser.step()
    return network, measured


def plain_batches(training, count):
    """The first mini-batches, epoch after epoch."""
    samples, batch_size = len(training.labels), training.run.training.batch_size
    per_epoch = samples // batch_size
    epochs = (random_order(training.run.seed, Stream.DATA_ORDER, samples, epoch) for epoch in itertools.count())
    batches = (order[i * batch_size : (i + 1) * batch_size] for order in epochs for i in range(per_epoch))
    return list(itertools.islice(batches, count))


# Settings


@pytest.mark.parametrize(("optimiser", "l2_as"), [("adam", "loss"), ("adam", "decoupled"), ("sgd", "optimiser")])
def test_settings_that_are_whole_numbers_train_as_they_are_written_in_full(optimiser, l2_as):
    network = {"initialisation": "fixed_std", "initial_std": 1.0, "negative_slope": 1.0, "dropout": 0.0}
    network |= {"normalisation_momentum": 1.0, "normalisation_epsilon": 1.0}
    training = {"learning_rate": 1.0, "betas": (0.0, 0.0), "epsilon": 1.0, "momentum": 0.0, "l2": 1.0}
    run = small_run(optimiser=optimiser, l2_as=l2_as, class_weights=(1.0, 3.0), network=network, **training)
    assert "." not in canonical_json(run)
    from_text = RunSettings.from_dict(json.loads(canonical_json(run)))
    log, expected = (log_of(prepare_training(settings, make_arrays(), cubes())) for settings in (from_text, run))
    assert log == expected
    assert len(log) > 2


# Mini-batches


@given(samples=st.integers(2, 60), batch_size=st.integers(1, 60), seed=st.integers(0, 99), data=st.data())
def test_an_epoch_meets_every_sample_once_but_a_rest_smaller_than_a_batch(samples, batch_size, seed, data):
    batch_size = min(batch_size, samples)
    batches = MiniBatches(samples, batch_size, seed, CPU)
    assert batches.per_epoch == samples // batch_size
    epoch = data.draw(st.integers(0, 5))
    steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
    met = torch.cat([batches.indices(step) for step in steps]).tolist()
    assert len(met) == len(set(met)) == batches.per_epoch * batch_size
    assert met == random_order(seed, Stream.DATA_ORDER, samples, epoch).tolist()[: len(met)]


@given(steps=st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_a_mini_batch_depends_on_seed_and_step_alone(steps):
    in_this_order = MiniBatches(10, 3, 1, CPU)
    for step in steps:
        assert torch.equal(in_this_order.indices(step), MiniBatches(10, 3, 1, CPU).indices(step))


def test_all_widths_see_the_same_batches():
    seen = {2: [], 3: []}
    for width, batches in seen.items():
        training = make_training(network={"width": width}, evaluation={"starting_batches": 1})
        training.network.register_forward_pre_hook(
            lambda network, inputs, batches=batches: batches.append(inputs[0].clone())
        )
        log_of(training)
    expected = [training.images[batch] for batch in plain_batches(training, 12)]
    for batches in seen.values():
        assert all(torch.equal(a, b) for a, b in zip(batches, [expected[0], *expected], strict=True))


# Rows


@settings(max_examples=25)
@given(
    samples=st.integers(8, 24),
    epochs=st.integers(1, 3),
    row_interval=st.integers(1, 9),
    starting_batches=st.integers(1, 9),
    l2=st.sampled_from([0, 1e-4, 0.1]),
    seed=st.integers(0, 9),
)
def test_rows_are_placed_by_the_step_and_hold_the_objectives_parts(
    samples, epochs, row_interval, starting_batches, l2, seed
):
    evaluation = {"row_interval": row_interval, "starting_batches": starting_batches}
    changes = {"samples": samples, "evaluation": evaluation, "l2": l2, "seed": seed, "learning_rate": 1e-3}
    training = make_training(epochs=epochs, **changes)
    rows = log_of(training)
    per_epoch = samples // 4
    steps = range(epochs * per_epoch + 1)
    assert [row.step for row in rows] == [s for s in steps if training.run.evaluation.has_row(s, per_epoch)]
    assert [row.epoch for row in rows] == [row.step / per_epoch for row in rows]
    assert all(row.objective == row.data_loss + row.penalty for row in rows)
    assert all(row.penalty == l2 * row.sum_of_squares for row in rows)
    squares = sum(kernel.double().square().sum().item() for kernel in kernels(training.network))
    assert rows[-1].sum_of_squares == pytest.approx(squares)
    assert log_of(make_training(epochs=epochs + 1, **changes))[: len(rows)] == rows


@pytest.mark.parametrize("row_interval", [1, 4, 5, 100])
@pytest.mark.parametrize("class_weights", [None, (1.0, 3.0)])
def test_a_row_is_the_mean_over_the_mini_batches_since_the_row_before(row_interval, class_weights):
    # 26 samples: each epoch leaves 2 of them out.
    training = make_training(
        samples=26, learning_rate=3e-3, class_weights=class_weights, epochs=3, evaluation={"row_interval": row_interval}
    )
    rows = log_of(training)
    assert training.steps == 18
    network, measured = plain_loop(training, 18)
    for before, row in itertools.pairwise(rows):
        losses, correct = numpy.mean(measured[before.step : row.step], axis=0)
        assert row.data_loss == pytest.approx(losses, rel=1e-4)
        assert row.accuracy == pytest.approx(correct)
    for ours, theirs in zip(training.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    # The rows would tell the mean from a running mean, and a loss before its update from one after.
    assert abs(measured[0][0] - measured[-1][0]) > 0.01


def test_printed_losses_follow_from_the_rows():
    # An epoch's mean of the data loss, weighted by the steps of each row, is the mean over its mini-batches.
    training = make_training(learning_rate=3e-3)
    rows = log_of(training)
    _, measured = plain_loop(training, 12)
    for epoch in (0, 1):
        pairs = [pair for pair in itertools.pairwise(rows) if epoch < pair[1].epoch <= epoch + 1]
        mean = sum(row.data_loss * (row.step - before.step) for before, row in pairs) / 6
        assert mean == pytest.approx(numpy.mean([loss for loss, _ in measured[6 * epoch : 6 * epoch + 6]]), rel=1e-4)


def test_a_step_is_the_textbook_step():
    training = make_training(epochs=1, learning_rate=1e-3)
    textbook, _ = plain_loop(training, 6)
    assert log_of(training)[-1].step == 6
    for ours, theirs in zip(training.network.parameters(), textbook.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


# Row 0


@pytest.mark.parametrize("starting_batches", [1, 3, 6, 16])
@pytest.mark.parametrize("class_weights", [None, (1.0, 3.0)])
def test_the_first_row_is_the_mean_over_the_first_mini_batches_that_training_meets(starting_batches, class_weights):
    # With 16 it reaches into the third epoch.
    training = make_training(class_weights=class_weights, evaluation={"starting_batches": starting_batches})
    row = next(training.proceed())
    network = make_network().train()
    weights = class_weights and torch.tensor(class_weights)
    measured = []
    for batch in plain_batches(training, starting_batches):
        logits, labels = network(training.images[batch]), training.labels[batch]
        loss = torch.nn.functional.cross_entropy(logits, labels, weights)
        measured.append((loss.item(), (logits.argmax(1) == labels).float().mean().item()))
    assert (row.step, row.epoch) == (0, 0)
    assert (row.data_loss, row.accuracy) == pytest.approx(tuple(numpy.mean(measured, axis=0)), rel=1e-5)


@pytest.mark.parametrize("network", [{}, DROPOUT, {"normalisation": "none"}, {"precision": "bfloat16"}], ids=str)
@pytest.mark.parametrize("in_training", [True, False])
def test_the_first_row_leaves_no_trace(network, in_training):
    training = make_training(network=network)
    training.network.train(in_training)
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    random_state = torch.get_rng_state()
    row = next(training.proceed())
    assert training.log == [row]
    assert training.step == 0
    assert {module.training for module in training.network.modules()} == {in_training}
    assert torch.equal(torch.get_rng_state(), random_state)
    for name, value in training.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not training.optimiser.state
    assert all(parameter.grad is None for parameter in training.network.parameters())


@pytest.mark.parametrize("network", [{}, DROPOUT], ids=str)
def test_the_first_row_changes_none_of_the_others(network):
    one, many = (log_of(make_training(network=network, evaluation={"starting_batches": n})) for n in (1, 16))
    assert one[0] != many[0]
    assert one[1:] == many[1:]


def test_the_first_row_is_in_train_mode():
    # Running statistics are far off: only eval mode would see them.
    training, other = make_training(), make_training()
    for block in other.network.blocks:
        block.normalisation.running_mean.fill_(1e3)
    other.network.eval()
    assert next(other.proceed()) == next(training.proceed())
    without = next(make_training().proceed())
    assert next(make_training(network=DROPOUT).proceed()).data_loss != without.data_loss


def test_whoever_measures_in_between_changes_no_row():
    training, expected = make_training(), log_of(make_training())
    for _ in training.proceed():
        training.network.eval()
        training.test(training.images, training.labels)
    assert training.log == expected


def test_no_epochs_are_a_first_row_and_no_update():
    training = make_training(epochs=0)
    before = {key: value.clone() for key, value in training.network.state_dict().items()}
    assert [row.step for row in log_of(training)] == [0]
    assert all(torch.equal(value, before[key]) for key, value in training.network.state_dict().items())


def test_no_cube_is_left_alone_where_the_last_stage_is_one_voxel():
    network = {"stages": (1, 1, 1, 1), "multipliers": (1, 1, 1, 1)}
    for samples in (2, 3, 9):
        rows = log_of(make_training(samples=samples, batch_size=2, network=network))
        assert all(numpy.isfinite(row.data_loss) for row in rows)


# Seeds


def test_the_same_seed_repeats_to_the_bit_and_another_does_not():
    first, again, other = (log_of(make_training(seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert not {row.data_loss for row in first} & {row.data_loss for row in other}


def test_random_labels_are_dealt_once_a_seed_and_keep_the_balance():
    def labels(seed, random_labels=True):
        return make_training(seed=seed, random_labels=random_labels, samples=25).labels

    assert torch.equal(labels(0), labels(0))
    assert not torch.equal(labels(0), labels(1))
    true = labels(0, random_labels=False)
    assert not torch.equal(labels(0), true)
    assert torch.equal(labels(0).bincount(), true.bincount())
    assert torch.equal(labels(0), dealt_at_random(true, seed=0))


def test_random_labels_decide_the_first_row_too():
    rows = [next(make_training(random_labels=dealt).proceed()) for dealt in (True, False)]
    assert rows[0].data_loss != rows[1].data_loss


def test_dropout_repeats_with_the_seed():
    first, again, other = (log_of(make_training(network=DROPOUT, seed=seed)) for seed in (0, 0, 1))
    without = log_of(make_training())
    assert first == again
    assert first[-1].data_loss not in (other[-1].data_loss, without[-1].data_loss)


def test_dropout_does_not_shift_weights_or_data_order():
    with_dropout, without = make_training(network=DROPOUT), make_training()
    for a, b in zip(kernels(with_dropout.network), kernels(without.network), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(with_dropout.batches.indices(3), without.batches.indices(3))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_reduced_precision_trains_float32_weights(precision):
    training = make_training(network={"precision": precision}, learning_rate=1e-2, epochs=4)
    rows = log_of(training)
    assert {parameter.dtype for parameter in training.network.parameters()} == {torch.float32}
    assert rows[-1].data_loss < rows[0].data_loss
    exact = log_of(make_training())[0].data_loss
    assert (rows[0].data_loss == exact) == (precision == "float32")
    assert rows[0].data_loss == pytest.approx(exact, abs=0.02)


# The dataset and the test split


def test_a_run_is_prepared_from_the_datasets_arrays():
    run, arrays = small_run(seed=3), make_arrays(classes=3)
    training = prepare_training(run, arrays, cubes(3))
    images, labels = as_tensors(arrays, "train")
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert torch.equal(training.images, images)
    assert torch.equal(training.labels, labels)
    assert torch.equal(images, torch.from_numpy(arrays["train/images"]))
    assert training.network.head.out_features == 3
    network = prepare_network(run, cubes(3))
    assert all(torch.equal(a, b) for a, b in zip(training.network.parameters(), network.parameters(), strict=True))


@settings(max_examples=20)
@given(samples=st.integers(1, 13), class_weights=st.none() | st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)))
def test_the_test_loss_is_the_weighted_mean_over_the_whole_split_in_eval_mode(samples, class_weights):
    training = make_training(class_weights=class_weights, network=DROPOUT, learning_rate=1e-2)
    log_of(training)
    images, labels = torch.randn(samples, 1, 5, 5, 5), torch.arange(samples) % 2
    random_state = torch.get_rng_state()
    before = {key: value.clone() for key, value in training.network.state_dict().items()}
    loss, accuracy = training.test(images, labels)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(value, before[key]) for key, value in training.network.state_dict().items())
    with torch.no_grad():
        logits = training.network.eval()(images)
    weights = class_weights and torch.tensor(class_weights)
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(logits, labels, weights).item(), rel=1e-4)
    assert accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())
