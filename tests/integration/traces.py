"""Traces as a collector gets them: real brokers and services against a strict receiver of OTLP over HTTP. traces.py AMC"""

import contextlib
import ctypes
import http.server
import json
import pathlib
import re
import secrets
import signal
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

AMC = pathlib.Path(sys.argv[1]).resolve()
SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
# The names of that version that are in use here, and what they may be.
ATTRIBUTES = {
    "messaging.system": "stringValue", "messaging.operation.name": "stringValue", "messaging.operation.type": "stringValue",
    "messaging.destination.name": "stringValue", "messaging.message.id": "stringValue", "error.type": "stringValue",
    "messaging.amc.revision": "intValue", "messaging.amc.claim": "intValue", "messaging.amc.attempt": "intValue",
    "messaging.amc.holder": "stringValue", "messaging.amc.next_queue": "stringValue"}
RESOURCE = {"service.name": "stringValue", "host.name": "stringValue"}
# What each operation is: its SpanKind, its messaging.operation.type.
OPERATIONS = {"send": (4, "send"), "wait": (1, None), "receive": (3, "receive"), "process": (5, "process"),
              "answer": (3, "settle"), "fail": (3, "settle")}
SPAN = {"traceId": str, "spanId": str, "parentSpanId": str, "traceState": str, "flags": int, "name": str, "kind": int,
        "startTimeUnixNano": str, "endTimeUnixNano": str, "attributes": list, "status": dict}
MILLISECOND = 1_000_000  # the store's clock tells no less


def expect(is_so, what):
    if not is_so:
        raise AssertionError(what)


def read_attributes(given, allowed):
    read = {}
    for one in given:
        expect(set(one) == {"key", "value"} and len(one["value"]) == 1, f"not a KeyValue: {one}")
        (kind, value), = one["value"].items()
        expect(allowed.get(one["key"]) == kind, f"{one['key']}: {kind} is not of the pinned list")
        expect(isinstance(value, str), f"{one['key']}: a number of 64 bits, or a text, is a string: {value!r}")
        expect(one["key"] not in read, f"{one['key']} twice")
        read[one["key"]] = int(value) if kind == "intValue" else value
    return read


def read_span(given, service):
    for name, value in given.items():
        expect(isinstance(value, SPAN[name]) and not isinstance(value, bool), f"{name}: {value!r}")
    expect(re.fullmatch("[0-9a-f]{32}", given["traceId"]) and int(given["traceId"], 16), "traceId")
    for key in {"spanId", "parentSpanId"} & set(given):
        expect(re.fullmatch("[0-9a-f]{16}", given[key]) and int(given[key], 16), key)
    begun, ended = int(given["startTimeUnixNano"]), int(given["endTimeUnixNano"])
    expect(abs(begun / 1e9 - time.time()) < 3_600 and begun <= ended, f"times of {given}")
    told = read_attributes(given["attributes"], ATTRIBUTES)
    operation = told["messaging.operation.name"]
    kind, kind_of_operation = OPERATIONS[operation]
    expect(given["kind"] == kind and told.get("messaging.operation.type") == kind_of_operation, f"kind of {given}")
    expect(given["name"] == f"{operation} {told['messaging.destination.name']}", f"name of {given}")
    expect(told["messaging.system"] == "amc" and re.fullmatch("[0-9a-f-]{36}", told["messaging.message.id"]), f"{told}")
    expect(("error.type" in told) == (given.get("status", {}).get("code") == 2), f"status of {given}")
    return {"trace": given["traceId"], "id": given["spanId"], "parent": given.get("parentSpanId"), "name": given["name"],
            "begun": begun, "ended": ended, "service": service, "told": told, "state": given.get("traceState"),
            "status": given.get("status")}


def read_request(body):
    asked = json.loads(body)
    expect(set(asked) == {"resourceSpans"} and asked["resourceSpans"], f"not an export: {asked.keys()}")
    for resource in asked["resourceSpans"]:
        expect(resource["schemaUrl"] == SCHEMA, "schemaUrl")
        whose = read_attributes(resource["resource"]["attributes"], RESOURCE)
        expect(whose["host.name"] == socket.gethostname(), f"host.name: {whose}")
        for scope in resource["scopeSpans"]:
            expect(scope["schemaUrl"] == SCHEMA and scope["scope"]["name"] == "amc", "scope")
            for span in scope["spans"]:
                yield read_span(span, whose["service.name"])


class Collector:
    """mode: "ok"; "busy": 503 twice, then as ok; "refuses": 400; "hangs"."""

    def __init__(self, mode="ok", certificate=None):
        self.mode, self.spans, self.wrong, self.requests = mode, [], [], 0
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests += 1
                if collector.mode == "hangs":
                    collector.released.wait(60)
                    return
                status = {"busy": 503, "refuses": 400}.get(collector.mode, 200)
                if collector.mode == "busy" and collector.requests >= 2:
                    collector.mode = "ok"
                if status == 200:
                    collector.take(self, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status == 503:
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.released = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server.server_address[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, f"{certificate}.key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request, body):
        try:
            expect(request.path == "/v1/traces" and request.headers["Content-Type"] == "application/json", "path or type")
            expect(request.headers["X-Tenant"] == "test", "telemetry.otlp.headers")
            self.spans += read_request(body)
        except Exception as why:  # told by the test's own thread
            self.wrong.append(repr(why))

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def of(self, trace):
        return [span for span in self.spans if span["trace"] == trace]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Place:
    """Processes of one system, each with a log of its own in a folder."""

    def __init__(self, folder, collector_url, *sets):
        self.folder, self.port, self.running = pathlib.Path(folder), free_port(), []
        self.url = f"http://127.0.0.1:{self.port}"
        (self.folder / "none").mkdir()
        given = [f"broker.http.port={self.port}", f"consumer_services.broker_client.url={self.url}",
                 f"broker.store.sqlite.path={folder}/amc.db", f"telemetry.otlp.url={collector_url}",
                 "telemetry.otlp.headers=[X-Tenant=test]", "telemetry.otlp.interval_ms=100", *sets]
        self.settings = ["--config", str(self.folder / "none")] + [word for one in given for word in ("--set", one)]

    def start(self, command, *words):
        with open(self.folder / f"{command}.log", "w") as log:
            self.running.append(subprocess.Popen([AMC, command, *words, *self.settings], stdout=log, stderr=log,
                                                 preexec_fn=die_with_parent))
        until("the broker answers", self.answers)

    def answers(self):
        for process in self.running:
            expect(process.poll() is None, f"{process.args[1]} has ended\n{self.log()}")
        return self.ask("/healthz")

    def stop(self):
        """The services first; how long it took."""
        before = time.monotonic()
        for process in reversed(self.running):
            process.terminate()
            expect(process.wait(60) == 0, f"exit code {process.returncode}\n{self.log()}")
        self.running = []
        return time.monotonic() - before

    def log(self):
        return "\n".join(log.read_text() for log in sorted(self.folder.glob("*.log")))

    def ask(self, target, body=None, **headers):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + target, data, headers), timeout=60) as reply:
            text = reply.read()
        return json.loads(text) if text.startswith((b"{", b"[")) else text.decode()

    def counted(self, name):
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.ask("/metrics").splitlines() if line.startswith(name))

    def converse(self, traceparent=None):
        headers = {"Prefer": "wait=50", **({"traceparent": traceparent, "tracestate": "vendor=1"} if traceparent else {})}
        said = self.ask("/messages", {"message": "Hi, "}, **headers)
        expect(said["status"] == "done", f"{said}\n{self.log()}")
        return said


def until(what, is_so, longest_s=60):
    deadline = time.monotonic() + longest_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            if is_so():
                return
        time.sleep(0.05)
    raise AssertionError(f"{what}: not so after {longest_s} s")


def new_traceparent(flags="01"):
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, f"00-{trace}-{span}-{flags}"


@contextlib.contextmanager
def system(collector_url, *sets, processes=("all",)):
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder, collector_url, *sets)
        try:
            for command in processes:
                place.start(command)
            yield place
        finally:
            for process in place.running:
                process.kill()
                process.wait()


def expect_one_tree(spans, caller):
    """All of one send, which is the caller's child, and nobody begins before their parent."""
    ids = {span["id"]: span for span in spans}
    expect(len(ids) == len(spans), "no id twice")
    for span in spans:
        if span["parent"] == caller:
            expect(span["name"].startswith("send "), f"a child of the caller: {span}")
        else:
            expect(span["parent"] in ids, f"no parent: {span}")
            expect(span["begun"] >= ids[span["parent"]]["begun"] - MILLISECOND, f"begins before its parent: {span}")
        expect(span["state"] == "vendor=1", f"tracestate: {span}")


def one_conversation_over_processes():
    collector = Collector()
    with system(collector.url, processes=("broker", "service-a", "service-b")) as place:
        trace, caller, traceparent = new_traceparent()
        unsampled, _, no = new_traceparent("00")
        said = place.converse(traceparent)
        for process in place.running:  # a header may hold a secret
            expect(b"X-Tenant" not in pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes(), "ps shows headers")
        place.converse(no)
        place.converse()
        place.stop()  # what is left is sent
    spans = collector.of(trace)
    expect(not collector.wrong, f"{collector.wrong}")
    expect_one_tree(spans, caller)
    names = sorted(span["name"] for span in spans if not span["name"].startswith("wait "))
    expect(names == ["answer topic-a", "answer topic-b", "process topic-a", "process topic-b", "receive topic-a",
                     "receive topic-b", "send topic-a"], f"{names}")
    expect({span["told"]["messaging.message.id"] for span in spans} == {said["id"]}, "one message")
    owners = {span["name"]: span["service"] for span in spans}
    expect(owners["process topic-a"] == "ServiceA" and owners["process topic-b"] == "ServiceB", f"{owners}")
    expect(owners["send topic-a"] == "amc-broker", f"{owners}")
    in_order = [next(s for s in spans if s["name"] == name) for name in
                ("send topic-a", "receive topic-a", "process topic-a", "answer topic-a", "receive topic-b",
                 "process topic-b", "answer topic-b")]
    for earlier, later in zip(in_order, in_order[1:]):
        expect(earlier["begun"] <= later["begun"], f"{earlier} before {later}")
    expect(not collector.of(unsampled) and {span["trace"] for span in collector.spans} == {trace}, "nothing else is traced")
    collector.close()


def a_service_that_only_passes_it_on():
    """In a language of its own, over HTTP; what it sends on with what came is part of the trace."""
    collector = Collector()
    with system(collector.url, processes=("broker",)) as place:
        trace, caller, traceparent = new_traceparent()
        place.ask("/queues/orders/messages", {"message": "one"}, traceparent=traceparent, tracestate="vendor=1")
        delivery, = place.ask("/queues/orders/receive", {"worker": "w"}, Prefer="wait=20")["deliveries"]
        came, = re.fullmatch(f"00-{trace}-([0-9a-f]{{16}})-01", delivery["traceparent"]).groups()
        place.ask("/queues/invoices/messages", {"message": "two"}, traceparent=delivery["traceparent"],
                  tracestate=delivery["tracestate"])
        place.ask("/failures", [{"id": delivery["id"], "revision": 1, "claim": delivery["claim"], "error": "no paper"}])
        place.stop()
    spans = {span["name"]: span for span in collector.of(trace)}
    expect(not collector.wrong, f"{collector.wrong}")
    expect(spans["send orders"]["id"] == came and spans["send orders"]["parent"] == caller, f"{spans}")
    expect(spans["send invoices"]["parent"] == came, "what it posts is its child")
    expect(spans["wait orders"]["parent"] == came and spans["receive orders"]["parent"] == came, f"{spans}")
    expect(spans["fail orders"]["status"] == {"code": 2, "message": "no paper"}, f"{spans}")
    collector.close()


def a_handler_of_a_shell():
    collector = Collector()
    with system(collector.url, processes=("broker",)) as place:
        place.start("receive", "orders", "--done", "--exec", "cat > /dev/null; echo $AMC_TRACEPARENT")
        trace, caller, traceparent = new_traceparent()
        said = place.ask("/queues/orders/messages", {"message": "one"}, traceparent=traceparent, tracestate="vendor=1",
                         Prefer="wait=50")
        place.stop()
    spans = collector.of(trace)
    expect(not collector.wrong, f"{collector.wrong}")
    expect_one_tree(spans, caller)
    process, = (span for span in spans if span["name"] == "process orders")
    expect(said["message"] == f"00-{trace}-{process['id']}-01" and process["service"] == "amc-receive", f"{said} {process}")
    collector.close()


def a_trace_for_every_conversation():
    collector = Collector()
    with system(collector.url, "telemetry.otlp.sample_ratio=1", "telemetry.service_name=shop") as place:
        for _ in range(3):
            place.converse()
        place.stop()
    roots = [span for span in collector.spans if span["parent"] is None]
    expect(not collector.wrong, f"{collector.wrong}")
    expect(len(roots) == 3 and len({span["trace"] for span in roots}) == 3, f"{roots}")
    expect(all(span["name"] == "send topic-a" for span in roots), f"{roots}")
    expect({span["service"] for span in collector.spans} == {"shop"}, "telemetry.service_name")
    collector.close()


def a_collector_that_is_busy_gets_all_the_same():
    collector = Collector("busy")
    with system(collector.url) as place:
        trace, caller, traceparent = new_traceparent()
        place.converse(traceparent)
        until("all is sent", lambda: place.counted("amc_spans_sent_total") >= 7)
        place.stop()
    expect(not collector.wrong, f"{collector.wrong}")
    expect_one_tree(collector.of(trace), caller)
    collector.close()


def a_collector_over_tls():
    """It is sent something only by those who know its authority."""
    if not shutil.which("openssl"):
        print("openssl is not there: nothing is sent over TLS")
        return
    with tempfile.TemporaryDirectory() as folder:
        certificate = f"{folder}/collector.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout",
                        f"{certificate}.key", "-out", certificate], check=True, capture_output=True)
        for known, sets in ((True, [f"telemetry.otlp.ca_file={certificate}"]), (False, [])):
            collector = Collector(certificate=certificate)
            with system(collector.url, *sets) as place:
                trace, _, traceparent = new_traceparent()
                place.converse(traceparent)
                place.stop()
            expect(bool(collector.of(trace)) == known and not collector.wrong, f"known: {known}; {collector.wrong}")
            collector.close()


def a_collector_that_fails_costs_spans_alone(mode, reason):
    """Away, hanging or refusing: conversations go on, drops are counted, the log is short, the end comes."""
    collector = Collector(mode)
    if mode == "away":
        collector.close()
    with system(collector.url, "telemetry.otlp.buffer_max_spans=20", "telemetry.otlp.batch_max_spans=5",
                "telemetry.otlp.timeout_ms=2000", "telemetry.otlp.retry_max_ms=1000") as place:
        for _ in range(20):
            place.converse(new_traceparent()[2])
        until("drops are counted", lambda: place.counted(f'amc_spans_dropped_total{{reason="{reason}"}}') > 0)
        expect(place.counted("amc_spans_sent_total") == 0, "nothing was sent")
        took = place.stop()
        lines = [line for line in place.log().splitlines() if "telemetry.otlp" in line and "drop" in line]
    expect(took < 30, f"the end took {took} s")
    expect(1 <= len(lines) <= 30, f"{lines}")
    if mode != "away":
        collector.close()


def main():
    one_conversation_over_processes()
    a_service_that_only_passes_it_on()
    a_handler_of_a_shell()
    a_trace_for_every_conversation()
    a_collector_that_is_busy_gets_all_the_same()
    a_collector_over_tls()
    a_collector_that_fails_costs_spans_alone("away", "buffer_full")
    a_collector_that_fails_costs_spans_alone("hangs", "buffer_full")
    a_collector_that_fails_costs_spans_alone("refuses", "refused")


if __name__ == "__main__":
    main()
