"""Models by name: torchvision's weights, a checkpoint of an audit, or an object of the user's own."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from torch import nn

from stepaudit.adapters import Adapter, in_python
from stepaudit.audit import config, registry
from stepaudit.audit.sections import Clips, Model
from stepaudit.errors import UsageError
from stepaudit.layers import computing_in
from stepaudit.networks import checkpoint, named_layer, probe, training

FORMS = (
    "name weights of torchvision such as R2Plus1D_18_Weights.KINETICS400_V1, a checkpoint of an audit such as "
    "results/demo/checkpoints/dataset=planted/max_over_time.safetensors, the folder of a classifier of transformers, "
    "or your own `module:object`"
)
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Chosen:
    """Model in evaluation mode.

    Args:
        net: clips [N, 3, T, H, W] to logits [N, K].
        name: as given; for a checkpoint, the model's name in the configuration.
        classes: names of its classes; None if unknown.
        clips: settings of its clips.
        origin: source of these settings, in words.
    """

    net: nn.Module
    name: str
    classes: list[str] | None
    clips: Clips
    origin: str

    @property
    def clip_size(self) -> dict[str, Any]:
        """Settings of its clips, as arguments of `read_clip`."""
        return {name: getattr(self.clips, name) for name in ("frames", "height", "width", "fit")}


def choose(name: str, *, weights: str | None = None, classes: str | None = None, layer: str | None = None) -> Chosen:
    """Load the model of a name.

    Args:
        name: of torchvision's weights, of a checkpoint's file, or `module:object`.
        weights: local file, instead of torchvision's download, or for the object.
        classes: number of classes, or a file with a name a line; checkpoints and torchvision's weights know theirs.
        layer: name of the module that methods read; default: the model's `activation_layer`.

    Raises:
        UsageError: there is no such model or layer, or the weights cannot be loaded or do not fit.
    """
    chosen = _load_by_kind(name, weights, classes)
    return replace(chosen, net=named_layer.reading(chosen.net, layer))


def _load_by_kind(name: str, weights: str | None, classes: str | None) -> Chosen:
    """Load a checkpoint, a folder, an object of the user's own, or torchvision's weights, by the form of the name."""
    if Path(name).suffix == SUFFIX or Path(name).is_file():
        _refuse(weights and "--weights", "a checkpoint holds its weights", classes and "--classes", "and its classes")
        return _from_checkpoint(Path(name))
    if Path(name).is_dir():
        _refuse(weights and "--weights", "the folder holds its weights", classes and "--classes", "and its classes")
        return _from_folder(name)
    if ":" in name:
        return _from_object(name, weights, classes)
    _refuse(classes and "--classes", "torchvision's weights know their classes")
    return _from_torchvision(name, weights)


def _refuse(*pairs: str | None) -> None:
    """Raise UsageError for an option that is given; `pairs` are options (None if not given) and reasons, in turn."""
    for option, reason in zip(pairs[::2], pairs[1::2], strict=True):
        if option:
            raise UsageError(f"{option}: {reason}; leave it out")


def _from_checkpoint(path: Path) -> Chosen:
    if not path.is_file():
        raise UsageError(f"{path}: there is no such checkpoint; `make demo` or your own audit trains one, or {FORMS}")
    if path.suffix != SUFFIX:
        raise UsageError(
            f"{path}: no checkpoint of an audit; name its network, `--model module:object --weights {path}`"
        )
    about, _ = checkpoint.read(path)
    gives = about.get("gives", "softmax")
    if gives not in ("softmax", "logit"):
        raise UsageError(
            f"{path}: its network names no class (`gives: {gives}`); audit it, or name one question to it as "
            '`module:object`, such as `Adapter(net, column=0, gives="logit")` for its first label'
        )
    entry = Model(use=about["use"], options=about["options"], gives=gives)
    net = checkpoint.load(path, entry, about["classes"])
    audit = _audit_of(path, entry)
    if audit is None:
        return Chosen(net, path.stem, about["classes"], _own_size(net), "the model's own; no audit beside it names it")
    clips = audit.clips_of(path.stem)
    net = named_layer.reading(net, audit.models[path.stem].layer)
    return Chosen(computing_in(net, audit.precision), path.stem, about["classes"], clips, f"as in audit {audit.audit}")


def _audit_of(path: Path, entry: Model) -> config.Config | None:
    """Configuration of a checkpoint's audit, if the checkpoint still lies there."""
    file = path.absolute().parents[2] / "config.yaml"
    if path.absolute().parents[1].name != "checkpoints" or not file.exists():
        return None
    audit = config.load(file)
    return audit if path.stem in audit.models and audit.models[path.stem].use == entry.use else None


def _from_folder(name: str) -> Chosen:
    """Classifier of transformers in a folder."""
    component = registry.find("models", "huggingface")
    count = cast(Callable[[str], int], component.companion("class_count"))
    with training.seeded(0):
        net = component.load()(count(name), path=name)
    if net.untrained:
        raise UsageError(
            f"model '{name}': {len(net.untrained)} of its weights are random, such as {net.untrained[0]}; give the "
            "folder of a trained classifier"
        )
    clips = _own_size(net).model_copy(update={"fit": "crop"})
    return Chosen(net.eval(), name, net.classes, clips, "as its files say")


def _from_torchvision(name: str, weights: str | None) -> Chosen:
    """Model with torchvision's weights of this name, or with those of a local file."""
    from torchvision.models import get_model, get_weight

    try:
        known = get_weight(name)
    except (KeyError, ValueError, AttributeError):
        raise UsageError(f"no model '{name}'; {_nearest(name) or FORMS}") from None
    if str(known) not in video_weights():
        raise UsageError(f"model '{name}': these weights classify no videos; {FORMS}")
    classes = known.meta["categories"]
    family = type(known).__name__.removesuffix("_Weights").lower()
    with training.seeded(0):
        if family in registry.components("models"):
            net = registry.find("models", family).load()(len(classes))
            backbone, clips = net.backbone, _own_size(net)
        else:
            preset = known.transforms()
            backbone = get_model(family, weights=None)
            net = Adapter(backbone, mean=preset.mean, std=preset.std)
            clips = Clips(frames=16, height=preset.crop_size[0], width=preset.crop_size[1])
    _load_weights(backbone, weights, str(known))
    cropped = clips.model_copy(update={"fit": "crop"})
    return Chosen(net.eval(), name, classes, cropped, "as the weights were trained")


def _load_weights(net: nn.Module, weights: str | None, name: str, *, whole: bool = False) -> None:
    """Load a file's weights, or torchvision's by their name, into a network with its last layer."""
    if weights is not None and not Path(weights).is_file():
        raise UsageError(f"--weights {weights}: there is no such file")
    try:
        checkpoint.load_initial(net, weights or name, whole=whole)
    except UsageError as error:
        raise UsageError(f"{error}{'' if weights else ' with --weights'}") from error


def video_weights() -> list[str]:
    """Names of torchvision's weights of video classifiers."""
    from torchvision.models import get_model_weights, list_models, video

    return [str(weights) for model in list_models(module=video) for weights in get_model_weights(model)]


def _nearest(name: str) -> str:
    """`did you mean …?` with the nearest name of video weights; empty if none is near."""
    short = {each.partition("_Weights")[0].lower(): each for each in video_weights()}
    matches = get_close_matches(name.partition("_Weights")[0].lower(), list(short), n=1)
    return f"did you mean '{short[matches[0]]}'?" if matches else ""


def _own_size(net: nn.Module) -> Clips:
    """Settings of clips from a model's `input_size` (T, H, W); the defaults without one."""
    size = getattr(net, "input_size", None) or getattr(getattr(net, "model", None), "input_size", None)
    return Clips() if size is None else Clips(frames=size[0], height=size[1], width=size[2])


def _from_object(name: str, weights: str | None, classes: str | None) -> Chosen:
    """Model of `module:object`, filled with a file's weights if there is one."""
    names = class_names(classes) if classes else None
    net = built(name, names)
    if weights is not None:
        _load_weights(net, weights, name, whole=True)
        _require_all_filled(net, weights, name, names)
    if classes and not classes.isdecimal():
        checkpoint.require_order(net, weights, names or [])
    return Chosen(net, name, names, _own_size(net), "the model's own size")


def _require_all_filled(net: nn.Module, weights: str, name: str, names: list[str] | None) -> None:
    """Raise UsageError if a network computes with more than the weights that a file can fill."""

    def again() -> nn.Module:
        other = built(name, names, seed=1)
        _load_weights(other, weights, name, whole=True)
        return other

    size, finding = _own_size(net), None
    with suppress(Exception):  # it does not take this size: the probe asks it again, with the clip
        finding = next(probe.of_weights(net, again, probe.example(size.frames, size.height, size.width)), None)
    if finding is not None:
        raise UsageError(f"model '{name}': {finding}")


def built(name: str, classes: Sequence[str] | None, seed: int = 0) -> nn.Module:
    """Network of `module:object`: the object itself, or the result of a function.

    Args:
        classes: names of the classes; a function with one argument gets their number.
        seed: of its initial weights.

    Raises:
        UsageError: there is no such object, it is neither a network nor returns one, or needs other arguments.
    """
    target = registry.find("models", name).load()
    with training.seeded(seed):
        net = target if isinstance(target, nn.Module) else _call_factory(target, name, classes)
    if not isinstance(net, nn.Module):
        raise UsageError(
            f"model '{name}' is a {type(net).__name__}; name a torch.nn.Module, or a function that gives one"
        )
    return in_python(net).eval()


def class_names(text: str) -> list[str]:
    """Names of classes: the numbers from 0 if only their count is given, or the lines of a file."""
    if text.isdecimal() and int(text) > 0:
        return [str(index) for index in range(int(text))]
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--classes {text}: neither a number nor a readable file with a name a line") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise UsageError(f"--classes {text}: it holds no name")
    return names


def _call_factory(function: Callable, name: str, classes: Sequence[str] | None) -> nn.Module:
    """Result of a function with no argument, or with the number of classes."""
    try:
        needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    except (TypeError, ValueError) as error:
        raise UsageError(f"model '{name}' is a {type(function).__name__}, no function that gives a model") from error
    needed = [p for p in needed if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not needed:
        return function()
    if len(needed) > 1:
        parameters = ", ".join(parameter.name for parameter in needed)
        raise UsageError(
            f"model '{name}' needs {parameters}; name a function that takes the number of classes, or nothing"
        )
    if classes is None:
        raise UsageError(f"model '{name}' takes the number of classes; say it, `--classes 24`, or give a file of names")
    return function(len(classes))
