"""The explorer: one page, complete without network, with the loss curves of every run.

A browser opens a page inside Snakemake's report only up to 2 MB. Hence a small library (Vega-Lite) and a limit on the
points of all curves together: first the steps are thinned, then the seeds are replaced by their means.
"""

import html
import json
import math
from collections.abc import Callable, Sequence

import pandas
import vl_convert

from widthwise.analysis.tables import make_table
from widthwise.report.pages import count_runs, page, runs_and_circumstances
from widthwise.report.palette import size_colours
from widthwise.report.wording import MEASURES, NATS, number, size_label, size_title
from widthwise.study.curves import AnyStudy
from widthwise.study.curves_file import thinned

MOST_POINTS = 24_000  # of all curves together: about 0.7 MB
MOST_STEPS, LEAST_STEPS = 100, 12  # of one curve
ROW_MEASURES = ("objective", "data_loss", "penalty")
NAMES = MEASURES | {"penalty": "penalty"}

STYLE = """
body { margin: 0; max-width: none; padding: 0; }
main { box-sizing: border-box; display: flex; flex-direction: column; height: 100vh; padding: 1rem; }
h1 { font-size: 1.3rem; margin: 0 0 0.5rem; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; }
label { max-width: 100%; }
select { font: inherit; max-width: 100%; padding: 0.1rem 0.3rem; }
p { color: #555555; font-size: 0.85rem; margin: 0; }
#curves { flex: 1; min-height: 22rem; }
@media print { #curves svg { max-width: 100%; height: auto; } }
"""

BODY = """<h1>{title}</h1>
<form>
<label>circumstance <select id="circumstance">{circumstances}</select></label>
<label>size <select id="size">{sizes}</select></label>
<label>measure <select id="measure">{measures}</select></label>
<label>seeds <select id="seeds">{seeds}</select></label>
<label>steps <select id="steps">{step_scales}</select></label>
<label>loss <select id="loss">{loss_scales}</select></label>
</form>
<div id="curves"></div>
<p>Point at a dot for its size, step and value. Click a size in the legend to see it alone (shift: several). Turn the
wheel to zoom, drag to move, double-click to reset. The page's address keeps the choices above: copy it to share them.
{notes}</p>
<script type="module">
{library}
const study = {study};
{script}</script>
"""

SCRIPT = """
const chosen = name => document.getElementById(name).value;
const narrow = innerWidth < 700;
// A number of an axis: 1e-4, 0.001, 9999, 1e4.
const label = `datum.label === "" ? "" : replace(format(datum.value, datum.value !== 0
  && (abs(datum.value) < 9.99e-4 || abs(datum.value) >= 1e4) ? ".3~e" : ".4~g"), "e+", "e")`;

function draw() {
  const circumstance = study.circumstances[chosen("circumstance")];
  const measure = chosen("measure"), each = chosen("seeds") === "each";
  const title = `${study.measures[measure]} (nats)`;
  const steps = measure === "printed" ? circumstance.printed_steps : circumstance.steps;
  const all = chosen("size") === "all", sizes = circumstance.sizes.filter(({size}) => all || size === chosen("size"));
  const runs = circumstance.runs.filter(({size}) => sizes.includes(circumstance.sizes[size]));
  const least = {steps: chosen("steps") === "log" ? 1 : 0, loss: chosen("loss") === "log" ? 1e-9 : -Infinity};
  const known = runs.flatMap(({size, seed, ...run}) =>
    (run[measure] ?? []).map((value, index) => ({...circumstance.sizes[size], seed, step: steps[index], value})));
  const values = known.filter(({step, value}) => step >= least.steps && value >= least.loss);
  if (values.length === 0) {
    document.getElementById("curves").textContent = known.length === 0
      ? "This circumstance has no such size, or no such losses."
      : "A logarithmic scale shows none of these values: all are 0, or at step 0.";
    return;
  }
  const parameters = study.size_name === "size" ? [] : [{field: "parameters", format: ","}];
  const mean = [
    {aggregate: [{op: "mean", field: "value", as: "value"}, {op: "count", as: "count"}],
     groupby: ["size", "parameters", "label", "step"]},
    {filter: `datum.count == ${new Set(circumstance.runs.map(run => run.seed)).size}`},
    {calculate: "'mean of ' + datum.count", as: "seed"},
  ];
  const dots = study.means || each ? [] : mean;
  vegaEmbed("#curves", {
    width: "container", height: "container", autosize: {type: "fit", contains: "padding"},
    data: {name: "curves", values},
    transform: [{filter: {param: "sizes"}}],
    encoding: {
      x: {field: "step", type: "quantitative", axis: {tickCount: 8, labelOverlap: true}, title: study.step_name,
          scale: {type: chosen("steps"), nice: false, padding: 8}},
      y: {field: "value", type: "quantitative", axis: {tickCount: 8, labelOverlap: true, labelExpr: label}, title,
          scale: {type: chosen("loss"), nice: false, padding: 8, ...(chosen("loss") === "linear" && {zero: false})}},
      color: {
        field: "label", type: "nominal", title: study.size_name,
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
        mark: {type: "line", clip: true, strokeWidth: 1.2, opacity: dots.length ? 0.25 : 1},
      },
      {transform: dots, mark: {type: "line", clip: true, strokeWidth: dots.length ? 2.5 : 0}},
      {
        transform: dots,
        mark: {type: "circle", clip: true, size: 50, opacity: 1},
        encoding: {tooltip: [
          {field: "size"}, ...parameters, {field: "seed"}, {field: "step", format: ",", title: study.step_name},
          {field: "value", format: ".4~g", title},
        ]},
      },
      ...(measure === "penalty" || study.guessing === null ? [] : [{
        data: {values: [{guessing: study.guessing}]},
        transform: [],
        mark: {type: "rule", clip: true, strokeDash: [2, 3], color: "#777777"},
        encoding: {y: {field: "guessing", type: "quantitative"}, x: null, color: null, detail: null},
      }]),
    ],
    config: {
      font: "system-ui, sans-serif", view: {stroke: null},
      axis: {labelFontSize: 13, titleFontSize: 14, titleFontWeight: "normal", gridColor: "#e6e6e6"},
      legend: {labelFontSize: 13, titleFontSize: 14, titleFontWeight: "normal"},
    },
  }, {renderer: "svg", actions: {export: true, source: false, compiled: false, editor: false}});
}

// The address keeps the choices. Inside a report the page has no address of its own, and cannot.
function restore() {
  const choices = new URLSearchParams(location.hash.slice(1));
  document.querySelectorAll("select").forEach(select => {
    const value = choices.get(select.id);
    if ([...select.options].some(option => option.value === value)) select.value = value;
  });
}

function keep() {
  const choices = [...document.querySelectorAll("select")].map(select => [select.id, select.value]);
  try { history.replaceState(null, "", `#${new URLSearchParams(choices)}`); } catch { }
}

document.querySelector("form").addEventListener("change", () => { keep(); draw(); });
addEventListener("hashchange", () => { restore(); draw(); });
restore();
draw();
// Arrow keys go through the circumstances at once. Browsers complain of a focus inside another page.
if (self === top) document.querySelector("#circumstance").focus();
"""


def explorer_page(
    study: AnyStudy, losses: pandas.DataFrame, printed: pandas.DataFrame | None, classes: int | None
) -> str:
    """Returns the page.

    Args:
        study: the study.
        losses: losses.csv, with those of the measures that are known.
        printed: printed.csv; may have no rows, or be None if there is none.
        classes: number of classes, for the guessing line; None if it is not known.
    """
    row_measures = [measure for measure in ROW_MEASURES if measure in losses]
    if printed is None:
        printed = make_table("printed", [])
    label = size_label if study.size_name == "parameters" else str
    title = f"Loss curves of {runs_and_circumstances(losses)}"
    runs = count_runs(losses)
    means = runs * LEAST_STEPS > MOST_POINTS
    if means:
        losses, printed = seed_means(losses, row_measures), seed_means(printed, ["printed"])
    count = steps_per_curve(count_runs(losses))
    printed_of = dict(list(printed.groupby("circumstance")))
    circumstances = {
        name: curves(rows, printed_of.get(name, printed.iloc[:0]), count, label)
        for name, rows in losses.groupby("circumstance", sort=False)
    }
    measures = {measure: NAMES[measure] for measure in (*row_measures, *([] if printed.empty else ["printed"]))}
    shown = {
        "means": means,
        "guessing": None if classes is None else math.log(classes),
        "step_name": study.step_name,
        "size_name": study.size_name,
        "measures": measures,
        "circumstances": circumstances,
    }
    sizes = [size["size"] for found in circumstances.values() for size in found["sizes"]]
    seeds = {"mean": "mean of all"} if means else {"mean": "mean of all", "each": "each"}
    logged = losses.groupby("circumstance")["step"].nunique().max()
    shown_steps = max(len(found["steps"]) for found in circumstances.values())
    body = BODY.format(
        circumstances=options_by_family(study, list(circumstances)),
        measures=options(measures),
        title=title,
        sizes=options({"all": "all"} | {size: size for size in sizes}),
        seeds=options(seeds),
        step_scales=options({"linear": "linear", "log": "logarithmic"}),
        loss_scales=options({"log": "logarithmic", "linear": "linear"}),
        notes=" ".join(notes(classes, runs, means=means, shown=shown_steps, logged=logged)),
        library=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        study=json.dumps(shown, separators=(",", ":")),
        script=SCRIPT,
    )
    return page(title, body, STYLE)


def notes(classes: int | None, runs: int, *, means: bool, shown: int, logged: int) -> list[str]:
    """Says what is drawn, and what is left out."""
    steps = f"{shown} of {logged} logged steps are shown." if logged > shown else "Every logged step is shown."
    seeds = (
        f"Only the means over seeds are shown: {runs:,} runs are too many for one page."
        if means
        else "The pale lines behind a mean are its seeds."
    )
    guessing = [] if classes is None else [f"Dotted: guessing, log({classes}) = {number(math.log(classes))} {NATS}."]
    return [
        *guessing,
        "A mean goes only as far as all its seeds.",
        seeds,
        "A logarithmic scale leaves out step 0 and losses of 0.",
        steps,
    ]


def steps_per_curve(curves: int) -> int:
    """Returns how many steps each of so many curves may have at most; about half as many may be drawn."""
    return max(LEAST_STEPS, min(MOST_STEPS, MOST_POINTS // curves))


def seed_means(table: pandas.DataFrame, measures: Sequence[str]) -> pandas.DataFrame:
    """Returns the means over seeds, as far as all seeds of the circumstance go, with a text for `seed`."""
    keys = ["circumstance", "size", "parameters", "step"]
    grouped = table.groupby(keys, sort=False)
    means = grouped[list(measures)].mean().assign(seeds=grouped["seed"].size()).reset_index()
    complete = table.groupby("circumstance")["seed"].nunique()
    means = means[means["seeds"] == means["circumstance"].map(complete)]
    return means.assign(seed=[f"mean of {count}" for count in means["seeds"]]).drop(columns="seeds")


def curves(losses: pandas.DataFrame, printed: pandas.DataFrame, count: int, label: Callable[[int], str]) -> dict:
    """Returns one circumstance as the page has it: its sizes, and each run's losses at no more than `count` steps.

    `label` formats sizes. A run that diverged has fewer losses. All runs of a circumstance log the same steps while
    they go on.
    """
    colours = size_colours(losses["parameters"])
    by_size = losses.drop_duplicates("size").sort_values("parameters")
    places = {size: place for place, size in enumerate(by_size["size"])}
    steps, printed_steps = (thinned(sorted(table["step"].unique().tolist()), count) for table in (losses, printed))
    printed_runs = dict(list(printed[printed["step"].isin(printed_steps)].groupby(["size", "seed"])))
    runs = []
    for (size, seed), run in losses[losses["step"].isin(steps)].groupby(["size", "seed"]):
        row = {"size": places[size], "seed": seed} | {name: rounded(run[name]) for name in ROW_MEASURES if name in run}
        if (size, seed) in printed_runs:
            row["printed"] = rounded(printed_runs[size, seed]["printed"])
        runs.append(row)
    return {
        "steps": steps,
        "printed_steps": printed_steps,
        "sizes": [
            {
                "size": size_title(row["size"]),
                "parameters": row["parameters"],
                "label": label(row["parameters"]),
                "colour": colours[row["parameters"]],
            }
            for row in by_size[["size", "parameters"]].to_dict("records")
        ],
        "runs": runs,
    }


def rounded(losses: pandas.Series) -> list[float]:
    """Returns losses with five significant digits."""
    return [float(f"{value:.5g}") for value in losses]


def options_by_family(study: AnyStudy, names: Sequence[str]) -> str:
    """Returns the options of circumstances: families as groups, if there are several."""
    families: dict[str, dict[str, str]] = {}
    for name in names:
        families.setdefault(study.circumstances[name].family, {})[name] = study.title(name)
    if len(families) == 1:
        return options(*families.values())
    return "".join(
        f'<optgroup label="{html.escape(family)}">{options(of)}</optgroup>' for family, of in families.items()
    )


def options(texts: dict[str, str]) -> str:
    """Returns the options of a list, by value."""
    return "".join(f'<option value="{value}">{html.escape(text)}</option>' for value, text in texts.items())
