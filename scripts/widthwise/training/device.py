"""What every program that trains or runs networks shares: the dataset it reads, and how it computes.

It must not know what a program does with its networks.
"""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

import torch

from widthwise.data.storage import Arrays, read_dataset
from widthwise.process import keep_freed_memory


def network_parser(description: str) -> argparse.ArgumentParser:
    """A command line with the dataset, the threads and the device on it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--dataset", type=Path, required=True, help="dataset.h5, the HDF5 file that generate_dataset.py makes"
    )
    parser.add_argument("--summary", type=Path, required=True, help="dataset.json, made with it")
    parser.add_argument("--threads", type=int, default=1, help="threads to compute with (default: 1)")
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto (default): CUDA where there is one"
    )
    return parser


def start_computing(arguments: argparse.Namespace) -> tuple[dict, Arrays, int, torch.device]:
    """Sets threads, memory and arithmetic up; returns the dataset's summary, its arrays, its classes and the device.

    On CUDA, kernels are the deterministic ones and float32 is float32, not TF32. Raises ValueError where CUDA is asked
    for and not there.
    """
    keep_freed_memory()
    # The dataset is mapped read-only, and nothing writes to it.
    warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    device = choose_device(arguments.device)
    if device.type == "cpu":
        leave_compiler_out()
    summary = json.loads(arguments.summary.read_text(encoding="utf-8"))
    return summary, read_dataset(arguments.dataset, summary["digest"]), len(summary["class_counts"]["train"]), device


def leave_compiler_out() -> None:
    """Spares a process torch's compiler, 1.3 s: an optimiser imports it only to tell it to keep off, at every step."""
    stand_in = ModuleType("torch._dynamo")
    stand_in.graph_break = lambda: None
    stand_in.disable = lambda function, *_, **__: function
    sys.modules.setdefault("torch._dynamo", stand_in)


def choose_device(name: str) -> torch.device:
    """The device to compute on; of several GPUs in sight any: jobs that share them spread over them."""
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError("device: given cuda, which this machine lacks; allowed: auto, cpu")
    return torch.device("cuda", os.getpid() % torch.cuda.device_count())


def device_name(device: torch.device) -> str:
    """As in "cpu" or "cuda NVIDIA H200"."""
    return "cpu" if device.type == "cpu" else f"cuda {torch.cuda.get_device_name(device)}"
