"""What a study costs: the speed that is fitted to measurements, and what is said of a study before it is started."""

import re

import numpy
import pandas
import pytest
from conftest import SMOKE, run_snakemake

from widthwise.study.cost import Speed
from widthwise.training.benchmark import fitted_speed


def test_a_speed_is_found_again_from_what_it_takes():
    speed = Speed(3e-4, 5e10)
    layers, flops = numpy.full(6, 20), numpy.geomspace(1e7, 1e9, 6)
    fitted = fitted_speed(layers, flops, speed.seconds_per_sample(layers, flops))
    assert fitted.seconds_per_layer == pytest.approx(3e-4)
    assert fitted.flops_per_second == pytest.approx(5e10)


def test_the_benchmark_needs_no_run_and_the_estimate_goes_by_it(smoke):
    results = smoke / "results/smoke"
    (results / "runs/no_l2/width2/seed0/losses.csv").unlink()
    done = run_snakemake(smoke, "benchmark", *SMOKE)
    assert done.returncode == 0, done.stdout
    assert not re.search(r"^train ", done.stdout, re.MULTILINE)
    assert "times_textbook" in done.stdout
    table = pandas.read_csv(results / "tables/speed.csv")
    assert list(table.groupby("method")["width"].agg(list).items()) == [
        (method, [2, 3, 4]) for method in ("evaluation", "limit", "textbook", "widthwise")
    ]
    assert (table["lower_quartile"] <= table["samples_per_second"]).all()
    assert (table["samples_per_second"] <= table["upper_quartile"]).all()
    seconds = pandas.read_csv(results / "tables/run_seconds.csv")
    assert list(seconds["steps"]) == [1, 2, 4, 2, 4]
    assert (results / "figures/cost.png").read_bytes().startswith(b"\x89PNG")
    estimate = run_snakemake(smoke, "estimate", *SMOKE)
    assert estimate.returncode == 0, estimate.stdout
    assert "Estimated by the benchmark on cpu, 1 thread(s) a run" in estimate.stdout
    assert re.search(
        r"^12 runs, \d+\.\d core-hours: \d+ min on 2 cores; \d+ MB of disk$", estimate.stdout, re.MULTILINE
    )


def test_an_estimate_before_anything_else(checkout):
    estimate = run_snakemake(checkout, "estimate", *SMOKE)
    assert estimate.returncode == 0, estimate.stdout
    assert "by the reference machine's speed" in estimate.stdout
    assert not (checkout / "results/smoke/dataset.h5").exists()
