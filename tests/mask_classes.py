"""From masks to their classes: the metric's parts, written as an audit's rows, and what the reports say of them."""

from tiny_audit import answer, clips, write_audit

from stepaudit.errors import AuditError
from stepaudit.metrics import mask_survival

METHODS = {"step": {"ratios": [0.1]}, "cam": {"use": "grad_cam"}}


def measured(mask, clip, model, target, *, boxes, peers=None, in_action=None, ratio=None):
    """The parts of a mask [T, H, W]; without a ratio the hard mask is as large as the mask."""
    share = mask.mean().item() if ratio is None else ratio
    return mask_survival.score(mask, clip, model, peers or {}, target, share, boxes, in_action)


def evidence(folder, parts_of, report="evidence_clips", *, kept=0.9, metrics=None, **of_map):
    """Rows of a report over one map for each clip, whose parts are given; errors stand for what was not measured.

    Args:
        kept: probability that the masks keep; by clip, or one for all.
        metrics: options of each metric that is said to have measured them.
    """
    rows, options = clips(*parts_of), metrics or {"survival": {}}
    keys = {"method": "step", "ratio": 0.1, "perturbation": "blur:sigma=5", **of_map}
    kept_of = kept if isinstance(kept, dict) else dict.fromkeys(parts_of, kept)
    rows["maps"] = [{"clip_id": clip_id, "kept_probability": kept_of[clip_id], **keys} for clip_id in parts_of]
    rows["scores"] = [
        {"clip_id": clip_id, "method": keys["method"], "ratio": keys["ratio"], "metric": metric, **_fate(value)}
        for clip_id, parts in parts_of.items()
        for name in options
        for metric, value in _by_metric(name, parts).items()
    ]
    used = {name: {"use": "mask_survival", "options": given} for name, given in options.items()}
    return answer(write_audit(folder, rows, methods=METHODS, metrics=used), report)


def by_clip(rows):
    """Rows of one method by their clips."""
    return {row["clip_id"]: row for row in rows}


def _by_metric(name, parts):
    """As the stage names them: one row for each part, or one for all if there are none."""
    return {name: parts} if isinstance(parts, AuditError) else {f"{name}.{part}": parts[part] for part in parts}


def _fate(value):
    return {"status": value.status, "error": str(value)} if isinstance(value, AuditError) else {"value": value}
