"""How sizes and names are written for people, in figures and prose alike. It must not know where they stand."""


def size_label(parameters: int) -> str:
    """A parameter count as people read it: 15.7 k, 2.61 M."""
    for divisor, unit in ((1e6, " M"), (1e3, " k")):
        if parameters >= divisor:
            return f"{parameters / divisor:.3g}{unit}"
    return str(parameters)


def circumstance_label(name: str) -> str:
    """A circumstance's name as a title."""
    return name.replace("_", " ")
