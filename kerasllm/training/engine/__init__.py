"""How training runs: loop, stages, checkpoints, optimizers."""
