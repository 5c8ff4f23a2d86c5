"""What the answer says of grids of learning rates."""

import math

import pytest
from example_study import AS_EXPECTED, example_evidence, example_study, row_of, section

from widthwise.analysis.tables import make_table
from widthwise.report.answer import write_answer


def answer_on(study, rates, slopes, verdicts) -> str:
    """The answer of a study whose tables of learning rates have these rows."""
    rows = {"learning_rates": rates, "learning_rate_slopes": slopes, "learning_rate_verdicts": verdicts}
    tables = {name: make_table(name, found) for name, found in rows.items()}
    return write_answer(example_evidence(study, AS_EXPECTED, **tables))


def test_learning_rates_are_told_with_their_intervals():
    grid = {"grid": "learning_rates"}
    rates = [
        grid | {"width": width, "parameters": parameters, "log2_rate": rate, "optimum": place, "diverged": 0}
        for width, parameters, rate, place in ((2, 15_708, -8.0, "inside"), (26, 2_613_444, -10.0, "lower edge"))
    ]
    slopes = [
        {"quantity": "best", "slope": -0.55, "ci_low": -0.7, "ci_high": -0.4, "censored": 0, "verdict": "falls"}
        | {"expected": "falls", "agrees": "yes"},
        {"quantity": "highest_stable", "censored": 2, "verdict": "undecided", "expected": None},
    ]
    by_rate = [
        {"learning_rate": rate, "verdict": verdict, "change": 0.1 if verdict == "rises" else -0.1}
        | {"ci_low": -0.2, "ci_high": -0.05}
        | {"at_or_below_best": below, "base_width": 8, "seeds": 5, "diverged": 0, "at_edge": 0}
        | ({} if rate else {"expected": "no higher", "agrees": "yes"})
        for rate, verdict, below in (
            (1e-3, "falls", True), (2e-3, "falls", True), (4e-3, "rises", False), (None, "flat", None),
        )
    ]  # fmt: skip
    study = example_study(study=["baseline", "learning_rates"])
    answer = answer_on(study, rates, [grid | row | {"seeds": 5} for row in slopes], [grid | row for row in by_rate])
    assert row_of(answer, "The learning rate", "rates with BatchNorm") == [
        "3.9e-3 → ≤ 9.8e-4",
        "falls −0.55 [−0.70, −0.40]",
        "undecided (2 widths not inside the grid)",
        "width 8: falls at 1e-3, 2e-3",
        "rises at 4e-3",
        "flat −0.100 [−0.200, −0.050]; at most 0.05 higher",
    ]
    assert "by chance, about 0.1 of 3 would rise" in section(answer, "The learning rate")
    assert (
        "\n\n**With one learning rate for all widths, larger networks end with a higher data loss at 1 of 3 rates: "
        "4e-3 (+0.100) in rates with BatchNorm; by chance, about 0.1 would rise.** With each width at its own best "
        "rate the data loss ends at most 0.05 nats higher in rates with BatchNorm. The best rate falls with width in "
        "rates with BatchNorm.\n\n"
    ) in answer
    tuned = "- **Rates with BatchNorm** (best rate falls with width). Look for: a best rate that falls as width grows."
    assert tuned in section(answer, "Which circumstance are you in, and what to change")
    assert (
        "- Which learning rates are best in longer runs: the best ones are those of 288 steps, not tested for a "
        "plateau." in section(answer, "What was not shown")
    )
    assert "2 of 2 learning rates" in answer
    assert "Whether another learning rate" not in answer
    assert "Whether another learning rate" in write_answer(example_evidence(example_study(), {}))


# Of the first grid the best rate's movement, and the end with each width at its own best: verdict, limits, and words.
@pytest.mark.parametrize(
    ("best", "own_best", "movement", "end"),
    [
        ("stays", ("rises", 0.01, 0.04), "stays in", "ends at most 0.05 nats higher in"),
        ("undecided", ("rises", 0.01, 0.3), "is undecided in", "ends higher in"),
        ("rises", ("diverged", -math.inf, math.inf), "rises with width in", "has diverged at some size in"),
        ("undecided", ("undecided", -0.3, 0.3), "is undecided in", "is undecided at the end in"),
    ],
)
@pytest.mark.parametrize("agrees", ["yes", "undecided"])
def test_of_several_grids_each_statement_is_told_once(best, own_best, movement, end, agrees):
    study = example_study(study=["baseline", "learning_rates", "learning_rates_mup"])
    slope = {"quantity": "best", "slope": 0.1, "ci_low": 0.0, "ci_high": 0.2, "censored": 0, "seeds": 3}
    at_one_rate = {"learning_rate": 1e-3, "change": 0.1, "ci_low": 0.0, "ci_high": 0.2, "at_or_below_best": True}
    counts = {"base_width": 8, "seeds": 3, "at_edge": 0}
    slopes, verdicts = [], []
    for grid, movement_found, (verdict, low, high) in (
        ("learning_rates", best, own_best),
        ("learning_rates_mup", "falls", ("falls", -0.2, -0.1)),
    ):
        found = {"grid": grid, "verdict": movement_found, "expected": movement_found, "agrees": agrees}
        slopes += [found | slope, slope | {"grid": grid, "quantity": "highest_stable", "verdict": "undecided"}]
        verdicts += [
            {"grid": grid, "verdict": "rises", "diverged": 2} | at_one_rate | counts,
            {"grid": grid, "verdict": verdict, "change": 0.1, "ci_low": low, "ci_high": high, "diverged": 0} | counts,
        ]
    rates = [
        {"grid": grid, "width": 2, "parameters": 8, "log2_rate": -8.0, "optimum": "inside", "diverged": 0}
        for grid in study.grids
    ]
    answer = answer_on(study, rates, slopes, verdicts)
    first, second = study.titles(study.grids)
    opening = answer[answer.index("**With one learning rate") :].split("\n\n")[0]
    assert (
        f"at 2 of 2 rates: 1e-3 (+0.100 at least) in {first}; 1e-3 (+0.100 at least) in {second}; by chance" in opening
    )
    assert f"the data loss {end} {first}{' and' if end.startswith('ends at most') else '; ends at most'}" in opening
    assert opening.endswith(f"The best rate {movement} {first}; falls with width in {second}.")
    assert ("under mup** (best rate falls with width). Look for: a best rate that moves" in answer) == (agrees == "yes")
