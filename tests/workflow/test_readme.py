"""What the READMEs say to run runs, what they show is valid, and what they link to is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from settings import SCHEMA, default_config
from snakemake.utils import update_config
from workflow.checkout import LAST_STEP, ROOT

from widthwise.study.plan import Study

NOT_OURS = {".git", ".snakemake", ".venv", "node_modules"}
READMES = sorted(path for path in ROOT.rglob("README.md") if not NOT_OURS & set(path.relative_to(ROOT).parts))


def blocks(language):
    """The code blocks in this language, of all READMEs."""
    return [block for path in READMES for block in re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT).parent))
def test_what_is_linked_to_is_there(readme):
    links = re.findall(r"\]\((?!\w+:)([^)#]+)", readme.read_text())
    assert [link for link in links if not (readme.parent / link).exists()] == []


def test_the_programs_work_without_snakemake(smoke):
    commands = [block for block in blocks("sh") if re.search(r"^python scripts/(?!study)", block, re.MULTILINE)]
    assert len(commands) >= 2
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        done = subprocess.run(
            ["bash", "-euc", command], cwd=smoke, env=os.environ | {"PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert len((smoke / "results/one/losses.csv").read_text().splitlines()) == LAST_STEP + 2
    assert len(list((smoke / "results/one").glob("*.svg"))) == 1


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if "study:" in block])
def test_a_configuration_that_is_shown_is_a_study(block):
    config = default_config()
    update_config(config, yaml.safe_load(block))
    assert list(Study(config, SCHEMA).runs())


def test_the_lines_that_split_a_loss_split_it(capsys):
    (snippet,) = [block for block in blocks("python") if "import torch" in block]
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    loader = [(torch.randn(8, 3), torch.randint(2, (8,))) for _ in range(3)]
    exec(snippet, {"model": model, "loader": loader, "classes": 2, "l2": 0.01})
    data_loss, penalty, objective, guessing = map(float, re.findall(r"\d+\.\d+", capsys.readouterr().out))
    squares = sum(layer.weight.square().sum().item() for layer in (model[0], model[2]))
    assert penalty == pytest.approx(0.01 * squares, abs=1e-3)
    assert objective == pytest.approx(data_loss + penalty, abs=2e-3)
    assert guessing == pytest.approx(0.693)
    assert 0.3 < data_loss < 2
