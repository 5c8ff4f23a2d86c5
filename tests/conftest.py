"""Settings for all tests: no deadlines, and the longest files first."""

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Longest first, so that no worker is left alone with one of them at the end.
LONGEST = ["test_slurm", "test_faults", "test_reruns", "test_whole_studies"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the tests of the longest files to the front."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
