"""How sizes and names are written for people, in figures and prose alike. It must not know where they stand."""

import math


def size_label(parameters: int) -> str:
    """A parameter count as people read it: 15.7 k, 2.61 M."""
    for divisor, unit in ((1e6, " M"), (1e3, " k")):
        if parameters >= divisor:
            return f"{parameters / divisor:.3g}{unit}"
    return str(parameters)


def size_title(size: str) -> str:
    """A size's name as people read it: width 8 of "width8"."""
    return size.replace("width", "width ").replace("depth", "depth ")


def circumstance_label(name: str) -> str:
    """A circumstance's name as a title."""
    return name.replace("_", " ")


def certainty(p_value: float, p_holm: float) -> str:
    """Holm's p where there is one, the plain p where it is NaN: p < 0.001."""
    name, value = ("p", p_value) if math.isnan(p_holm) else ("Holm's p", p_holm)
    return f"{name} < 0.001" if value < 0.001 else f"{name} = {value:.3f}"
