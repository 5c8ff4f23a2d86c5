"""The programs that gather and judge a study, on one whose loss curves are formulas."""

import itertools
import json
import shutil

import gather_circumstance
import gather_study
import judge_study
import pandas
import pytest
from programs import run_program
from simulated_study import make_study, write_run, write_study

from widthwise.analysis.gathering import IncompleteTableError
from widthwise.analysis.tables import TABLES, read_table
from widthwise.study.plan import Run

STUDY = make_study()


def gather_one(results, circumstance):
    run_program(
        gather_circumstance,
        *("--study", results / "study.json", "--circumstance", circumstance),
        *("--runs-folder", results / "runs", "--tables", results / "tables" / circumstance),
    )


def gather_all(results, study):
    folders = [results / "tables" / name for name in study.circumstances]
    starts = sorted((results / "starts").rglob("*.csv"))
    tables = ("--study", results / "study.json", "--tables", results / "tables")
    run_program(gather_study, *tables, "--circumstances", *folders, "--starts", *starts)


def judge(results, study):
    for circumstance in study.circumstances:
        gather_one(results, circumstance)
    gather_all(results, study)
    run_program(judge_study, "--study", results / "study.json", "--tables", results / "tables")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_study(STUDY, tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def judged(written, tmp_path_factory):
    results = shutil.copytree(written, tmp_path_factory.mktemp("judged") / "results")
    judge(results, STUDY)
    return results / "tables"


@pytest.fixture
def results(written, tmp_path):
    return shutil.copytree(written, tmp_path / "results")


def test_every_table_is_written_with_its_columns(judged):
    names = {path.stem for path in judged.glob("*.csv")}
    assert names == set(TABLES) - {"coordinates", "coordinate_powers", "nesting"}
    for name in names:
        assert list(read_table(judged / f"{name}.csv").columns) == list(TABLES[name])


def test_the_verdicts_are_those_of_the_formulas(judged):
    verdicts = read_table(judged / "verdicts.csv").set_index(["circumstance", "measure", "feature"])
    assert list(verdicts.index.unique("circumstance")) == ["baseline", "no_l2", "fast"]
    assert verdicts.loc[("baseline", "objective", "end_value"), "verdict"] == "rises"
    assert verdicts.loc[("baseline", "data_loss", "end_value"), "verdict"] == "falls"
    assert verdicts.loc[("no_l2", "objective", "end_value"), "verdict"] == "falls"
    assert verdicts.loc[("baseline", "objective", "starting_loss"), "seeds"] == 6
    assert verdicts["agrees"].dropna().sum() == 4


def test_the_claims_of_the_catalogue_are_judged(judged):
    literature = read_table(judged / "literature.csv").set_index("claim")
    assert literature["agrees"].to_dict() == {"lapse": "yes", "order": "yes", "rate": "yes", "width": "yes"}


def test_a_grid_is_judged_by_its_members(judged):
    slopes = read_table(judged / "learning_rate_slopes.csv").set_index("quantity")
    assert (slopes.loc["best", "verdict"], slopes.loc["best", "agrees"]) == ("falls", "yes")
    assert len(read_table(judged / "learning_rates.csv")) == 4
    verdicts = read_table(judged / "learning_rate_verdicts.csv").set_index("learning_rate")
    assert len(verdicts) == 9
    budgets = read_table(judged / "learning_rate_budgets.csv")
    assert set(budgets["steps"]) == {48, 100, 200}
    last = budgets[budgets["steps"] == 200].set_index("learning_rate")
    pandas.testing.assert_frame_equal(
        last[["verdict", "change"]], verdicts[verdicts.index.notna()][["verdict", "change"]]
    )


def test_penalties_are_those_of_the_formula(judged):
    # lambda x 10 x parameters, and the parameters grow 16-fold.
    penalties = read_table(judged / "penalties.csv").set_index(["circumstance", "size"])
    assert list(penalties.index.unique("circumstance")) == ["baseline", "fast"]
    assert penalties.loc[("baseline", "width8"), ["start", "end"]].to_list() == pytest.approx([6.4, 6.4])
    ratios = (
        read_table(judged / "penalty_ratios.csv").fillna({"reference": ""}).set_index(["circumstance", "reference"])
    )
    assert ratios["ratio"].to_dict() == {
        ("baseline", ""): pytest.approx(16),
        ("fast", ""): pytest.approx(16),
        ("fast", "baseline"): pytest.approx(1),
    }
    assert ratios.loc[("baseline", ""), "power"] == pytest.approx(1)
    # What was expected stands beside it; seeds that do not scatter have no interval.
    assert ratios.loc[("baseline", ""), ["expected_low", "expected_high", "agrees"]].to_list() == [10, 20, "undecided"]


def test_a_study_of_one_circumstance_is_judged_too(tmp_path):
    alone = {"baseline": {"hypothesis": "Alone.", "source": "None."}}
    training = STUDY.config["training"] | {"l2": 0}
    study = make_study(study=["baseline"], circumstances=alone, training=training, claims={})
    results = write_study(study, tmp_path)
    judge(results, study)
    names = {path.stem for path in (results / "tables").glob("*.csv")}
    assert not {name for name in names if name.startswith("learning_rate")}
    assert not {name for name in names if name.startswith("penalt")}
    assert read_table(results / "tables/contrasts.csv").empty
    assert read_table(results / "tables/literature.csv").empty


def test_embedded_networks_are_gathered_for_every_circumstance_and_seed(tmp_path):
    study = make_study()
    (tmp_path / "study.json").write_text(study.record)
    files = []
    for name, seed in itertools.product(study.nested, study.seeds):
        row = dict.fromkeys(TABLES["nesting"], 0.5) | {"circumstance": name, "seed": seed, "smaller": "width2"}
        row |= {"larger": "width3", "smaller_parameters": 200, "larger_parameters": 300}
        files.append(tmp_path / name / f"seed{seed}.csv")
        files[-1].parent.mkdir(exist_ok=True)
        pandas.DataFrame([row]).to_csv(files[-1], index=False)
    arguments = ("--study", tmp_path / "study.json", "--tables", tmp_path / "tables")
    (tmp_path / "tables").mkdir()
    last = f"{study.nested[-1]}/seed{study.seeds[-1]}"
    with pytest.raises(IncompleteTableError, match=rf"nesting\.csv: missing {last}"):
        run_program(gather_study, *arguments, "--nesting", *files[:-1])
    run_program(gather_study, *arguments, "--nesting", *files)
    gathered = read_table(tmp_path / "tables/nesting.csv")
    assert [*zip(gathered["circumstance"], gathered["seed"], strict=True)] == [
        *itertools.product(study.nested, study.seeds)
    ]


def test_coordinates_are_gathered_and_judged(judged, tmp_path):
    checked = {"coordinate_check": {"circumstances": ["baseline"]}}
    study = make_study(analysis=STUDY.config["analysis"] | checked)
    (tmp_path / "study.json").write_text(study.record)
    tables = shutil.copytree(judged, tmp_path / "tables")
    files = []
    for size in study.sizes("baseline"):
        width = int(size.removeprefix("width"))
        network = {"circumstance": "baseline", "size": size, "width": width, "depth": 3, "parameters": 100 * width}
        rows = [
            network | {"seed": seed, "step": 1, "layer": "logits", "rms_change": 0.1 * width + 0.01 * seed}
            for seed in range(3)
        ]
        files.append(tmp_path / f"{size}.csv")
        pandas.DataFrame(rows).to_csv(files[-1], index=False)
    arguments = ("--study", tmp_path / "study.json", "--tables", tables)
    with pytest.raises(IncompleteTableError, match=r"coordinates\.csv: missing baseline/width8"):
        run_program(gather_study, *arguments, "--coordinates", *files[:-1])
    run_program(gather_study, *arguments, "--coordinates", *files)
    run_program(judge_study, *arguments)
    assert list(read_table(tables / "coordinates.csv").columns) == list(TABLES["coordinates"])
    assert read_table(tables / "coordinate_powers.csv")["power"].item() == pytest.approx(1, abs=0.1)


def test_runs_that_diverged_are_counted_and_not_dropped(tmp_path):
    study = make_study(study=["baseline", "fast", "rates"])
    lost = {f"fast/width8/seed{seed}": 10 * seed for seed in study.seeds} | {"baseline/width8/seed0": 30}
    highest = study.grids["rates"][-1]
    lost |= {f"{highest}/{size}/seed{seed}": 0 for size in study.sizes(highest) for seed in study.seeds}
    results = write_study(study, tmp_path, diverged=lost)
    judge(results, study)
    runs = read_table(results / "tables/runs.csv")
    assert runs["diverged"].sum() == 4 + 12
    assert runs["data_loss_end_value"].notna().all()
    verdicts = read_table(results / "tables/verdicts.csv").set_index(["circumstance", "measure", "feature"])
    assert verdicts.loc[("fast", "data_loss", "end_value"), "verdict"] == "diverged"
    assert verdicts.loc[("baseline", "data_loss", "end_value"), "verdict"] == "undecided"
    assert verdicts.loc[("baseline", "data_loss", "end_value"), "diverged"] == 1
    literature = read_table(results / "tables/literature.csv").set_index("claim")
    assert literature.loc["lapse", "agrees"] == "no"
    penalties = read_table(results / "tables/penalties.csv")
    assert penalties["size"].to_list() == ["width2", "width3", "width5"] * 2
    budgets = read_table(results / "tables/learning_rate_budgets.csv").set_index("learning_rate")
    assert budgets.loc[2.0**-5, "verdict"].to_list() == ["diverged"] * 3
    assert budgets.loc[2.0**-5, "steps"].to_list() == budgets.loc[2.0**-6, "steps"].to_list()


def test_a_missing_run_is_named(results):
    shutil.rmtree(results / "runs/baseline/width3/seed1")
    with pytest.raises(IncompleteTableError, match=r"run\.json: missing baseline/width3/seed1$"):
        gather_one(results, "baseline")


def test_a_run_in_another_runs_folder_is_named(results):
    shutil.rmtree(results / "runs/baseline/width3/seed1")
    shutil.copytree(results / "runs/baseline/width3/seed0", results / "runs/baseline/width3/seed1")
    with pytest.raises(IncompleteTableError, match="missing baseline/width3/seed1; duplicate baseline/width3/seed0"):
        gather_one(results, "baseline")


def test_a_changed_log_is_refused_with_the_command_that_makes_it_again(results):
    folder = results / "runs/baseline/width3/seed1"
    with (folder / "losses.csv").open("a") as log:
        log.write("\n")
    with pytest.raises(
        IncompleteTableError, match=f"losses.csv: its content is not .* rm -r {folder}, then run snakemake"
    ):
        gather_one(results, "baseline")
    (folder / "losses.csv").unlink()
    with pytest.raises(IncompleteTableError, match=f"losses.csv: missing; .* rm -r {folder}, then"):
        gather_one(results, "baseline")


def test_a_record_that_is_not_json_is_refused_with_the_command(results):
    folder = results / "runs/baseline/width3/seed1"
    (folder / "run.json").write_text("{")
    with pytest.raises(IncompleteTableError, match=f"run.json: not JSON .* rm -r {folder}, then"):
        gather_one(results, "baseline")


def test_runs_of_other_settings_are_refused_with_the_command(results):
    other = make_study(training=STUDY.config["training"] | {"warmup_steps": 3})
    folders = [write_run(other, Run("baseline", "width3", seed), results) for seed in (0, 2)]
    with pytest.raises(IncompleteTableError) as error:
        gather_one(results, "baseline")
    text = str(error.value)
    for seed, folder in zip((0, 2), folders, strict=True):
        assert f"baseline/width3/seed{seed}: training.warmup_steps is 3, not 0" in text
        assert str(folder) in text
    assert "seed1" not in text
    assert "\n" not in text


def test_runs_on_another_dataset_are_refused(results):
    (results / "dataset/seed1.json").write_text(json.dumps({"digest": "another"}))
    with pytest.raises(IncompleteTableError, match="baseline/width8/seed1: it was trained on another dataset"):
        gather_one(results, "baseline")


def test_a_study_with_a_circumstance_missing_is_refused(judged, results, tmp_path):
    tables = shutil.copytree(judged, tmp_path / "tables")
    arguments = ("--study", results / "study.json", "--tables", tables, "--circumstances", tables / "baseline")
    with pytest.raises(IncompleteTableError, match=r"runs\.csv: missing no_l2/width8/seed0"):
        run_program(gather_study, *arguments)
