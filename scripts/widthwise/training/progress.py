"""How far a run has come, as a line of its log: `train` writes it, `status` reads it."""

import re
from dataclasses import dataclass

LINE = (
    "step %d of %d: objective %.4f = data loss %.4f + penalty %.4f, accuracy %.3f at step %d; %.1f samples/s, "
    "%.0f s left"
)
PATTERN = re.compile(r"step (\d+) of (\d+): objective (\S+) = .*; (\S+) samples/s, (\S+) s left")


@dataclass(frozen=True)
class Progress:
    """`step` of `steps` updates are done; the objective (nats) is that of the last row.

    Pace and time left are means over the run; `seconds_left` is NaN before the first update.
    """

    step: int
    steps: int
    objective: float
    samples_per_second: float
    seconds_left: float


def last_progress(log: str) -> Progress | None:
    """What the last progress line of a log says; None where there is none."""
    matches = PATTERN.findall(log)
    if not matches:
        return None
    step, steps, *numbers = matches[-1]
    return Progress(int(step), int(steps), *map(float, numbers))
