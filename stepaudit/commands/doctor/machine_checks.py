"""Checks of a machine and its installation: a function each, which gives one line. Nothing is downloaded or kept."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from stepaudit.commands.doctor.findings import Finding, fine, problem, warning
from stepaudit.running import footprint
from stepaudit.store.package_files import CHECKOUT

LEAST_PYTHON = (3, 11)
LEAST_MB = 4000  # PyTorch, a narrow model and a batch
PLUGIN = "snakemake_executor_plugin_slurm"
PROFILE = Path("slurm", "profile.yaml")
SECONDS = 60
ADVICE = "install stepaudit anew in an environment of its own, `pip install --editable .` in its checkout"


def python(running: Sequence[int] = sys.version_info) -> Finding:
    """The version of Python."""
    text = ".".join(map(str, running[:3]))
    if tuple(running[:2]) < LEAST_PYTHON:
        wanted = ".".join(map(str, LEAST_PYTHON))
        return problem("python", f"{text} is too old", f"make an environment with Python {wanted} or later")
    return fine("python", f"{text}, {sys.executable}")


def required() -> list[str]:
    """What stepaudit needs, such as `numpy>=2.0`; nothing if it is not installed but only found."""
    try:
        return [each for each in requires("stepaudit") or [] if ";" not in each]
    except PackageNotFoundError:
        return []


def packages(requirements: Iterable[str]) -> Finding:
    """The versions of all packages that are needed."""
    wanted = [re.match(r"([\w.-]+)(?:>=([\d.]+))?", each).groups() for each in requirements]
    if not wanted:
        return warning("packages", "stepaudit is not installed here, so that nobody knows what it needs", ADVICE)
    if wrong := [text for name, least in wanted if (text := _wrong_version(name, least or "0"))]:
        return problem("packages", ", ".join(wrong), ADVICE)
    return fine("packages", f"all {len(wanted)} are there and new enough")


def _wrong_version(name: str, least: str) -> str:
    try:
        there = version(name)
    except PackageNotFoundError:
        return f"{name} is missing"
    return f"{name} {there} is older than {least}" if _numbers(there) < _numbers(least) else ""


def _numbers(text: str) -> list[int]:
    """[2, 14] of `2.14.0+cpu`; zeros at the end say nothing."""
    found = [int(part) for part in re.match(r"[\d.]*", text)[0].split(".") if part]
    while found and found[-1] == 0:
        found.pop()
    return found


def torch(found: Mapping) -> Finding:
    """PyTorch and torchvision, which have to be built for each other. Of what `torch_probe` found."""
    if "gpus" in found:
        return fine("torch", f"torch {found['torch']} and torchvision {found['torchvision']} work together")
    known = " ".join(f"{name} {found[name]}" for name in ("torch", "torchvision") if name in found)
    return problem("torch", f"{known or 'torch'} does not work: {found.get('error', 'no answer')}", ADVICE)


def has_nvidia() -> bool:
    """Whether there is a GPU of NVIDIA, whatever PyTorch says."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def gpu(found: Mapping, device: str, nvidia: bool) -> Finding:
    """Whether a GPU computes what a CPU does. Of what `torch_probe` found.

    Args:
        device: of the configuration.
        nvidia: whether the machine has a GPU.
    """
    if "gpus" not in found:
        return warning("gpu", "not tried, since PyTorch does not work", "mend that first")
    if found["gpus"] and found.get("gpu_agrees"):
        memory = f"{found['free_gb']:.0f} of {found['total_gb']:.0f} GB free"
        more = f", the first of {found['gpus']}" * (found["gpus"] > 1)
        return fine("gpu", f"{found['gpu']}{more}: {memory}; a convolution works" + " (unused)" * (device == "cpu"))
    if device == "cpu" or not (nvidia or found["gpus"] or device == "cuda"):
        return fine("gpu", "none: models run on the CPU" if device != "cpu" else "not asked for (`device: cpu`)")
    kind = problem if device == "cuda" or found["gpus"] else warning
    return kind("gpu", *_gpu_trouble(found, nvidia))


def _gpu_trouble(found: Mapping, nvidia: bool) -> tuple[str, str]:
    if found["gpus"] and "gpu_error" not in found:
        return f"{found.get('gpu', 'it')} computes something else than the CPU", "set `device: cpu`; the GPU is broken"
    if found["gpus"]:
        advice = "install a PyTorch that is built for this GPU, or set `device: cpu`"
        return f"it does not compute: {found['gpu_error']}", advice
    if not nvidia:
        return "`device: cuda`, but this machine has no GPU", "set `device: auto`, or run on one that has"
    if found.get("built_for") is None:
        return "there is one, but this PyTorch is built for CPUs", "install a CUDA build of torch and torchvision"
    advice = "update the driver, or install a PyTorch that is built for an older CUDA"
    return f"there is one, but PyTorch (CUDA {found['built_for']}) cannot use it: {found.get('gpu_error')}", advice


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(environment: Mapping[str, str], available: int) -> Finding:
    """Threads of a job, `OMP_NUM_THREADS`, against the cores."""
    given = environment.get("OMP_NUM_THREADS", "1")
    there = f"{available} core{'s' * (available != 1)}"
    if not given.isdecimal() or int(given) < 1:
        return problem(
            "threads", f"OMP_NUM_THREADS is {given!r}, no whole number", "unset it: a job takes one thread then"
        )
    if int(given) > available:
        text = f"OMP_NUM_THREADS is {given}, but there are {there}: threads wait for each other"
        return warning("threads", text, "unset it, and let `--cores` run jobs side by side")
    return fine("threads", f"{there}; {given} for each job, so `snakemake --cores {max(1, available // int(given))}`")


def memory_mb() -> float:
    """What this process may take at most, MB."""
    return min(footprint.limit_mb(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / footprint.MB)


def memory(limit_mb: float) -> Finding:
    """Memory of the machine, or of the control group or Slurm job."""
    text = f"{limit_mb / 1000:.1f} GB"
    if limit_mb < LEAST_MB:
        return warning("memory", f"{text} is little for PyTorch", "run on a larger machine, or `snakemake --cores 1`")
    return fine("memory", text)


def snakemake(interpreter: Path, path: str) -> Finding:
    """Snakemake beside this Python, whose jobs find the same stepaudit.

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


def workflow(folder: Path, checkout: Path = CHECKOUT) -> Finding:
    """The rules, which Snakemake looks for in the folder that it is run in.

    Args:
        checkout: where this stepaudit lies, with its rules if it is no installed copy.
    """
    if _has_rules(folder):
        return fine("workflow", "the Snakefile is here")
    if _has_rules(checkout):
        return fine("workflow", f"not in this folder, so `snakemake -s {checkout / 'Snakefile'}`")
    advice = "get stepaudit's repository, and run Snakemake in it"
    return warning("workflow", "no Snakefile and workflow/Snakefile in this folder", advice)


def _has_rules(folder: Path) -> bool:
    return (folder / "Snakefile").is_file() and (folder / "workflow/Snakefile").is_file()


def slurm(folder: Path, path: str, *, wanted: bool, plugin: str = PLUGIN) -> Finding:
    """What `snakemake --profile slurm` needs: the profile, the executor and Slurm itself.

    Args:
        folder: that Snakemake is run in.
        path: the environment variable PATH.
        wanted: the profile is to be used; else only a machine that has Slurm is told what is missing.
        plugin: the executor's module.
    """
    there = shutil.which("sinfo", path=path) is not None
    if not there and not wanted:
        return fine("slurm", "not here, and not asked for (`--slurm`)")
    link = f"in the checkout `ln -sfn workflow/profiles/{PROFILE.parent} .`"
    missing = [
        *([] if there else [("no `sinfo`", "run on a login node of the cluster")]),
        *([] if find_spec(plugin) else [("no executor", "`pip install 'stepaudit[slurm]'`")]),
        *([] if (folder / PROFILE).is_file() else [(f"no {PROFILE}", link)]),
    ]  # fmt: skip
    if missing:
        texts, steps = zip(*missing, strict=True)
        return (problem if wanted else warning)("slurm", ", ".join(texts), "; ".join(steps))
    return fine("slurm", "profile, executor and `sinfo` are here")
