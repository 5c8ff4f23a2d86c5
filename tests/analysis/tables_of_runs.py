"""Tables made of formulas, for the tests of verdicts, comparisons, learning rates and claims."""

import itertools
import math

import numpy
import pandas

from widthwise.analysis.learning_rates import Grid

SIZES, SEEDS, BACKBONES = (100, 200, 400, 800), (0, 1, 2, 3, 4), 6
STEPS = 1024
NAMES = {size: f"width{size}" for size in SIZES}

# Of grids of learning rates
POWERS, WIDTHS = range(-12, -3), (4, 8, 16, 32)
MEMBERS = [f"rates_{power}" for power in POWERS]


def tables(penalty_per_doubling=0.3, data_per_doubling=-0.1, noise=0.01):
    """Runs and starts of `plain` and `penalised`, whose data losses are alike.

    In `penalised` a penalty grows with every doubling of parameters.
    """
    generator = numpy.random.default_rng(0)
    runs, starts = [], []
    for seed, (doublings, size) in itertools.product(SEEDS, enumerate(SIZES)):
        data_loss = 1 + data_per_doubling * doublings + noise * generator.standard_normal()
        jitter = 1 + 0.001 * generator.standard_normal()
        for circumstance, share in (("plain", 0), ("penalised", penalty_per_doubling)):
            penalty = share * doublings * jitter
            runs.append(
                {
                    "circumstance": circumstance,
                    "size": NAMES[size],
                    "width": size // 100,
                    "parameters": size,
                    "seed": seed,
                    "learning_rate": 1e-5,
                    "diverged": False,
                    "planned_steps": STEPS,
                    "flops_per_step": 10.0 * size,
                    "classes": 2,
                    "objective_starting_loss": 0.7 + penalty,
                    "objective_initial_decay": 0.1 * doublings * jitter,
                    "objective_end_value": data_loss + penalty,
                    "objective_equal_compute": data_loss + penalty if doublings else math.nan,
                    "data_loss_starting_loss": 0.7,
                    "data_loss_initial_decay": 0.1 * doublings * jitter,
                    "data_loss_steps_to_midway": (9 - doublings) * jitter,
                    "data_loss_end_value": data_loss,
                    "data_loss_equal_compute": data_loss if doublings else math.nan,
                    "printed_starting_loss": 0.8 * jitter,
                    "printed_initial_decay": 0.1 * jitter,
                    "printed_end_value": data_loss + penalty,
                    "objective_drift": -0.05 - 0.001 * seed,
                    "data_loss_drift": 1e-4 * (seed - 2),
                }
            )
    for backbone, head, (doublings, size) in itertools.product(range(BACKBONES), range(3), enumerate(SIZES)):
        own = 0.002 * generator.standard_normal()
        for circumstance, share in (("plain", 0), ("penalised", penalty_per_doubling)):
            data_loss = 0.7 + own + 0.1 * (head - 1)
            starts.append(
                {
                    "circumstance": circumstance,
                    "size": NAMES[size],
                    "parameters": size,
                    "backbone": backbone,
                    "head": head,
                    "objective": data_loss + share * doublings,
                    "data_loss": data_loss,
                }
            )
    return pandas.DataFrame(runs), pandas.DataFrame(starts)


def coordinates(power, *, seeds=5, zero=False):
    generator = numpy.random.default_rng(0)
    return pandas.DataFrame(
        [
            {
                "circumstance": "mup",
                "layer": layer,
                "step": step,
                "seed": seed,
                "width": width,
                "rms_change": 0.0 if zero and step == 1 else 0.01 * width**power * (1 + 0.01 * generator.random()),
            }
            for layer, step, seed, width in itertools.product(
                ("convolution1", "logits"), (1, 2), range(seeds), (2, 8, 32)
            )
        ]
    )


def lapsed(offset, *, ratio=10, diverged=False):
    """Losses and runs of two learning rates; the fast one's losses are off by `offset` at equal rate x steps."""
    losses, runs = [], []
    for seed, size in itertools.product(SEEDS, ("width2", "width8")):
        for name, rate, off in (("slow", 1e-5, 0), ("fast", 1e-5 * ratio, offset)):
            who = {"circumstance": name, "size": size, "seed": seed}
            lost = diverged and (name, size, seed) == ("fast", "width8", 0)
            runs.append(who | {"learning_rate": rate, "diverged": lost})
            noise = 0.001 * seed if name == "fast" else 0
            steps = range(0, 11 if lost else 101, 10)
            losses += [who | {"step": step, "data_loss": 1 - 1e5 * rate * step / 2000 + off + noise} for step in steps]
    return pandas.DataFrame(losses), pandas.DataFrame(runs)


def runs_of(slope=-1.0, *, powers=POWERS, seeds=range(4), unstable_from=None, jitter=0.05):
    """A grid whose best rate is 2^-8 at width 8 and moves by `slope` doublings with each doubling of width.

    Most of what a seed changes, it changes in every grid.

    `unstable_from` maps a seed and a width to the power of two from which on runs end far above guessing.
    """
    rows = []
    for power, width, seed in itertools.product(powers, WIDTHS, seeds):
        shared, own = (
            numpy.random.default_rng([seed, width, *key]).standard_normal() for key in ((), (abs(slope) > 0.5,))
        )
        best = -8 + slope * (math.log2(width) - 3) + jitter * (shared + 0.2 * own)
        diverges = unstable_from is not None and power >= unstable_from(seed, width)
        rows.append(
            {
                "circumstance": f"rates_{power}",
                "width": width,
                "parameters": width**2,
                "seed": seed,
                "learning_rate": 2.0**power,
                "classes": 2,
                "diverged": diverges,
                "data_loss_starting_loss": 0.7,
                "data_loss_end_value": 0.7 if diverges else 0.01 * math.exp(0.1 * (power - best) ** 2),
            }
        )
    return pandas.DataFrame(rows)


def grid_of(**options):
    return Grid.of(runs_of(**options), MEMBERS)
