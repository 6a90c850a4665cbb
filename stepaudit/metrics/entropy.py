"""Entropy: evenness of a map, 1 if it is uniform, 0 if it is a single voxel."""

from torch import Tensor

from stepaudit.errors import NoPeakError

is_share = True


def score(importance: Tensor) -> float:
    """Shannon entropy of the map's mass over the voxels, as a share of the greatest possible, the logarithm of T·H·W.

    Args:
        importance: [T, H, W], not negative.

    Raises:
        NoPeakError: the map is 0.
    """
    mass = importance.double().flatten()
    if mass.sum() <= 0:
        raise NoPeakError("the map is 0 everywhere")
    shares = mass / mass.sum()
    nats = -shares.xlogy(shares).sum() if len(shares) > 1 else shares.new_zeros(())
    return min(1.0, (nats / shares.new_tensor(max(2, len(shares))).log()).item())
