"""Volumes that nobody made for this project: cubes of a brain, as NIfTI, through the import into training."""

import json
import math

import pandas
from workflow.checkout import make
from workflow.real_data import TISSUES, save_brain_cubes

STUDY = """
pathvars: {results: results/brain}
dataset: {path: cubes/cubes.csv}
widths: [2, 4, 6]
seeds: [0, 1]
study: [baseline]
network: {stages: [1, 1, 1], multipliers: [1, 2, 4]}
training: {l2: 0, l2_as: loss, batch_size: 6, epochs: 8, learning_rate: 3.0e-3}
evaluation: {row_interval: 4, starting_batches: 4}
analysis: {decay_step: 8, end_window: 0.4, initialisations: 4, heads_per_backbone: 2}
"""


def test_cubes_of_a_brain_are_imported_and_their_tissue_is_learned(checkout):
    (checkout / "cubes").mkdir()
    save_brain_cubes(checkout / "cubes")
    (checkout / "brain.yaml").write_text(STUDY)
    run = checkout / "results/brain/runs/baseline/width6/seed0"
    make(checkout, str((run / "losses.csv").relative_to(checkout)), "--configfile", "brain.yaml")
    summary = json.loads((checkout / "results/brain/dataset/own.json").read_text())
    assert summary["shape"] == [1, 12, 12, 12]
    assert summary["classes"] == sorted(TISSUES)
    assert summary["class_counts"] == {"train": [24, 24, 24], "test": [8, 8, 8]}
    rows = pandas.read_csv(run / "losses.csv")
    assert rows["data_loss"].iloc[-1] < math.log(3) / 2
    record = json.loads((run / "run.json").read_text())
    assert record["test_accuracy"] > 0.5  # by guessing, 1/3; the other hemisphere was not trained on
