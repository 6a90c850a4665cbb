"""One report of a small audit with hostile names, and one browser, for all tests of this folder."""

from pathlib import Path

import chromium
import pytest
from hostile_audit import FRAMES, MODELS, SIZE, small_tables
from tiny_audit import write_audit

from stepaudit.stages import report


@pytest.fixture(scope="session")
def page(tmp_path_factory) -> Path:
    """The report's page."""
    folder = tmp_path_factory.mktemp("browser")
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE}
    return report.run(write_audit(folder, small_tables(), models=MODELS, clips=size, preserve={"methods": ["step"]}))


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A running Chromium; tests that need it are skipped where there is none."""
    if chromium.PATH is None:
        pytest.skip(f"no Chromium on this machine (looked for {', '.join(chromium.NAMES)})")
    with chromium.Chromium(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.fixture
def tab(browser, page):
    """The page in the browser, as if opened for the first time on a desktop."""
    browser.scripts(run=True)
    browser.media()
    browser.resize(1280)
    browser.open(page)
    browser.value("try { localStorage.clear() } catch {}")
    return browser
