"""What the READMEs say to run runs, and what they name is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from settings import SCHEMA, default_config
from snakemake.utils import update_config
from workflow.checkout import LAST_STEP, ROOT

from widthwise.study.plan import Study

README = (ROOT / "README.md").read_text()


def blocks(language):
    """The code blocks in this language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_commands_that_train_one_run_without_snakemake_work(checkout):
    (commands,) = [block for block in blocks("sh") if "scripts/train.py" in block]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=checkout, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (losses,) = (checkout / "results").rglob("losses.csv")
    assert len(losses.read_text().splitlines()) == LAST_STEP + 2


def test_files_that_are_named_are_there():
    named = set(re.findall(r"(?:config|scripts|envs|tests|results/reference)/[\w/-]+\.\w+", README))
    assert len(named) > 10
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("block", blocks("yaml"))
def test_a_configuration_that_is_shown_is_a_study(block):
    config = default_config()
    update_config(config, yaml.safe_load(block))
    assert list(Study(config, SCHEMA).runs())
