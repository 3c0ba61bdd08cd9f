"""A real browser with real keys and a real mouse, spoken to over a pipe (DevTools protocol)."""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip
KEYS = {
    "Enter": ("\r", 13), "Tab": ("", 9), "ArrowUp": ("", 38), "ArrowDown": ("", 40),
    "ArrowLeft": ("", 37), "ArrowRight": ("", 39), "Escape": ("", 27), "Home": ("", 36),
    " ": (" ", 32),
}  # fmt: skip
SECONDS = 60  # a page may take
_BEGIN = """
import os, sys
its_in, its_out = (os.dup(int(fd)) if int(fd) in (3, 4) else int(fd) for fd in sys.argv[1:3])
os.dup2(its_in, 3), os.dup2(its_out, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


@contextlib.contextmanager
def chromium(folder):
    """Start a browser, yield a function from a file to its `Page`, and end it; or skip."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("needs a browser: Chromium or Chrome, none was found")
    its_in, our_out = os.pipe()
    our_in, its_out = os.pipe()
    command = [program, *QUIET, f"--user-data-dir={Path(folder) / 'profile'}", "about:blank"]
    # The protocol is spoken on the files 3 and 4, which a process can only put there for itself.
    begin = [sys.executable, "-IS", "-c", _BEGIN, str(its_in), str(its_out), *command]
    browser = subprocess.Popen(
        begin, pass_fds=(its_in, its_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(its_in)
    os.close(its_out)
    try:
        pipe = _Pipe(our_in, our_out)
        yield lambda path, **options: Page(pipe, Path(path), **options)
        with contextlib.suppress(OSError, TimeoutError):
            pipe.ask("Browser.close")
        browser.wait(timeout=10)
    finally:
        browser.kill()
        browser.wait()
        os.close(our_in)
        os.close(our_out)


class _Pipe:
    """Messages in JSON, each ended by a zero."""

    def __init__(self, readable, writable):
        self._in, self._out, self._left = readable, writable, b""
        self._numbers, self.events = itertools.count(1), []

    def ask(self, method, session=None, **parameters):
        """Return the answer to a command; what happens meanwhile is kept in `events`."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while True:
            found = self._next(until - time.monotonic())
            if found.get("id") == number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                return found["result"]
            self.events.append(found)

    def _next(self, seconds):
        while b"\0" not in self._left:
            if not select.select([self._in], [], [], max(seconds, 0))[0]:
                raise TimeoutError("the browser did not answer")
            part = os.read(self._in, 1 << 20)
            if not part:
                raise OSError("the browser ended")
            self._left += part
        message, self._left = self._left.split(b"\0", 1)
        return json.loads(message)


class Page:
    """One page that is open, at a width and in a theme."""

    def __init__(self, pipe, path, width=1280, height=900, dark=False):
        self._pipe = pipe
        target = pipe.ask("Target.createTarget", url="about:blank")["targetId"]
        found = pipe.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._target, self._session, self._from = target, found["sessionId"], len(pipe.events)
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._ask(f"{domain}.enable")
        self.shape(width, height, dark)
        self._ask("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")

    def _ask(self, method, **parameters):
        return self._pipe.ask(method, self._session, **parameters)

    def shape(self, width, height=900, dark=False):
        """Set the width and height of the window, and the theme."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[theme])

    def run(self, script):
        """Return the value of an expression of JavaScript."""
        found = self._ask("Runtime.evaluate", expression=script, returnByValue=True,
                          awaitPromise=True)  # fmt: skip
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"]["exception"].get("description"))
        return found["result"].get("value")

    def wait_for(self, condition):
        """Wait until an expression is true."""
        until = time.monotonic() + SECONDS
        while not self.run(f"!!({condition})"):
            assert time.monotonic() < until, f"never true: {condition}"
            time.sleep(0.02)

    def text(self, selector):
        """Return what an element says, None if there is none."""
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")

    def texts(self, selector):
        """Return what all such elements say."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return self.run(f"{found}.map(one => one.textContent)")

    def place(self, selector, nth=0):
        """Return where the middle of an element is in the window, and bring it there first."""
        which = f"document.querySelectorAll({json.dumps(selector)})[{nth}]"
        found = self.run(
            f"(() => {{ const one = {which}; if (!one) return null;"
            "one.scrollIntoView({block: 'center', inline: 'center'});"
            "const at = one.getBoundingClientRect();"
            "return [at.x + at.width / 2, at.y + at.height / 2]; })()"
        )
        assert found, f"no element {selector} ({nth})"
        return found

    def click(self, selector, nth=0):
        """Click the middle of an element."""
        x, y = self.place(selector, nth)
        self._mouse("mousePressed", x, y, buttons=1)
        self._mouse("mouseReleased", x, y)

    def drag(self, selector, nth=0, right=0, down=0):
        """Press on an element, move in steps, and let go."""
        x, y = self.place(selector, nth)
        self._mouse("mousePressed", x, y, buttons=1)
        for share in (0.25, 0.5, 0.75, 1):
            self._mouse("mouseMoved", x + share * right, y + share * down, buttons=1)
        self._mouse("mouseReleased", x + right, y + down)

    def _mouse(self, kind, x, y, buttons=0):
        self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1,
                  buttons=buttons)  # fmt: skip

    def fill(self, selector, text):
        """Type a text into a field in the place of what it says."""
        self.click(selector)
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        self._ask("Input.insertText", text=text)

    def press(self, *keys):
        """Press keys, one after the other."""
        for key in keys:
            text, code = KEYS[key]
            one = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            typed = {"text": text} if text else {}
            self._ask("Input.dispatchKeyEvent", type="keyDown", **one, **typed)
            self._ask("Input.dispatchKeyEvent", type="keyUp", **one)

    def choose(self, selector, value):
        """Choose an entry of a list."""
        self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            f"one.value = {json.dumps(value)}; if (one.value !== {json.dumps(value)})"
            f"throw new Error('no entry {value}');"
            "one.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    @property
    def faults(self):
        """Return what went wrong: errors, and anything loaded from elsewhere."""
        self.run("0")  # so that all events have come
        found = []
        for event in self._pipe.events[self._from :]:
            if event.get("sessionId") != self._session:
                continue
            told = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(told["exceptionDetails"]["exception"].get("description"))
            elif event["method"] == "Log.entryAdded" and told["entry"]["level"] == "error":
                found.append(told["entry"]["text"])
            elif event["method"] == "Network.requestWillBeSent":
                url = told["request"]["url"]
                found += [] if url.startswith(("file:", "data:", "about:", "blob:")) else [url]
        return found

    def picture(self, path, whole=True):
        """Save a screenshot."""
        shot = self._ask("Page.captureScreenshot", captureBeyondViewport=whole)
        if whole:
            size = self._ask("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            shot = self._ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        """Close it."""
        self._pipe.ask("Target.closeTarget", targetId=self._target)
