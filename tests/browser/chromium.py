"""A headless Chromium that tests drive over a pipe: the DevTools protocol, with the standard library alone.

`--remote-debugging-pipe` speaks over the file descriptors 3 (to the browser) and 4 (from it): JSON messages, each ended
by a NUL. Whatever a page writes to the console, throws, logs or asks for is collected from the moment it opens.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATH = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
    *("--no-first-run", "--disable-extensions", "--disable-background-networking", "--mute-audio", "--hide-scrollbars"),
)
# Both ends go up first: one of them may be 3 or 4 itself.
BECOME = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
SECONDS = 60  # for an answer, on a busy machine


class Chromium:
    """A browser with one tab. `with Chromium(folder) as tab: tab.open(path)`; its profile lies in the folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.count = 0
        self.waiting = b""
        self.session: str | None = None
        self.forget()

    def __enter__(self) -> "Chromium":
        to_read, self.write_end = os.pipe()
        self.read_end, to_write = os.pipe()
        command = [PATH, *OPTIONS, f"--user-data-dir={self.folder / 'profile'}", "about:blank"]
        with (self.folder / "chromium.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", BECOME, str(to_read), str(to_write), *command],
                pass_fds=(to_read, to_write),
                stdout=log,
                stderr=log,
            )
        os.close(to_read)
        os.close(to_write)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        # Chromium gives files a process of their own; what the first one said while that began would be lost.
        first = self.folder / "first.html"
        first.write_text("<title>first</title>")
        self.open(first)
        return self

    def __exit__(self, *error: object) -> None:
        for end in (self.write_end, self.read_end):
            os.close(end)
        self.process.terminate()
        self.process.wait(timeout=SECONDS)

    def call(self, method: str, **values: Any) -> dict:
        """The answer to a command of the protocol. Raises RuntimeError with the browser's message."""
        self.count += 1
        number = self.count
        session = {"sessionId": self.session} if self.session else {}
        message = {"id": number, "method": method, "params": values, **session}
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self.write_end, text) :]
        while True:
            answer = self._read(SECONDS)
            if answer.get("id") == number:
                break
            self._keep(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, path: Path) -> None:
        """Opens a file, and waits until it has loaded; what was collected of the page before is forgotten."""
        self.forget()
        loader = self.call("Page.navigate", url=path.as_uri())["loaderId"]
        self._until(lambda: loader in self.loaded)
        self.value("0")  # what the page said before it had loaded has been told by now

    def forget(self) -> None:
        """Forgets what was collected."""
        self.console: list[str] = []
        self.requests: list[str] = []
        self.loaded: set[str] = set()

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives, or what its promise does. Raises RuntimeError if it throws."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", str(found)))
        return found["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 20) -> None:
        """Waits until an expression is true. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not self.value(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"still not true: {expression}; console: {self.console}")
            time.sleep(0.05)

    def resize(self, width: int, height: int = 900) -> None:
        """Shows the page as wide as a screen of so many pixels."""
        phone = width < 700
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def media(self, kind: str = "", **features: str) -> None:
        """`print`, or features such as `prefers_color_scheme="dark"`; none: as it was."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", media=kind, features=named)

    def scripts(self, *, run: bool) -> None:
        """Whether pages that are opened from now on may run scripts."""
        self.call("Emulation.setScriptExecutionDisabled", value=not run)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Presses a key, such as `("Tab", 9)` or `("Enter", 13, "\\r")`."""
        values = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown", **values)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Writes what is seen as PNG; `whole`: the page from its top to its end."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def scroll_through(self) -> None:
        """Brings each part of the page into view once."""
        height, step = self.value("[document.documentElement.scrollHeight, innerHeight]")
        for top in range(0, height, max(1, int(step * 0.8))):
            self.value(f"scrollTo({{top: {top}, behavior: 'instant'}}); new Promise(requestAnimationFrame)")

    def foreign_requests(self, path: Path) -> list[str]:
        """What was asked for beside the page itself and what lies inside it."""
        return [
            url for url in self.requests if url.split("#")[0] != path.as_uri() and url[:5] not in ("data:", "blob:")
        ]

    def _until(self, holds) -> None:
        end = time.monotonic() + SECONDS
        while not holds():
            self._keep(self._read(max(0.1, end - time.monotonic())))

    def _read(self, seconds: float) -> dict:
        """The next message. Raises TimeoutError."""
        while b"\0" not in self.waiting:
            if not select.select([self.read_end], [], [], seconds)[0]:
                raise TimeoutError(f"Chromium said nothing for {seconds:.0f} s")
            found = os.read(self.read_end, 1 << 20)
            if not found:
                raise RuntimeError(f"Chromium has ended: {(self.folder / 'chromium.log').read_text()[-500:]}")
            self.waiting += found
        message, _, self.waiting = self.waiting.partition(b"\0")
        return json.loads(message)

    def _keep(self, event: dict) -> None:
        values, name = event.get("params", {}), event.get("method", "")
        if name == "Page.lifecycleEvent" and values["name"] == "load":
            self.loaded.add(values["loaderId"])
        elif name == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            texts = (str(each.get("value", each.get("description"))) for each in values["args"])
            self.console.append(f"{values['type']}: {' '.join(texts)}")
        elif name == "Runtime.exceptionThrown":
            details = values["exceptionDetails"]
            self.console.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
        elif name == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.console.append(f"log: {values['entry']['text']}")
        elif name == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
