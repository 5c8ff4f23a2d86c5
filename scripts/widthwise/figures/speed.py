"""What training costs on this machine.

Above: samples per second of each size, beside the loop of a textbook and the machine's limit. Below: seconds of the
study's runs, estimated and measured, and of whole runs of the smallest size. Seconds of runs that shared the machine
are too long.
"""

import pandas
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from widthwise.figures.axes import log_axis, step_axis, tick_ends, tick_log_ends
from widthwise.figures.layout import WIDTH, explain, title
from widthwise.figures.style import MEASURE_STYLES
from widthwise.report.wording import counted, size_label
from widthwise.study.cost import Speed
from widthwise.study.plan import Study

# Those that were measured are drawn, in this order.
METHODS = {
    "limit": ("the machine's limit", {"color": "#777777", "linestyle": ":"}),
    "roofline": ("roofline, with passes", {"color": "#777777", "linestyle": "-."}),
    "widthwise": ("widthwise", MEASURE_STYLES["objective"]),
    "textbook": ("textbook loop", MEASURE_STYLES["data_loss"]),
    "lightning": ("Lightning's Trainer", {"color": "#cc79a7", "linestyle": "-.", "marker": "^", "markersize": 4}),
    "keras_tensorflow": ("Keras, TensorFlow", {"color": "#d55e00", "linestyle": "--", "marker": "D", "markersize": 4}),
    "keras_torch": ("Keras, torch", {"color": "#009e73", "linestyle": ":", "marker": "v", "markersize": 4}),
}
ESTIMATED = {"color": "#d55e00", "marker": "_", "markersize": 12, "linestyle": "none", "label": "estimated"}


def draw(
    study: Study,
    speed_table: pandas.DataFrame,
    speed: dict,
    seconds: pandas.DataFrame,
    summary: dict,
    networks: dict | None = None,
    runs: pandas.DataFrame | None = None,
) -> Figure:
    """Draws throughput, its share of the limit, the seconds of the study's runs, and those of whole runs.

    `speed_table` is speed.csv, `speed` speed.json, `seconds` run_seconds.csv, `summary` the dataset's, `networks`
    networks.json of a user's own networks, and `runs` the runs.csv of a finished study.
    """
    rates = speed_table.pivot(index="parameters", columns="method", values="samples_per_second")
    figure, ((throughput, share), (of_runs, of_steps)) = pyplot.subplots(
        2, 2, figsize=(WIDTH, 7.4), layout="constrained"
    )
    title(figure, finding(rates))
    draw_throughput(throughput, speed_table)
    draw_share(share, rates)
    draw_runs(of_runs, pandas.DataFrame(study.work(summary, networks or {})), Speed(**speed["speed"]), runs)
    draw_steps(of_steps, seconds)
    for axes in (throughput, share, of_runs):
        log_axis(axes, speed_table["parameters"], size_label)
        axes.set_xlabel("parameters")
    roofline = (
        "Roofline: the same with vectors of 16 filters, empty lanes included, and the passes of normalisation and "
        "activation over memory. "
    )
    explain(
        figure,
        f"Measured on {speed['device']} with {counted(speed['threads'], 'thread')}. Bands: quartiles. Limit: the "
        "arithmetic of a step at the rate of a large matrix product. "
        f"{roofline if 'roofline' in rates else ''}Seconds leave out the start of a process. "
        "Estimated: by one speed for all sizes.",
    )
    return figure


def finding(rates: pandas.DataFrame) -> str:
    """Says how many times as fast as the textbook's loop training is."""
    times = sorted({f"{ratio:.2f}" for ratio in rates["widthwise"] / rates["textbook"]}, key=float)
    return f"Training is {' to '.join(dict.fromkeys((times[0], times[-1])))} times as fast as the textbook's loop"


def draw_throughput(axes: Axes, table: pandas.DataFrame) -> None:
    """Draws the median and the quartiles of samples per second."""
    for method, (label, look) in METHODS.items():
        rows = table[table["method"] == method].sort_values("parameters")
        if rows.empty:
            continue
        axes.plot(rows["parameters"], rows["samples_per_second"], label=label, **look)
        axes.fill_between(
            rows["parameters"], rows["lower_quartile"], rows["upper_quartile"], color=look["color"], alpha=0.15
        )
    tick_log_ends(axes, table["lower_quartile"].min(), table["upper_quartile"].max())
    axes.set(title="Throughput", ylabel="samples per second")
    axes.legend()


def draw_share(axes: Axes, rates: pandas.DataFrame) -> None:
    """Draws throughput as a share of the limit, with how many times the textbook's ours is."""
    for method, (_, look) in METHODS.items():
        if method in rates and method != "limit":
            axes.plot(rates.index, 100 * rates[method] / rates["limit"], **look)
    for parameters, row in rates.iterrows():
        axes.annotate(
            f"{row['widthwise'] / row['textbook']:.2f}×",
            (parameters, 100 * row["widthwise"] / row["limit"]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set(title="Share of the limit, and × textbook", ylabel="%", ylim=(0, 110))


def draw_runs(axes: Axes, work: pandas.DataFrame, speed: Speed, runs: pandas.DataFrame | None) -> None:
    """Draws the seconds of the study's runs, as estimated and as measured."""
    estimated = work.assign(seconds=speed.training_seconds(work)).drop_duplicates(["parameters", "seconds"])
    axes.plot(estimated["parameters"], estimated["seconds"], **ESTIMATED)
    if runs is not None:
        finished = runs[~runs["diverged"]]
        axes.plot(finished["parameters"], finished["seconds"], "o", color="#000000", markersize=3, label="measured")
    tick_log_ends(axes, *axes.dataLim.intervaly)
    axes.set(title="One run of this study", ylabel="seconds")
    axes.legend()


def draw_steps(axes: Axes, seconds: pandas.DataFrame) -> None:
    """Draws whole runs of the smallest size: more epochs and more data cost by the steps that they take."""
    axes.plot(seconds["steps"], seconds["estimated"], **ESTIMATED)
    for axis, marker, label in (("epochs", "o", "more epochs"), ("data", "s", "more data")):
        rows = seconds[seconds["axis"] == axis]
        axes.plot(rows["steps"], rows["seconds"], marker, color="#000000", fillstyle="none", label=label)
    tick_ends(axes, 0, axes.dataLim.intervaly[1])
    step_axis(axes, seconds["steps"].max())
    axes.set_xlim(0, 1.05 * seconds["steps"].max())
    axes.set(title="Whole runs of the smallest size", xlabel="steps", ylabel="seconds")
    axes.legend()
