"""Words and number formats of the answer, the pages and the figures."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

MEASURES = {"objective": "reported loss", "data_loss": "data loss", "printed": "printed loss"}
FEATURES = {
    "starting_loss": "start",
    "initial_decay": "initial decay",
    "steps_to_midway": "steps to midway",
    "end_value": "end",
    "equal_compute": "end at equal compute",
}
NATS = "nats"
UNITS = dict.fromkeys(FEATURES, NATS) | {"steps_to_midway": "doublings of steps"}
SIZE_UNITS = ((10**9, " G"), (10**6, " M"), (10**3, " k"))
NO_VALUE = "–"
# Settings up to the one, and other numbers from the other on, have an exponent.
MOST_WITH_EXPONENT, MOST_WRITTEN_OUT = 0.01, 10_000
# A share that is printed as all of it.
ALL = 0.995


def size_label(parameters: int) -> str:
    """Formats a parameter count with three significant digits: 15.7 k, 2.61 M."""
    rounded = Decimal(f"{parameters:.3g}") if parameters >= 1000 else Decimal(int(parameters))
    for divisor, unit in SIZE_UNITS:
        if rounded >= divisor:
            return f"{(rounded / divisor).normalize():f}{unit}"
    return str(rounded)


def size_title(size: str) -> str:
    """Formats the name of a size: "width8" becomes "width 8"."""
    return size.replace("width", "width ").replace("depth", "depth ")


def size_titles(sizes: Sequence[str]) -> str:
    """Names some sizes: "widths 2, 3 and 8"."""
    kinds, numbers = zip(*(re.fullmatch(r"(\D*)(.*)", size).groups() for size in sizes), strict=True)
    if len(sizes) == 1 or len(set(kinds)) > 1 or kinds[0] not in ("width", "depth", ""):
        return listed(f"size {size}" if size.isdigit() else size_title(size) for size in sizes)
    return f"{kinds[0] or 'size'}s {listed(numbers)}"


def measured(measure: str, feature: str) -> str:
    """Names a feature of a loss: "reported loss, end"."""
    return f"{MEASURES[measure]}, {FEATURES[feature]}"


def number(value: float, digits: int = 3) -> str:
    """Formats a number with a true minus sign. What rounds to zero has no sign; NaN is a dash."""
    return _number(f"{value:.{digits}f}")


def change(value: float, digits: int = 3) -> str:
    """Formats a difference, always with its sign: +0.031."""
    return _number(f"{value:+.{digits}f}")


def _number(text: str) -> str:
    if math.isnan(float(text)):
        return NO_VALUE
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−").replace("inf", "∞")


def change_with_interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """Formats a difference and its interval: +0.031 [+0.020, +0.042].

    Where the difference rounds to zero though its interval excludes zero, all have two significant digits.
    """
    if math.isnan(value):
        return NO_VALUE
    is_tiny = float(f"{value:.{digits}f}") == 0 and not low <= 0 <= high
    words, *bounds = (_tiny_change(one) if is_tiny else change(one, digits) for one in (value, low, high))
    return f"{words} [{', '.join(bounds)}]"


def _tiny_change(value: float) -> str:
    """Formats a difference with two significant digits: −3.3e-5."""
    return change(value) if math.isinf(value) else ("−" if value < 0 else "+") + _with_exponent(abs(value), 2)


def _with_exponent(value: float, digits: int) -> str:
    """Formats a number with so many significant digits, without zeros at their end: 1.28e-3."""
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def rate_label(rate: float) -> str:
    """Formats a learning rate: 1e-4, 2.4e-3."""
    return _with_exponent(rate, 2)


def short_number(value: float, digits: int) -> str:
    """Formats a number: 0.3, −24.1; a very large one with an exponent, as 9.1e6."""
    if MOST_WRITTEN_OUT <= abs(value) < math.inf:
        return ("−" if value < 0 else "") + _with_exponent(abs(value), 2)
    return number(value, digits)


def setting_label(value: object) -> str:
    """Formats the value of a setting for prose: true, null, 0.05, 1e-2, 1.28e-3.

    A real number has three significant digits, if these tell it.
    """
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if not isinstance(value, float):
        return str(value)
    digits = 3 if math.isclose(float(f"{value:.3g}"), value, rel_tol=2e-4) else 6
    return _with_exponent(value, digits) if 0 < abs(value) <= MOST_WITH_EXPONENT else f"{value:.{digits}g}"


def percentage(share: float) -> str:
    """Formats a share: 0.0225 becomes 2.25%."""
    return f"{100 * share:.4g}%"


def share_label(share: float) -> str:
    """Formats the part of a whole that something accounts for: 71%, or "all" of it."""
    if math.isnan(share):
        return "an unknown part"
    return "all" if share >= ALL else f"{share:.0%}".replace("-", "−")


def p_value_label(value: float) -> str:
    """Formats a p-value: 0.012, < 0.001."""
    if math.isnan(value):
        return NO_VALUE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def format_verdict(verdict: str, *, slight: bool = False, bounded: bool = False, why: str = "") -> str:
    """Writes a verdict in words.

    Args:
        verdict: rises, falls, flat, mixed, diverged or undecided.
        slight: every size is within the margin of the smallest.
        bounded: the true change is larger than the one shown, since some runs diverged or a rate is at its grid's edge.
        why: why it is undecided, or what would narrow it; shown in brackets where the verdict is undecided.
    """
    if verdict in ("rises", "falls"):
        return ("slightly " if slight else "") + verdict + (" by at least" if bounded else "")
    return f"undecided ({why})" if verdict == "undecided" and why else verdict


def counted(count: int, noun: str, plural: str = "") -> str:
    """Writes a number of things: 1 seed, 3 seeds; `plural` is for nouns that do not end in s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(words: Iterable[str]) -> str:
    """Joins words as a sentence does: a, b and c."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def group_by_words(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Gathers what the same words are true of, in order; `pairs` are words and what they are true of."""
    found: dict[str, list[str]] = {}
    for words, title in pairs:
        found.setdefault(words, []).append(title)
    return found


def no_rise(verdicts: Iterable[str], of_all: str = "") -> str:
    """What is said where no verdict is a rise: "none", and "for certain" if some verdict leaves a rise open."""
    certainty = " for certain" if {"undecided", "mixed", "diverged"} & set(verdicts) else ""
    return f"none{of_all}{certainty}"


def capitalised(text: str) -> str:
    """The text with a capital letter first, and the others as they are."""
    return text[0].upper() + text[1:]


def uncapitalised(text: str) -> str:
    """The text with a small letter first, and the others as they are."""
    return text[0].lower() + text[1:]


def sentence(text: str) -> str:
    """The text as a sentence: with a capital letter first and a full stop."""
    return f"{capitalised(text.strip().rstrip('.'))}."


def quoted(names: Iterable[str]) -> str:
    """Lists names of the configuration as Markdown: `a`, `b` and `c`."""
    return listed(f"`{name}`" for name in names)


def span(values: Iterable[float]) -> str:
    """Writes the smallest and the largest of some whole numbers: "288 to 2,304", or "6" where all are the same."""
    ordered = sorted(values)
    return " to ".join(f"{value:,.0f}" for value in dict.fromkeys((ordered[0], ordered[-1])))


def escaped(text: str) -> str:
    """The text as Markdown, on one line, shown as it is: no mark of Markdown or HTML has an effect."""
    return re.sub(r"[\\|<*`\[]", r"\\\g<0>", " ".join(text.split()))


def markdown_table(rows: Iterable[Mapping[str, object]]) -> str:
    """Writes a Markdown table; the keys of the rows are its header. Without rows there is none."""
    rows = list(rows)
    if not rows:
        return ""
    lines = [rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def cell(value: object) -> str:
    """The text of a cell of a Markdown table: on one line, and with every bar escaped."""
    return re.sub(r"(?<!\\)\|", r"\\|", str(value).replace("\n", " "))
