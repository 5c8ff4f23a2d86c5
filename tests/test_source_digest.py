"""Which code counts as the code behind a script."""

from pathlib import Path

import pytest

from widthwise.study.code_digest import source_digest, sources, syntax_tree

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


def digest_after(script: Path, name: str, old: str, new: str) -> str:
    path = script.parent / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    syntax_tree.cache_clear()
    return source_digest(script)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("draw.py", "print(", "# Why.\nprint(  "),
        ("draw.py", '"""Draws."""', '"""Draws it all."""'),
        ("library/look.py", '    """A colour."""\n', ""),
        ("library/look.py", "return x", "return (\n        x  # the same\n    )"),
        ("library/unused.py", "2", "3"),
    ],
)
def test_comments_docstrings_layout_and_other_modules_do_not_count(script, name, old, new):
    before = source_digest(script)
    assert digest_after(script, name, old, new) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("draw.py", "colour(1)", "colour(2)"),
        ("library/look.py", "return x", "return -x"),
        ("library/numbers.py", "1", "2"),
        ("library/__init__.py", '"""A library."""', "NAME = 1"),
    ],
)
def test_code_of_the_script_and_of_all_that_it_imports_counts(script, name, old, new):
    before = source_digest(script)
    assert digest_after(script, name, old, new) != before


def test_where_the_code_lies_does_not_count(script, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name, text in FILES.items():
        (elsewhere / name).parent.mkdir(exist_ok=True)
        (elsewhere / name).write_text(text)
    assert source_digest(elsewhere / "draw.py") == source_digest(script)


def test_imports_are_followed_through_the_library():
    scripts = Path(__file__).resolve().parent.parent / "scripts"
    of_figure = {path.name for path in sources(scripts / "loss_curves.py")}
    of_training = {path.name for path in sources(scripts / "train.py")}
    assert {"curves.py", "style.py", "tables.py", "__init__.py"} <= of_figure
    assert {"network.py", "architecture.py", "objective.py", "probe.py", "seeding.py"} <= of_training
    assert not of_figure & {"network.py", "training.py"}
    assert not of_training & {"style.py", "tables.py", "volumes.py", "study.py"}
