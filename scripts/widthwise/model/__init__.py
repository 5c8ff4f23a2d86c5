"""What is trained: the network, its initial weights and its normalisation."""
