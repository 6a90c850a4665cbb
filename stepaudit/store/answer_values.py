"""Columns of the table `preservation` for what a clip needs."""

from stepaudit.extremal.answers import Answer
from stepaudit.extremal.sufficiency import READINGS

LEVEL = READINGS[0]  # of the column `ratio`


def answer_values(answer: Answer, upsampling: str) -> dict:
    """Columns of the table `preservation` for what a clip needs.

    Args:
        upsampling: of its masks.
    """
    upper, lower = answer.upper(LEVEL), answer.lower(LEVEL)
    control = answer.random
    return {
        "target_probability": answer.probability,
        "ratio": upper,
        "lower": _lower_end(answer, upper, lower),
        "upper": upper,
        "censored": _censored(answer, upper, lower),
        "evaluations": len(answer.masks),
        "vacuous": answer.vacuous,
        "log2_ratio": answer.log2_area,
        "log2_lower": answer.log2_area_lower,
        **{f"ratio_{level:.0%}"[:-1]: answer.upper(level) for level in READINGS[1:]},
        **{f"lower_{level:.0%}"[:-1]: answer.lower(level) for level in READINGS[1:]},
        "volumes": [volume for volume, _ in answer.curve()],
        "shares": [share for _, share in answer.curve()],
        "fills": list(answer.fill_probabilities),
        "empty_probabilities": list(answer.fill_probabilities.values()),
        "asking_fills": answer.asks,
        "random_ratio": control and control.upper(LEVEL),
        "random_log2_ratio": control and control.log2_area,
        "elsewhere_share": answer.elsewhere,
        "passes": answer.passes,
        "search": answer.search,
        **_reading_columns(answer),
        "status": "ok",
        **_mask_columns(answer, upsampling),
    }


def _reading_columns(answer: Answer) -> dict:
    readings = answer.readings
    return {
        "fewest_frames": readings.frames,
        "fewest_frames_lower": readings.frames_lower,
        "tube": readings.tube,
        "tube_lower": readings.tube_lower,
        "disjoint_pieces": readings.pieces,
        "readings_passes": readings.passes or None,
    }


def _lower_end(answer: Answer, upper: float | None, lower: float | None) -> float:
    return 0.0 if lower is None or upper == 0.0 else lower


def _censored(answer: Answer, upper: float | None, lower: float | None) -> str | None:
    """'right' if no mask keeps the level, 'left' if none that is smaller fails."""
    if answer.vacuous:
        return None
    return "right" if upper is None else "left" if lower is None else None


def _mask_columns(answer: Answer, upsampling: str) -> dict:
    """Columns of the smallest mask for the first level."""
    mask = None if answer.vacuous else answer.smallest(LEVEL)
    if mask is None:
        return {}
    seeds = mask.snapshot.seed_masks
    return {
        "crispness": mask.crispness,
        "grid": seeds.flatten().cpu().numpy(),
        "grid_shape": list(seeds.shape),
        "upsampling": upsampling,
        "shown_ratio": mask.snapshot.ratio,
    }
