"""How it is told: evidence, the answer and pages."""
