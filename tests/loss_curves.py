"""CSV files of made-up loss curves, whose verdicts are known."""

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

SIZES = (8, 16, 32, 64)
SEEDS = (0, 1, 2)
STEPS = range(0, 201, 5)
PENALTIES = {"baseline": 0.1, "no_l2": 0.0}  # at the end, for each doubling of the size


def rows_of_curves(
    *,
    sizes: Iterable[int] = SIZES,
    seeds: Iterable[int] = SEEDS,
    steps: Iterable[int] = STEPS,
    penalties: Mapping[str, float] = PENALTIES,
) -> list[dict]:
    """Rows in which the data loss falls alike at every size, and the penalty grows with it."""
    rows = []
    for circumstance, per_doubling in penalties.items():
        for size in sizes:
            for seed in seeds:
                for step in steps:
                    data_loss = (0.69 + 0.002 * seed) * math.exp(-step / 60) + 0.001 * ((seed + size + step) % 3)
                    penalty = per_doubling * math.log2(size / 8) * (1 + 0.01 * seed)
                    row = {"circumstance": circumstance, "size": size, "parameters": 100 * size**2, "seed": seed}
                    rows.append(row | {"step": step, "loss": data_loss + penalty, "penalty": penalty})
    return rows


def write_curves(path: Path, rows: list[dict], columns: Iterable[str] = ()) -> Path:
    """Writes rows as CSV, with all columns or those given."""
    columns = list(columns) or list(rows[0])
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path
