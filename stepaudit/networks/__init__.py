"""From a checkpoint to logits: checkpoints, weight files, training, randomising, a model by its name."""
