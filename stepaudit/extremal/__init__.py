"""Extremal perturbation: tensors in, masks out."""
