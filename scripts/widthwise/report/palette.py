"""Colours and marks that the figures and the pages share."""

from collections.abc import Iterable

# Of the smallest to the largest size, as in the question: red to black. Lightness falls evenly.
SIZE_STOPS = ("#f2694c", "#cb2a26", "#90201f", "#561615", "#000000")

# Arrow, fill and ink of each verdict. The words and arrows tell them apart without the colours.
VERDICT_LOOKS = {
    "rises": ("↑", "#c25400", "white"),
    "falls": ("↓", "#56b4e9", "black"),
    "flat": ("→", "#d9d9d9", "black"),
    "mixed": ("∪", "#f0e442", "black"),
    "diverged": ("×", "#000000", "white"),
    "undecided": ("?", "#ffffff", "black"),
}
# A slight change: decided, but every size is within the margin of the smallest.
SLIGHT_LOOKS = {"rises": ("↗", "#f6c7a3", "black"), "falls": ("↘", "#cfe8f8", "black")}


def verdict_look(verdict: str, *, slight: bool = False) -> tuple[str, str, str]:
    """Returns the arrow, fill colour and ink colour of a verdict."""
    return SLIGHT_LOOKS.get(verdict, VERDICT_LOOKS[verdict]) if slight else VERDICT_LOOKS[verdict]


def size_colours(parameters: Iterable[int]) -> dict[int, str]:
    """Returns a colour for each parameter count, by rank: the smallest is red, the largest black."""
    ordered = sorted({int(count) for count in parameters})
    return {count: _colour_at(rank / max(1, len(ordered) - 1)) for rank, count in enumerate(ordered)}


def _colour_at(share: float) -> str:
    """Interpolates SIZE_STOPS: 0 is the first stop, 1 the last."""
    position = share * (len(SIZE_STOPS) - 1)
    left = min(int(position), len(SIZE_STOPS) - 2)
    start, end = (bytes.fromhex(stop[1:]) for stop in SIZE_STOPS[left : left + 2])
    channels = (round(a + (b - a) * (position - left)) for a, b in zip(start, end, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in channels)
