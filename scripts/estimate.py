"""Says what a study will cost before it is started: seconds a run, core-hours, hours on so many cores, memory, disk.

By the speed that the benchmark measured on this machine, if it has; else by that of the machine that the project
was made on.
"""

import argparse
import json
from pathlib import Path

import pandas

from widthwise.study.cost import REFERENCE, Speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=json.loads, required=True, help="what the runs of each size do, as JSON")
    parser.add_argument("--cores", type=int, required=True, help="cores that the study will have")
    parser.add_argument("--speed", type=Path, help="JSON file with the speed that was measured")
    arguments = parser.parse_args()

    if arguments.speed:
        measured = json.loads(arguments.speed.read_text(encoding="utf-8"))
        speed = Speed(**measured["speed"])
        source = f"by the benchmark on {measured['device']}, {measured['threads']} thread(s) a run"
    else:
        speed, source = (
            REFERENCE,
            "by the reference machine's speed: `snakemake --cores 1 benchmark` measures this one's",
        )
    runs = pandas.DataFrame(arguments.work)
    runs["seconds"] = speed.seconds(runs)
    runs["core_hours"] = runs["runs"] * runs["seconds"] / 3600
    print(f"Estimated {source}")
    print(costs(runs).to_string(float_format="{:.1f}".format))
    # No run is divided: the last to end decides.
    hours = max(runs["core_hours"].sum() / arguments.cores, runs["seconds"].max() / 3600)
    print(
        f"{runs['runs'].sum()} runs, {runs['core_hours'].sum():.1f} core-hours: {duration(hours)} on "
        f"{arguments.cores} cores; {(runs['runs'] * runs['disk_mb']).sum():.0f} MB of disk"
    )


def costs(runs: pandas.DataFrame) -> pandas.DataFrame:
    """A row a size, over all circumstances that have it."""
    by_size = runs.groupby("size", sort=False)
    return pandas.DataFrame(
        {
            "runs": by_size["runs"].sum(),
            "seconds_a_run": by_size.apply(
                lambda group: (group["seconds"] * group["runs"]).sum() / group["runs"].sum()
            ),
            "core_hours": by_size["core_hours"].sum(),
            "memory_mb": by_size["memory_mb"].max(),
            "disk_mb_a_run": by_size["disk_mb"].max(),
        }
    )


def duration(hours: float) -> str:
    """As in "35 min" or "3.2 h"."""
    return f"{60 * hours:.0f} min" if hours < 1.5 else f"{hours:.1f} h"


if __name__ == "__main__":
    main()
