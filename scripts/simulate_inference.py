"""Checks the rule behind verdicts by simulation: false directions, coverage, power, and what is called mixed or flat.

Prints one line for each scenario and number of seeds. Spreads and effects are those of published runs, cited below; the
noise is normal, or skewed as starting losses were. Every number is a share of the repetitions.
"""

import argparse
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy

from widthwise.analysis.inference import (
    END,
    ROUNDING,
    START,
    Kind,
    Response,
    change_interval,
    judge,
    least_squares_slope,
)
from widthwise.analysis.verdicts import level_of

PARAMETERS = (15_708, 35_144, 97_182, 248_154, 758_592, 2_613_444)  # widths 2, 3, 5, 8, 14, 26
END_LEVEL, START_LEVEL = level_of("objective", "end_value"), level_of("objective", "starting_loss")
SEEDS = (3, 5, 10)

# Ends of the reported loss, 5 seeds, from runs.csv of the first published studies: mean and standard deviation by size.
# headline, as posted (288 steps at 1e-5), which had not settled
UNSETTLED = (0.737, 0.730, 0.691, 0.611, 0.413, 0.192)
UNSETTLED_SPREAD = (0.042, 0.035, 0.039, 0.088, 0.036, 0.012)
# follow_up/plateau, fixed standard deviation of 0.05: falls, then rises
U_SHAPE = (0.336, 0.212, 0.128, 0.110, 0.204, 0.622)
SETTLED_SPREAD = (0.016, 0.018, 0.007, 0.003, 0.004, 0.010)
# follow_up/depths, plain networks of five depths, data loss
DEPTH_PARAMETERS = (81_786, 175_354, 248_154, 414_522, 747_258)
DEGRADATION = (0.088, 0.067, 0.103, 0.149, 0.279)
DEGRADATION_SPREAD = (0.016, 0.031, 0.027, 0.026, 0.066)
# headline, starts of the data loss under Glorot's initialisation, 50 initialisations: their skewness is 1.6. Heads
# dominate them, so the mean over 5 heads has about 1 / sqrt(5) of this spread.
START_SPREAD = (0.055, 0.036, 0.037, 0.046, 0.036, 0.034)
# headline, starts of the data loss under a fixed standard deviation of 0.05
SMALL_START = (0.6935, 0.6939, 0.6941, 0.6944, 0.6962, 0.6974)
SMALL_START_SPREAD = (0.0014, 0.0017, 0.0028, 0.0032, 0.0055, 0.0069)

Noise = Callable[[numpy.random.Generator, tuple[int, int]], numpy.ndarray]


def normal(generator: numpy.random.Generator, shape: tuple[int, int]) -> numpy.ndarray:
    """Standard normal noise."""
    return generator.standard_normal(shape)


def log_normal(sigma: float) -> Noise:
    """Shifted log-normal noise of mean 0 and variance 1; its skewness is 1.6 at sigma 0.47 and 6.2 at 1."""
    mean = math.exp(sigma**2 / 2)
    deviation = mean * math.sqrt(math.expm1(sigma**2))
    return lambda generator, shape: (numpy.exp(sigma * generator.standard_normal(shape)) - mean) / deviation


skewed, spiked = log_normal(0.47), log_normal(1.0)


@dataclass(frozen=True)
class Scenario:
    """A truth: the sizes' means and spreads, the noise, and the level at which it is judged."""

    name: str
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    noise: Noise = normal
    level: float = END_LEVEL
    kind: Kind = END
    parameters: tuple[int, ...] = PARAMETERS
    seeds: tuple[int, ...] = SEEDS

    def responses(self, seeds: int, repetitions: int, generator: numpy.random.Generator) -> Iterator[Response]:
        """Simulated studies of this truth."""
        none_diverged = numpy.zeros((seeds, len(self.mean)), dtype=bool)
        for _ in range(repetitions):
            values = numpy.asarray(self.mean) + self.noise(generator, none_diverged.shape) * numpy.asarray(self.spread)
            yield Response(values, none_diverged, numpy.array(self.parameters), self.kind)

    @property
    def change(self) -> float:
        """The true change."""
        doublings = numpy.log2(self.parameters)
        return float(least_squares_slope(doublings, numpy.asarray(self.mean)) * (doublings[-1] - doublings[0]))


LEVEL = (0.5,) * 6
AT_THE_MARGIN = (0.5, 0.5, 0.5, 0.5, 0.5, 0.55)
SCENARIOS = (
    # No change at all: a direction, or mixed, is an error.
    Scenario("no change, equal spreads", LEVEL, (0.05,) * 6),
    Scenario("no change, unsettled spreads", LEVEL, UNSETTLED_SPREAD),
    Scenario("no change, settled spreads", LEVEL, SETTLED_SPREAD),
    Scenario("no change, skewed, equal spreads", LEVEL, (0.05,) * 6, skewed),
    Scenario("no change, skewed, unsettled spreads", LEVEL, UNSETTLED_SPREAD, skewed),
    Scenario("no change, skewed, widest varies most", LEVEL, (0.005,) * 5 + (0.05,), skewed),
    Scenario("no change, spikes in the widest", LEVEL, (0.005,) * 5 + (0.05,), spiked),
    Scenario("no change, starts", LEVEL, START_SPREAD, skewed, START_LEVEL, START, seeds=(10, 50)),
    # Flat: how often, where it is true and where the largest size is off by exactly the margin.
    Scenario("at the margin, settled spreads", AT_THE_MARGIN, SETTLED_SPREAD),
    Scenario("at the margin, tiny spreads", AT_THE_MARGIN, (0.001,) * 6),
    Scenario("no change, starts, mean of 5 heads", LEVEL, tuple(s / 5**0.5 for s in START_SPREAD), skewed, START_LEVEL,
             START, seeds=(10, 50)),
    Scenario("no change, starts, mean of 20 heads", LEVEL, tuple(s / 20**0.5 for s in START_SPREAD), skewed,
             START_LEVEL, START, seeds=(10, 50)),
    # Monotone truths: mixed is an error, and so is the other direction.
    Scenario("falls, unsettled", UNSETTLED, UNSETTLED_SPREAD),
    Scenario("falls by half as much, unsettled", tuple(0.5 + value / 2 for value in UNSETTLED), UNSETTLED_SPREAD),
    Scenario("rises by 0.1, settled", tuple(numpy.linspace(0.03, 0.13, 6)), SETTLED_SPREAD),
    Scenario("steps up by 0.1, settled", (0.03, 0.03, 0.03, 0.13, 0.13, 0.13), SETTLED_SPREAD),
    Scenario("small start that rises", SMALL_START, SMALL_START_SPREAD, skewed, START_LEVEL, START, seeds=(10, 50)),
    # Not monotone: a direction is an error.
    Scenario("U, settled", U_SHAPE, SETTLED_SPREAD),
    Scenario("U, unsettled spreads", U_SHAPE, UNSETTLED_SPREAD),
    Scenario("degradation with depth", DEGRADATION, DEGRADATION_SPREAD, parameters=DEPTH_PARAMETERS),
)  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """What came out for one scenario and number of seeds: shares of the repetitions."""

    scenario: Scenario
    seeds: int
    repetitions: int
    verdicts: Counter
    slight: float
    coverage: float

    def share(self, *verdicts: str) -> float:
        """The share of these verdicts."""
        return sum(self.verdicts[verdict] for verdict in verdicts) / self.repetitions

    @property
    def directed(self) -> float:
        """The share of rises, falls and mixed: all of them errors where nothing changes."""
        return self.share("rises", "falls", "mixed")


def simulate(scenario: Scenario, seeds: int, repetitions: int) -> Rates:
    """Judges simulated studies; always the same ones."""
    generator = numpy.random.default_rng([seeds, SCENARIOS.index(scenario)])
    verdicts, slight, covered = Counter(), 0, 0
    for response in scenario.responses(seeds, repetitions, generator):
        outcome = judge(response, scenario.level)
        verdicts[outcome.verdict] += 1
        slight += outcome.slight
        interval = change_interval(response, scenario.level)
        covered += interval.low - ROUNDING <= scenario.change <= interval.high + ROUNDING
    return Rates(scenario, seeds, repetitions, verdicts, slight / repetitions, covered / repetitions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=10_000, help="simulated studies for each line")
    repetitions = parser.parse_args().repetitions
    words = ("rises", "falls", "mixed", "flat", "undecided")
    print(
        f"{'scenario':40}{'seeds':>6}{'level':>8}{'covered':>9}",
        *(f"{word:>10}" for word in (*words, "slight")),
        sep="",
    )
    for scenario in SCENARIOS:
        for seeds in scenario.seeds:
            rates = simulate(scenario, seeds, repetitions)
            shares = (f"{share:>10.4f}" for share in (*map(rates.share, words), rates.slight))
            print(f"{scenario.name:40}{seeds:>6}{scenario.level:>8}{rates.coverage:>9.4f}", *shares, sep="", flush=True)


if __name__ == "__main__":
    main()
