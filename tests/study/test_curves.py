"""Loss curves that exist already: what a CSV file of them says, and each fault in one line before any job."""

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_curves import rows_of_curves, write_curves
from settings import SCHEMA, changed

from widthwise.study.curves import CurvesStudy, read_study, study_of
from widthwise.study.curves_file import MOST_ROWS, CurvesFile
from widthwise.study.plan import Study, StudyError

ROWS = rows_of_curves(sizes=(8, 16, 32), seeds=(0, 1), steps=range(0, 50, 10))
LOSS_ALONE = ("size", "seed", "step", "loss")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "curves.csv"


def study_of_curves(path, **keys):
    return study_of(changed(("curves", str(path)), *keys.items()), SCHEMA)


def errors_of_curves(path, **keys):
    with pytest.raises(StudyError) as caught:
        study_of_curves(path, **keys)
    return str(caught.value).splitlines()


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def one_size(size, *rows, header="size,step,loss"):
    """Lines of one size, after those of two others without fault."""
    sound = [f"{other},{step},{1 / (1 + step)}" for other in (1, 2) for step in (0, 10)]
    return "\n".join([header, *sound, *(f"{size},{row}" for row in rows)]) + "\n"


def test_a_study_of_curves_is_what_its_file_says(path):
    study = study_of_curves(write_curves(path, ROWS), classes=2)
    assert isinstance(study, CurvesStudy)
    assert study.judged == ["baseline", "no_l2"]
    assert study.seeds == [0, 1]
    assert study.sizes("baseline") == ["8", "16", "32"]
    assert study.references == {"no_l2": "baseline"}
    assert study.measures == ("objective", "data_loss", "penalty")
    assert (study.step_name, study.size_name, study.classes) == ("step", "parameters", 2)
    assert study.penalised == ["baseline"]
    assert study.expected_penalty_ratios == {}
    assert not study.circumstances["baseline"].expectation
    assert list(study.runs()) == []
    assert not study.of_the_post


def test_the_record_tells_all_without_the_file(path, tmp_path):
    study = study_of_curves(write_curves(path, ROWS))
    (tmp_path / "study.json").write_text(study.record)
    path.unlink()
    again = read_study(tmp_path / "study.json")
    assert again.record == study.record
    assert again.found == study.found
    assert again.sizes("no_l2") == ["8", "16", "32"]
    assert (again.penalised, again.families) == (study.penalised, study.families)


def test_without_curves_it_is_a_study_that_trains(tmp_path):
    study = study_of(changed(), SCHEMA)
    assert isinstance(study, Study)
    (tmp_path / "study.json").write_text(study.record)
    assert isinstance(read_study(tmp_path / "study.json"), Study)


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(
        st.lists(st.integers(0, 3000), min_size=2, max_size=1200, unique=True).map(lambda own: sorted({0, *own, 3001})),
        min_size=2,
        max_size=4,
    )
)
def test_common_steps_lie_where_all_runs_have_rows(tmp_path_factory, steps):
    lines = [f"{size},{step},1.0" for size, own in enumerate(steps, start=1) for step in own]
    path = write(tmp_path_factory.mktemp("steps") / "curves.csv", "\n".join(["size,step,loss", *lines]))
    common = CurvesFile.read(str(path)).common_steps("baseline")
    assert (common[0], common[-1]) == (0, 3001)
    assert common == sorted(set(common))
    assert len(common) <= min(MOST_ROWS, *map(len, steps))


def test_data_loss_and_penalty_follow_from_each_other(path):
    for columns in (("loss", "penalty"), ("loss", "data_loss"), ("data_loss", "penalty")):
        rows = [row | {"data_loss": row["loss"] - row["penalty"]} for row in ROWS]
        file = CurvesFile.read(str(write_curves(path, rows, ("circumstance", "size", "seed", "step", *columns))))
        losses = file.runs["baseline"]["32", 1].losses
        assert losses["objective"][0] == pytest.approx(0.692 + 0.001 * (33 % 3) + 0.202)
        assert losses["penalty"] == pytest.approx([0.202] * 5)
        parts = [sum(pair) for pair in zip(losses["data_loss"], losses["penalty"], strict=True)]
        assert parts == pytest.approx(losses["objective"])


def test_what_is_not_told_is_said(path):
    write_curves(path, [row for row in ROWS if row["circumstance"] == "baseline"], LOSS_ALONE)
    words = " ".join(study_of_curves(path).limitations)
    for part in ("the reported loss alone", "number of parameters is not told", "number of classes", "midway"):
        assert part in words
    write_curves(path, [row | {"accuracy": 1} for row in ROWS if row["seed"] == 0 and row["size"] < 32])
    words = " ".join(study_of_curves(path, classes=2).limitations)
    for part in ("One seed: the curves are described", "2 sizes: they are described", "not used: accuracy"):
        assert part in words
    assert "number of classes" not in words


def test_a_run_that_ends_early_ends_the_comparison(path):
    rows = [row for row in ROWS if not (row["size"] == 16 and row["seed"] == 1 and row["step"] > 20)]
    study = study_of_curves(write_curves(path, rows))
    assert any("compared up to step 20, where size 16, seed 1 ends" in sentence for sentence in study.limitations)
    assert CurvesFile.read(str(path)).common_steps("baseline") == [0, 10, 20]


def test_a_run_that_diverged_ends_there_and_ends_no_other(path):
    lost = {"nan": math.nan, "inf": math.inf}
    for value in lost.values():
        rows = [row | ({"loss": value} if row["size"] == 32 and row["step"] > 10 else {}) for row in ROWS]
        file = CurvesFile.read(str(write_curves(path, rows)))
        assert file.runs["baseline"]["32", 0].diverged
        assert file.runs["baseline"]["32", 0].steps == [0, 10]
        assert file.common_steps("baseline") == [0, 10, 20, 30, 40]


def test_names_and_numbers_are_taken_as_spreadsheets_write_them(path):
    text = "\ufeffsize, seed,step,loss\r\n8.0,1.0,0,1\r\n8,1,1e1,0.5\r\n\r\n16,1,0,1\r\n16,1,10,.5\r\n"
    file = CurvesFile.read(str(write(path, text)))
    assert file.sizes == {"baseline": {"8": 8, "16": 16}}
    assert file.runs["baseline"]["8", 1].steps == [0, 10]


FAULTS = {
    "no file": (None, r"cannot be read: No such file or directory"),
    "empty": ("", r"no column size or parameters; .*; its columns are none"),
    "only a header": ("size,step,loss\n", r"no rows below the header"),
    "semicolons": ("size;step;loss\n1;0;1\n", r"not separated by commas; write commas"),
    "no step": ("size,Step,loss\n", r"no column step or epoch \(did you mean Step\?\); rename"),
    "other losses": (
        "size,step,val_loss,train_acc,Train loss,train_loss\n",
        r"no column .* \(did you mean Train loss\?\); rename the column with the training loss to loss; its columns",
    ),
    "loss of other data": (
        "size,step,val_loss,test_loss,eval/loss\n",
        r"no column loss or data_loss; add one, or rename the column with the training loss to loss; its columns",
    ),
    "column twice": ("size,step,loss,loss\n", r"two columns loss; keep one"),
    "data loss alone": ("size,step,data_loss\n", r"data_loss without loss or penalty"),
    "fields": (one_size(4, "0,1,2"), r", line 6: 4 fields, but the header has 3"),
    "no loss": (one_size(4, "0,"), r", line 6: loss '' given; .* \(pandas: dropna\(.*\)\), or, if .* nan \(.*na_rep"),
    "step": (one_size(4, "x,1"), r", line 6: step 'x' given; write a whole number from 0 on"),
    "seed": ("size,seed,step,loss\n1,4294967296,0,1\n", r"line 2: seed '4294967296' .* number from 0 to 2147483647$"),
    "size": (one_size("wide", "0,1"), r", line 6: size 'wide' given; .*, or add a column parameters"),
    "again": ("size,seed,step,loss\n4,0,0,1\n4,0,0,2\n", r", line 3: step 0 of .*, as on line 2; keep one row$"),
    "no seeds": (one_size(4, *("0,1", "1,1") * 3), r", line 8: step 0 of .* as on line 6; .* add a column seed"),
    "validation": (
        "size,epoch,step,loss\n4,0,9,1\n4,0,9,\n",
        r", line 3: loss '' given; .* leave out the rows without",
    ),
    "steps of an epoch": (
        "size,seed,epoch,step,loss\n" + "".join(f"4,0,{row // 3},{row % 3},1\n" for row in range(9)),
        r", line 5: step 0 of .* as on line 2; .*, or let step count on through all epochs",
    ),
    "one row": (one_size(4, "0,1"), r"line 6: the only row of baseline, size 4, seed 0; a curve needs 2"),
    "after nan": (
        one_size(4, "0,1", "1,nan", "2,1"),
        r"line 8: a finite loss of .* on line 7; leave out the rows without a loss "
        r"\(pandas: dropna\(subset=\[\"loss\"\]\)\), or, if the run diverged there, the rows after it",
    ),
    "last rows": (
        "size,step,loss\n" + "".join(f"{size},{row}\n" for size in (1, 2) for row in ("0,1", "1,1", f"{1 + size},nan")),
        r"the last row of every run, and no other, has no loss; leave out .*dropna.*; if every run diverged there, ",
    ),
    "at once": (one_size(4, "0,nan"), r", line 6: .* diverged before step 0, .*\(classes: 10\)"),
    "apart": (one_size(4, "20,1", "30,1"), r"line 6: baseline, size 4, seed 0 begins at step 20, where .* has ended"),
    "one size": ("size,step,loss\n1,0,1\n1,1,1\n", r"baseline has one size, 1; 3 are needed"),
    "parameters": (
        "size,parameters,step,loss\na,5,0,1\na,6,1,1\n",
        r"line 3: size a has 6 parameters, but 5 on line 2",
    ),
    "alike": (
        "size,parameters,step,loss\na,5,0,1\na,5,1,1\nb,5,0,1\nb,5,1,1\n",
        r"line 4: size b has 5 parameters, as size a on line 2; leave one out",
    ),
    "missing": (
        "size,seed,step,loss\n1,0,0,1\n1,0,1,1\n2,1,0,1\n2,1,1,1\n",
        r"no rows of baseline, size 1, seed 1, though other",
    ),
    "parts": ("size,step,loss,data_loss,penalty\n1,0,3,1,1\n", r"line 2: loss 3 given, but data_loss \+ penalty is 2"),
    "penalty": ("size,step,loss,data_loss\n1,0,1,2\n", r"line 2: a penalty of -1, which no penalty is"),
    "loss without penalty": (
        "size,step,loss,penalty\n" + "".join(f"1,{step},0.5,0.9\n" for step in range(20)),
        r"line 2: a data loss of -0.4, which no cross-entropy is; .*, call the column data_loss",
    ),
    "data loss": ("size,step,data_loss,penalty\n1,0,-1,2\n", r"line 2: a data loss of -1, .*; .* give loss alone"),
    "circumstance": ("circumstance,size,step,loss\na|b,1,0,1\n", r"line 2: circumstance 'a\|b' given; write letters"),
}


@pytest.mark.parametrize(("text", "line"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line_that_names_the_file_and_the_line(path, text, line):
    if text is not None:
        write(path, text)
    (error,) = errors_of_curves(path)
    assert error.startswith(f"curves: {path}")
    assert re.search(line, error), error


def test_a_file_of_many_faults_names_the_first_ones(path):
    lines = errors_of_curves(write(path, "size,step,loss\n" + "1,0,x\n" * 100))
    assert len(lines) == 11
    assert lines[-1].endswith("90 more rows like these")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"curves": 5}, "curves: given 5; allowed: text of at least 1 characters"),
        ({"classes": 3}, "classes: given without curves; the data themselves tell how many there are: leave it out"),
        ({"curves": "~nobody_x/a"}, "curves: ~nobody_x/a given; write a path that does not begin with '~'"),
        ({"curves": "a.csv", "dataset.path": "b.npz"}, "curves: given with dataset.path; write one of them"),
    ],
)
def test_keys_that_do_not_fit_are_refused(keys, line):
    with pytest.raises(StudyError) as caught:
        study_of(changed(*keys.items()), SCHEMA)
    assert str(caught.value) == line


def test_a_circumstance_of_ones_own_is_compared_with_the_baseline(path):
    rows = rows_of_curves(penalties={"baseline": 0.1, "lr = 1e-3": 0.2, "fixed_std_init": 0.3})
    study = study_of_curves(write_curves(path, rows))
    assert study.judged == ["baseline", "fixed_std_init", "lr = 1e-3"]
    assert study.references == {"fixed_std_init": "baseline", "lr = 1e-3": "baseline"}
    assert set(json.loads(study.record)["circumstances"]) == {"baseline", "fixed_std_init"}
    assert study.titles(study.judged) == ["baseline", "fixed standard deviation", "lr = 1e-3"]
    assert study.families == {
        "what is reported": ["baseline", "fixed_std_init"],
        "other circumstances": ["lr = 1e-3"],
    }


def entries(**references):
    """Entries of the catalogue, with a reference or without."""
    texts = {"title": "mine", "hypothesis": "it rises", "source": "nobody"}
    return {
        f"circumstances.{name}": texts | ({"reference": reference} if reference else {})
        for name, reference in references.items()
    }


@pytest.mark.parametrize(
    ("references", "compared", "sentence"),
    [
        ({"aa": None, "bb": "aa"}, {"aa": "baseline", "bb": "aa"}, None),
        ({"aa": "he_init", "bb": "own"}, {"bb": "own", "own": "baseline"}, "file: aa (against he_init)."),
    ],
)
def test_an_entry_says_what_a_circumstance_is_compared_with(path, references, compared, sentence):
    rows = rows_of_curves(penalties=dict.fromkeys(("baseline", *references, *compared), 0.1))
    study = study_of_curves(write_curves(path, rows), **entries(**references))
    assert study.references == compared
    found = [words for words in study.limitations if words.startswith("Not compared")]
    assert found == ([f"Not compared, since the reference is not in the {sentence}"] if sentence else [])


@pytest.mark.parametrize(
    ("references", "lines"),
    [
        ({"aa": "baslin"}, [r"aa\.reference: given 'baslin', .* lacks; did you mean baseline\? "]),
        ({"aa": "bb", "bb": "aa"}, [r"aa.*'bb', which leads back to aa; allowed: no cycle", r"bb.*'aa', .* no cycle"]),
        ({"aa": "aa"}, [r"aa.*'aa', which leads back to aa; allowed: no cycle"]),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(path, references, lines):
    write_curves(path, rows_of_curves(penalties=dict.fromkeys(("baseline", *references), 0.1)))
    errors = errors_of_curves(path, **entries(**references))
    assert len(errors) == len(lines)
    for error, line in zip(errors, lines, strict=True):
        assert re.match(rf"circumstances\.{line}", error), error
