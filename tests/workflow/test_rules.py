"""What every rule declares, and what its environment provides, as Snakemake itself has read them."""

import ast
import functools
import json
import operator
import re
import subprocess
import sys

import pytest
import yaml
from data.own_files import save_npz
from loss_curves import rows_of_curves, write_curves
from workflow.checkout import RESULTS, ROOT, SMOKE, make, planned, refusal
from workflow.own_data import MINE, small_cubes

from widthwise.figures import FIGURES
from widthwise.study.code_digest import code_digest, sources

# A study in which every rule of synthetic data has a job.
EVERYTHING = """
study: [baseline, deep_plain, learning_rates]
analysis: {coordinate_check: {circumstances: [baseline]}}
circumstances:
  deep_plain: {depths: [4, 5, 6], width: 2}
  learning_rates: {reference: baseline, overrides: null, learning_rates: [1.0e-3, 2.0e-3, 4.0e-3]}
"""
OWN_NETWORK = """
study: [baseline]
network: {factory: 'config/examples/mlp.py:build'}
training: {l2: 0, l2_as: loss}
"""
ON_ANY_DEVICE = {"embed_networks", "train", "measure_starts", "check_coordinates", "predict_masks"}
COMPUTING_WITH_NETWORKS = ON_ANY_DEVICE | {"describe_network"}
# It only writes what Snakemake itself knows: no program runs.
WITHOUT_PROGRAM = "describe_study"
PROFILES = sorted(path.parent.name for path in (ROOT / "config/profiles").glob("*/config.yaml"))
# The package of a module, where the two have different names.
PACKAGES = {"PIL": "pillow", "markdown_it": "markdown-it-py", "vl_convert": "vl-convert-python", "yaml": "pyyaml"}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """The configuration files of a study that has every figure."""
    path = tmp_path_factory.mktemp("everything") / "everything.yaml"
    path.write_text(EVERYTHING)
    return *SMOKE, str(path)


def described(folder, *configfiles):
    program = ROOT / "tests/workflow/describe_rules.py"
    command = [sys.executable, str(program), *map(str, configfiles)]
    return json.loads(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def rules(clean_checkout, everything, tmp_path_factory):
    """Every rule that runs something, of synthetic data, of own data, of an own network and of loss curves."""
    folder = tmp_path_factory.mktemp("own")
    cubes = save_npz(folder / "cubes.npz", small_cubes())
    (folder / "own.yaml").write_text(MINE.replace("cubes.npz", str(cubes)).replace("results/mine", str(folder)))
    curves = write_curves(folder / "curves.csv", rows_of_curves())
    (folder / "curves.yaml").write_text(f"curves: {curves}\npathvars: {{results: {folder}}}\n")
    (folder / "network.yaml").write_text(OWN_NETWORK)
    studies = everything[1:], *((folder / f"{name}.yaml",) for name in ("own", "network", "curves"))
    return functools.reduce(operator.or_, (described(clean_checkout, *files) for files in studies))


def lacking(rules, has):
    """The names of the rules for which something does not hold."""
    return [name for name, rule in rules.items() if not has(name, rule)]


def test_every_rule_says_in_a_sentence_of_its_own_what_it_makes(rules):
    assert {"generate_dataset", "import_dataset", "gather_curves", "measure_speed", *FIGURES} <= rules.keys()
    assert lacking(rules, lambda name, rule: re.fullmatch(r"[A-Z].*\.", rule["docstring"], re.DOTALL)) == []
    texts = [rule["docstring"] for rule in rules.values()]
    assert [name for name, rule in rules.items() if texts.count(rule["docstring"]) > 1] == []


def test_every_rule_declares_what_a_scheduler_and_a_reader_of_logs_need(rules):
    assert lacking(rules, lambda name, rule: len(rule["log"]) == 1 and "{log" in rule["command"]) == []
    assert lacking(rules, lambda name, rule: rule["threads"]) == []
    assert lacking(rules, lambda name, rule: {"mem_mb", "runtime"} <= set(rule["resources"])) == []
    assert lacking(rules, lambda name, rule: rule["conda"]) == []
    assert lacking(rules, lambda name, rule: not rule["unnamed"]) == []
    # Snakemake refuses a benchmark of a result that may come from its cache.
    recorded = lacking(rules, lambda name, rule: bool(rule["benchmark"]) != rule["cached"])
    assert recorded == [WITHOUT_PROGRAM]


def test_what_computes_with_networks_is_submitted_to_a_cluster_and_nothing_else(rules):
    assert {name for name, rule in rules.items() if rule["submitted"]} == COMPUTING_WITH_NETWORKS
    assert lacking(rules, lambda name, rule: name not in ON_ANY_DEVICE or "device" in rule["resources"]) == []
    assert lacking(rules, lambda name, rule: name not in COMPUTING_WITH_NETWORKS or "--device" in rule["command"]) == []
    # A job that was killed for its memory or time asks for more when it is tried again.
    submitted = {name: rule for name, rule in rules.items() if rule["submitted"]}
    assert lacking(submitted, lambda name, rule: {"mem_mb", "runtime"} <= set(rule["growing"])) == []


def test_a_training_that_fails_is_tried_twice_more_with_two_and_three_times_the_memory(clean_checkout, rules):
    assert {name: rule["retries"] for name, rule in rules.items() if rule["retries"]} == {"train": 2}
    run, asked = f"{RESULTS}/runs/baseline/width4/seed0/run.json", []
    for attempt in ("1", "2", "3"):
        text = make(clean_checkout, "--dry-run", run, "--attempt", attempt, *SMOKE)
        (block,) = re.findall(r"^rule train:\n(?:    .*\n)*?    resources: (.*)$", text, re.MULTILINE)
        asked.append([int(re.search(rf"\b{name}=(\d+)", block)[1]) for name in ("mem_mb", "runtime")])
    assert asked == [[number * attempt for number in asked[0]] for attempt in (1, 2, 3)]


@pytest.mark.parametrize("profile", PROFILES)
def test_in_a_profile_every_job_that_may_compute_on_a_gpu_has_asked_for_one(
    clean_checkout, everything, profile, tmp_path
):
    (tmp_path / "cuda.yaml").write_text("device: cuda\n")  # a profile's `config: [device=cpu]` wins
    study = (*everything, str(tmp_path / "cuda.yaml"))
    text = make(clean_checkout, "--dry-run", "--forceall", "--profile", f"config/profiles/{profile}", *study)
    jobs = re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*device=.*)$", text, re.MULTILINE)
    assert {name for name, _ in jobs} == ON_ANY_DEVICE
    on_gpus = {name for name, resources in jobs if "device=cpu" not in resources}
    assert on_gpus == {name for name, resources in jobs if "gpu=1" in resources}
    assert on_gpus == {"gpu": ON_ANY_DEVICE, "slurm-gpu": {"train"}}.get(profile, set())


def test_every_rule_runs_a_program_and_depends_on_all_of_its_code(clean_checkout, rules):
    assert lacking(rules, lambda name, rule: rule["program"]) == [WITHOUT_PROGRAM]
    for name, rule in rules.items():
        if name != WITHOUT_PROGRAM:
            assert rule["code"] == code_digest(clean_checkout / f"scripts/{rule['program']}.py", *rule["modules"]), name
    assert {name: rules[name]["modules"] for name in FIGURES} == {
        name: [f"widthwise.figures.{name}"] for name in FIGURES
    }


def imported_packages(program, modules):
    """The packages that a program, and everything of ours that it imports, import from elsewhere."""
    names = set()
    for source in sources(program, *modules):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    return {PACKAGES.get(name, name) for name in names - set(sys.stdlib_module_names) - {"widthwise"}}


def pip_pins(lines):
    """Package -> version, of lines as in "numpy==2.4.6"."""
    return dict(re.fullmatch(r"([\w-]+)==([\w.]+)", line).groups() for line in lines)


def pip_lines(name):
    """The packages that a file for pip lists itself."""
    lines = (ROOT / "envs" / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r "))]


def conda_pins(name):
    """What a conda file has pip install."""
    return pip_pins(yaml.safe_load((ROOT / "envs" / name).read_text())["dependencies"][-1]["pip"])


def test_a_rules_environment_provides_what_its_program_imports(clean_checkout, rules):
    missing = {}
    for name, rule in rules.items():
        if name != WITHOUT_PROGRAM:
            imported = imported_packages(clean_checkout / f"scripts/{rule['program']}.py", rule["modules"])
            missing[name] = imported - conda_pins(rule["conda"]).keys()
    assert {name: packages for name, packages in missing.items() if packages} == {}


def test_every_requirement_is_pinned_and_the_environments_have_the_pins_of_the_runtime(rules):
    runtime, *_ = (pip_pins(pip_lines(name)) for name in ("runtime.txt", "slurm.txt", "test.txt"))
    files = {path.name for path in (ROOT / "envs").glob("*.yaml")}
    assert files == {rule["conda"] for rule in rules.values() if rule["conda"]}
    for name in files:
        assert conda_pins(name).items() <= runtime.items(), name


def test_every_figure_is_a_target_by_its_rules_name_and_by_each_of_its_files(clean_checkout, everything):
    files = [f"{RESULTS}/figures/{name}.{extension}" for name in FIGURES for extension in ("svg", "pdf", "png")]
    jobs = planned(clean_checkout, *FIGURES, *files, *everything)
    assert {name: jobs.get(name) for name in FIGURES} == dict.fromkeys(FIGURES, 1)


def test_all_makes_every_figure_for_which_the_study_has_something(clean_checkout, everything, tmp_path):
    jobs = planned(clean_checkout, *everything)
    assert jobs.keys() & set(FIGURES) == set(FIGURES) - {"speed"}
    jobs = planned(clean_checkout, *SMOKE)
    of_others = {"coordinate_check", "best_learning_rates", "rate_budgets", "depth_trend", "speed"}
    assert set(FIGURES) - jobs.keys() == of_others
    without_penalty = tmp_path / "without_penalty.yaml"
    without_penalty.write_text("study: [baseline]\ntraining: {l2_as: optimiser}\n")
    jobs = planned(clean_checkout, *SMOKE, str(without_penalty))
    assert set(FIGURES) - jobs.keys() == of_others | {"loss_parts", "penalty_left"}
    for name in ("loss_parts", "depth_trend"):
        assert f"No rule to produce {name}" in refusal(clean_checkout, name, *SMOKE, str(without_penalty))


def test_more_circumstances_than_a_page_holds_get_a_page_for_each_family(clean_checkout, tmp_path):
    many = tmp_path / "many.yaml"
    many.write_text(
        "study: [baseline, no_l2, fixed_std_init, he_init, zero_head, sgd, warmup, no_batch_norm, he_no_batch_norm]\n"
    )
    pages = (
        "loss_curves_what_is_reported",
        "loss_curves_optimiser",
        "feature_trends_signal_propagation",
        "verdict_map",
    )
    targets = [f"results/smoke/figures/{page}.{extension}" for page in pages for extension in ("svg", "rst")]
    jobs = planned(clean_checkout, *targets, *SMOKE, str(many))
    assert {name: jobs.get(name) for name in FIGURES if name in jobs} == {
        "loss_curves": 1, "feature_trends": 1, "verdict_map": 1,
    }  # fmt: skip
    refused = refusal(clean_checkout, "results/smoke/figures/loss_curves.svg", *SMOKE, str(many))
    assert "No rule to produce results/smoke/figures/loss_curves.svg" in refused


@pytest.mark.parametrize(
    "target",
    ["runs/baseline/width26/seed0/losses.csv", "runs/baseline/width02/seed0/losses.csv",
     "runs/baseline/width2/seed9/run.json", "runs/fixed_std_init/width2/seed0/losses.csv", "dataset/seed9.h5"],
)  # fmt: skip
def test_a_target_outside_the_study_is_no_job(clean_checkout, target):
    assert f"No rule to produce results/smoke/{target}" in refusal(clean_checkout, f"results/smoke/{target}", *SMOKE)
