"""What every command-line program in scripts/ starts with. It must not know what a program does."""

import logging
import sys


def start_logging(name: str) -> logging.Logger:
    """A program's log: lines with the time on standard error, which the workflow keeps as the job's log."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    return logging.getLogger(name)
