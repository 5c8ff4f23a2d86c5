"""Calls a user's factory, and checks what it returns, before anything is trained."""

import importlib.util
import random
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy
import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin

from widthwise.model.initialisation import KERNEL_MODULES
from widthwise.study.architecture import Task
from widthwise.study.code_digest import code_digest
from widthwise.study.settings import FactorySettings

SCRIPTS = Path(__file__).resolve().parents[2]


class OwnNetworkError(ValueError):
    """A user's own network that cannot be trained; one line that says what to change."""


def build_own(settings: FactorySettings, task: Task, generator: torch.Generator) -> nn.Module:
    """Returns the module that the factory builds; what it draws follows from the generator's seed alone.

    Raises OwnNetworkError where the file has changed since the study was planned, or what it builds is no module.
    """
    path, _, name = settings.factory.rpartition(":")
    if code_digest(Path(path)) != settings.code:
        raise OwnNetworkError(f"{path} or what it imports has changed since the study was planned; run snakemake again")
    options = settings.options | ({} if settings.depth is None else {"depth": settings.depth})
    with users_code(path), torch.random.fork_rng(devices=[]):
        function = getattr(imported(Path(path).resolve()), name)
        seed = generator.initial_seed()
        random.seed(seed)
        numpy.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        module = function(width=settings.width, classes=task.classes, shape=task.shape, **options)
    if not isinstance(module, nn.Module):
        raise OwnNetworkError(f"{settings.factory} returned {type(module).__name__}; return a torch.nn.Module")
    check_parameters(module, settings.factory)
    return module


@cache
def imported(path: Path) -> ModuleType:
    """The module of a user's file, whose folder comes first where it imports others. Imported once."""
    name = f"own_network_{path.stem}"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def users_code(path: str) -> Iterator[None]:
    """Turns what the user's code raises into an OwnNetworkError that names file and line, after its traceback."""
    try:
        yield
    except OwnNetworkError:
        raise
    except (Exception, SystemExit) as error:
        folder, trace = Path(path).resolve().parent, error.__traceback__
        while trace.tb_next and not is_theirs(trace.tb_frame.f_code.co_filename, folder):
            trace = trace.tb_next
        traceback.print_exception(error.with_traceback(trace))
        theirs = [frame for frame in traceback.extract_tb(trace) if is_theirs(frame.filename, folder)]
        place = f"{shown(theirs[-1].filename)}, line {theirs[-1].lineno}, in {theirs[-1].name}" if theirs else path
        reason = " ".join(str(error).split())
        raise OwnNetworkError(f"{place}: {type(error).__name__}: {reason}") from None


def shown(file: str) -> Path:
    """A file as a user would name it: relative to where the program runs, if it lies there."""
    path = Path(file)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def is_theirs(file: str, folder: Path) -> bool:
    """Whether a file of a traceback is the user's own: in the factory's folder, and neither ours nor a library's."""
    path = Path(file).resolve()
    return path.is_relative_to(folder) and not path.is_relative_to(SCRIPTS) and "site-packages" not in path.parts


def check_parameters(network: nn.Module, factory: str) -> None:
    """Checks that all parameters are trainable, float32, finite, and each in one module."""
    places: dict[int, str] = {}
    for place, module in network.named_modules():
        if isinstance(module, KERNEL_MODULES) and "weight" not in module._parameters:
            raise OwnNetworkError(
                f"{factory}: {joined(place, 'weight')} is computed from others, as weight_norm and spectral_norm do; "
                "use modules that hold their weight"
            )
        for own_name, parameter in module.named_parameters(recurse=False):
            name = joined(place, own_name)
            if isinstance(parameter, UninitializedTensorMixin):
                raise OwnNetworkError(
                    f"{factory}: {name} has no shape yet; use modules that are not lazy, or let a batch pass in build"
                )
            if id(parameter) in places:
                raise OwnNetworkError(
                    f"{factory}: {places[id(parameter)]} and {name} are one parameter; give each module its own"
                )
            places[id(parameter)] = name
            if not parameter.requires_grad:
                raise OwnNetworkError(
                    f"{factory}: {name} is frozen; train it, or hold constants as buffers (register_buffer)"
                )
            if parameter.dtype != torch.float32:
                raise OwnNetworkError(f"{factory}: {name} is {parameter.dtype}; build it as torch.float32")
            if not parameter.isfinite().all():
                raise OwnNetworkError(
                    f"{factory}: {name} starts with values that are not finite; check how it is drawn"
                )
    if not places:
        raise OwnNetworkError(f"{factory} returned a module without parameters")


def joined(place: str, name: str) -> str:
    """A parameter's name in the whole network, from its module's place there."""
    return f"{place}.{name}" if place else name
