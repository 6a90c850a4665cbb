"""The Python API, `import stepaudit`: explanations of clips of your own; see docs/python_api.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from stepaudit.audit.sections import Clips, sentence
from stepaudit.clips import cutting
from stepaudit.clips.tensors import to_tensor
from stepaudit.commands.explain.explanation import Explanation, explained
from stepaudit.commands.explain.need import Need, needed
from stepaudit.errors import UsageError
from stepaudit.layers import ordinary_mode
from stepaudit.networks.by_name import Chosen, choose
from stepaudit.store.plain_files import at_home


def load_model(
    name: str | Path,
    *,
    weights: str | Path | None = None,
    classes: str | int | None = None,
    layer: str | None = None,
) -> Chosen:
    """A model by the name that `stepaudit explain --model` takes.

    Args:
        name: of torchvision's weights, of an audit's checkpoint, of the folder of a classifier of transformers, or
            `module:object`.
        weights: a local file that takes the place of torchvision's, or fills the object.
        classes: how many, or a file with their names, a line each; only for `module:object`.
        layer: name of the module that Grad-CAM and others read; default: the model's `activation_layer`.

    Returns:
        `net` (clips to logits), `classes` (names, or None), `clip_size` (keyword arguments for `read_clip`).

    Raises:
        UsageError: there is no such model, or its weights cannot be had or do not fit.

    Example:
        >>> import stepaudit
        >>> model = stepaudit.load_model("results/demo/checkpoints/dataset=planted/max_over_time.safetensors")
        >>> model.classes
        ['cross-vertical', 'disc-horizontal']
        >>> model.clip_size
        {'frames': 16, 'height': 48, 'width': 48, 'fit': 'stretch'}
    """
    given = None if weights is None else at_home(str(weights))
    return choose(at_home(str(name)), weights=given, classes=None if classes is None else str(classes), layer=layer)


def read_clip(
    path: str | Path,
    *,
    frames: int = 16,
    height: int = 112,
    width: int = 112,
    fit: Literal["stretch", "crop"] = "stretch",
    start: int | None = None,
    stop: int | None = None,
) -> Tensor:
    """Read a video as a clip: split it into `frames` equal parts and take the middle frame of each.

    Args:
        path: a video file, or a folder of numbered pictures.
        frames: of the clip.
        height: of the clip, pixels.
        width: of the clip, pixels.
        fit: `stretch` keeps the whole frame; `crop` keeps the aspect ratio and cuts to the centre.
        start: first frame of the video to use, from 0.
        stop: frame after the last.

    Returns:
        [1, 3, T, H, W] in [0, 1], float32.

    Raises:
        UsageError: there is no such file, stretch or size.
        BadVideoError: no frame of it decodes, or fewer than asked for.
        TooShortError: it has fewer frames than the clip.

    Example:
        >>> import stepaudit
        >>> stepaudit.read_clip("my_video.mp4", frames=8, height=32, width=48).shape
        torch.Size([1, 3, 8, 32, 48])
    """
    path = at_home(Path(path))
    if not path.exists():
        raise UsageError(f"{path}: there is no such video")
    if (start or 0) < 0 or (stop is not None and stop <= (start or 0)):
        raise UsageError(f"start {start}, stop {stop}: give frames of the video from 0 on, the first before the last")
    try:
        clips = Clips(frames=frames, height=height, width=width, fit=fit)
    except ValidationError as error:
        raise UsageError("; ".join(sentence(problem, Clips) for problem in error.errors())) from error
    return to_tensor([cutting.middle(Path(path), clips, start=start, stop=stop)])


@ordinary_mode()
def explain(
    model: nn.Module | Chosen | str | Path,
    clips: Tensor,
    targets: Tensor | Sequence[int] | int | None = None,
    *,
    method: str = "step",
    ratio: float | Sequence[float] = 0.05,
    seed: int = 0,
    **options: Any,
) -> Explanation:
    """Importance maps of a model, one for each clip.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K], on any device and in any mode, which it keeps; or what
            `load_model` gives or takes.
        clips: [N, 3, T, H, W] in [0, 1]; they go to the model's device.
        targets: classes, one for each clip or one for all; by default those that the model finds the most probable.
        method: `stepaudit list methods` names them; or `module:object`.
        ratio: share of each clip that a mask keeps, in (0, 1); one for all, or one for each.
        seed: of the method's randomness.
        **options: of the method, such as `schedule="short"`.

    Returns:
        `maps` [N, T, H, W] in [0, 1], `probability` and `kept_probability` [N], `table()`, `render()`.

    Raises:
        UsageError: no such model, method, option or class, or the model answers no logits.
        AuditError: the method cannot explain this model (`NotApplicableError` says why) or these clips.

    Example:
        >>> import stepaudit
        >>> model = stepaudit.load_model("results/demo/checkpoints/dataset=planted/max_over_time.safetensors")
        >>> clip = stepaudit.read_clip("my_video.mp4", **model.clip_size)
        >>> found = stepaudit.explain(model, clip, ratio=0.1, schedule="short", iterations=5)
        >>> found.maps.shape
        torch.Size([1, 16, 48, 48])
        >>> found.table()[0]["method"], found.table()[0]["ratio"]
        ('step', 0.1)
        >>> stepaudit.save(found.render(), "map.webp").name
        'map.webp'
    """
    net, clips = _ready(model, clips)
    return explained(
        net, clips, _targets(targets, clips), _ratios(ratio, len(clips)), method=method, options=options, seed=seed
    )


@ordinary_mode()
def need(
    model: nn.Module | Chosen | str | Path,
    clips: Tensor,
    targets: Tensor | Sequence[int] | int | None = None,
    *,
    method: str = "step",
    backgrounds: Tensor | None = None,
    readings: Sequence[str] = (),
    seed: int = 0,
    **options: Any,
) -> Need:
    """The least part of each clip that a model needs for its answer.

    Args:
        model, clips, targets: as for `explain`.
        method: `step`, `ep3d` or a variant of these.
        backgrounds: [N, 3, T, H, W], for each clip another one, which stands blurred behind its masks in a further
            check; an audit takes clips of another class.
        readings: further ones, of `frames` (the fewest whole frames), `tube` (the smallest region shown in all frames)
            and `disjoint` (how many pieces are each enough).
        seed: of the search.
        **options: of the method's masks, such as `mask_sigma=8`.

    Returns:
        `masks` [N, T, H, W], `shown_clips`, `answers`, `sentences(index, classes)`, `table()`.

    Raises:
        UsageError: no such model, method, option, reading or class, or the model answers no logits.
        AuditError: the model's answers are not finite.

    Example:
        >>> import stepaudit
        >>> model = stepaudit.load_model("results/demo/checkpoints/dataset=planted/max_over_time.safetensors")
        >>> clip = stepaudit.read_clip("my_video.mp4", **model.clip_size)
        >>> found = stepaudit.need(model, clip, method="ep3d")
        >>> [row["asked_class"] for row in found.table()]
        ['label', 'runner_up']
        >>> found.masks.shape
        torch.Size([1, 16, 48, 48])
    """
    net, clips = _ready(model, clips)
    if backgrounds is not None:
        _check(backgrounds)
        backgrounds = backgrounds.to(clips.device)
    given: dict[str, Any] = {"method": method, "options": options, "backgrounds": backgrounds, "seed": seed}
    return needed(net, clips, _targets(targets, clips), readings=readings, **given)


def _ready(model: nn.Module | Chosen | str | Path, clips: Tensor) -> tuple[nn.Module, Tensor]:
    """The network, and the clips on its device."""
    net = load_model(model).net if isinstance(model, str | Path) else model.net if isinstance(model, Chosen) else model
    _check(clips)
    if not isinstance(net, nn.Module):
        raise UsageError(f"model: it is a {type(net).__name__}; give a torch.nn.Module, or what `load_model` takes")
    if any(each.is_inference() for each in net.parameters()):
        raise UsageError("model: its weights were made in `torch.inference_mode()`; build or load it outside of that")
    return net, clips.to(next((parameter.device for parameter in net.parameters()), clips.device))


def render(frames: np.ndarray | Tensor, importance: np.ndarray | Tensor, *, mask: bool = False) -> np.ndarray:
    """A clip in grey with a map over it as heat: dark where it is 0, light yellow where it is greatest.

    Args:
        frames: uint8 [T, H, W, 3], or a clip [3, T, H, W] in [0, 1].
        importance: the map, [T, H, W], not negative.
        mask: draws the values as they are; other maps are drawn in shares of their greatest value.

    Returns:
        uint8 [T, H, W, 3], for `save`.

    Example:
        >>> import numpy as np, stepaudit
        >>> frames = np.full((16, 48, 48, 3), 128, np.uint8)
        >>> stepaudit.render(frames, np.ones((16, 48, 48)), mask=True).shape
        (16, 48, 48, 3)
    """
    from stepaudit.report.pictures import overlay, pictures

    shown = overlay.pictures_of(frames) if isinstance(frames, Tensor) else frames
    heat = importance.detach().cpu().numpy() if isinstance(importance, Tensor) else importance
    if shown.shape != (*heat.shape, 3):
        raise UsageError(
            f"render: frames {list(shown.shape)} and a map {list(heat.shape)}; give [T, H, W, 3], [T, H, W]"
        )
    return pictures.overlay(shown, heat, mask=mask)


def _check(clips: Any) -> None:
    """Raises UsageError for anything but clips."""
    request = "give a float tensor [N, 3, T, H, W] in [0, 1], as `stepaudit.read_clip` does"
    if not isinstance(clips, Tensor) or clips.ndim != 5 or clips.shape[1] != 3 or not clips.is_floating_point():
        raise UsageError(f"clips: {request}")
    if clips.dtype != torch.float32:
        raise UsageError(f"clips: they are {clips.dtype}; {request}, `clips.float()`")
    if not clips.numel():
        raise UsageError(f"clips: there are none, {list(clips.shape)}; {request}")
    if clips.min() < 0 or clips.max() > 1:
        raise UsageError(
            f"clips: values from {clips.min():.3g} to {clips.max():.3g}; {request}, and let the model normalise them "
            "(`stepaudit.adapters.Adapter` has `scale`, `mean` and `std`)"
        )


def _targets(targets: Tensor | Sequence[int] | int | None, clips: Tensor) -> Tensor | None:
    if targets is None:
        return None
    try:
        indices = torch.as_tensor(targets, device=clips.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"targets: {targets!r}; give whole numbers, the indices of classes") from error
    if indices.is_floating_point() or indices.is_complex() or indices.dtype == torch.bool:
        raise UsageError("targets: give whole numbers, the indices of classes")
    return indices.long().expand(len(clips)) if indices.ndim == 0 else indices.long()


def _ratios(ratio: float | Sequence[float], count: int) -> list[float]:
    ratios = [float(ratio)] * count if isinstance(ratio, int | float) else [float(each) for each in ratio]
    if len(ratios) != count:
        raise UsageError(f"{len(ratios)} ratios for {count} clips; give one, or one for each clip")
    return ratios
