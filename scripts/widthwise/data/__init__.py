"""What is trained on: the layout of a dataset, synthetic volumes, and imported arrays."""
