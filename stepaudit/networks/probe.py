"""Questions to a network before it is believed: two clips, a few passes, and the findings, each with its next step.

The same clip alone, again with another random state and with gradients, and in a batch of two. All other work may then
rely on the answers: its logits are a function of the clip, and methods that need a gradient have one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.adapters import ADVICE, Adapter, check_logits, failed
from stepaudit.audit import work
from stepaudit.audit.config import Config
from stepaudit.errors import UsageError, no_exit
from stepaudit.layers import answers, frozen, hooked, rounding, without_gradient
from stepaudit.networks import checkpoint, outputs, rebuilding
from stepaudit.running.smaller_batches import is_out_of_memory

OTHER_DEVICE = ("NVIDIA driver", "CUDA enabled", "No CUDA GPUs", "Expected all tensors to be on the same device")
MAX_PARAMETERS_ASKED = 2_000_000  # of a network of the package that is asked beside a configuration
SMALL = 0.02  # a change of brightness that no eye sees, and rounding to 8 bits does not hide
SHAPING = ("Cat", "Clone", "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "ToCopy", "Slice", "Select")
SIGMOIDS = {  # by what a model gives: a finding on a sigmoid as its last step
    "softmax": (
        "its last step is a sigmoid for each class: answers to separate questions, not logits",
        "leave it out; where a clip has several labels, also set `gives: sigmoid` (config/MODELS.md)",
    ),
    "sigmoid": ("its last step is the sigmoid itself: probabilities, not logits", "leave it out"),
    "logit": ("its last step is a sigmoid: a probability, not a logit", "leave it out"),
}
CUT = "is cut off (`torch.no_grad`, `detach`, or whole numbers on the way)"
RUNNING = "normalise each clip by itself, or by running statistics, as `nn.BatchNorm3d` in evaluation mode does"


@dataclass(frozen=True)
class Finding:
    """An answer that matters.

    Args:
        name: of the kind.
        severity: `error`: its values would be wrong; `warning`: not all can be measured; `note`: it is taken care of.
        sentence: what was found.
        step: the next step.
    """

    name: str
    severity: Literal["error", "warning", "note"]
    sentence: str
    step: str

    def __str__(self) -> str:
        return f"{self.sentence}; {self.step}" if self.step else self.sentence


@dataclass(frozen=True)
class Answers:
    """Number of classes and findings of a network.

    Args:
        classes: number of its logits; None if it gives none.
        findings: the most severe first.
    """

    classes: int | None
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        return [each for each in self.findings if each.severity == "error"]

    @property
    def sentence(self) -> str:
        """Summary, if there is no error."""
        gradients = "gradients reach the clip" if self.has_gradient else "without gradients"
        return f"answers a clip with {self.classes} logits, the same alone and in a batch; {gradients}"

    @property
    def has_gradient(self) -> bool:
        """True if gradients reach the clip."""
        return all(each.name != "no_gradient" for each in self.findings)


def require(
    model: nn.Module,
    clips: Tensor,
    classes: int | None = None,
    *,
    name: str = "",
    rebuild: Callable[[], nn.Module] | None = None,
    gives: str = "softmax",
) -> Answers:
    """The answers of a network, if its values can be believed.

    Args:
        name: of the model, for messages; default: that of its class.
        rebuild, gives: as of `ask`.

    Raises:
        UsageError: they cannot; the text names the next step.
    """
    answers = ask(model, clips, classes, rebuild, gives)
    if answers.errors:
        about = name or type(model).__name__
        raise UsageError(f"model '{about}': {'; also: '.join(map(str, answers.errors))}")
    return answers


def ask(
    model: nn.Module,
    clips: Tensor,
    classes: int | None = None,
    rebuild: Callable[[], nn.Module] | None = None,
    gives: str = "softmax",
) -> Answers:
    """Ask a network; it and the random state stay as they are. Errors that no adapter avoids are the network's own.

    Args:
        model: clips [N, 3, T, H, W] in [0, 1] to logits [N, K].
        clips: [N, 3, T, H, W]; the first one is used.
        classes: K; default: as many as it gives.
        rebuild: builds the network again, with the same weights, which must answer the same.
        gives: as in the configuration.
    """
    clip = clips[:1].detach()
    with frozen(model), torch.random.fork_rng(), _observed_calls(model) as seen:
        try:
            with torch.no_grad():
                alone = _seeded_call(model, clip)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if finding := _device_finding(error) or _input_form_finding(model, clip):
                return Answers(None, [finding])
            error.add_note(failed(model, clip))
            raise
        if finding := _output_finding(model, alone, classes, gives=gives):
            return Answers(None, [finding])
        try:
            inputs, again = _inputs_and_logits(model, clip, seed=1)
            of_gradient = list(_gradient_findings(model, clip, inputs, again, gives))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return Answers(alone.shape[1], [_memory_finding("a clip with its gradients")])
        findings = [
            *_batch_and_state_findings(model, clip, alone, again.detach(), seen, gives),
            *of_gradient,
            *_structure_findings(model, seen),
        ]
    if rebuild is not None and all(each.severity != "error" for each in findings):
        findings += of_weights(model, rebuild, clip, gives)
    order = ("error", "warning", "note")
    return Answers(alone.shape[1], sorted(findings, key=lambda each: order.index(each.severity)))


def differentiable(model: nn.Module) -> Callable[[Tensor], AbstractContextManager]:
    """Function that gives a context for a method's calls with some clips.

    If no gradient reaches the first clip that it is given, the model has none in any of these contexts, so that methods
    which need one are not applicable, in place of maps of nothing.
    """
    troubles: list[str] = []

    def context(clips: Tensor) -> AbstractContextManager:
        if not troubles:
            troubles.append(gradient_trouble(model, clips))
        return without_gradient(model) if troubles[0] else nullcontext()

    return context


def of_models(config: Config) -> Iterator[tuple[str, Answers]]:
    """Answers of the networks of an audit with their initial weights, on a made-up clip, before any work.

    Networks of stepaudit at full size are not asked: their answers are tested, and a pass takes seconds.
    """
    numbers = work.class_numbers(config) or {2}
    for name, entry in config.models.items():
        for classes in sorted(numbers) if entry.of is None else ():  # a control is the network of another model
            if (answers := _answers_of_model(config, name, classes)) is not None:
                yield name, answers


def _answers_of_model(config: Config, name: str, classes: int) -> Answers | None:
    """Answers of a network with its initial weights; None for a large network of stepaudit."""
    entry, clips = config.models[name], config.clips_of(name)
    try:
        classes = len(outputs.own_classes(entry) or range(classes))
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            net = checkpoint.build(entry, classes)
        if entry.weights and Path(entry.weights).is_file():
            checkpoint.load_initial(net, entry.weights, whole=not any(map(entry.is_trained_on, config.datasets)))
        ours = config.component("models", name).module.startswith("stepaudit.")
        if ours and sum(each.numel() for each in net.parameters()) > MAX_PARAMETERS_ASKED:
            return None
        rebuild = partial(checkpoint.rebuilt, net, entry, classes)
        shown = example(clips.frames, clips.height, clips.width)
        return ask(net, shown, 1 if entry.gives == "regression" else classes, rebuild, entry.gives)
    except UsageError as error:
        sentence, _, step = str(error).partition("; ")
        return Answers(None, [Finding("unusable", "error", sentence, step)])
    except Exception as error:  # noqa: BLE001 (a network of the user's may fail in any way: that is the answer)
        text = f"it fails on a clip of {clips.size} ({_first_line(error)})"
        return Answers(None, [Finding("fails", "error", text, f"set the `clips` that it takes, or {ADVICE}")])


def example(frames: int, height: int, width: int) -> Tensor:
    """A made-up clip of coloured blobs, [1, 3, T, H, W] in [0, 1]."""
    grid = torch.rand(1, 3, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    return functional.interpolate(grid, size=(frames, height, width), mode="trilinear", align_corners=False)


def gradient_trouble(model: nn.Module, clips: Tensor) -> str:
    """The reason why no gradient of the logits reaches the first clip; empty if one does."""
    clip = clips[:1].detach()
    with frozen(model), torch.random.fork_rng():
        return _gradient_trouble(model, clip, *_inputs_and_logits(model, clip))


@dataclass
class _Seen:
    """Observations at the calls of a model."""

    wrote: bool = False
    outputs: list[Any] = field(default_factory=list)
    layer_calls: int = 0


@contextmanager
def _observed_calls(model: nn.Module) -> Iterator[_Seen]:
    """Observations at the model's own input and output, which lie within the copies of `layers.isolate`."""
    seen = _Seen()
    given: list[tuple[Tensor, Tensor]] = []

    def before(_module: nn.Module, inputs: tuple) -> None:
        given[:] = [(each, each.detach().clone()) for each in inputs if isinstance(each, Tensor)]

    def after(_module: nn.Module, _inputs: tuple, output: Any) -> None:
        seen.wrote |= any(not torch.equal(each, own) for each, own in given)
        seen.outputs.append(output)

    def count(*_: object) -> None:
        seen.layer_calls += 1

    layer = getattr(model, "activation_layer", None)
    handles = [model.register_forward_pre_hook(before), model.register_forward_hook(after, prepend=True)]
    try:
        with hooked(layer if isinstance(layer, nn.Module) else nn.Identity(), count):
            yield seen
    finally:
        for handle in handles:
            handle.remove()


def _seeded_call(model: nn.Module, clips: Tensor, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    with no_exit(type(model).__name__):
        return model(clips)


def _noise_clip(clip: Tensor) -> Tensor:
    """Another clip, of noise."""
    return torch.rand(clip.shape, generator=torch.Generator().manual_seed(1)).to(clip)


# The output.


def _output_finding(
    model: nn.Module, output: Any, classes: int | None, count: int = 1, gives: str = "softmax"
) -> Finding | None:
    """A finding if the output is no logits [count, classes]."""
    columns = output.shape[-1] if isinstance(output, Tensor) and output.ndim == 2 else 2
    least = 2 if gives == "softmax" else 1
    try:
        check_logits(output, count, classes or max(least, columns), type(model).__name__, gives)
    except UsageError as error:
        sentence, _, step = str(error).partition("; ")
        logits = _logits_within(output, count)
        step = f"wrap it: `Adapter(model, take={logits[0]!r})` (config/MODELS.md)" if len(logits) == 1 else step
        return Finding("output", "error", sentence, step)
    return None


def _logits_within(output: Any, count: int) -> list[str | int]:
    """Keys of the parts of an output that have the form of logits."""
    parts = output.items() if hasattr(output, "items") else enumerate(output) if isinstance(output, Sequence) else ()
    return [key for key, each in parts if isinstance(each, Tensor) and each.ndim == 2 and len(each) == count]


def _device_finding(error: Exception) -> Finding | None:
    """A finding if a network fails because it chooses a device by itself."""
    text = str(error)
    if not any(sign in text for sign in OTHER_DEVICE):
        return None
    sentence = f"it moves tensors to a device of its own choice ({text.splitlines()[0].partition('. ')[0]})"
    return Finding("device", "error", sentence, "move them to the clip's, `x.to(clips.device)`, not by `x.cuda()`")


def _input_form_finding(model: nn.Module, clip: Tensor) -> Finding | None:
    """A finding if a network that fails on a clip accepts it in another form."""
    name, frames = type(model).__name__, clip.shape[2]
    forms: dict[str, tuple[str, dict]] = {
        "": (f"{name} has weights in {_dtype_name(model)}", {}),
        'layout="NTCHW"': (f"{name} takes frames before channels, [N, T, C, H, W]", {"layout": "NTCHW"}),
        'layout="NTHWC"': (f"{name} takes the channels last, [N, T, H, W, C]", {"layout": "NTHWC"}),
    }
    for step in (4, 8):
        pair = (max(1, frames // step), frames)
        forms[f"pathways={pair}"] = (f"{name} takes a list of pathways, as SlowFast does", {"pathways": pair})
    for argument, (sentence, options) in forms.items():
        try:
            with torch.no_grad():
                output = _seeded_call(Adapter(model, **options), clip)
        except torch.OutOfMemoryError:
            raise
        except Exception:  # noqa: BLE001 (it does not take this form, either)
            continue
        if isinstance(output, Tensor) and (output.ndim != 2 or len(output) != 1):
            continue
        logits = _logits_within(output, 1)
        arguments = ["model", argument, f"take={logits[0]!r}" if len(logits) == 1 else ""]
        return Finding(
            "form", "error", sentence, f"wrap it: `Adapter({', '.join(filter(None, arguments))})` (config/MODELS.md)"
        )
    return None


def _dtype_name(model: nn.Module) -> str:
    return str(next((each.dtype for each in model.parameters()), torch.float32)).removeprefix("torch.")


# Whether the answer is a function of the clip.


def _batch_and_state_findings(
    model: nn.Module, clip: Tensor, alone: Tensor, again: Tensor, seen: _Seen, gives: str
) -> Iterator[Finding]:
    """Findings on logits that depend on more than the clip: `again` had another random state."""
    share = rounding(model) * (10 if clip.is_cuda else 1)  # there other sizes have other kernels, which round by 1e-3
    with torch.no_grad():
        if _differ(alone, again, share / 10):
            same_seed = _seeded_call(model, clip)
            finding = _stateful_finding if _differ(alone, same_seed, share / 10) else _random_finding
            yield finding(_difference_text(alone, again, gives))
            return
        try:
            both = _seeded_call(model, torch.cat([_noise_clip(clip), clip]))
        except Exception as error:  # noqa: BLE001 (it took one clip, so that this is about their number)
            if is_out_of_memory(error):
                yield _memory_finding("a batch of two clips")
                return
            text = f"it takes one clip, and fails on two ({_first_line(error)})"
            yield Finding("batch", "error", text, "let `forward` take any number of clips")
            return
    if of_both := _output_finding(model, both, alone.shape[1], count=2, gives=gives):
        yield of_both
    elif _differ(alone, both[1:], share):
        gap = _difference_text(alone, both[1:], gives)
        yield Finding("batch", "error", f"its answer to a clip depends on the others of the batch ({gap})", RUNNING)
    if len({each.data_ptr() for each in seen.outputs[:2]}) == 1:
        step = "nothing to do: its values are copied after each call"
        yield Finding("same_tensor", "note", "it returns the same tensor at every call", step)


def _memory_finding(what: str) -> Finding:
    return Finding("memory", "warning", f"{what} does not fit into memory", "choose smaller clips, or another device")


def _random_finding(gap: str) -> Finding:
    text = f"it draws at random: the same clip has other logits each time ({gap})"
    step = "is there dropout that stays on? Use `nn.Dropout`, or `functional.dropout(…, training=self.training)`"
    return Finding("random", "error", text, step)


def _stateful_finding(gap: str) -> Finding:
    text = f"it keeps state from call to call: the same clip has other logits ({gap})"
    return Finding("state", "error", text, "reset what it remembers at the beginning of `forward`")


def _differ(one: Tensor, other: Tensor, share: float) -> bool:
    """True if logits differ by more than a share of the greatest; NaN counts as equal."""
    one, other = one.nan_to_num(0, 0, 0), other.nan_to_num(0, 0, 0)
    greatest = torch.maximum(one.abs().max(), other.abs().max())
    return bool((one - other).abs().max() > share * greatest)


def _difference_text(one: Tensor, other: Tensor, gives: str) -> str:
    return _format_difference((answers(one, gives) - answers(other, gives)).abs().max().item(), gives)


def _format_difference(gap: float, gives: str) -> str:
    return f"{'values' if gives == 'regression' else 'probabilities'} differ by {gap:.2g}"


# Gradients.


def _inputs_and_logits(model: nn.Module, clip: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A copy of a clip that gradients are taken to, and its logits."""
    inputs = clip.clone().requires_grad_()
    with torch.enable_grad():
        return inputs, _seeded_call(model, inputs, seed)


def _gradient_findings(model: nn.Module, clip: Tensor, inputs: Tensor, logits: Tensor, gives: str) -> Iterator[Finding]:
    """Findings on the way back from the logits to the clip."""
    function = logits.grad_fn
    while function is not None and function.name().rstrip("0123456789").removesuffix("Backward") in SHAPING:
        function = function.next_functions[-1][0]
    if gives in SIGMOIDS and function is not None and function.name().startswith("Sigmoid"):
        yield Finding("sigmoid", "error", *SIGMOIDS[gives])
    if trouble := _gradient_trouble(model, clip, inputs, logits):
        step = (
            "only methods that need none, such as rise and occlusion, can explain it, and how little it needs is "
            "searched by forward passes alone; compute with gradients for others"
        )
        yield Finding("no_gradient", "warning", f"no gradient reaches the clip: it {trouble}", step)


def _gradient_trouble(model: nn.Module, clip: Tensor, inputs: Tensor, logits: Tensor) -> str:
    """The reason why no gradient reaches the clip; empty if one does."""
    slope = _gradient_or_reason(inputs, logits)
    if isinstance(slope, str):
        return slope
    other = _noise_clip(clip)
    if slope.any() or _is_nonzero(_gradient_or_reason(*_inputs_and_logits(model, other))):
        return ""
    with torch.no_grad():  # flat at both clips: the network sees nothing there, or it rounds
        near = [(_seeded_call(model, each), _seeded_call(model, (each + SMALL).clamp(0, 1))) for each in (clip, other)]
    return (
        "is 0 although the answer changes with the clip (rounding?)"
        if any(_differ(*each, 1e-6) for each in near)
        else ""
    )


def _is_nonzero(slope: Tensor | str) -> bool:
    return isinstance(slope, Tensor) and bool(slope.any())


def _gradient_or_reason(inputs: Tensor, logits: Tensor) -> Tensor | str:
    """Gradient of a weighted sum of the logits, or the reason why there is none."""
    if not logits.requires_grad:
        return CUT
    weights = torch.arange(1, logits.shape[1] + 1, device=logits.device).sqrt()
    try:
        (slope,) = torch.autograd.grad(logits, inputs, weights.expand_as(logits), allow_unused=True)
    except RuntimeError as error:  # NotImplementedError among them
        if is_out_of_memory(error):
            raise
        return f"cannot be computed ({_first_line(error)})"
    return CUT if slope is None else slope


# The network itself.


def of_weights(
    model: nn.Module, rebuild: Callable[[], nn.Module], clip: Tensor, gives: str = "softmax"
) -> Iterator[Finding]:
    """A finding if a network that is built again with the same weights answers a clip in another way."""
    if apart := rebuilding.difference(model, rebuild, clip, gives):
        text = (
            "it computes with more than its state_dict holds: built again with the same weights it gives other "
            f"answers ({_format_difference(apart, gives)})"
        )
        step = (
            "others than these are neither trained nor saved: hold layers as attributes or in `nn.ModuleList`, not in "
            "a list, and tensors as `nn.Parameter` or by `register_buffer`"
        )
        yield Finding("unsaved", "error", text, step)


def _structure_findings(model: nn.Module, seen: _Seen) -> Iterator[Finding]:
    """Findings on `activation_layer`, writes into the input, and TorchScript."""
    layer = getattr(model, "activation_layer", None)
    if layer is not None and not isinstance(layer, nn.Module):
        text = f"its activation_layer is a {type(layer).__name__}, no module"
        yield Finding("activation_layer", "error", text, "let it be the module itself, such as `self.features[-1]`")
    elif layer is not None and not seen.layer_calls:
        text = "it never calls its activation_layer, which Grad-CAM and others read"
        yield Finding("activation_layer", "warning", text, "let it be the last convolution that `forward` calls")
    if seen.wrote:
        yield Finding("writes", "note", "it writes into its input", "nothing to do: it gets a copy of every clip")
    if any(isinstance(each, torch.jit.ScriptModule) for each in model.modules()):
        text = "it is TorchScript: methods that look into layers, such as grad_cam, cannot explain it"
        yield Finding("torchscript", "note", text, "give the network in Python for those")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
