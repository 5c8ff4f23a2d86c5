"""What is asked: the configuration, the catalogue, and the runs of a study."""
