"""Fixtures that several tests share."""

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import command_line
import demo_audit
import pytest
import questioned_audit
import torch
from hypothesis import settings

settings.register_profile("stepaudit", deadline=None)  # a busy machine is no failure
settings.load_profile("stepaudit")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tests run side by side; one thread each is fastest."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture
def stepaudit() -> Callable[..., command_line.Ended]:
    """`stepaudit(*words)` runs the command line in the present folder; its result is a tuple of status, out and err."""
    return command_line.run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of UCF-101, its split lists and boxes; tests that need it are skipped where it is missing."""
    folder = os.environ.get("STEPAUDIT_TEST_DATA")
    if not folder or not Path(folder, "UCF-101").is_dir():
        pytest.skip("STEPAUDIT_TEST_DATA names no folder with UCF-101, ucfTrainTestlist and UCF101-24")
    return Path(folder)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """`made_once(name, make)`: a folder that `make` fills, once for all processes that test. Tests only read it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def folder_of(name: str, make: Callable[[Path], None]) -> Path:
        folder, whole = shared / name, shared / f"{name}.whole"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)  # half made by a test that failed
                folder.mkdir()
                make(folder)
                whole.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def questioned(made_once) -> Path:
    """A folder with the audit of `questioned_audit`, `results/demo`, and its database."""
    return made_once("questioned", lambda folder: questioned_audit.write(folder / "results"))


@pytest.fixture
def working_folder(made_once, tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of a folder in which an audit `results/demo` has run and a user's own files lie, as the present one."""
    folder = tmp_path / "here"
    shutil.copytree(made_once("working folder", demo_audit.make), folder, symlinks=True)
    monkeypatch.chdir(folder)
    yield folder
    for name in ("my_models", "my_methods"):  # the next folder's must not be taken for these
        sys.modules.pop(name, None)
