"""The extremal-perturbation optimiser: blur, smooth-max mask, losses, engine."""
