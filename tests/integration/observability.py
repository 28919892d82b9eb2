"""docs/observability: promtool takes the alerts, each fires and falls silent; and a real Prometheus that scrapes a real
broker has an answer to every query of the dashboard: observability.py AMC FOLDER"""

import contextlib
import ctypes
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

AMC, DOCS = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
# Numbers that are there only once something has gone wrong, or where there is a queue engine to ring.
NOT_HERE = {"amc_claims_refused_total", "amc_answers_refused_total", "amc_quota_refusals_total", "amc_rings_total"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command, log):
    def die_with_parent():
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    with open(log, "w") as lines:
        process = subprocess.Popen([str(word) for word in command], stdout=lines, stderr=lines, preexec_fn=die_with_parent)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def until(what, is_so, log, longest_s=60):
    deadline = time.monotonic() + longest_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            if is_so():
                return
        time.sleep(0.1)
    sys.exit(f"{what} is not so after {longest_s} s\n{pathlib.Path(log).read_text()}")


def asked(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read()


def queries():
    for panel in json.loads((DOCS / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield f"dashboard: {panel['title']}", target["expr"]


def with_values(query):
    for variable, value in {"$__rate_interval": "10s", "$broker": ".*", "$queue": ".*"}.items():
        query = query.replace(variable, value)
    return query


def scrape_a_run(folder):
    amc_port, prometheus_port = free_port(), free_port()
    settings = (DOCS / "prometheus.yaml").read_text().replace("127.0.0.1:4000", f"127.0.0.1:{amc_port}")
    (folder / "prometheus.yaml").write_text("global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n" + settings)
    shutil.copy(DOCS / "alerts.yaml", folder)
    own = [AMC, "--config", folder / "none", "--set", f"broker.http.port={amc_port}",
           "--set", f"consumer_services.broker_client.url=http://127.0.0.1:{amc_port}"]
    (folder / "none").mkdir()
    broker = running([own[0], "all", *own[1:], "--set", f"broker.store.sqlite.path={folder}/amc.db"], folder / "amc.log")
    prometheus = running(["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data",
                          f"--web.listen-address=127.0.0.1:{prometheus_port}"], folder / "prometheus.log")
    with broker, prometheus:
        amc, base = f"http://127.0.0.1:{amc_port}", f"http://127.0.0.1:{prometheus_port}"
        until("the broker answers", lambda: asked(amc + "/readyz"), folder / "amc.log")
        die = urllib.request.Request(amc + "/queues/doomed/messages", b'{"message": "x"}')
        identity = json.loads(asked(die))
        claim = json.loads(asked(urllib.request.Request(amc + "/queues/doomed/receive", b'{"service": "test"}')))["deliveries"][0]
        failure = json.dumps([{"id": identity["id"], "revision": 1, "claim": claim["claim"], "error": "x", "final": True}])
        asked(urllib.request.Request(amc + "/failures", failure.encode()))

        def answers_to(query):
            subprocess.run([own[0], "bench", *own[1:], "--conversations", "50", "--concurrency", "4"], check=True, capture_output=True)
            return json.loads(asked(base + "/api/v1/query?" + urllib.parse.urlencode({"query": query})))["data"]["result"]

        for where, query in queries():
            names = set(re.findall(r"\b(?:amc|http)_[a-z_]+", query))
            told = with_values(query)
            if names & NOT_HERE:
                asked(base + "/api/v1/query?" + urllib.parse.urlencode({"query": told}))  # it can be read, at least
            else:
                until(f"{where}: an answer to {told}", lambda: answers_to(told), folder / "prometheus.log")
        rules = json.loads(asked(base + "/api/v1/rules"))["data"]["groups"][0]["rules"]
        wrong = [rule["name"] for rule in rules if rule["health"] not in ("ok", "unknown")]
        firing = [rule["name"] for rule in rules if rule["state"] == "firing" and rule["name"] != "AmcMessagesDie"]
        if wrong or firing:
            sys.exit(f"rules that cannot be evaluated: {wrong}; that fire without a reason: {firing}")


def main():
    missing = [tool for tool in ("promtool", "prometheus") if not shutil.which(tool)]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not installed; scripts/install-packages test installs them")
        sys.exit(77)
    subprocess.run(["promtool", "check", "rules", DOCS / "alerts.yaml"], check=True)
    subprocess.run(["promtool", "test", "rules", "alerts_test.yaml"], check=True, cwd=DOCS)
    untested = set(re.findall(r"alert: (\w+)", (DOCS / "alerts.yaml").read_text())) - set(
        re.findall(r"alertname: (\w+)", (DOCS / "alerts_test.yaml").read_text()))
    if untested:
        sys.exit(f"alerts without a test: {untested}")
    with tempfile.TemporaryDirectory() as folder:
        scrape_a_run(pathlib.Path(folder))
    print("every alert fires and falls silent; every query of the dashboard has an answer")


main()
