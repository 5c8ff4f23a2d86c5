"""The explorer: one page, whole without network, on which to look through every loss curve of the study.

Reads `circumstance`, `size`, `parameters`, `seed`, `step` and the losses of tables/losses.csv. Colours are those of the
figures. A browser opens a page inside the report's single file only up to 2 MB, hence a small library (Vega-Lite) and
a bound on the points of all curves together.
"""

import argparse
import json
from pathlib import Path

import numpy
import pandas
import vl_convert
from matplotlib.colors import to_hex

from widthwise.analysis.tables import read_table
from widthwise.figures.style import size_colours
from widthwise.files import written_aside
from widthwise.program import start_logging
from widthwise.report.pages import page
from widthwise.report.wording import circumstance_label, size_label, size_title

POINTS = 24_000  # of all curves together: about 0.6 MB
STEPS = 100  # of one curve
MEASURES = ["objective", "data_loss", "penalty"]

STYLE = """
body { box-sizing: border-box; display: flex; flex-direction: column; height: 100vh; margin: 0; max-width: none;
       padding: 1rem; }
h1 { font-size: 1.3rem; margin: 0 0 0.5rem; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; }
select { font: inherit; max-width: 100%; padding: 0.1rem 0.3rem; }
p { color: #555555; font-size: 0.85rem; margin: 0; }
#curves { flex: 1; min-height: 22rem; }
"""

BODY = """<h1>Loss curves of every run</h1>
<form>
<label>circumstance <select id="circumstance">{circumstances}</select></label>
<label>measure <select id="measure">{measures}</select></label>
<label>steps <select id="scale"><option value="linear">linear</option><option value="log">logarithmic</option></select>
</label>
<label>seeds <select id="seeds"><option value="mean">mean of all</option><option value="each">each</option></select>
</label>
</form>
<div id="curves"></div>
<p>Point at a dot for its size, step and value. Click a size in the legend to see it alone (shift: more than one). Turn
the wheel to zoom, drag to move, double-click to see all again. A mean goes as far as every seed does; pale behind it is
each seed. Step 0, before any update, has no place on a logarithmic scale. {shown}</p>
<script type="module">
{library}
const study = {study};
{script}</script>
"""

SCRIPT = """
const chosen = name => document.getElementById(name).value;
const narrow = innerWidth < 700;

function draw() {
  const {steps, sizes, runs} = study[chosen("circumstance")];
  const measure = chosen("measure"), each = chosen("seeds") === "each", logarithmic = chosen("scale") === "log";
  const title = measure.replace("_", " ");
  const values = runs.flatMap(({size, seed, ...run}) =>
    run[measure].map((value, index) => ({...sizes[size], seed, step: steps[index], value})));
  const mean = [
    {aggregate: [{op: "mean", field: "value", as: "value"}, {op: "count", as: "count"}],
     groupby: ["size", "parameters", "label", "step"]},
    {filter: `datum.count == ${new Set(runs.map(run => run.seed)).size}`},
    {calculate: "'mean of ' + datum.count", as: "seed"},
  ];
  vegaEmbed("#curves", {
    width: "container", height: "container", autosize: {type: "fit", contains: "padding"},
    data: {name: "curves", values},
    transform: [{filter: {param: "sizes"}}, {filter: `datum.step >= ${logarithmic ? 1 : 0}`}],
    encoding: {
      x: {field: "step", type: "quantitative", axis: {tickCount: 8, labelOverlap: true},
          scale: {type: logarithmic ? "log" : "linear", nice: false, padding: 8}},
      y: {field: "value", type: "quantitative", axis: {tickCount: 8}, scale: {zero: false},
          title: `${title} (nats)`},
      color: {
        field: "label", type: "nominal", title: "parameters",
        scale: {domain: sizes.map(size => size.label), range: sizes.map(size => size.colour)},
        legend: {orient: narrow ? "bottom" : "right", columns: narrow ? 3 : 1, symbolType: "circle", symbolOpacity: 1},
      },
      detail: {field: "seed"},
    },
    layer: [
      {
        params: [
          {name: "sizes", select: {type: "point", fields: ["label"]}, bind: "legend"},
          {name: "view", select: "interval", bind: "scales"},
        ],
        mark: {type: "line", clip: true, strokeWidth: 1.2, opacity: each ? 1 : 0.25},
      },
      {transform: each ? [] : mean, mark: {type: "line", clip: true, strokeWidth: each ? 0 : 2.5}},
      {
        transform: each ? [] : mean,
        mark: {type: "circle", clip: true, size: 50, opacity: 1},
        encoding: {tooltip: [
          {field: "size"}, {field: "parameters", format: ","}, {field: "seed"}, {field: "step", format: ","},
          {field: "value", format: ".4f", title: `${title} (nats)`},
        ]},
      },
    ],
    config: {
      font: "system-ui, sans-serif", view: {stroke: null},
      axis: {labelFontSize: 13, titleFontSize: 14, titleFontWeight: "normal", gridColor: "#e6e6e6"},
      legend: {labelFontSize: 13, titleFontSize: 14, titleFontWeight: "normal"},
    },
  }, {renderer: "svg", actions: {export: true, source: false, compiled: false, editor: false}});
}

document.querySelector("form").addEventListener("change", draw);
draw();
"""


def kept(steps: numpy.ndarray, count: int) -> numpy.ndarray:
    """At most `count` of the ascending steps, first and last among them: half of them even, half by their logarithm."""
    if len(steps) <= count:
        return steps
    even = numpy.linspace(0, len(steps) - 1, count // 2)
    early = numpy.geomspace(1, len(steps), count // 2) - 1
    return steps[numpy.unique(numpy.concatenate([even, early]).round().astype(int))]


def curves(losses: pandas.DataFrame, count: int) -> dict:
    """One circumstance as the page has it: at most `count` steps, the sizes, and each run's losses at those steps.

    A run that diverged has fewer losses; every run logs the same steps for as long as it goes.
    """
    colours = size_colours(losses["parameters"])
    steps = kept(numpy.sort(losses["step"].unique()), count)
    sizes = {size: place for place, size in enumerate(losses.sort_values("parameters")["size"].unique())}
    parameters = losses.drop_duplicates("size").set_index("size")["parameters"]
    return {
        "steps": steps.tolist(),
        "sizes": [
            {"size": size_title(size), "parameters": int(parameters[size]), "label": size_label(parameters[size]),
             "colour": to_hex(colours[parameters[size]])}
            for size in sizes
        ],
        "runs": [
            {"size": sizes[size], "seed": seed}
            | {measure: [float(f"{value:.5g}") for value in run[measure]] for measure in MEASURES}
            for (size, seed), run in losses[losses["step"].isin(steps)].groupby(["size", "seed"])
        ],
    }  # fmt: skip


def options(names: list[str]) -> str:
    """A list to choose from."""
    return "".join(f'<option value="{name}">{circumstance_label(name)}</option>' for name in names)


def explorer(losses: pandas.DataFrame) -> str:
    """The page."""
    by_circumstance = losses.groupby("circumstance", sort=False)
    count = min(STEPS, POINTS // len(losses[["circumstance", "size", "seed"]].drop_duplicates()))
    study = {name: curves(of_circumstance, count) for name, of_circumstance in by_circumstance}
    logged = by_circumstance["step"].nunique().max()
    body = BODY.format(
        circumstances=options(list(study)),
        measures=options(MEASURES),
        shown=f"{count} of {logged} logged steps are shown." if logged > count else "Every logged step is shown.",
        library=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        study=json.dumps(study, separators=(",", ":")),
        script=SCRIPT,
    )
    return page("Loss curves of every run", body, STYLE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--losses", type=Path, required=True, help="tables/losses.csv")
    parser.add_argument("--page", type=Path, required=True, help="HTML to write")
    arguments = parser.parse_args()
    log = start_logging("explorer")

    losses = read_table(arguments.losses)
    with written_aside(arguments.page) as aside:
        aside.write_text(explorer(losses), encoding="utf-8")
    log.info("%d rows, %.1f MB", len(losses), arguments.page.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
