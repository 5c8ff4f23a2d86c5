"""The answer, its evidence, and pages."""
