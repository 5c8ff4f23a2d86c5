"""Datasets: their layout, synthetic volumes and imported arrays."""
