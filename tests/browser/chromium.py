"""A headless Chromium, driven through chromedriver: WebDriver (W3C) over HTTP, with the standard library alone."""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
PATIENCE_S = 20


def is_there():
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


class Failed(Exception):
    """What the browser refuses to do: no such element, and the like."""


class Chromium:
    """One browser with one window. Everything that it starts ends with it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.told = open(f"{self.folder.name}/chromedriver", "w+")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=self.told, stderr=self.told, start_new_session=True)
        try:
            self.port = self.wait_for_port()
            self.session = "/session/" + self.call("POST", "/session", {"capabilities": {"alwaysMatch": self.capabilities()}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def capabilities(self):
        arguments = ["--headless=new", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--disable-dev-shm-usage", "--no-first-run", "--window-size=1280,900", "--lang=en",
                     f"--user-data-dir={self.folder.name}/profile"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        return {"goog:chromeOptions": {"binary": shutil.which("chromium"), "args": arguments},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}

    def wait_for_port(self):
        for _ in range(PATIENCE_S * 100):
            with open(self.told.name) as told:
                found = re.search(r"started successfully on port (\d+)", told.read())
            if found:
                return int(found[1])
            time.sleep(0.01)
        raise Failed("chromedriver does not start")

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if method == "GET" else json.dumps(body or {}), {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise Failed(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def ask(self, method, path, body=None):
        return self.call(method, self.session + path, body)

    def close(self):
        try:
            if hasattr(self, "session"):
                self.ask("DELETE", "")
        except (Failed, OSError):
            pass
        # The driver is the first of a group of its own: whatever it has started is in it.
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.driver.pid, how)
                self.driver.wait(10)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.driver.wait(10)
        self.told.close()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # What somebody does

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def url(self):
        return self.ask("GET", "/url")

    def title(self):
        return self.ask("GET", "/title")

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find_all(self, css):
        return [one[ELEMENT] for one in self.ask("POST", "/elements", {"using": "css selector", "value": css})]

    def shown(self, css):
        return [one for one in self.find_all(css) if self.ask("GET", f"/element/{one}/displayed")]

    def click(self, css, text=None):
        """The one shown element that is meant; waits for it."""
        self.until(lambda: self.try_to_click(css, text), f"{css} {text or ''} to be there")

    def try_to_click(self, css, text):
        for one in self.shown(css):
            if text is None or text in self.text_of(one):
                try:
                    self.ask("POST", f"/element/{one}/click")
                    return True
                except Failed:
                    return False
        return False

    def text_of(self, element):
        return self.ask("GET", f"/element/{element}/text")

    def text(self, css="body"):
        return "\n".join(self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", css))

    def type(self, css, text):
        element = self.shown(css)[0]
        self.ask("POST", f"/element/{element}/clear")
        self.ask("POST", f"/element/{element}/value", {"text": text})

    def press(self, *keys):
        """Keys alone, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def until(self, holds, what):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                got = holds()
                if got:
                    return got
            except Failed:
                pass  # what it looked at has just gone
            time.sleep(0.05)
        raise AssertionError(f"waited for {what}; the page says:\n{self.text()}\nand the console:\n{self.console()}")

    def until_says(self, text, css="body"):
        self.until(lambda: text in self.text(css), f"“{text}” in {css}")

    # What it tells

    def protocol(self, command, **parameters):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def console(self):
        """The lines of the console since this was asked last."""
        return [line["message"] for line in self.ask("POST", "/se/log", {"type": "browser"})]

    def requested(self):
        """The URLs of all requests since this was asked last."""
        events = [json.loads(line["message"])["message"] for line in self.ask("POST", "/se/log", {"type": "performance"})]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def tree(self):
        """What a screen reader is given: (role, name) of each node that is not ignored."""
        nodes = self.protocol("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]

    def focused(self):
        return self.run("const e = document.activeElement; return [e.tagName, e.id, e.textContent.trim().slice(0, 80)]")

    def width(self, pixels, height=800):
        if pixels is None:
            self.protocol("Emulation.clearDeviceMetricsOverride")
        else:
            self.protocol("Emulation.setDeviceMetricsOverride", width=pixels, height=height, deviceScaleFactor=1, mobile=pixels < 500)

    def scheme(self, name):
        self.protocol("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.ask("GET", "/screenshot")))
