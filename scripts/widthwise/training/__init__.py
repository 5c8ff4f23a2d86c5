"""How it is trained: objective, optimiser, loop and checkpoints."""
