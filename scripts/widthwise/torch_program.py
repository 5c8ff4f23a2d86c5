"""What every program that trains or runs networks shares: the dataset it reads, and how it computes.

It must not know what a program does with its networks.
"""

import argparse
import json
from pathlib import Path

import torch

from widthwise.memory import keep_freed_memory
from widthwise.storage import Arrays, read_dataset


def network_parser(description: str) -> argparse.ArgumentParser:
    """A command line with the dataset and the threads on it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--dataset", type=Path, required=True, help="HDF5 file with the cubes")
    parser.add_argument("--summary", type=Path, required=True, help="the dataset.json beside it")
    parser.add_argument("--threads", type=int, default=1, help="threads to compute with (default: 1)")
    return parser


def start_computing(arguments: argparse.Namespace) -> tuple[dict, Arrays, int]:
    """Sets threads and memory up; returns the dataset's summary, its arrays, and its number of classes."""
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    summary = json.loads(arguments.summary.read_text(encoding="utf-8"))
    return summary, read_dataset(arguments.dataset, summary["digest"]), len(summary["class_counts"]["train"])
