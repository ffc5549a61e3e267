"""Training loop, checkpoints, model files and other parts that all trainers share."""
