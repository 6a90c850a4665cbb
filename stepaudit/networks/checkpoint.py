"""Checkpoints: weights in safetensors (no pickle) with metadata, and initial weights from other sources."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from stepaudit.adapters import ADAPTED, Adapter, in_python
from stepaudit.audit.jobs import Job
from stepaudit.audit.registry import find
from stepaudit.audit.sections import Model
from stepaudit.clips.tensors import class_names
from stepaudit.errors import UsageError
from stepaudit.layers import computing_in, isolate
from stepaudit.networks import class_order, named_layer, outputs
from stepaudit.networks.weight_files import classes_in, first_line, from_safetensors, from_torch
from stepaudit.running.side_effects import settings_kept
from stepaudit.store import writing
from stepaudit.store.tables import as_json

KEY, FORMAT = "stepaudit", 1
SAFETENSORS = ".safetensors"
OWN_CLASSES = "own_classes"  # of a network that was trained on more classes than the data set's
COUNTER = ".num_batches_tracked"
SHOWN = 3  # names of a file in a message
NEEDED = {"use", "options", "classes"}


def save(model: nn.Module, path: Path, entry: Model, classes: list[str], details: dict[str, Any]) -> None:
    """Write the weights with the model's name, options and classes, atomically."""
    about = {"use": entry.use, "options": entry.options, "classes": classes, **details}
    about |= {} if entry.gives == "softmax" else {"gives": entry.gives}
    # Cloned, because safetensors refuses weights that share their memory.
    state = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    with writing.written(path) as temporary:
        # One entry: safetensors writes several in an order that changes from run to run.
        save_file(state, temporary, metadata={KEY: as_json({"format": FORMAT, **about})})


def trained(job: Job, device: torch.device) -> nn.Module:
    """The job's model, trained on its data set, on the device and in the audit's precision."""
    classes = classes_of(job)
    net = load(job.checkpoint, job.config.models[job.model], classes).to(device)
    return computing_in(net, job.config.precision)


def load(path: Path, entry: Model, classes: list[str]) -> nn.Module:
    """Trained model of a checkpoint. Raises UsageError if it is of another model or of other classes."""
    about, state = _matching(path, entry, classes)
    own = about.get(OWN_CLASSES)
    model = build(entry, len(own or classes))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UsageError(
            f"{path}: the weights do not fit {type(model).__name__} as it is now; delete the checkpoint and train again"
        ) from error
    return outputs.selected(model, own, about["classes"]).eval()


def matching(path: Path, entry: Model, classes: list[str]) -> dict[str, Tensor]:
    """Weights of a checkpoint, without building the model. Raises UsageError as `load`."""
    return _matching(path, entry, classes)[1]


def _matching(path: Path, entry: Model, classes: list[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Metadata and weights of a checkpoint. Raises UsageError as `load`."""
    about, state = read(path)
    names = outputs.names(entry, classes, about.get(OWN_CLASSES))
    expected_values = {"use": entry.use, "options": entry.options, "classes": names, "gives": entry.gives}
    for key, expected in expected_values.items():
        if (given := about.get(key, "softmax")) != json.loads(as_json(expected)):
            raise UsageError(
                f"{path}: a checkpoint with {key} {given!r}, the configuration says {expected!r}; "
                "correct the configuration, or delete the checkpoint and train again"
            )
    return about, state


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Metadata (use, options, classes, …) and weights of a checkpoint. Raises UsageError if the file is not one."""
    try:
        metadata, state = from_safetensors(path)
    except UsageError as error:
        raise UsageError(f"{error}; train the model first") from error
    about = _about(metadata.get(KEY, "{}"))
    if about.pop("format", None) != FORMAT or NEEDED - set(about):
        raise UsageError(f"{path}: not a checkpoint of stepaudit; give foreign weights as `weights:` of the model")
    return about, state


def _about(text: str) -> dict[str, Any]:
    """Checkpoint metadata; empty if it is no JSON object."""
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def build(entry: Model, classes: int) -> nn.Module:
    """Model of a configuration's entry with its own initial weights, which works on copies of its clips.

    Args:
        classes: K; a network of one value is built for 1, whatever they are.
    """
    adapted = ADAPTED.get(entry.gives)
    with settings_kept(f"model '{entry.use}'"):
        model = find("models", entry.use).load()(1 if adapted else classes, **entry.options)
    if not isinstance(model, nn.Module):
        raise UsageError(f"model '{entry.use}' gives a {type(model).__name__}; let it return a torch.nn.Module")
    if lazy := [name for name, each in model.state_dict().items() if is_lazy(each)]:
        raise UsageError(
            f"model '{entry.use}' has layers of unknown size ({lazy[0]}); let `build` call it once with a clip before "
            "it returns it"
        )
    model = in_python(model) if adapted is None else Adapter(model, gives=adapted)
    isolate(model)
    return named_layer.reading(model, entry.layer)


def for_classes(entry: Model, classes: Sequence[str]) -> nn.Module:
    """Model of an entry for the data set's classes, which may be some of its own (`outputs`)."""
    own = outputs.own_classes(entry)
    return outputs.selected(build(entry, len(own or classes)), own, outputs.names(entry, classes, own))


def classes_of(job: Job) -> list[str]:
    """Names of the data set's classes, by target; of videos without any label those of the job's checkpoint."""
    return class_names(job.file("segments")) or read(job.checkpoint)[0]["classes"]


def output_names(job: Job) -> list[str]:
    """Names of the outputs of a job's model, the data set's classes first; of a regression one, `value`."""
    entry, classes = job.config.models[job.model], classes_of(job)
    if entry.gives == "regression":
        return ["value"]
    return outputs.names(entry, classes, outputs.own_classes(entry) if entry.outputs == "all" else None)


def output_count(entry: Model, classes: Sequence[str]) -> int:
    """Number of the outputs of a model that is built for some classes: 1 of a regression."""
    return 1 if entry.gives == "regression" else len(classes)


def is_ours(job: Job) -> bool:
    """True for a network of stepaudit, which tests question."""
    return job.config.component("models", job.model).module.startswith("stepaudit.")


def rebuilt(model: nn.Module, entry: Model, classes: int) -> nn.Module:
    """Another model of the entry with the same weights, on the same device."""
    other = build(entry, classes)
    other.load_state_dict(model.state_dict())
    return other.to(next((each.device for each in model.parameters()), "cpu"))


def load_initial(model: nn.Module, weights: str, *, whole: bool = False) -> None:
    """Fill a model from a torchvision weights name (downloaded by torchvision) or a local file.

    A file of the whole model under its own names fills all of it. Others fill `model.backbone`, if there is one: the
    head, whose shape depends on the classes, keeps its own weights, and parameters that the backbone lacks (the
    source's own classifier) are left out. The names may have one prefix more: `module.`, `_orig_mod.`, the key of the
    state dict among other things, or several of them.

    Args:
        whole: the model is not trained any more: a head of the file that fits is taken, too, and none may stay random.

    Raises:
        UsageError: the file cannot be read, a parameter is missing or has another shape, or several prefixes fit.
    """
    state = _read_weights(weights)
    module, head = _module_to_fill(model.model if isinstance(model, Adapter) else model, state)
    own = module.state_dict()
    names = [name for name in own if not (head and name.startswith(head))]
    prefix = _prefix(names, state, weights)
    if whole:
        heads = [name for name in own if name not in names]
        fits = all(getattr(state.get(prefix + name), "shape", None) == own[name].shape for name in heads)
        names += heads if fits else []
    given = {name: state.get(f"{prefix}{name}") for name in _required_names(names, state, prefix)}
    if wrong := sorted(name for name, value in given.items() if getattr(value, "shape", None) != own[name].shape):
        raise UsageError(
            f"weights '{weights}' do not fit {type(model).__name__}: {len(wrong)} of {len(given)} parameters are "
            f"missing or have another shape, such as {wrong[0]}{_difference(own[wrong[0]], given[wrong[0]], state)}"
        )
    _require_numbers(given, own, weights)
    try:
        module.load_state_dict(given, strict=False)
    except RuntimeError as error:
        raise UsageError(f"weights '{weights}' do not fit {type(model).__name__} ({error})") from error
    if whole:
        _require_all_filled(model, {id(each) for name, each in module.named_parameters() if name in given}, weights)


def _require_all_filled(model: nn.Module, filled: set[int], weights: str) -> None:
    """Raise UsageError for parameters that keep their random values, such as those of another number of classes."""
    own = dict(model.named_parameters())
    if left := [name for name, each in own.items() if id(each) not in filled]:
        raise UsageError(
            f"weights '{weights}' leave {len(left)} of {len(own)} parameters of {type(model).__name__} random, such as "
            f"{left[0]} {list(own[left[0]].shape)}; give the weights of the whole trained model"
        )


def names_in(weights: str | None) -> list[str] | None:
    """Class names in the order of the outputs that a local file of weights carries, if it does."""
    path = Path(weights or "")
    return classes_in(path) if weights and path.is_file() and path.suffix != SAFETENSORS else None


def require_order(model: nn.Module, weights: str | None, classes: list[str]) -> str:
    """A note on the order of the classes of a network that was trained elsewhere; empty if there is nothing to say.

    Raises:
        UsageError: the network or its file of weights names the data set's classes in another order.
    """
    given, own = names_in(weights), class_order.names_of(model)
    class_order.require(given, classes, f"weights '{weights}' are")
    class_order.require(own if given is None else None, classes, f"{type(model).__name__} is")
    return class_order.doubt(own if given is None else given, classes)


def _require_numbers(given: Mapping[str, Tensor | None], own: dict[str, Tensor], weights: str) -> None:
    """Raise UsageError for weights that are NaN or infinite, or whole numbers where the model has fractions."""
    floats = {name: value for name, value in given.items() if value is not None and own[name].is_floating_point()}
    if whole := [name for name, value in floats.items() if not value.is_floating_point()]:
        raise UsageError(
            f"weights '{weights}': {len(whole)} of {len(floats)} parameters hold whole numbers, such as {whole[0]}, "
            f"{floats[whole[0]].dtype}: are they quantised? Save them as float32"
        )
    if wrong := [name for name, value in floats.items() if not value.isfinite().all()]:
        raise UsageError(
            f"weights '{weights}': {len(wrong)} of {len(floats)} parameters hold NaN or infinity, such as {wrong[0]}; "
            "take the weights of an epoch before its training failed"
        )


def _difference(own: Tensor, given: Tensor | None, state: dict[str, Tensor]) -> str:
    """End of an error: the file's tensor in place of a parameter, and the next step."""
    if given is None:
        return f"; the file has {len(state)}: {', '.join(list(state)[:SHOWN])}, …"
    return (
        f", {list(own.shape)}, in the file {list(given.shape)}; a narrow model (`width`, `embed_dim`), or one for "
        "other clips (`size`) or classes, takes no full-size weights"
    )


def _module_to_fill(model: nn.Module, state: dict[str, Tensor]) -> tuple[nn.Module, str | None]:
    """Module that receives the weights, and the prefix of its head, which keeps its own; None without a head."""
    backbone, head = getattr(model, "backbone", None), getattr(model, "head", None)
    if not isinstance(backbone, nn.Module):
        backbone = model
    elif _prefixes(list(model.state_dict()), state):
        return model, None
    return backbone, head if isinstance(head, str) else None  # in many networks `head` is the last layer itself


def _prefix(names: list[str], state: dict[str, Tensor], weights: str) -> str:
    """The prefix under which a file has all these names; empty if there is none.

    Raises:
        UsageError: there are several, with different weights.
    """
    fitting = _prefixes(names, state)
    if "" in fitting or not fitting:
        return ""
    first, *others = fitting
    needed = _required_names(names, state, first)
    if any(not torch.equal(state[first + name], state[other + name]) for other in others for name in needed):
        raise UsageError(
            f"weights '{weights}': {len(fitting)} sets of other weights in it fit, {', '.join(map(repr, fitting))}; "
            "save the one to use, its `state_dict()` alone"
        )
    return first


def _prefixes(names: list[str], state: dict[str, Tensor]) -> list[str]:
    """All prefixes under which a file has all these names."""
    needed = [name for name in names if not name.endswith(COUNTER)] or names
    ends = [key.removesuffix(needed[0]) for key in state if key.endswith(needed[0])] if needed else []
    return [each for each in ends if each[-1:] in ("", ".") and all(each + name in state for name in needed)]


def _required_names(names: list[str], state: dict[str, Tensor], prefix: str) -> list[str]:
    """Names of required weights, without the counters of batches that older files lack."""
    return [name for name in names if f"{prefix}{name}" in state or not name.endswith(COUNTER)]


def _read_weights(weights: str) -> dict[str, Tensor]:
    path = Path(weights)
    if path.is_file():
        return from_safetensors(path)[1] if path.suffix == SAFETENSORS else from_torch(path)
    try:
        from torchvision.models import get_weight

        known = get_weight(weights)
    except (KeyError, ValueError, AttributeError) as error:
        raise UsageError(f"weights '{weights}': neither a file nor a torchvision weights name") from error
    try:
        return known.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:
        raise UsageError(
            f"weights '{weights}': cannot be downloaded or read ({first_line(error)}); "
            f"download {known.url}, and give its path"
        ) from error
