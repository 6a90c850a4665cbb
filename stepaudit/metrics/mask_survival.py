"""Mask survival: the probability that a mask keeps under conditions that it was not optimised for."""

from typing import Literal

import torch
from torch import Tensor, nn

from stepaudit.errors import AuditError, NoAnnotationError, NonFiniteError, NotApplicableError
from stepaudit.extremal.perturbation import BLUR_SHARE, Perturbation, blend, hard_mask
from stepaudit.layers import Box, frozen
from stepaudit.metrics._annotation import annotated
from stepaudit.metrics._mask_variants import moved, rearranged

ranges = {
    "blur_sigma": (0, 1_000),
    "other_blur": (0, 100),
    "share": (0.0001, 1),
    "shift": (0, 1),
    "random_masks": (0, 1_000),
    "at_once": (1, 1_024),
    "keeps": (0, 1),
    "holds": (0, 1),
    "least_drop": (0, 1),
    "survives": (0, 1),
    "inside": (0, 1),
}
Probe = tuple[str, Tensor, Tensor]  # name, levels [L, 1, 3, T, H, W], mask [T, H, W]


def score(
    importance: Tensor,
    clip: Tensor,
    model: nn.Module,
    peers: dict[str, nn.Module],
    target: int,
    ratio: float | None,
    boxes: list[list[Box]],
    in_action: list[bool] | None,
    *,
    perturbation: Literal["blur", "blur-pyramid", "fade", "freeze", "noise"] = "blur",
    blur_sigma: float | None = None,
    other_blur: float = 0.5,
    share: float = 0.1,
    shift: float = 0.04,
    random_masks: int = 4,
    at_once: int = 8,
    keeps: float = 0.5,
    holds: float = 0.25,
    least_drop: float = 0.2,
    survives: float = 0.5,
    inside: float = 0.25,
) -> dict[str, float | AuditError]:
    """Softmax probability of the target under a mask and its variants, each a part; `reports/evidence.sql` classes it.

    `clip` and `rival_clip`: of the target, and of the most probable other class, on the clip itself. `soft.<fill>`,
    `hard.<fill>`, `empty.<fill>`: under the mask, its greatest voxels alone, and no mask, with each fill: `blur`,
    `other_blur`, `fade`, `freeze`, `noise`. With the fill of `perturbation`: `rival`, the most probable other class;
    `shift`, the mean over the mask moved in four directions; `random`, the mean over masks that hold its values
    elsewhere; `outside`, the mask without what the annotation marks. `inside`, `annotated`: which share of the mask's
    greatest voxels, and of all, the annotation marks where it speaks. `peer.<name>`, `peer_clip.<name>`,
    `peer_rival.<name>`, `peer_empty.<name>`: of another model: of the target under the mask and on the clip, of
    the most probable other class on the clip, and of the target under no mask.

    A map takes as many passes through the model as it has probes, 25 with the defaults, and 3 through each peer.

    Args:
        importance: [T, H, W] in [0, 1]; the mask.
        clip: [3, T, H, W] in [0, 1].
        peers: other models for the same clips, by name.
        target: class index.
        ratio: share of the voxels that the hard mask keeps, the map's own; None takes `share`.
        boxes: (x0, y0, x1, y1) of each frame, pixels.
        in_action: of each frame, None if not annotated.
        perturbation: the fill that masks were optimised with.
        blur_sigma: of its blur, pixels; by default 20 for a shorter side of 112, and in proportion.
        other_blur: σ of the other blur, in multiples of that.
        share: of the voxels to keep, for maps without a ratio.
        shift: of the moved masks, as a share of the frame's shorter side; at least a pixel.
        random_masks: how many random masks are averaged.
        at_once: clips that pass through the model together.
        keeps: for the report: the class is kept from this share of the way from the fill's probability to the clip's.
        holds: for the report: as `keeps`, for the mask under other fills, moved, and cut to 0 and 1.
        least_drop: for the report: a fill asks something if it takes at least this much of the clip's probability away.
        survives: for the report: share of the other fills that a mask must hold under.
        inside: for the report: a mask lies on the annotation from this share of the way from what covers it evenly to
            all of it.

    Raises:
        NonFiniteError: a model's logits are NaN.
    """
    mask = importance.to(clip.device).clamp(0, 1)
    sigma = blur_sigma if blur_sigma is not None else BLUR_SHARE * min(clip.shape[-2:])
    fills = _fills(clip[None], Perturbation(perturbation, sigma), other_blur * sigma)
    hard = hard_mask(mask, share if ratio is None else ratio)
    marked, judged = (voxels.to(clip.device) for voxels in annotated(boxes, in_action, mask.shape))
    variants = [("outside", mask * ~marked)]
    variants += [("shift", each) for each in moved(mask, max(1, round(shift * min(mask.shape[1:]))))]
    variants += [("random", each) for each in rearranged(mask, random_masks)]
    own = [(name, fills[perturbation], each) for name, each in variants]
    rows = _probabilities(model, [*_probes_by_fill(fills, mask, hard), *own], at_once)
    own_class = {name: of_name[:, target].mean().item() for name, of_name in rows.items()}
    rivals = {"rival_clip": _rival(rows["clip"], target), "rival": _rival(rows[f"soft.{perturbation}"], target)}
    place, transfer = (
        _on_annotation(hard, marked, judged),
        _transfer(peers, fills[perturbation], mask, target, at_once),
    )
    return {**own_class, **rivals, **place, **transfer}


def _fills(clips: Tensor, own: Perturbation, other_sigma: float) -> dict[str, Tensor]:
    """Levels of each fill by name, [L, 1, 3, T, H, W]; the first is the one that masks were optimised with."""
    others = {name: Perturbation(name, own.sigma) for name in ("blur", "fade", "freeze", "noise")}
    named = {own.name: own, **others, "other_blur": Perturbation("blur", other_sigma)}
    return {name: perturbation.levels(clips) for name, perturbation in named.items()}


def _probes_by_fill(fills: dict[str, Tensor], mask: Tensor, hard: Tensor) -> list[Probe]:
    """The whole clip, and with each fill the mask, the hard mask and no mask."""
    whole, empty = torch.ones_like(mask), torch.zeros_like(mask)
    probes = [("clip", next(iter(fills.values())), whole)]
    for name, levels in fills.items():
        probes += [(f"soft.{name}", levels, mask), (f"hard.{name}", levels, hard), (f"empty.{name}", levels, empty)]
    return probes


def _probabilities(model: nn.Module, probes: list[Probe], at_once: int) -> dict[str, Tensor]:
    """Probabilities [n, K] of the probes of each name. Raises NonFiniteError if one is NaN."""
    with frozen(model), torch.no_grad():
        parts = [
            model(torch.cat([blend(levels, mask[None]) for _, levels, mask in probes[start : start + at_once]]))
            for start in range(0, len(probes), at_once)
        ]
    probabilities = torch.cat(parts).float().softmax(dim=1)
    if probabilities.isnan().any():
        raise NonFiniteError("the model's logits are NaN")
    names = [name for name, _, _ in probes]
    return {name: probabilities[[name == each for each in names]] for name in dict.fromkeys(names)}


def _rival(probabilities: Tensor, target: int) -> float:
    """The greatest probability of another class than the target; [1, K], 0 where there is none."""
    others = probabilities[0].clone()
    others[target] = 0
    return others.max().item()


def _on_annotation(hard: Tensor, marked: Tensor, judged: Tensor) -> dict[str, float | AuditError]:
    """Share of the hard mask on the annotation; without annotation there is no `outside` either."""
    if not marked.any():
        return dict.fromkeys(("inside", "annotated", "outside"), NoAnnotationError("no voxel is annotated"))
    size = (hard * judged).sum()
    nowhere = NoAnnotationError("the mask lies in frames without annotation")
    return {
        "inside": ((hard * marked).sum() / size).item() if size > 0 else nowhere,
        "annotated": (marked.sum() / judged.sum()).item(),
    }


def _transfer(
    peers: dict[str, nn.Module], levels: Tensor, mask: Tensor, target: int, at_once: int
) -> dict[str, float | AuditError]:
    """Probabilities of other models, by part and peer."""
    if not peers:
        return {"peer": NotApplicableError("no other model of the audit takes clips of this size and has this class")}
    masks = {"peer": mask, "peer_clip": torch.ones_like(mask), "peer_empty": torch.zeros_like(mask)}
    probes = [(part, levels, each) for part, each in masks.items()]
    parts: dict[str, float | AuditError] = {}
    for name, peer in peers.items():
        rows = _probabilities(peer, probes, at_once)
        parts |= {f"{part}.{name}": row[0, target].item() for part, row in rows.items()}
        parts[f"peer_rival.{name}"] = _rival(rows["peer_clip"], target)
    return parts


def passes(size: tuple[int, int, int], *, random_masks: int = 4, **_options: object) -> int:
    """Forward passes of the model for a map, about: its probes, and those of a peer."""
    return 24 + random_masks
