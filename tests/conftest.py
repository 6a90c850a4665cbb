"""Fixtures that several tests share."""

import os
from pathlib import Path

import pytest
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


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of UCF-101, its split lists and boxes; tests that need it are skipped where it is missing."""
    folder = os.environ.get("STEPAUDIT_TEST_DATA")
    if not folder or not Path(folder, "UCF-101").is_dir():
        pytest.skip("STEPAUDIT_TEST_DATA names no folder with UCF-101, ucfTrainTestlist and UCF101-24")
    return Path(folder)
