"""A small plausible study as tables: what the figures and pages are drawn from in tests, without any training.

Widths 2 to 26, three seeds. `baseline` and `no_l2` lose what they should; `fixed_std_init` starts high; a run of
`too_fast` diverges, and one of the highest rate of the grid `rates`; `deep_plain` grows in depth.
"""

import itertools
from collections.abc import Mapping
from types import SimpleNamespace

import numpy
import pandas

from widthwise.analysis.penalties import end_penalties, penalties, penalty_ratios
from widthwise.study.circumstances import Naming, title_of

WIDTHS = {2: 15_708, 3: 35_144, 5: 97_182, 8: 248_154, 14: 758_592, 26: 2_613_444}
DEPTHS = {8: 11_000, 14: 25_000, 20: 38_000}
SEEDS = (0, 1, 2)
RATES = (4e-5, 2e-4, 1e-3, 4e-3)
STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 320, 384)
STEPS_PER_EPOCH = 64
IDENTITY = ["circumstance", "size", "width", "depth", "parameters", "seed"]
FEATURES = {
    "objective": ["starting_loss", "initial_decay", "end_value", "equal_compute"],
    "data_loss": ["starting_loss", "initial_decay", "steps_to_midway", "end_value", "equal_compute"],
    "printed": ["starting_loss", "initial_decay", "end_value"],
}
# Of the largest network before training, in nats.
PENALTIES = {"baseline": 0.12, "fixed_std_init": 0.65, "deep_plain": 0.03}
FAMILIES = ("what is reported", "optimiser", "signal propagation", "depth", "controls")
TITLES = {"no_l2": "no L2", "fixed_std_init": "fixed standard deviation", "too_fast": "rate of 1e-2", "rates": "Adam"}
DIVERGED = ("too_fast", "width26", 1, 16)  # circumstance, size, seed, last step
DIVERGED_IN_A_GRID = ("rates_4e-03", "width26", 2, 32)
BACKBONES = 10  # for each size, of the starting losses


class SyntheticStudy(Naming, SimpleNamespace):
    """A stand-in for `Study` with what figures read of it."""

    step_name, size_name = "step", "parameters"
    heads_per_backbone = 20


def make_study(
    judged=("baseline", "no_l2", "fixed_std_init", "too_fast", "deep_plain"),
    grids=("rates",),
    *,
    families=2,
    penalties: Mapping[str, float] = PENALTIES,
    seeds=SEEDS,
):
    """Makes a study.

    Args:
        judged: names of circumstances; depth grows in those that begin with deep.
        grids: names of grids of learning rates.
        families: among how many families the circumstances are dealt out.
        penalties: the largest network's penalty before training, where there is one.
        seeds: the seeds of each size.
    """
    members = {grid: [f"{grid}_{rate:.0e}" for rate in RATES] for grid in grids}
    catalogue = {name: {"title": title} for name, title in TITLES.items()}
    family_of = {name: FAMILIES[place * families // len(judged)] for place, name in enumerate(judged)}
    return SyntheticStudy(
        seeds=list(seeds),
        widths=list(WIDTHS),
        judged=list(judged),
        penalised=[name for name in judged if name in penalties],
        penalties=penalties,
        curves=None,
        grids=members,
        config={"circumstances": catalogue, "analysis": {"coordinate_check": {"learning_rate": 1e-4}}},
        circumstances={
            name: SimpleNamespace(
                name=name,
                title=title_of(name, catalogue.get(name, {})),
                family=family_of.get(name),
                reports_penalty=name in penalties,
                depths=tuple(DEPTHS) if name.startswith("deep") else None,
            )
            for name in [*judged, *(member for grid in members.values() for member in grid)]
        },
        analysis=SimpleNamespace(decay_step=64, end_window=0.1),
        work=lambda summary, networks: [
            {"circumstance": judged[0], "size": f"width{width}", "runs": len(SEEDS), "parameters": parameters,
             "layers": 20, "flops_per_sample": 2000 * parameters, "samples": 3000}
            for width, parameters in WIDTHS.items()
        ],
    )  # fmt: skip


def sizes_of(circumstance: str) -> list[dict]:
    if circumstance.startswith("deep"):
        return [
            {"size": f"depth{depth}", "width": 4, "depth": depth, "parameters": count}
            for depth, count in DEPTHS.items()
        ]
    return [
        {"size": f"width{width}", "width": width, "depth": 20, "parameters": count} for width, count in WIDTHS.items()
    ]


def make_losses(study) -> pandas.DataFrame:
    """losses.csv: exponential decays, faster for larger networks, above a penalty that grows with them."""
    rows, last_steps = [], {run[:3]: run[3] for run in (DIVERGED, DIVERGED_IN_A_GRID)}
    for place, circumstance in enumerate(study.circumstances):
        for size in sizes_of(circumstance):
            share = numpy.log(size["parameters"] / 11_000) / numpy.log(2_613_444 / 11_000)
            for seed in study.seeds:
                noise = numpy.random.default_rng(seed + size["parameters"])
                start = 0.69 + 0.05 * noise.random()
                for step in STEPS:
                    if step > last_steps.get((circumstance, size["size"], seed), step):
                        continue
                    rate = (1 + 0.05 * place) * (0.0005 + 0.006 * share)
                    if circumstance.startswith("deep"):
                        rate *= 0.2
                    data_loss = start * numpy.exp(-rate * step) + 0.01 * noise.random()
                    if circumstance == "too_fast":
                        data_loss += 4 * share * step / (step + 30)
                    penalty = study.penalties.get(circumstance, 0) * share**2 * (1 - step / 1000)
                    rows.append(
                        {"circumstance": circumstance, **size, "seed": seed, "step": step,
                         "epoch": step / STEPS_PER_EPOCH, "objective": data_loss + penalty, "data_loss": data_loss,
                         "penalty": penalty, "accuracy": 0.8, "sum_of_squares": 1e4 * penalty}
                    )  # fmt: skip
    return pandas.DataFrame(rows)


def make_printed(losses: pandas.DataFrame) -> pandas.DataFrame:
    ends = losses[(losses["step"] > 0) & (losses["step"] % STEPS_PER_EPOCH == 0)]
    epochs = ends[[*IDENTITY, "step"]].assign(epoch=ends["step"] // STEPS_PER_EPOCH, printed=ends["objective"] + 0.02)
    return epochs.reset_index(drop=True)


def make_runs(study, losses: pandas.DataFrame) -> pandas.DataFrame:
    runs = losses.groupby(IDENTITY, sort=False).agg(steps=("step", "max")).reset_index()
    last = losses.groupby(IDENTITY, sort=False).last().reset_index()
    first = losses.groupby(IDENTITY, sort=False).first().reset_index()
    rates = {member: rate for grid in study.grids.values() for member, rate in zip(grid, RATES, strict=True)}
    diverged = runs["steps"] < STEPS[-1]
    columns = {
        "learning_rate": runs["circumstance"].map(rates).fillna(1e-5),
        "batch_size": 8,
        "diverged": diverged,
        "planned_steps": STEPS[-1],
        "steps_per_epoch": STEPS_PER_EPOCH,
        "sittings": 1,
        "seconds": 20 + runs["parameters"] / 2e4,
        "test_data_loss": last["data_loss"].mask(diverged),
        "test_accuracy": 0.81,
        "device": "cpu",
        "threads": 1,
        "classes": 2,
        "data_loss_steps_to_midway": 6.5,
        "objective_drift": -0.02,
        "data_loss_drift": -0.01,
        "penalty_drift": -0.03,
    }
    for measure, features in FEATURES.items():
        source = "objective" if measure == "printed" else measure
        bound = first[source].clip(lower=numpy.log(2))  # of a run that diverged, as the analysis has it
        values = {
            "starting_loss": first[source],
            "initial_decay": first[source] - last[source].mask(diverged, bound),
            "end_value": last[source].mask(diverged, bound),
            "equal_compute": last[source].mask(diverged, bound),
        }
        columns |= {f"{measure}_{feature}": values[feature] for feature in features if feature in values}
    rate_effect = 0.2 * numpy.log10(columns["learning_rate"] * runs["width"] / 2e-3) ** 2
    in_grid = runs["circumstance"].isin(rates)
    columns["data_loss_end_value"] = columns["data_loss_end_value"].mask(in_grid & ~diverged, 0.2 + rate_effect)
    return runs.assign(**columns)


def make_features(runs: pandas.DataFrame) -> pandas.DataFrame:
    """features.csv: nothing of a size of which a run diverged, but its start, which other networks tell."""
    rows = []
    for (circumstance, size, parameters), group in runs.groupby(["circumstance", "size", "parameters"], sort=False):
        for measure, features in FEATURES.items():
            for feature in features:
                starts = feature == "starting_loss" and measure != "printed"
                diverged = 0 if starts else int(group["diverged"].sum())
                values = group[f"{measure}_{feature}"] if diverged == 0 else pandas.Series([numpy.nan])
                mean, half = values.mean(), 2 * values.std()
                rows.append(
                    {"circumstance": circumstance, "measure": measure, "feature": feature, "size": size,
                     "parameters": parameters, "mean": mean, "ci_low": mean - half, "ci_high": mean + half,
                     "seeds": BACKBONES if starts else len(group), "diverged": diverged, "at_horizon": 0,
                     "plateau": "settled"}
                )  # fmt: skip
    return pandas.DataFrame(rows)


def make_verdicts(features: pandas.DataFrame, judged) -> pandas.DataFrame:
    rows = []
    judged_rows = features[features["circumstance"].isin(judged)]
    for (circumstance, measure, feature), group in judged_rows.groupby(
        ["circumstance", "measure", "feature"], sort=False
    ):
        group = group.sort_values("parameters")
        means = group["mean"].dropna()
        change, diverged = means.iloc[-1] - means.iloc[0], int(group["diverged"].sum())
        verdict = "flat" if abs(change) < 0.02 else "rises" if change > 0 else "falls"
        if circumstance == "fixed_std_init" and feature == "end_value":
            verdict = {"objective": "undecided", "data_loss": "mixed", "printed": "undecided"}[measure]
        expected = "falls" if feature == "end_value" else None
        decides = measure != "printed" and feature in ("starting_loss", "end_value")
        rows.append(
            {"circumstance": circumstance, "measure": measure, "feature": feature, "verdict": verdict,
             "change": change, "ci_low": change - 0.03, "ci_high": change + 0.03, "slope_per_doubling": change / 7.4,
             "level": {"starting_loss": 0.0025, "end_value": 0.0225}[feature] if decides else 0.05,
             "p_value": 0.0004, "p_catalogue": 0.01 if decides else numpy.nan,
             "seeds": 50 if feature == "starting_loss" else 3, "sizes": len(group), "diverged": diverged,
             "expected": expected, "agrees": None if expected is None else expected == verdict,
             "slight": verdict in ("rises", "falls") and abs(change) < 0.065}
        )  # fmt: skip
    table = pandas.DataFrame(rows)
    return table.assign(agrees=table["agrees"].astype("boolean"))


def make_crossings(study) -> pandas.DataFrame:
    rows = []
    for circumstance in study.judged:
        counts = [size["parameters"] for size in sizes_of(circumstance)]
        pairs = [*itertools.pairwise(counts), (counts[0], counts[-1])]
        for measure in FEATURES:
            for place, (smaller, larger) in enumerate(pairs):
                crossed = (place + len(circumstance)) % (len(study.seeds) + 1)
                rows.append(
                    {"circumstance": circumstance, "measure": measure,
                     "pair": "extremes" if place == len(pairs) - 1 else "neighbours", "smaller": smaller,
                     "larger": larger, "seeds": len(study.seeds), "crossed": crossed, "always_below": crossed // 3,
                     "median_crossing": 32.0 * place if crossed > 1 else numpy.inf}
                )  # fmt: skip
    return pandas.DataFrame(rows)


def make_coordinates(circumstances=("too_fast", "mup")) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """coordinates.csv and coordinate_powers.csv: changes grow with width in the first circumstance only."""
    layers = [*(f"stage{s}_convolution{c}" for s in (1, 2, 3) for c in (1, 2)), "logits"]
    rows, powers = [], []
    for place, circumstance in enumerate(circumstances):
        power = 0.9 if place == 0 else 0.0
        for step in (1, 5):
            for depth, layer in enumerate(layers):
                of_layer = power if layer == "logits" else power / 2
                # Under a zero head, only the head changes at the first step: no power, and an unbounded interval.
                still = step == 1 and layer != "logits"
                powers.append(
                    {"circumstance": circumstance, "layer": layer, "step": step,
                     "power": numpy.nan if still else of_layer,
                     "ci_low": -numpy.inf if still else of_layer - 0.1,
                     "ci_high": numpy.inf if still else of_layer + 0.1, "seeds": 3}
                )  # fmt: skip
                rows += [
                    {"circumstance": circumstance, "size": f"width{width}", "width": width, "depth": 20,
                     "parameters": count, "seed": seed, "step": step, "layer": layer,
                     "rms_change": (not still) * 0.01 * step * (1 + depth / 5) * width**of_layer * (1 + 0.05 * seed)}
                    for width, count in WIDTHS.items()
                    for seed in SEEDS
                ]  # fmt: skip
    return pandas.DataFrame(rows), pandas.DataFrame(powers)


def make_learning_rates(study) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """learning_rates.csv and learning_rate_slopes.csv."""
    rates = [
        {"grid": grid, "width": width, "parameters": count, "log2_rate": best,
         "ci_low": -numpy.inf if width == 2 else best - 0.3, "ci_high": numpy.inf if width == 2 else best + 0.3,
         "lowest_loss": 0.2, "optimum": "upper edge" if width == 2 else "inside",
         "log2_highest_stable": best + 1, "all_stable": width == 2, "diverged": 3 * (width == 26)}
        for grid in study.grids
        for width, count in WIDTHS.items()
        for best in [numpy.log2(2e-3 / width)]
    ]  # fmt: skip
    slopes = [
        {"grid": grid, "quantity": quantity, "slope": -1.0, "ci_low": -1.2, "ci_high": -0.8, "seeds": 3,
         "censored": 1, "verdict": "falls", "expected": "falls", "agrees": "yes"}
        for grid in study.grids
        for quantity in ("best", "highest_stable")
    ]  # fmt: skip
    return pandas.DataFrame(rates), pandas.DataFrame(slopes)


def make_budgets(study) -> pandas.DataFrame:
    """learning_rate_budgets.csv: larger networks end lower, except for few steps and at the highest rate."""
    rows = []
    for grid, (place, rate), steps in itertools.product(study.grids, enumerate(RATES), (24, 48, 96, 192, 384)):
        change = -0.001 * steps * (2 - place) + 0.03
        lost = place == len(RATES) - 1 and steps > 100
        verdict = "flat" if abs(change) < 0.04 else "rises" if change > 0 else "falls"
        rows.append(
            {"grid": grid, "learning_rate": rate, "steps": steps, "verdict": "diverged" if steps > 300 and lost else
             "undecided" if place == 0 and steps == 24 else verdict, "change": change, "ci_low": change - 0.02,
             "ci_high": change + 0.02, "diverged": 2 * lost, "seeds": 3}
        )  # fmt: skip
    return pandas.DataFrame(rows)


def make_speed() -> tuple[pandas.DataFrame, dict, pandas.DataFrame]:
    """speed.csv, speed.json and run_seconds.csv."""
    rows = [
        {"size": f"width{width}", "parameters": count, "method": method, "samples_per_second": rate,
         "lower_quartile": 0.95 * rate, "upper_quartile": 1.05 * rate, "flops_per_sample": 2000 * count, "layers": 20}
        for width, count in WIDTHS.items()
        for method, factor in (("widthwise", 1.0), ("textbook", 0.7), ("limit", 1.6))
        for rate in [factor * 200 / width**0.8]
    ]  # fmt: skip
    seconds = [
        {"axis": axis, "steps": steps, "seconds": 0.1 * steps, "estimated": 0.11 * steps}
        for axis, steps in (("epochs", 24), ("epochs", 48), ("epochs", 96), ("data", 48), ("data", 96))
    ]
    speed = {"speed": {"seconds_per_layer": 2e-4, "flops_per_second": 8e10}, "device": "cpu", "threads": 1}
    return pandas.DataFrame(rows), speed, pandas.DataFrame(seconds)


def make_predictions() -> dict[str, numpy.ndarray]:
    """segmentation.npz: a disc, and three networks that see it ever better."""
    y, x = numpy.mgrid[-20:20, -20:20]
    mask = (x**2 + y**2 < 150).astype(numpy.uint8)
    noise = numpy.random.default_rng(0).normal(size=mask.shape)
    foreground = numpy.stack([1 / (1 + numpy.exp(-(mask - 0.5) * k - 0.8 * noise)) for k in (2, 4, 9)])
    return {
        "image": mask + 0.5 * noise,
        "mask": mask,
        "foreground": foreground,
        "parameters": numpy.array([15_708, 97_182, 2_613_444]),
        "dice": numpy.array([0.71, 0.83, 0.94]),
        "trivial_dice": numpy.array(0.45),
    }


def make_arrays(*, classes: int = 2, shape: tuple[int, ...] = (1, 9, 9, 9), volume: bool = True) -> dict:
    """A dataset's arrays."""
    generator = numpy.random.default_rng(0)
    labels = numpy.arange(12 * classes) % classes
    arrays = {
        "train/images": generator.standard_normal((len(labels), *shape)).astype(numpy.float32),
        "train/labels": labels.astype(numpy.uint8),
    }
    if volume:
        arrays["volume/image"] = generator.standard_normal((32, 32, 32)).astype(numpy.float32)
        arrays["volume/mask"] = (generator.random((32, 32, 32)) < 0.4).astype(numpy.uint8)
    return arrays


def make_tables(study) -> dict[str, pandas.DataFrame]:
    """All tables of a study, by the name of their files."""
    losses = make_losses(study)
    runs = make_runs(study, losses)
    features = make_features(runs)
    rates, slopes = make_learning_rates(study)
    coordinates, powers = make_coordinates()
    ends = end_penalties(runs, study.penalised)
    references = {name: "baseline" for name in study.penalised if name != "baseline"}
    return {
        "losses": losses,
        "printed": make_printed(losses),
        "runs": runs,
        "features": features,
        "verdicts": make_verdicts(features, study.judged),
        "crossings": make_crossings(study),
        "coordinates": coordinates,
        "coordinate_powers": powers,
        "learning_rates": rates,
        "learning_rate_slopes": slopes,
        "learning_rate_budgets": make_budgets(study),
        "penalties": penalties(runs, ends),
        "penalty_ratios": penalty_ratios(runs, ends, references, {}),
    }
