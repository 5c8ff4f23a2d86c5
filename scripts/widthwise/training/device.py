"""What every program that runs networks shares: the dataset that it reads, and the device that it computes on."""

import argparse
import importlib
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from widthwise.data.storage import Arrays, read_dataset
from widthwise.program import keep_freed_memory
from widthwise.study.architecture import Task


def network_parser(description: str) -> argparse.ArgumentParser:
    """A command line with the dataset, the threads and the device on it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--dataset", type=Path, required=True, help="HDF5 file, as generate_dataset.py makes it")
    parser.add_argument("--summary", type=Path, required=True, help="JSON file made with it")
    parser.add_argument("--threads", type=int, default=1, help="threads to compute with (default: 1)")
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto (default): CUDA where there is one"
    )
    return parser


def start_computing(arguments: argparse.Namespace) -> tuple[dict, Arrays, Task, torch.device]:
    """Sets up threads, memory and arithmetic; returns the dataset's summary, its arrays, its task and the device.

    On CUDA, cuDNN's convolutions are deterministic (other kernels of a user's own network may not be), and float32 is
    not TF32. Raises ValueError where CUDA is asked for and missing.
    """
    keep_freed_memory()
    # The dataset is mapped read-only. Nothing writes to it.
    warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
    torch.set_num_threads(arguments.threads)
    # Numbers below 1e-38 become zero. Arithmetic with them is up to 25 times as slow, and a network whose signal fades
    # (no normalisation, small initial weights) is full of them.
    torch.set_flush_denormal(True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    device = choose_device(arguments.device)
    if device.type == "cpu":
        leave_compiler_out()
    summary = json.loads(arguments.summary.read_text(encoding="utf-8"))
    return summary, read_dataset(arguments.dataset, summary["digest"]), Task.of(summary), device


def leave_compiler_out() -> None:
    """Keeps torch's compiler from being imported, which takes 1.3 s: optimisers import it only to disable it."""
    sys.modules.setdefault("torch._dynamo", CompilerOnDemand("torch._dynamo"))


class CompilerOnDemand(ModuleType):
    """Stands for torch._dynamo until more of it is used, as a user's own network may: then that is imported."""

    def graph_break(self) -> None:
        """Does nothing: nothing is compiled."""

    def disable(self, function: Callable, *_: Any, **__: Any) -> Callable:
        """Returns the function as it is."""
        return function

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        if sys.modules[self.__name__] is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def choose_device(name: str) -> torch.device:
    """The device to compute on. Jobs that share several GPUs spread over them by process id."""
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError("device: cuda given, but this machine has none; write auto or cpu")
    return torch.device("cuda", os.getpid() % torch.cuda.device_count())


def device_name(device: torch.device) -> str:
    """As in "cpu" or "cuda NVIDIA H200"."""
    return "cpu" if device.type == "cpu" else f"cuda {torch.cuda.get_device_name(device)}"
