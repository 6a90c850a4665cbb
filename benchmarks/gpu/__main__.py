"""Runs all sections: `python -m benchmarks.gpu [--tiny] [--out FOLDER]`; `--tiny` takes seconds on a CPU."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torchvision

from benchmarks.gpu import agreement, forms, hours, throughput
from benchmarks.gpu.page import Page
from benchmarks.gpu.setting import TINY, WHOLE, Setting, Work

SECTIONS: dict[str, Callable[[Setting], Iterator[Work]]] = {
    "agreement": agreement.works,
    "throughput": throughput.works,
    "forms": forms.works,
    "hours": hours.works,
    "compiled": forms.compiled,
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small networks on a CPU")
    parser.add_argument("--out", type=Path, default=Path("results/gpu"))
    chosen = parser.parse_args(arguments)
    setting = TINY if chosen.tiny else WHOLE
    if setting.device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no GPU; `--tiny` tries the run on a CPU")
    page = Page(chosen.out, about(setting))
    for section, works in SECTIONS.items():
        run(section, works(setting), page, setting.seconds.get(section, float("inf")))


def about(setting: Setting) -> dict:
    """Device and versions of a run."""
    name = torch.cuda.get_device_name() if setting.device.type == "cuda" else "CPU"
    return {"device": name, "torch": torch.__version__, "torchvision": torchvision.__version__}


def run(section: str, works: Iterator[Work], page: Page, limit: float) -> None:
    """Do the works of a section until its time is over; what fails is a row."""
    end = time.monotonic() + limit
    for name, work in works:
        if time.monotonic() > end:
            page.add(section, [{"check": name, "status": f"not reached within {limit:.0f} s"}])
            continue
        page.add(section, _rows(name, work))


def _rows(name: str, work: Callable[[], list[dict]]) -> list[dict]:
    start = time.monotonic()
    try:
        rows = work()
    except Exception as error:  # noqa: BLE001 (the others are still to be done)
        first = next(iter(str(error).splitlines()), "")[:200]
        rows = [{"check": name, "status": f"error: {type(error).__name__}: {first}"}]
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    for row in rows:
        sys.stdout.write(f"{time.monotonic() - start:.1f} s  {row}\n")
    sys.stdout.flush()
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])
