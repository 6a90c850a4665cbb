"""Video classifiers of the library transformers: VideoMAE, TimeSformer, ViViT and V-JEPA 2."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from stepaudit.errors import NotApplicableError, UsageError
from stepaudit.layers import arranged, patches
from stepaudit.models._normalise import Normalised
from stepaudit.models._tokens import divided, joint

GREYS = (0, 51, 255)  # of plain clips, whose values behind the preprocessing give its normalisation
TOLERANCE = 1e-4
UNNAMED = "LABEL_"  # what the library calls classes without a name
BEFORE_ATTENTION = (".layernorm_before", ".norm1")  # the library's names
UNUSED = ("predictor",)  # parts of a pretrained encoder that its classifier never calls


class VideoClassifier(Normalised):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K]; takes clips of the size that it was trained on alone.

    Args:
        net: classifier of transformers.
        mean: of each channel, in [0, 1].
        std: likewise.
        classes: names of its classes in the order of its logits; None if it does not name them.
        untrained: names of its weights that are random, because its files hold none that fit.
    """

    def __init__(
        self,
        net: Any,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        *,
        classes: list[str] | None = None,
        untrained: list[str] | None = None,
    ):
        super().__init__(net, mean, std)
        self.classes, self.untrained = classes, untrained or []
        self.input_size = _size(net.config)

    def forward(self, clips: Tensor) -> Tensor:
        if tuple(clips.shape[-3:]) != self.input_size:
            raise UsageError(
                f"it takes clips of {' × '.join(map(str, self.input_size))} (frames, rows, columns), not of "
                f"{' × '.join(map(str, clips.shape[-3:]))}; {self.advice}"
            )
        frames_first = self.normalise(clips).transpose(1, 2)
        return self.backbone(**{str(self.backbone.main_input_name): frames_first}).logits

    @property
    def activation_layer(self) -> nn.Module | None:
        """The normalisation before the last attention: behind it only a class token may count."""
        return next((layer for name, layer in reversed(self._layers) if name.endswith(BEFORE_ATTENTION)), None)

    @property
    def _layers(self) -> list[tuple[str, nn.Module]]:
        return list(self.backbone.named_modules())

    def activation_grid(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        """Tokens of any layer, [N, L, C] or of each frame [N · T, L, C], as [N, C, t, h, w]."""
        grid, config = patches(size, _patch(self.backbone.config)), self.backbone.config
        if tokens.ndim == 3 and tokens.shape[1] == prod(grid[1:]) + 1 and len(tokens) % grid[0] == 0 and grid[0] > 1:
            frames = arranged(tokens, (1, *grid[1:]))
            return frames[:, :, 0].unflatten(0, (-1, grid[0])).transpose(1, 2)
        return arranged(tokens, grid, "HWT" if hasattr(config, "attention_type") else "THW")

    def rollout(self, weights: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Relevance [N, t, h, w] of the patches to the answer, from weights [n, queries, keys] of all attention.

        Raises:
            NotApplicableError: its frames are classified one by one.
        """
        grid, kind = patches(size, _patch(self.backbone.config)), getattr(self.backbone.config, "attention_type", None)
        if kind == "divided_space_time":
            return divided(weights, grid)
        if kind == "space_only":
            raise NotApplicableError("attention within frames alone is not rolled out")
        return arranged(joint(weights, prod(grid))[..., None], grid, "HWT" if kind else "THW")[:, 0]

    @property
    def advice(self) -> str:
        """The line of a configuration that gives it the clips that it takes."""
        frames, height, width = self.input_size
        return f"set `clips: {{frames: {frames}, height: {height}, width: {width}}}` of the model"


def build(classes: int, *, path: str = "") -> nn.Module:
    """Trained video classifier of transformers, with a new last layer if it has another number of classes.

    Frames, size, normalisation and names of classes are those of its own files.

    Args:
        path: folder of its files (`save_pretrained` of the model and its processor), or its name on huggingface.co.

    Raises:
        UsageError: transformers is not installed, or there is no such model, or it is no video classifier.
    """
    library = _library()
    if not path:
        raise UsageError("huggingface: give the folder or the name of the model, `options: {path: my_videomae}`")
    with _quiet(library), _errors_as_usage(path):
        config = library.AutoConfig.from_pretrained(path)
        changes = {} if config.num_labels == classes else {"num_labels": classes, "ignore_mismatched_sizes": True}
        net, report = library.AutoModelForVideoClassification.from_pretrained(
            path, dtype=torch.float32, output_loading_info=True, **changes
        )
        mean, std = _normalisation(library, path, _size(config))
    for name in UNUSED:
        if hasattr(net.base_model, name):
            setattr(net.base_model, name, None)
    names = [
        key if isinstance(key, str) else key[0] for kind in ("missing_keys", "mismatched_keys") for key in report[kind]
    ]
    untrained = sorted(name for name in names if name in net.state_dict())
    return VideoClassifier(net.eval(), mean, std, classes=_names(config), untrained=untrained)


def class_names(*, path: str) -> list[str] | None:
    """Names of its classes in the order of its logits; None if it does not name them. Raises UsageError as `build`."""
    library = _library()
    with _quiet(library), _errors_as_usage(path):
        return _names(library.AutoConfig.from_pretrained(path))


def class_count(path: str) -> int:
    """Number of classes of a trained classifier. Raises UsageError as `build`."""
    library = _library()
    with _quiet(library), _errors_as_usage(path):
        return library.AutoConfig.from_pretrained(path).num_labels


def _library() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise UsageError(
            "model 'huggingface' needs the library transformers; install it, `pip install 'stepaudit[transformers]'`"
        ) from error
    return transformers


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Without the library's progress bars and warnings, which `untrained` says in its place."""
    logging = library.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def _errors_as_usage(path: str) -> Iterator[None]:
    """Errors of the library as UsageError with the next step."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join((str(error).strip() or type(error).__name__).split())[:300]
        raise UsageError(
            f"huggingface: cannot load '{path}' ({reason}); give a folder with config.json, model.safetensors and "
            "video_preprocessor_config.json of a video classifier, or its name on huggingface.co"
        ) from error


def _size(config: Any) -> tuple[int, int, int]:
    """Frames, rows and columns of the clips that a network takes."""
    frames = getattr(config, "num_frames", None) or config.frames_per_clip
    side = getattr(config, "image_size", None) or config.crop_size
    height, width = (side, side) if isinstance(side, int) else side
    return int(frames), int(height), int(width)


def _patch(config: Any) -> tuple[int, int, int]:
    """Frames, rows and columns of a patch."""
    tubelet = getattr(config, "tubelet_size", 1)
    if not isinstance(tubelet, int):
        return tuple(tubelet)
    height, width = (config.patch_size,) * 2 if isinstance(config.patch_size, int) else config.patch_size
    return tubelet, height, width


def _normalisation(library: Any, path: str, size: tuple[int, int, int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, in [0, 1], as its preprocessing changes plain clips.

    Raises:
        ValueError: the preprocessing is another.
    """
    processor = library.AutoVideoProcessor.from_pretrained(path)
    black, dark, white = (_processed(processor, grey, size) for grey in GREYS)
    scale = white - black
    if (dark - black - scale * GREYS[1] / 255).abs().max() > TOLERANCE or (scale <= 0).any():
        raise ValueError("its preprocessing is not a mean and a standard deviation for each channel")
    return tuple((-black / scale).tolist()), tuple((1 / scale).tolist())


def _processed(processor: Any, grey: int, size: tuple[int, int, int]) -> Tensor:
    """Values [3] of a plain clip behind the preprocessing. Raises ValueError if it is no longer plain."""
    frames = torch.full((size[0], 3, *size[1:]), grey, dtype=torch.uint8)
    as_they_are = {"do_sample_frames": False, "do_resize": False, "do_center_crop": False}
    values = next(iter(processor(frames, return_tensors="pt", **as_they_are).values()))[0]
    channels = values.transpose(0, 1).flatten(1).double()
    if (channels.amax(dim=1) - channels.amin(dim=1)).max() > TOLERANCE:
        raise ValueError("its preprocessing changes plain frames other than by a mean and a standard deviation")
    return channels.mean(dim=1)


def _names(config: Any) -> list[str] | None:
    names = [str(config.id2label[place]) for place in range(len(config.id2label))]
    return None if all(name.startswith(UNNAMED) for name in names) else names
