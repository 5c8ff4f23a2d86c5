"""What a user would pick instead of `loop`: Lightning's Trainer, and Keras on TensorFlow or on torch.

None of them is a dependency: each is there if its packages are installed, and nothing is imported otherwise. Keras'
backend is fixed for a process, so each alternative has a process of its own, which trains without end and waits for a
request before every step.
"""

import importlib
import importlib.util
import logging
import multiprocessing
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any, Self

import numpy
import torch
from torch.utils.data import DataLoader, TensorDataset

from widthwise.model.initialisation import kernel_modules
from widthwise.program import keep_freed_memory
from widthwise.study.architecture import Layer, Task, layers_of
from widthwise.study.settings import NetworkSettings, RunSettings
from widthwise.training.loop import prepare_network
from widthwise.training.textbook import textbook_losses, textbook_network, textbook_optimiser

ENDLESS = 10**9  # epochs


@dataclass(frozen=True)
class Job:
    """One training: settings, task, images (n, C, *spatial) float32 and labels (n,) int64, and the type of device.

    Samples are met in the order in which they come, in every epoch, and a remainder smaller than a batch is left out.
    """

    run: RunSettings
    task: Task
    images: numpy.ndarray
    labels: numpy.ndarray
    device: str

    @property
    def samples(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The images and the labels that fill whole batches."""
        count = len(self.labels) - len(self.labels) % self.run.training.batch_size
        return self.images[:count], self.labels[:count]


AfterStep = Callable[[float], None]
"""Is called with each step's objective, and returns when the next one may begin."""
Train = Callable[[Job, AfterStep], None]


def available(run: RunSettings, installed: Callable[[str], Any] = importlib.util.find_spec) -> dict[str, Train]:
    """The alternatives whose packages are installed and that can train this run's network, by name.

    Keras gets the built-in network alone, without residual shortcuts, dropout, mup and bfloat16. Lightning gets any.
    """
    found: dict[str, Train] = {}
    if installed("lightning") or installed("pytorch_lightning"):
        found["lightning"] = train_lightning
    if installed("keras") and in_keras(run.network):
        if installed("tensorflow"):
            found["keras_tensorflow"] = train_keras_tensorflow
        found["keras_torch"] = train_keras_torch
    return found


def in_keras(network: Any) -> bool:
    """Whether `keras_network` builds this network."""
    return isinstance(network, NetworkSettings) and (
        (network.residual, network.dropout, network.parametrisation, network.precision)
        == (False, 0, "standard", "float32")
    )


class AlternativeError(RuntimeError):
    """An alternative that is installed but does not train; one line that says why."""


class Alternative:
    """An alternative at work in a process of its own; has taken its first step, with which it sets itself up.

    A context manager, which ends the process. Raises AlternativeError where the first step fails.
    """

    def __init__(self, train: Train, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        threads = torch.get_num_threads()
        self._process = context.Process(target=serve, args=(train, job, threads, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.objective = self.advance()

    def advance(self) -> float:
        """Lets it take one step; returns the objective before the update. Asking takes about 0.1 ms."""
        try:
            self._connection.send(None)
            answer = self._connection.recv()
        except (EOFError, ConnectionError):
            answer = "its process has ended"
        if isinstance(answer, str):
            self.__exit__()
            raise AlternativeError(answer)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()  # which it takes for the end
        self._process.join()


def serve(train: Train, job: Job, threads: int, connection: Connection) -> None:
    """Runs in the alternative's process: takes a step for each request, until the connection is closed."""
    warnings.simplefilter("ignore")
    logging.disable()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if job.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    keep_freed_memory()  # as ours does
    if hasattr(os, "sched_setaffinity"):  # Keras loads batches in a thread of its own on TensorFlow
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch.set_num_threads(threads)

    def after_step(objective: float) -> None:
        connection.send(objective)
        connection.recv()

    with suppress(EOFError, ConnectionError):
        connection.recv()
        try:
            train(job, after_step)
        except (EOFError, ConnectionError):
            pass
        except Exception as error:
            connection.send(" ".join(f"{type(error).__name__}: {error}".split()))


def train_lightning(job: Job, after_step: AfterStep) -> None:
    """Lightning's Trainer on the textbook's network and objective, without logger, checkpoints and progress bar."""
    name = "lightning.pytorch" if importlib.util.find_spec("lightning") else "pytorch_lightning"
    lightning = importlib.import_module(name)
    training = job.run.training

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = textbook_network(prepare_network(job.run, job.task))

        def training_step(self, batch: tuple, _: int) -> torch.Tensor:
            objective, _ = textbook_losses(self.network, *batch, training.l2)
            return objective

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return textbook_optimiser(self.network, training)

    class Turns(lightning.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Mapping, batch: Any, index: int) -> None:
            after_step(outputs["loss"].item())

    samples = TensorDataset(*map(torch.from_numpy, job.samples))
    trainer = lightning.Trainer(
        accelerator=job.device,
        devices=1,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Turns()],
    )
    trainer.fit(Module(), DataLoader(samples, training.batch_size))


def train_keras_tensorflow(job: Job, after_step: AfterStep) -> None:
    """Keras' fit on TensorFlow, compiled as `fit` does by itself."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # leaves the other methods some of a GPU's memory
    threading = importlib.import_module("tensorflow").config.threading
    threading.set_intra_op_parallelism_threads(torch.get_num_threads())
    threading.set_inter_op_parallelism_threads(1)
    train_keras(job, after_step)


def train_keras_torch(job: Job, after_step: AfterStep) -> None:
    """Keras' fit on torch."""
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ["KERAS_TORCH_DEVICE"] = job.device
    train_keras(job, after_step)


def train_keras(job: Job, after_step: AfterStep) -> None:
    """Keras' fit with its defaults on arrays in memory, without a progress bar, on the backend of this process."""
    keras = importlib.import_module("keras")
    keras.config.set_image_data_format("channels_last")
    training = job.run.training
    model = keras_network(keras, job.run, job.task)
    model.compile(
        optimizer=keras.optimizers.Adam(
            training.learning_rate, beta_1=training.betas[0], beta_2=training.betas[1], epsilon=training.epsilon
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    class Turns(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
            total = (batch + 1) * logs["loss"]  # Keras tells the mean over the epoch so far
            after_step(total - self.total if batch else total)
            self.total = total

    images, labels = job.samples
    model.fit(
        numpy.ascontiguousarray(numpy.moveaxis(images, 1, -1)),
        labels,
        batch_size=training.batch_size,
        epochs=ENDLESS,
        shuffle=False,
        verbose=0,
        callbacks=[Turns()],
    )


def keras_network(keras: ModuleType, run: RunSettings, task: Task) -> Any:
    """The built-in network in Keras' own layers, with the same initial weights.

    Where a side is even, a convolution of stride 2 lies one voxel apart from ours: Keras pads at the far end alone.
    """
    network = run.network
    penalty = keras.regularizers.L2(run.training.l2)
    *convolutions, head = layers_of(network, task)
    inputs = features = keras.Input((*task.sides, task.channels))
    weight_layers = []

    def applied(layer: Any, values: Any) -> Any:
        weight_layers.append(layer)
        return layer(values)

    for layer in convolutions:
        features = applied(keras_convolution(keras, layer, network, penalty), features)
        if network.normalisation == "batch":
            momentum = 1 - network.normalisation_momentum
            features = keras.layers.BatchNormalization(momentum=momentum, epsilon=network.normalisation_epsilon)(
                features
            )
        features = keras_activation(keras, network)(features)
    pooled = getattr(keras.layers, f"GlobalAveragePooling{head.dimensions}D")()(features)
    logits = applied(keras.layers.Dense(head.outputs, kernel_regularizer=penalty), pooled)
    for layer, module in zip(weight_layers, kernel_modules(prepare_network(run, task)), strict=True):
        kernel = module.weight.detach().movedim((0, 1), (-1, -2))  # (outputs, inputs, ...) -> (..., inputs, outputs)
        bias = [] if module.bias is None else [module.bias.detach().numpy()]
        layer.set_weights([kernel.numpy(), *bias])
    return keras.Model(inputs, logits)


def keras_convolution(keras: ModuleType, layer: Layer, network: NetworkSettings, penalty: Any) -> Any:
    """One convolution, with its penalty in the loss."""
    return getattr(keras.layers, f"Conv{layer.dimensions}D")(
        layer.outputs,
        layer.kernel_size,
        strides=layer.stride,
        padding="same",
        use_bias=network.normalisation == "none",
        kernel_regularizer=penalty,
    )


def keras_activation(keras: ModuleType, network: NetworkSettings) -> Any:
    """The network's activation."""
    if network.activation == "leaky_relu":
        return keras.layers.LeakyReLU(negative_slope=network.negative_slope)
    return keras.layers.Activation(network.activation)
