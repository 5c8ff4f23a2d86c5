"""Configuration, catalogue and runs of a study."""
