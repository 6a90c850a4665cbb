"""Checks of a machine and its installation, a function for each line. Nothing is downloaded or left behind."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from stepaudit.commands.doctor.findings import Finding, fine, problem, warning
from stepaudit.running import footprint
from stepaudit.store import package_files

MIN_PYTHON = (3, 11)
MIN_MB = 4000  # PyTorch, a narrow model and a batch
PLUGIN = "snakemake_executor_plugin_slurm"
PROFILE = Path("slurm", "profile.yaml")
SECONDS = 60
ADVICE = "install stepaudit again in an environment of its own, `pip install --editable .` in its checkout"


def python(running: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """The version of Python."""
    text = ".".join(map(str, running[:3]))
    if tuple(running[:2]) < MIN_PYTHON:
        least = ".".join(map(str, MIN_PYTHON))
        return problem("python", f"{text} is too old", f"make an environment with Python {least} or later")
    return fine("python", f"{text}, {sys.executable}")


def required() -> list[str]:
    """Requirements of stepaudit, such as `numpy>=2.0`; empty if it is not installed."""
    try:
        return [each for each in requires("stepaudit") or [] if ";" not in each]
    except PackageNotFoundError:
        return []


def packages(requirements: Iterable[str]) -> Finding:
    """Check the versions of all required packages."""
    matches = [re.match(r"([\w.-]+)(?:>=([\d.]+))?", each) for each in requirements]
    minimum = {match[1]: match[2] or "0" for match in matches if match}
    if not minimum:
        return warning("packages", "stepaudit is not installed here, so that its requirements are not known", ADVICE)
    if wrong := [text for name, least in minimum.items() if (text := _version_problem(name, least))]:
        return problem("packages", ", ".join(wrong), ADVICE)
    return fine("packages", f"all {len(minimum)} are installed and new enough")


def _version_problem(name: str, least: str) -> str:
    try:
        installed = version(name)
    except PackageNotFoundError:
        return f"{name} is missing"
    return f"{name} {installed} is older than {least}" if _version_numbers(installed) < _version_numbers(least) else ""


def _version_numbers(text: str) -> list[int]:
    """[2, 14] of `2.14.0+cpu`, without zeros at the end."""
    digits = re.sub(r"[^\d.].*", "", text)
    return [int(part) for part in re.sub(r"(\.0*)+$", "", digits).split(".") if part]


def torch(probed: Mapping) -> Finding:
    """Check that PyTorch and torchvision are built for each other, by the result of `torch_probe`."""
    if "gpus" in probed:
        return fine("torch", f"torch {probed['torch']} and torchvision {probed['torchvision']} work together")
    known = " ".join(f"{name} {probed[name]}" for name in ("torch", "torchvision") if name in probed)
    return problem("torch", f"{known or 'torch'} does not work: {probed.get('error', 'no answer')}", ADVICE)


def has_nvidia() -> bool:
    """True if there is an NVIDIA GPU, also one that PyTorch cannot use."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def gpu(probed: Mapping, device: str, nvidia: bool) -> Finding:
    """Check that a GPU computes the same as a CPU, by the result of `torch_probe`.

    Args:
        device: of the configuration.
        nvidia: the machine has a GPU.
    """
    if "gpus" not in probed:
        return warning("gpu", "not tried, since PyTorch does not work", "repair PyTorch first")
    if probed["gpus"] and probed.get("gpu_agrees"):
        memory = f"{probed['free_gb']:.0f} of {probed['total_gb']:.0f} GB free"
        more = f", the first of {probed['gpus']}" * (probed["gpus"] > 1)
        return fine("gpu", f"{probed['gpu']}{more}: {memory}; a convolution works" + " (unused)" * (device == "cpu"))
    if device == "cpu" or not (nvidia or probed["gpus"] or device == "cuda"):
        return fine("gpu", "none: models run on the CPU" if device != "cpu" else "not used (`device: cpu`)")
    kind = problem if device == "cuda" or probed["gpus"] else warning
    return kind("gpu", *_gpu_trouble(probed, nvidia))


def _gpu_trouble(probed: Mapping, nvidia: bool) -> tuple[str, str]:
    """Sentence and next step for a GPU that cannot be used."""
    if probed["gpus"] and "gpu_error" not in probed:
        return f"{probed.get('gpu', 'it')} does not compute the same as the CPU", "set `device: cpu`; the GPU is broken"
    if probed["gpus"]:
        advice = "install a PyTorch that is built for this GPU, or set `device: cpu`"
        return f"it does not compute: {probed['gpu_error']}", advice
    if not nvidia:
        return "`device: cuda`, but this machine has no GPU", "set `device: auto`, or run on one that has"
    if probed.get("built_for") is None:
        return "there is one, but this PyTorch is built for CPUs", "install a CUDA build of torch and torchvision"
    advice = "update the driver, or install a PyTorch that is built for an older CUDA"
    return f"there is one, but PyTorch (CUDA {probed['built_for']}) cannot use it: {probed.get('gpu_error')}", advice


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(environment: Mapping[str, str], available: int) -> Finding:
    """Check the threads of a job, `OMP_NUM_THREADS`, against the cores."""
    given = environment.get("OMP_NUM_THREADS", "1")
    text = f"{available} core{'s' * (available != 1)}"
    if not given.isdecimal() or int(given) < 1:
        advice = "unset it: a job then takes one thread"
        return problem("threads", f"OMP_NUM_THREADS is {given!r}, which is not a positive integer", advice)
    if int(given) > available:
        problem_text = f"OMP_NUM_THREADS is {given}, but there are {text}: threads wait for each other"
        return warning("threads", problem_text, "unset it, and let `--cores` run jobs side by side")
    return fine("threads", f"{text}; {given} for each job, so `snakemake --cores {max(1, available // int(given))}`")


def memory_mb() -> float:
    """Memory limit of this process, MB."""
    return min(footprint.limit_mb(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / footprint.MB)


def memory(limit_mb: float) -> Finding:
    """Check the memory of the machine, or of the control group or Slurm job."""
    text = f"{limit_mb / 1000:.1f} GB"
    if limit_mb < MIN_MB:
        return warning("memory", f"{text} is little for PyTorch", "run on a larger machine, or `snakemake --cores 1`")
    return fine("memory", text)


def snakemake(interpreter: Path, path: str) -> Finding:
    """Check that Snakemake is installed beside this Python, so that its jobs import the same stepaudit.

    Args:
        interpreter: the running Python.
        path: the environment variable PATH.
    """
    beside = interpreter.with_name("snakemake")
    if not beside.exists():
        return problem("snakemake", f"none beside {interpreter}", ADVICE)
    try:
        done = subprocess.run([beside, "--version"], capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return problem("snakemake", f"{beside} does not start: {error}", ADVICE)
    first = shutil.which("snakemake", path=path)
    if first is None:
        return warning("snakemake", "not on the PATH", f"activate the environment, `. {beside.with_name('activate')}`")
    if not Path(first).samefile(beside):
        return warning("snakemake", f"`snakemake` is {first}, of another environment", f"call {beside} instead")
    return fine("snakemake", f"{done.stdout.strip()}, {first}")


def workflow(folder: Path) -> Finding:
    """The command for the rules, which lie in the folder of the Snakemake run, or in stepaudit's own."""
    command = package_files.snakemake(folder)
    if command == "snakemake":
        return fine("workflow", "the Snakefile is here")
    return fine("workflow", f"not in this folder, so `{command}`")


def slurm(folder: Path, path: str, *, required: bool, plugin: str = PLUGIN) -> Finding:
    """Check the requirements of `snakemake --profile slurm`: the profile, the executor and Slurm itself.

    Args:
        folder: in which Snakemake runs.
        path: the environment variable PATH.
        required: the profile will be used; otherwise missing parts are a warning, and only on a machine with Slurm.
        plugin: the executor's module.
    """
    installed = shutil.which("sinfo", path=path) is not None
    if not installed and not required:
        return fine("slurm", "not here, and not required (`--slurm`)")
    profile = Path("workflow/profiles", PROFILE.parent)
    own = package_files.snakefile().parent
    is_checkout = own == package_files.CHECKOUT
    link = f"in the checkout `ln -sfn {profile} .`" if is_checkout else f"`ln -sfn {shlex.quote(str(own / profile))} .`"
    missing = [
        *([] if installed else [("no `sinfo`", "run on a login node of the cluster")]),
        *([] if find_spec(plugin) else [("no executor", "`pip install 'stepaudit[slurm]'`")]),
        *([] if (folder / PROFILE).is_file() else [(f"no {PROFILE}", link)]),
    ]  # fmt: skip
    if missing:
        texts, steps = zip(*missing, strict=True)
        return (problem if required else warning)("slurm", ", ".join(texts), "; ".join(steps))
    return fine("slurm", "profile, executor and `sinfo` are here")
