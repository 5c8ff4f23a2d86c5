"""Which code counts as the code behind a script."""

from pathlib import Path

import pytest
from settings import ROOT

from widthwise.study.code_digest import code_digest, read_module, sources

FILES = {
    "draw.py": '"""Draws."""\nfrom library.look import colour\n\nprint(colour(1))\n',
    "library/__init__.py": '"""A library."""\n',
    "library/look.py": (
        '"""Looks."""\nimport library.numbers\n\n\ndef colour(x):\n    """A colour."""\n    return x\n'
    ),
    "library/numbers.py": "ONE = 1\n",
    "library/unused.py": "TWO = 2\n",
}


@pytest.fixture
def script(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "draw.py"


def digest_after(script: Path, name: str, old: str, new: str, *modules: str) -> str:
    path = script.parent / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    read_module.cache_clear()
    return code_digest(script, *modules)


@pytest.mark.parametrize(
    ("name", "old", "new", "counts"),
    [
        ("draw.py", "colour(1)", "colour(2)", True),
        ("library/look.py", "return x", "return -x", True),
        ("library/numbers.py", "1", "2", True),
        ("library/__init__.py", '"""A library."""', "NAME = 1", True),
        ("draw.py", "print(", "# Why.\nprint(  ", False),
        ("draw.py", '"""Draws."""', '"""Draws it all."""', False),
        ("library/look.py", '    """A colour."""\n', "", False),
        ("library/look.py", "return x", "return (\n        x  # the same\n    )", False),
        ("library/unused.py", "2", "3", False),
    ],
)
def test_code_of_the_script_and_of_all_that_it_imports_counts_without_comments(script, name, old, new, counts):
    before = code_digest(script)
    assert (digest_after(script, name, old, new) != before) == counts


def test_where_the_code_lies_does_not_count(script, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name, text in FILES.items():
        (elsewhere / name).parent.mkdir(exist_ok=True)
        (elsewhere / name).write_text(text)
    assert code_digest(elsewhere / "draw.py") == code_digest(script)


def test_modules_that_are_imported_by_name_are_told(script):
    assert sources(script, "library.unused") == sources(script) | {script.parent / "library/unused.py"}
    before = code_digest(script, "library.unused")
    assert before != code_digest(script)
    assert digest_after(script, "library/unused.py", "2", "3", "library.unused") != before


def test_imports_are_followed_through_the_library():
    scripts = ROOT / "scripts"
    found = sources(scripts / "train.py")
    of_training = {path.relative_to(scripts / "widthwise").as_posix() for path in found - {scripts / "train.py"}}
    assert {"model/network.py", "study/architecture.py", "training/objective.py", "training/seeding.py"} <= of_training
    assert {"__init__.py", "model/__init__.py"} <= of_training
    # Other code than a run's own must not make it run again.
    assert not {path for path in of_training if path.startswith(("analysis/", "report/", "figures/"))}
    assert not of_training & {"study/plan.py", "study/catalogue.py", "study/cost.py", "data/volumes.py"}
    with_figure = sources(scripts / "draw_figure.py", "widthwise.figures.loss_curves")
    assert {"loss_curves.py", "style.py"} <= {path.name for path in with_figure if path.parent.name == "figures"}
    assert not {path for path in with_figure if path.parent.name in ("model", "training")}
