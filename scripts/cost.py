"""What training costs: samples a second of each size, against the textbook's loop and the machine's limit, and
the seconds of whole runs against parameters, steps and data.

Reads tables/speed.csv, speed.json and run_seconds.csv, what the study's runs have to do, and tables/runs.csv where the
study is finished.
"""

import argparse
import json
from pathlib import Path

import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from widthwise.analysis.tables import read_table
from widthwise.figures.style import MEASURE_STYLES, caption, figure_style, parameter_axis, save
from widthwise.study.cost import Speed

METHODS = {
    "limit": ("machine's limit", {"color": "#777777", "linestyle": ":"}),
    "widthwise": ("widthwise", MEASURE_STYLES["objective"]),
    "textbook": ("textbook loop", MEASURE_STYLES["data_loss"]),
}


def draw_throughput(axes: Axes, table: pandas.DataFrame) -> None:
    """Median and quartiles of samples a second."""
    for method, (label, look) in METHODS.items():
        rows = table[table["method"] == method].sort_values("parameters")
        axes.plot(rows["parameters"], rows["samples_per_second"], label=label, **look)
        axes.fill_between(
            rows["parameters"], rows["lower_quartile"], rows["upper_quartile"], color=look["color"], alpha=0.15
        )
    axes.set(title="Training throughput", ylabel="samples a second", yscale="log")
    axes.legend(frameon=False, fontsize=8)


def draw_share(axes: Axes, table: pandas.DataFrame) -> None:
    """Throughput as a share of the limit, and how many times the textbook's ours is."""
    rates = table.pivot(index="parameters", columns="method", values="samples_per_second")
    for method in ("widthwise", "textbook"):
        axes.plot(rates.index, 100 * rates[method] / rates["limit"], **METHODS[method][1])
    for parameters, row in rates.iterrows():
        axes.annotate(
            f"{row['widthwise'] / row['textbook']:.2f}×",
            (parameters, 100 * row["widthwise"] / row["limit"]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set(title="Share of the machine's limit, and × textbook", ylabel="%", ylim=(0, 110))


def draw_runs(axes: Axes, work: pandas.DataFrame, speed: Speed, runs: pandas.DataFrame | None) -> None:
    """Seconds of the study's runs: as estimated, and as they were."""
    estimated = (
        work.assign(seconds=speed.training_seconds(work))
        .drop_duplicates(["parameters", "seconds"])
        .sort_values("parameters")
    )
    axes.plot(estimated["parameters"], estimated["seconds"], "_", color="#d55e00", markersize=12, label="estimated")
    if runs is not None:
        finished = runs[~runs["diverged"]]
        axes.plot(finished["parameters"], finished["seconds"], "o", color="#000000", markersize=3, label="run.json")
    axes.set(title="A run of this study", ylabel="seconds", yscale="log")
    hours = axes.secondary_yaxis("right", functions=(lambda s: s / 3600, lambda h: h * 3600))
    hours.set_ylabel("core-hours")
    for axis in (axes.yaxis, hours.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False, fontsize=8)


def draw_steps(axes: Axes, seconds: pandas.DataFrame) -> None:
    """Whole runs of the smallest size: more epochs and more data cost by the steps that they take."""
    axes.plot(seconds["steps"], seconds["estimated"], "_", color="#d55e00", markersize=12, label="estimated")
    for axis, marker, label in (("epochs", "o", "more epochs"), ("data", "s", "more data")):
        rows = seconds[seconds["axis"] == axis]
        axes.plot(rows["steps"], rows["seconds"], marker, color="#000000", fillstyle="none", label=label)
    axes.set(title="Whole runs of the smallest size", xlabel="steps", ylabel="seconds", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="speed.csv: samples a second")
    parser.add_argument("--speed", type=Path, required=True, help="speed.json: the speed that fits all sizes")
    parser.add_argument("--seconds", type=Path, required=True, help="run_seconds.csv: seconds of whole runs")
    parser.add_argument("--work", type=json.loads, required=True, help="what the study's runs do, as JSON")
    parser.add_argument("--runs", type=Path, help="runs.csv, where the study is finished")
    parser.add_argument("--figures", type=Path, nargs="+", required=True, help="svg, pdf and png to write")
    arguments = parser.parse_args()

    table, work = read_table(arguments.table), pandas.DataFrame(arguments.work)
    measured = json.loads(arguments.speed.read_text(encoding="utf-8"))
    speed = Speed(**measured["speed"])
    with figure_style():
        figure, ((throughput, share), (of_runs, of_steps)) = pyplot.subplots(
            2, 2, figsize=(9, 6.8), layout="constrained"
        )
        figure.suptitle("What training costs")
        draw_throughput(throughput, table)
        draw_share(share, table)
        draw_runs(of_runs, work, speed, read_table(arguments.runs) if arguments.runs else None)
        draw_steps(of_steps, read_table(arguments.seconds))
        for axes in (throughput, share, of_runs):
            parameter_axis(axes, table["parameters"])
            axes.set_xlabel("parameters")
        caption(
            figure,
            f"{measured['device']}, {measured['threads']} thread(s). Bands: quartiles. The limit: a step's "
            "floating-point operations at the rate of a matrix product of side 2048. Seconds are without a process' "
            "start. Estimated: by one speed for all sizes.",
        )
        save(figure, arguments.figures)


if __name__ == "__main__":
    main()
