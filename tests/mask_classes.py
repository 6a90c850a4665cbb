"""From masks to their classes: the metric's parts, written as an audit's rows, and what the reports say of them."""

from tiny_audit import answer, clips, write_audit

from stepaudit.errors import AuditError, NoAnnotationError
from stepaudit.metrics import mask_survival

NO_PLACE = NoAnnotationError("no voxel is annotated")
FILLS = ("blur", "other_blur", "fade", "freeze", "noise")
KINDS = {"soft": 0.8, "hard": 0.8, "empty": 0.1}
OTHERS = ("evidence", "evidence_clips")  # that are made, too
METHODS = {"step": {"ratios": [0.1]}, "cam": {"use": "grad_cam"}}


def made(**changes):
    """Parts of a focused mask: the fill leaves 0.1 of 0.9; 0.5 is needed, and 0.3 holds. Changes take `__` for `.`."""
    parts = {"clip": 0.9, "rival_clip": 0.05, "rival": 0.1, "shift": 0.8, "random": 0.2, "outside": 0.3}
    parts |= {"inside": 0.6, "annotated": 0.2, "peer_clip.p": 0.8, "peer_rival.p": 0.1, "peer_empty.p": 0.2}
    parts |= {"peer.p": 0.6} | {f"{kind}.{fill}": value for kind, value in KINDS.items() for fill in FILLS}
    return parts | {name.replace("__", "."): value for name, value in changes.items()}


def measured(mask, clip, model, target, *, boxes, peers=None, in_action=None, ratio=None):
    """The parts of a mask [T, H, W]; without a ratio the hard mask is as large as the mask."""
    share = mask.mean().item() if ratio is None else ratio
    return mask_survival.score(mask, clip, model, peers or {}, target, share, boxes, in_action)


def evidence(folder, parts_of, report="evidence_clips", **given):
    """Rows of a report over the audit of `written`."""
    return answer(written(folder, parts_of, **given), report, *OTHERS)


def written(folder, parts_of, *, kept=0.9, metrics=None, **of_map):
    """Writes an audit of a map for each clip, whose parts are given; errors stand for what was not measured.

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
    return write_audit(folder, rows, methods=METHODS, metrics=used)


def by_clip(rows):
    """Rows of one method by their clips."""
    return {row["clip_id"]: row for row in rows}


def _by_metric(name, parts):
    """As the stage names them: one row for each part, or one for all if there are none."""
    return {name: parts} if isinstance(parts, AuditError) else {f"{name}.{part}": parts[part] for part in parts}


def _fate(value):
    return {"status": value.status, "error": str(value)} if isinstance(value, AuditError) else {"value": value}
