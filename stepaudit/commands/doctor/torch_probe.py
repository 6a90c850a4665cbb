"""Test of PyTorch in a process of its own, because it may crash or hang. Nothing is downloaded, no weights are read."""

import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stepaudit.audit import child_process
from stepaudit.errors import UsageError

SECONDS = 300  # PyTorch may be read from a slow disk, and networks are asked
TOLERANCE = 1e-2  # between the CPU's and the GPU's sum of a convolution, relative; TF32 stays within a thousandth


def probe(config: Path | None, seconds: float = SECONDS) -> dict[str, Any]:
    """The result of a process that tries PyTorch; after a failure, `error` and the results before it."""
    try:
        ended = child_process.call(__name__, config and str(config), seconds=seconds, quiet=True)
    except subprocess.TimeoutExpired:
        return {"error": f"it was not loaded within {seconds:g} s"}
    if ended.result is not None:
        return ended.result
    return {"error": f"it ended Python with status {ended.status}: {(ended.printed.splitlines() or [''])[-1]}"}


def _probe(config: Path | None) -> dict[str, Any]:
    """Versions, results of compiled operators and of a GPU, and the weights of a configuration's models."""
    result: dict[str, Any] = {}
    steps: list[Callable[[dict], None]] = [_import_versions, _check_operators, _check_gpu]
    if config is not None:
        steps += [lambda result: _weights_of_models(result, config), lambda result: _probe_networks(result, config)]
    for step in steps:
        try:
            step(result)
        except Exception as error:  # noqa: BLE001 (every failure is a result)
            result["error"] = f"{type(error).__name__}: {error}"
            break
    return result


def _import_versions(result: dict) -> None:
    import torch

    result |= {"torch": torch.__version__, "built_for": torch.version.cuda}
    import torchvision

    result["torchvision"] = torchvision.__version__


def _check_operators(result: dict) -> None:
    """torchvision's compiled operators are missing where the two were not built for each other."""
    import torch
    from torchvision.ops import nms

    chosen = nms(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2]]), torch.tensor([1.0, 0.5]), 0.5)
    if chosen.tolist() != [0]:
        raise RuntimeError(f"torchvision.ops.nms gives {chosen.tolist()}, it should give [0]")


def _check_gpu(result: dict) -> None:
    import torch

    result["gpus"] = torch.cuda.device_count() if torch.cuda.is_available() else 0
    try:
        torch.cuda.init()
        free, total = torch.cuda.mem_get_info()
        result |= {"gpu": torch.cuda.get_device_name(), "free_gb": free / 1e9, "total_gb": total / 1e9}
        clips, filters = torch.rand(1, 3, 4, 16, 16), torch.rand(8, 3, 3, 3, 3)
        here, there = (torch.conv3d(clips.to(to), filters.to(to)).sum().item() for to in ("cpu", "cuda"))
        result["gpu_agrees"] = abs(there / here - 1) < TOLERANCE
    except Exception as error:  # noqa: BLE001 (drivers fail in any way; their message is the result)
        result["gpu_error"] = str(error).splitlines()[0] if str(error) else type(error).__name__


def _weights_of_models(result: dict, config: Path) -> None:
    """Bytes of each model's weights, and the address and cache of torchvision's weights."""
    import torch

    from stepaudit.audit import config as configuration

    settings = configuration.load(config)
    result["cache"] = str(Path(torch.hub.get_dir(), "checkpoints"))
    result["unbuilt"] = {}
    result["bytes"] = {name: _weight_bytes(settings, name, result["unbuilt"]) for name in settings.models}
    names = {entry.weights for entry in settings.models.values() if entry.weights}
    result["weights"] = {name: _weights_url(name) for name in names if not Path(name).is_file()}


def _probe_networks(result: dict, config: Path) -> None:
    """Answers of each network, and its findings."""
    from stepaudit.audit import config as configuration
    from stepaudit.networks import probe

    result["answers"] = [
        (name, "" if answers.errors else answers.sentence, [asdict(each) for each in answers.findings])
        for name, answers in probe.of_models(configuration.load(config))
    ]


def _weight_bytes(settings: Any, model: str, unbuilt: dict[str, str]) -> int | None:
    """Bytes of a model's weights, computed without memory; None, with a note in `unbuilt`, if it cannot be built."""
    from stepaudit.layers import without_data

    try:
        with without_data():
            net = settings.component("models", model).load()(2, **settings.models[model].options)
        return sum(value.numel() * value.element_size() for value in net.state_dict().values())
    except UsageError as error:
        unbuilt[model] = str(error)
        return None
    except Exception:  # noqa: BLE001 (a user's network may need data; then its size is not known)
        return None


def _weights_url(name: str) -> str | None:
    from torchvision.models import get_weight

    try:
        return get_weight(name).url
    except (KeyError, ValueError, AttributeError):
        return None


def answer(request: str | None) -> dict[str, Any]:
    """Run the checks; `child_process.call` calls this by name in the child process."""
    try:
        return _probe(None if request is None else Path(request))
    except UsageError as error:
        return {"error": str(error)}
