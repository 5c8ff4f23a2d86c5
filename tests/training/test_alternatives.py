"""What a user would pick instead: which is there, that it takes the textbook's steps, and the process it runs in.

CI has neither Lightning nor Keras: there the first test checks that nothing is offered.
"""

import importlib.util
import os
from dataclasses import replace

import pytest
import torch
from settings import POSTED, cubes, make_arrays, small_run

from widthwise.model.initialisation import kernels
from widthwise.study.architecture import Task
from widthwise.study.settings import FactorySettings
from widthwise.training.alternatives import Alternative, AlternativeError, Job, available
from widthwise.training.loop import prepare_network
from widthwise.training.textbook import textbook_network, textbook_steps

METHODS = {"lightning": {"lightning"}, "keras_tensorflow": {"keras", "tensorflow"}, "keras_torch": {"keras"}}


def job_of(run, task):
    """The job of a run on noise of the task's shape, 4 steps an epoch and a remainder."""
    batch = run.training.batch_size
    arrays = make_arrays(samples=4 * batch + 1, side=9)
    images = arrays["train/images"].reshape(len(arrays["train/labels"]), 1, -1)
    images = images[:, :, : task.numbers].reshape(-1, *task.shape)
    return Job(run, task, images, arrays["train/labels"].astype("int64"), "cpu")


def textbook_objectives(job):
    """The textbook's objective before each step, without end."""
    network, training = textbook_network(prepare_network(job.run, job.task)), job.run.training
    order = torch.arange(len(job.samples[1]))
    images, labels = map(torch.from_numpy, job.samples)
    steps = textbook_steps(network, images, labels, iter(lambda: order, None), training)
    while True:
        penalty = training.l2 * sum(kernel.square().sum().item() for kernel in kernels(network))
        yield next(steps) + penalty


def first(objectives, count):
    return [next(objectives) for _ in range(count)]


# Which are there


PLAIN = small_run(network={"normalisation": "none", "activation": "gelu"}, learning_rate=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("run", "task"), [(POSTED, cubes(side=9)), (PLAIN, Task(2, (1, 9, 9)))], ids=["3d", "2d"])
def test_what_is_installed_takes_the_textbooks_steps_and_nothing_else_is_offered(method, run, task):
    installed = all(importlib.util.find_spec(package) for package in METHODS[method])
    assert (method in available(run)) == installed
    if installed:
        job = job_of(run, task)
        with Alternative(available(run)[method], job) as alternative:
            objectives = [alternative.objective, *(alternative.advance() for _ in range(5))]
        assert objectives == pytest.approx(first(textbook_objectives(job), 6), rel=1e-4)


@pytest.mark.parametrize(
    ("packages", "methods"),
    [
        ([], []),
        (["tensorflow"], []),
        (["lightning"], ["lightning"]),
        (["pytorch_lightning"], ["lightning"]),
        (["keras"], ["keras_torch"]),
        (["keras", "tensorflow", "lightning"], ["lightning", "keras_tensorflow", "keras_torch"]),
    ],
)
def test_an_alternative_is_offered_where_its_packages_are_installed(packages, methods):
    assert list(available(small_run(), lambda name: name in packages)) == methods


@pytest.mark.parametrize(
    "network",
    [{"residual": True}, {"dropout": 0.5}, {"parametrisation": "mup"}, {"precision": "bfloat16"}],
    ids=lambda changes: next(iter(changes)),
)
def test_keras_is_offered_only_for_networks_that_it_builds(network):
    assert list(available(small_run(network=network), lambda _: True)) == ["lightning"]


def test_lightning_is_offered_for_a_users_own_network():
    own = FactorySettings(4, None, "mine.py:build", "", {}, "as_built", 0.05, "float32")
    assert list(available(replace(small_run(), network=own), lambda _: True)) == ["lightning"]


# The process


def three_steps(job, after_step):
    """Stands in for an alternative: the textbook in another process, for 3 steps."""
    objectives = textbook_objectives(job)
    for _ in range(3):
        after_step(next(objectives))


def three_steps_and_an_error(job, after_step):
    three_steps(job, after_step)
    raise ValueError("no\nfourth step")


def three_steps_and_death(job, after_step):
    three_steps(job, after_step)
    os._exit(1)


@pytest.mark.parametrize(
    ("train", "message"),
    [(three_steps_and_an_error, "^ValueError: no fourth step$"), (three_steps_and_death, "^its process has ended$")],
)
def test_an_alternative_takes_a_step_for_each_request_and_says_why_it_ended(train, message):
    job = job_of(small_run(), cubes(side=9))
    with Alternative(train, job) as alternative:
        assert [alternative.objective, alternative.advance(), alternative.advance()] == first(
            textbook_objectives(job), 3
        )
        with pytest.raises(AlternativeError, match=message):
            alternative.advance()
