"""Traces as a real Jaeger shows them: conversations of real processes are sent to it and read back from its query API.
jaeger.py AMC JAEGER TEST_SERVER (scripts/test-server)"""

import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import traces
from traces import OPERATIONS, MILLISECOND, expect, free_port, new_traceparent, system, until

JAEGER, TEST_SERVER = sys.argv[2], sys.argv[3]
CONFIGURATION = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp], exporters: [jaeger_storage_exporter]}
  telemetry: {metrics: {level: none}}
extensions:
  jaeger_storage: {backends: {memory: {memory: {max_traces: 10000}}}}
  jaeger_query:
    storage: {traces: memory}
    enable_tracing: false
    http: {endpoint: "127.0.0.1:%(query)d"}
    grpc: {endpoint: "127.0.0.1:%(grpc)d"}
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:%(otlp)d"}}}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
"""
# Its remark at a short span outside its parent, which it takes for one of another clock. It moves none.
MAY_REMARK = "clock skew adjustment disabled; not applying calculated delta"
KINDS = {1: "internal", 3: "client", 4: "producer", 5: "consumer"}  # SpanKind, and what Jaeger calls it
# Whose each span of the example's conversation is, and what docs/observability/traces.md says that it tells besides what all do.
CLAIM = {"messaging.amc.claim", "messaging.amc.attempt"}
CONVERSATION = {
    "send topic-a": ("amc-broker", set()),
    "receive topic-a": ("amc-broker", CLAIM),
    "process topic-a": ("ServiceA", CLAIM),
    "answer topic-a": ("amc-broker", {"messaging.amc.next_queue"}),
    "receive topic-b": ("amc-broker", CLAIM),
    "process topic-b": ("ServiceB", CLAIM),
    "answer topic-b": ("amc-broker", set())}
WAITS = {"wait topic-a": ("amc-broker", set()), "wait topic-b": ("amc-broker", set())}  # where nobody waited for it


class Jaeger:
    def __init__(self, folder):
        ports = {name: free_port() for name in ("query", "grpc", "otlp")}
        self.url, self.query = (f"http://127.0.0.1:{ports[name]}" for name in ("otlp", "query"))
        self.log = pathlib.Path(folder) / "jaeger.log"
        settings = pathlib.Path(folder) / "jaeger.yaml"
        settings.write_text(CONFIGURATION % ports)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([JAEGER, "--config", settings], stdout=log, stderr=log,
                                            preexec_fn=traces.die_with_parent)
        until(f"Jaeger answers (see {self.log})", self.answers)

    def answers(self):
        expect(self.process.poll() is None, f"Jaeger has ended\n{self.log.read_text()}")
        return self.ask("/api/services") is not None and self.told({"resourceSpans": []}) == 200

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def ask(self, target):
        with urllib.request.urlopen(self.query + target, timeout=30) as reply:
            return json.load(reply)

    def told(self, request):
        """As any instrumented process tells its own spans."""
        asked = urllib.request.Request(f"{self.url}/v1/traces", json.dumps(request).encode(),
                                       {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=30) as reply:
            return reply.status

    def trace(self, trace):
        """Its spans as Jaeger has them. It knows one of that id."""
        told, = self.ask(f"/api/traces/{trace}")["data"]
        expect(not told.get("warnings"), f"{told['warnings']}")
        return [shown(span, told["processes"]) for span in told["spans"]]


def shown(span, processes):
    remarks = [remark for remark in span.get("warnings") or [] if not remark.startswith(MAY_REMARK)]
    expect(not remarks, f"Jaeger remarks on {span['operationName']}: {remarks}")
    parents = [reference["spanID"] for reference in span["references"] if reference["refType"] == "CHILD_OF"]
    expect(len(parents) <= 1 and len(parents) == len(span["references"]), f"{span['references']}")
    process = processes[span["processID"]]
    host = {tag["key"]: tag["value"] for tag in process["tags"]}.get("host.name")
    return {"id": span["spanID"], "parent": parents[0] if parents else None, "name": span["operationName"],
            "service": process["serviceName"], "host": host, "begun": span["startTime"] * 1_000,
            "ended": (span["startTime"] + span["duration"]) * 1_000, "tags": {tag["key"]: tag["value"] for tag in span["tags"]}}


def expect_attributes(span, message, more):
    """Exactly what docs/observability/traces.md says, in its types."""
    tags = span["tags"]
    operation, queue = span["name"].split(" ")
    kind, kind_of_operation = OPERATIONS[operation]
    expect(tags["span.kind"] == KINDS[kind], f"{span}")
    expect(tags.get("messaging.operation.type") == kind_of_operation, f"{span}")
    expect(tags["messaging.system"] == "amc" and tags["messaging.operation.name"] == operation, f"{span}")
    expect(tags["messaging.destination.name"] == queue and tags["messaging.message.id"] == message, f"{span}")
    always = {"messaging.system", "messaging.operation.name", "messaging.destination.name", "messaging.message.id",
              "messaging.amc.revision"} | ({"messaging.operation.type"} if kind_of_operation else set())
    own = {name for name in tags if name.startswith(("messaging.", "error."))} - {"messaging.amc.holder"}
    expect(own == always | more, f"{span['name']}: {own ^ (always | more)} is there or missing: {tags}")
    for name in own & {"messaging.amc.revision", "messaging.amc.claim", "messaging.amc.attempt"}:
        expect(isinstance(tags[name], int) and tags[name] >= 1, f"{name} of {span}")


def callers_span(jaeger, trace, span, begun, ended):
    attributes = [{"key": "service.name", "value": {"stringValue": "shop"}},
                  {"key": "host.name", "value": {"stringValue": socket.gethostname()}}]
    own = {"traceId": trace, "spanId": span, "name": "buy", "kind": 3, "startTimeUnixNano": str(begun),
           "endTimeUnixNano": str(ended), "traceState": "vendor=1"}
    jaeger.told({"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [own]}]}]})


def by_name(spans):
    names = {span["name"]: span for span in spans}
    expect(len(names) == len(spans), f"a name twice: {sorted(span['name'] for span in spans)}")
    return names


def expect_the_conversation(spans, message):
    """The spans of one conversation of the example, all children of its send; that one."""
    there = by_name(spans)
    expect(set(CONVERSATION) <= set(there) and set(there) <= {*CONVERSATION, *WAITS}, f"{sorted(there)}")
    send = there["send topic-a"]
    for name, span in there.items():
        service, more = {**CONVERSATION, **WAITS}[name]
        expect(span["service"] == service and span["host"] == socket.gethostname(), f"{span}")
        expect(name == "send topic-a" or span["parent"] == send["id"], f"not a child of send: {span}")
        expect(span["begun"] >= send["begun"] - MILLISECOND, f"begins before its parent: {span}")
        expect_attributes(span, message, more)
    expect(there["answer topic-a"]["tags"]["messaging.amc.next_queue"] == "topic-b", "where it goes on to")
    return send


def one_conversation(jaeger, *sets, holders):
    """From the span of whoever posted it. Only those who receive over HTTP tell who they are."""
    with system(jaeger.url, *sets, processes=("broker", "service-a", "service-b")) as place:
        trace, caller, traceparent = new_traceparent()
        begun = time.time_ns()
        said = place.converse(traceparent)
        callers_span(jaeger, trace, caller, begun, time.time_ns())
        place.stop()  # what is left is sent
    spans = jaeger.trace(trace)
    root, = (span for span in spans if span["parent"] is None)
    expect((root["id"], root["service"]) == (caller, "shop"), f"{root}")
    send = expect_the_conversation([span for span in spans if span is not root], said["id"])
    expect(send["parent"] == caller, f"{send}")
    told = {span["name"] for span in spans if "messaging.amc.holder" in span["tags"]}
    expect(told == ({"receive topic-a", "receive topic-b"} if holders else set()), f"of a holder tell {told}")
    expect(all(span["tags"]["w3c.tracestate"] == "vendor=1" for span in spans), f"{spans}")
    expect({"shop", "amc-broker", "ServiceA", "ServiceB"} <= set(jaeger.ask("/api/services")["data"]), "services by name")


def a_requester_that_traces_nothing(jaeger):
    """The broker begins the trace. It is found as people do: by service, operation and attribute."""
    with system(jaeger.url, "telemetry.otlp.sample_ratio=1", processes=("broker", "service-a", "service-b")) as place:
        asked = [traces.AMC, "requester", *place.settings]
        subprocess.run(asked, check=True, capture_output=True, timeout=60)
        id, = (message["id"] for message in place.ask("/messages")["messages"])
        place.stop()
    tags = urllib.parse.quote(json.dumps({"messaging.message.id": id}))
    found, = jaeger.ask(f"/api/traces?service=amc-broker&operation=send%20topic-a&tags={tags}")["data"]
    send = expect_the_conversation(jaeger.trace(found["traceID"]), id)
    expect(send["parent"] is None, f"{send}")


def a_failure(jaeger):
    """Is shown as one, with its reason, beside the attempt that went well."""
    with system(jaeger.url, "telemetry.otlp.sample_ratio=1", processes=("broker",)) as place:
        id = place.ask("/queues/orders/messages", {"message": "one"})["id"]
        first, = place.ask("/queues/orders/receive", {"worker": "w"}, Prefer="wait=20")["deliveries"]
        place.ask("/failures", [{"id": id, "revision": 1, "claim": first["claim"], "error": "no paper"}])
        second, = place.ask("/queues/orders/receive", {"worker": "w"}, Prefer="wait=50")["deliveries"]
        place.ask("/answers", [{"id": id, "revision": 1, "claim": second["claim"], "message": "printed", "done": True}])
        place.stop()
    trace, = jaeger.ask("/api/traces?service=amc-broker&operation=fail%20orders")["data"]
    spans = jaeger.trace(trace["traceID"])
    failed, = (span for span in spans if span["name"] == "fail orders")
    expect(failed["tags"]["error"] is True and failed["tags"]["otel.status_description"] == "no paper", f"{failed}")
    expect(failed["tags"]["error.type"] == "failed", f"{failed}")
    attempts = [span["tags"]["messaging.amc.attempt"] for span in sorted(spans, key=lambda span: span["begun"])
                if span["name"] == "receive orders"]
    expect(attempts == [1, 2], f"{attempts}")


@contextlib.contextmanager
def throw_away(engine):
    """Its URL."""
    with subprocess.Popen([TEST_SERVER, engine], stdout=subprocess.PIPE, text=True) as server:
        try:
            told = dict(line.strip().partition("=")[::2] for line in iter(server.stdout.readline, "ready\n"))
            yield told["url"]
        finally:
            server.terminate()


def main():
    with tempfile.TemporaryDirectory() as folder:
        jaeger = Jaeger(folder)
        try:
            one_conversation(jaeger, holders=True)
            with throw_away("nats") as nats, throw_away("postgresql") as postgresql:
                one_conversation(jaeger, "queue_system.platform=nats", f"queue_system.nats.url={nats}",
                                 "broker.store.engine=postgresql", f"broker.store.postgresql.url={postgresql}", holders=False)
            a_requester_that_traces_nothing(jaeger)
            a_failure(jaeger)
        finally:
            jaeger.stop()


if __name__ == "__main__":
    main()
