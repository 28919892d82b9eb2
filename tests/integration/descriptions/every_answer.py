"""Every status that GET /openapi.json documents, of every operation, as a real broker answers it, held against its schema:
every_answer.py AMC. Only 500 is left out, since nothing but a defect is answered so."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from description import Description
from broker import Broker

UNKNOWN = "00000000-0000-7000-8000-000000000000"


class Contract:
    def __init__(self, broker):
        self.broker = broker
        self.description = Description(broker.ask("GET", "/openapi.json").json())
        self.seen = set()
        self.reasons = set()
        self.complaints = []

    def check(self, name, answer):
        operation = self.description.operation(name)
        self.seen.add((name, answer.status))
        for complaint in self.description.complaints(operation, answer):
            self.complaints.append(f"{name} answered {answer.status}: {complaint}")
        return answer

    def ask(self, name, body=None, headers=(), query="", expected=200, **of_path):
        """Asks, also with HEAD where there is a GET, and holds the answer against the document."""
        method, path = name.split(" ")
        target = path.format(**of_path) + query
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.check(name, self.broker.ask(method, target, headers, sent))
        if answer.status != expected:
            self.complaints.append(f"{name} was answered {answer.status}, not {expected}: {answer.body[:300]!r}")
        if method == "GET":
            self.check(f"HEAD {path}", self.broker.ask("HEAD", target, headers, sent))
        if answer.body and answer.headers.get("Content-Type") == "application/json":
            got = answer.json()
            for outcome in got if isinstance(got, list) else []:
                self.reasons.add(outcome.get("refused"))
            return got
        return answer

    def expect(self, what, holds):
        if not holds:
            self.complaints.append(f"not so: {what}")

    def id_of(self, **message):
        return self.ask("POST /messages", message, expected=202)["id"]


def target_of(operation):
    return operation.path.format(id=UNKNOWN, queue="orders", file="page.css")


def general_refusals(contract):
    """What any request may be refused for, whatever it asks."""
    broker = contract.broker
    for operation in contract.description.operations:
        method, target = operation.method.upper(), target_of(operation)
        unknown = "?id=1&id=2" if target == "/" else "?nobody=1"  # the root ignores what it does not know
        for expected, how in {
            400: {"target": target + "?id=%zz"},
            403: {"headers": [("Origin", "http://elsewhere.example")]},
            413: {"body": b" " * 5000},
            415: {"headers": [("Content-Encoding", "gzip")]},
            421: {"host": "elsewhere.example"},
            422: {"target": target + unknown},
            431: {"headers": [("X", "x" * 20000)]},
        }.items():
            answer = contract.check(operation.name, broker.ask(method, how.pop("target", target), **how))
            if answer.status != expected:
                contract.complaints.append(f"{operation.name} was answered {answer.status}, not {expected}")


def late_requests(contract):
    waiting = []
    for operation in contract.description.operations:
        connection = contract.broker.connect()
        connection.send(operation.method.upper(), target_of(operation), [("Content-Length", "10")])
        waiting.append((operation, connection))
    for operation, connection in waiting:
        contract.check(operation.name, connection.read(operation.method.upper()))
        connection.close()


def too_many_connections(contract, amc):
    with Broker(amc, "broker.http.connections_max=1") as full:
        only = full.connect()
        only.send("GET", "/healthz")
        only.read("GET")
        for operation in contract.description.operations:
            contract.check(operation.name, full.ask(operation.method.upper(), target_of(operation)))
        only.close()


def root(contract):
    ask = contract.ask
    posted = ask("POST /", {"message": "Hi, ", "more": 1}, [("Prefer", "wait=0"), ("Idempotency-Key", "k 1")], expected=201)
    at = f"?id={posted['id']}"
    done = ask("POST /", {"message": "Hi, A. Bye!"}, [("Prefer", "wait=1")])
    ask("GET /", query=at)
    ask("GET /", query=at, headers=[("If-None-Match", '"1"'), ("Prefer", "wait=0")], expected=304)
    ask("GET /", query=f"?id={UNKNOWN}", expected=404)
    ask("PUT /", {"message": "Hi, B."}, query=at)
    ask("PUT /", {"message": "Hi, B."}, query=at, headers=[("If-Match", '"7"')], expected=412)
    ask("PUT /", {"message": "Hi, B."}, query=at, headers=[("If-Match", "7")], expected=400)
    ask("PUT /", {"message": "Hi, B."}, query=f"?id={done['id']}", expected=409)
    ask("PUT /", {"message": "Hi, B."}, query=f"?id={UNKNOWN}", expected=404)
    for method in ("POST", "PUT"):
        ask(f"{method} /", query=at, expected=422)
        ask(f"{method} /", {"message": "y" * 3000}, query=at, expected=413)
    ask("POST /", {"message": "Good morning"}, expected=422)
    ask("POST /", {"message": "Hi, ", "deliver_at": "tomorrow"}, expected=422)


def messages(contract):
    ask, trace = contract.ask, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    done = ask("POST /messages", {"message": "over", "done": True}, [("Prefer", "wait=1")])["id"]
    later = contract.id_of(message="Hi, ", deliver_at="2999-01-01T00:00:00+01:00", expires_at="2999-01-02t00:00:00.5z")
    traced = ask("POST /messages", {"message": "x", "queue": "orders"}, [("traceparent", trace)], expected=202)["id"]
    once = [("Idempotency-Key", "once"), ("Prefer", "wait=1")]
    keyed = ask("POST /queues/{queue}/messages", {"message": "x"}, once[:1], queue="keyed", expected=202)["id"]
    for id in (done, later, traced):
        ask("GET /messages/{id}", id=id, headers=[("Prefer", "wait=0")])
    ask("GET /messages/{id}", id=later, headers=[("If-None-Match", '"1"')], expected=304)
    ask("GET /messages/{id}", id=UNKNOWN, expected=404)
    ask("GET /messages", query="?limit=2")
    ask("GET /messages", query="?status=&queue=&limit=&after=")
    ask("GET /messages", query="?limit=01", expected=422)
    put, tag = {"message": "Hi, B.", "queue": "orders"}, lambda value: [("If-Match", value)]
    ask("PUT /messages/{id}", put, tag('"1"'), id=traced)
    ask("PUT /messages/{id}", put, tag('"1"'), id=traced, expected=412)
    ask("PUT /messages/{id}", put, tag("*"), id=done, expected=409)
    ask("PUT /messages/{id}", put, tag("*"), id=UNKNOWN, expected=404)
    ask("PUT /messages/{id}", put, id=traced, expected=428)
    ask("PUT /messages/{id}", put, tag("1"), id=traced, expected=400)
    ask("PUT /messages/{id}", {**put, "done": True}, tag("*"), id=traced, expected=422)
    ask("PUT /messages/{id}", {"message": "y" * 3000}, tag("*"), id=traced, expected=413)
    ask("DELETE /messages/{id}", id=later, headers=tag('"2"'), expected=412)
    ask("DELETE /messages/{id}", id=later, headers=tag("2"), expected=400)
    for id in (later, keyed):
        ask("DELETE /messages/{id}", id=id)
    ask("DELETE /messages/{id}", id=done, expected=409)
    ask("DELETE /messages/{id}", id=UNKNOWN, expected=404)
    ask("POST /queues/{queue}/messages", {"message": "x"}, once, queue="keyed")
    ask("POST /queues/{queue}/messages", {"message": "y"}, once, queue="keyed", expected=422)
    ask("POST /queues/{queue}/messages", {"message": "y", "queue": "other"}, queue="keyed", expected=422)
    ask("POST /messages/{id}/retry", id=later)
    ask("POST /messages/{id}/retry", id=done, expected=409)
    ask("GET /messages/{id}/history", id=done)
    ask("GET /messages/{id}/history", id=UNKNOWN, expected=404)
    ask("HEAD /messages/{id}/history", id=done)
    for id in (done, later, keyed, traced):
        ask("GET /messages/{id}/explain", id=id)
    ask("GET /messages/{id}/explain", id=UNKNOWN, expected=404)
    ask("POST /messages/{id}/retry", id=UNKNOWN, expected=404)
    ask("POST /messages/{id}/erase", id=traced, expected=409)
    erased = ask("POST /messages/{id}/erase", id=done)
    contract.expect("what is erased says so, and nothing else", erased["message"] == "" and "erased_at" in erased)
    told = ask("GET /messages/{id}/history", id=done)
    contract.expect("and said nothing", all(r.get("content_gone") for r in told["revisions"]))
    ask("POST /messages/{id}/erase", id=UNKNOWN, expected=404)


def contents(contract):
    """Values, bytes, types and headers, wherever a message is shown; lists of new messages."""
    ask, several = contract.ask, [{"message": {"a": [1, None]}, "queue": "said", "headers": {"h": "v"}},
                                  {"message_base64": "aGk=", "queue": "said", "content_type": "image/png"},
                                  {"message": "a text", "queue": "said", "idempotency_key": "k"}, {"message": "x", "queue": "no queue"}, 7]
    told = ask("POST /messages", several)
    contract.expect("a list is refused one by one", ["refused" in one for one in told] == [False, False, False, True, True])
    ask("POST /queues/{queue}/messages", [{"message": "x"}], queue="keyed")
    ask("POST /messages", several, [("Idempotency-Key", "k")], expected=422)
    for one in told[:3]:
        ask("GET /messages/{id}", id=one["id"])
        ask("GET /", query=f"?id={one['id']}")
    ask("GET /messages", query="?queue=said")
    granted = ask("POST /claims", [{"id": told[0]["id"], "revision": 1}])
    contract.expect("a claim has the value", granted[0]["message"] == {"a": [1, None]} and granted[0]["headers"] == {"h": "v"})
    trace = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("tracestate", "vendor=1")]
    ask("POST /messages", {"message": None, "queue": "traced"}, trace, expected=202)
    traced = ask("POST /queues/{queue}/receive", {"worker": "t"}, [("Prefer", "wait=5")], queue="traced")["deliveries"][0]
    contract.expect("a delivery has the trace state", traced["tracestate"] == "vendor=1" and traced["message"] is None)
    got = ask("POST /queues/{queue}/receive", {"max": 2, "worker": "w", "service": "s"}, [("Prefer", "wait=5")], queue="said")
    contract.expect("bytes are delivered", any(d.get("message_base64") == "aGk=" for d in got["deliveries"]))
    answers = [{"id": d["id"], "revision": 1, "claim": d["claim"], "message": [1.50], "headers": {}, "done": True} for d in got["deliveries"]]
    ask("POST /answers", answers)
    ask("GET /messages/{id}", id=answers[0]["id"])
    ask("POST /messages", {"message": "x", "message_base64": ""}, expected=422)


def claims(contract):
    """Every outcome of each verb."""
    ask = contract.ask
    one, two, gone = (contract.id_of(message=text, queue="claimed") for text in "abc")
    over = contract.id_of(message="d", done=True)
    large = [contract.id_of(message="y" * 1900, queue="claimed") for _ in range(2)]
    claim = ask("POST /claims", [{"id": one, "revision": 1}, {"id": two, "revision": 1}, {"id": over, "revision": 1},
                                 {"id": "no id", "revision": 1}, {"id": gone, "revision": 2}])
    ask("POST /claims", [{"id": one, "revision": 1}])
    ask("GET /messages/{id}/explain", id=one)
    ask("POST /claims", [{"id": id, "revision": 1} for id in large])
    frail = contract.id_of(message="e", queue="frail")
    while ask("POST /claims", [{"id": frail, "revision": 1}])[0].get("refused") != "needs_alone":
        pass
    ask("POST /claims", [{"id": frail, "revision": 1, "alone": True}])
    held, other = ({"id": c["id"], "revision": 1, "claim": c["claim"]} for c in claim[:2])
    for name in ("POST /leases", "POST /releases", "POST /failures"):
        ask(name, [held, {**held, "claim": -1}, {**held, "id": UNKNOWN}, {**held, "id": over}])
    ask("POST /failures", [{**other, "error": "no\u0000 paper"}])
    failed = ask("GET /messages/{id}", id=two)
    if [a["error"] for a in failed["attempts"]] != ["no\ufffd paper"]:
        contract.complaints.append(f"the failure is not told: {failed}")
    ask("GET /messages/{id}/explain", id=two)
    for answer in ({"message": "f"}, {"message": "f", "queue": "no queue"}, {"message": "y" * 3000}, {"message": "f", "done": True}):
        ask("POST /answers", [{"id": gone, "revision": 1, **answer}])
    missing = {"invalid", "not_found", "unroutable", "terminal", "stale", "held", "too_large", "needs_alone",
               "needs_room"} - contract.reasons
    if missing:
        contract.complaints.append(f"no batch was refused for {sorted(missing)}")
    for name in ("claims", "leases", "releases", "failures", "answers"):
        ask(f"POST /{name}", {}, expected=422)


def work(contract):
    ask = contract.ask
    for text in "ab":
        contract.id_of(message=text, queue="work")
    ask("POST /queues/{queue}/receive", queue="empty")
    got = ask("POST /queues/{queue}/receive", {"max": 2, "worker": "w", "service": "s"}, [("Prefer", "wait=5")], queue="work")
    a, b = ({name: d[name] for name in ("id", "revision", "claim")} for d in got["deliveries"])
    told = {"max": 0, "worker": "w", "leases": [a], "releases": [b], "failures": [{**a, "error": "no"}, b],
            "answers": [{"id": b["id"], "revision": 1, "message": "c", "done": True}]}
    got = ask("POST /queues/{queue}/receive", told, queue="work")
    if set(got) != {"deliveries", "leases", "releases", "failures", "answers"}:
        contract.complaints.append(f"not every outcome is told: {got}")
    contract.id_of(message="e", queue="frail")
    while not got["deliveries"] or "alone" not in got["deliveries"][0]:
        got = ask("POST /queues/{queue}/receive", {}, [("Prefer", "wait=5")], queue="frail")
    ask("POST /queues/{queue}/receive", {"max": -1}, queue="work", expected=422)
    ask("POST /queues/{queue}/receive", queue="no%20queue", expected=422)


def operators(contract):
    ask = contract.ask
    for queue in ("work", "never.heard.of"):
        ask("GET /queues/{queue}", queue=queue)
        ask("GET /queues/{queue}/rates", queue=queue)
    for path in ("/queues", "/retries", "/configuration", "/metrics", "/healthz", "/readyz", "/openapi.json"):
        ask(f"GET {path}")
    for _ in range(4):
        ask("DELETE /messages/{id}", id=contract.id_of(message="x", queue="retried"))
    ask("POST /retries", {"status": "cancelled", "queue": "retried"})
    ask("GET /retries")
    ask("POST /retries", expected=409)
    ask("POST /retries", {"status": "done"}, expected=422)


def operations(contract):
    """What operators do to messages and queues."""
    ask = contract.ask
    later = contract.id_of(message="x", queue="paused", deliver_at="2999-01-01T00:00:00Z")
    waits = contract.id_of(message="x", queue="paused")
    for verb, told in (("pause", dict), ("resume", type(None))):
        paused = ask(f"POST /queues/{{queue}}/{verb}", queue="paused")["paused"]
        contract.expect("a pause is told", isinstance(paused, told))
        ask("GET /queues/{queue}", queue="paused")
        ask("GET /messages/{id}/explain", id=waits)
        ask(f"POST /queues/{{queue}}/{verb}", queue="no%20queue" if verb == "pause" else "paused", body={"why": "x"}, expected=422)
    ask("POST /messages/{id}/run-now", id=later)
    ask("POST /messages/{id}/run-now", [], id=later, expected=422)
    ask("POST /messages/{id}/move", {"queue": "moved"}, id=later)
    ask("POST /messages/{id}/move", {"queue": "no queue"}, id=later, expected=422)
    ask("GET /messages/{id}/history", id=later)
    ask("DELETE /messages/{id}", id=waits)
    ask("POST /messages/{id}/retry", {"message": "y"}, [("If-Match", '"9"')], id=waits, expected=412)
    ask("POST /messages/{id}/retry", {"message": {"a": 1}, "headers": {"h": "v"}, "queue": "moved"}, id=waits)
    ask("GET /messages/{id}/history", id=waits)
    ask("POST /messages/{id}/retry", {"message": "y"}, id=waits, expected=409)
    ask("POST /messages/{id}/retry", {"headers": {}}, id=waits, expected=422)
    ask("POST /claims", [{"id": later, "revision": 1}])
    for verb, body in (("run-now", None), ("move", {"queue": "paused"})):
        ask(f"POST /messages/{{id}}/{verb}", body, id=later, expected=409)
        ask(f"POST /messages/{{id}}/{verb}", body, id=UNKNOWN, expected=404)
    purges(contract)


def purges(contract):
    ask, again = contract.ask, None
    ask("GET /queues/{queue}/purge", queue="purged")
    for method in ("GET", "POST"):
        ask(f"{method} /queues/{{queue}}/purge", queue="no%20queue", expected=422)
    while again is None or again.status != 409:  # until one comes while the one before it is under way
        for _ in range(8):
            ask("POST /messages", [{"message": "", "queue": "purged"}] * 50)
        ask("POST /queues/{queue}/purge", queue="purged")
        again = contract.check("POST /queues/{queue}/purge", contract.broker.ask("POST", "/queues/purged/purge"))
        while ask("GET /queues/{queue}/purge", queue="purged")["running"]:
            pass


def page(contract):
    """The files of the page, and a session where nobody is asked who they are."""
    ask = contract.ask
    ask("GET /ui", expected=308)
    for name, of_path in (("GET /ui/", {}), ("GET /ui/assets/{file}", {"file": "page.css"})):
        tag = ask(name, **of_path).headers["ETag"]
        ask(name, headers=[("If-None-Match", tag)], expected=304, **of_path)
    ask("GET /ui/assets/{file}", file="app.js")
    ask("GET /ui/assets/{file}", file="icon.svg")
    ask("GET /ui/assets/{file}", file="nothing.js", expected=404)
    for method in ("GET", "POST", "DELETE"):
        contract.expect("nobody is asked who they are", ask(f"{method} /ui/session") == {"access": False})


def access(contract, amc):
    """Who is asked for a token: without one, without the right, and what those see who have few."""
    with tempfile.TemporaryDirectory() as folder:
        tokens, entries = {}, ""
        for name, rights in {"owner": "send:orders", "server": "serve:orders", "operator": "operate:orders",
                             "greedy": "send:*,serve:*,read:*,operate:*"}.items():
            made = subprocess.run([os.path.abspath(amc), "token", "new", name, "--may", rights], check=True, capture_output=True,
                                  text=True, cwd=folder).stdout
            token, _, entry = made.partition("\n")
            tokens[name] = [("Authorization", f"Bearer {token}")]
            entries += entry
            # Whoever has its quota behind it at once, and one who may own one message.
            entries += {"greedy": "  quota: {bytes_per_s: 1}\n", "owner": "  quota: {pending_max: 3}\n"}.get(name, "")
        pathlib.Path(folder, "tokens.yaml").write_text(entries)
        with Broker(amc, f"broker.access.tokens_file={folder}/tokens.yaml") as guarded:
            open_broker, contract.broker = contract.broker, guarded
            for operation in contract.description.operations:
                contract.check(operation.name, guarded.ask(operation.method.upper(), target_of(operation)))
            over_quota(contract, tokens)
            with_rights(contract, tokens)
            contract.broker = open_broker


def over_quota(contract, tokens):
    contract.ask("GET /queues", headers=tokens["greedy"])  # whose answer is more than it may have each second
    for operation in contract.description.operations:
        contract.check(operation.name, contract.broker.ask(operation.method.upper(), target_of(operation), headers=tokens["greedy"]))


def with_rights(contract, tokens):
    ask, match = contract.ask, [("If-Match", "*")]
    ask("GET /readyz")
    ask("GET /queues", headers=tokens["owner"], expected=403)
    told = ask("POST /ui/session", headers=tokens["owner"])
    contract.expect("who signs in is told its rights", told["name"] == "owner" and told["may"]["send"] == ["orders"])
    ask("GET /ui/session", headers=tokens["owner"])
    ask("DELETE /ui/session", headers=tokens["owner"])
    ids = [ask("POST /messages", {"message": "x", "queue": "orders"}, tokens["owner"], expected=202)["id"] for _ in range(3)]
    ask("POST /messages", [{"message": "x", "queue": "orders"}], tokens["owner"])
    ask("GET /messages/{id}", headers=tokens["owner"], id=ids[0])
    ask("PUT /messages/{id}", {"message": "y", "done": True}, tokens["operator"] + match, id=ids[0])
    ask("DELETE /messages/{id}", headers=tokens["owner"], id=ids[1])
    ask("POST /messages/{id}/retry", headers=tokens["operator"], id=ids[1])
    ask("DELETE /messages/{id}", headers=tokens["operator"], id=ids[2])
    ask("POST /answers", [{"id": ids[1], "revision": 1, "message": "y", "queue": "other"}], tokens["server"])
    ask("POST /messages", [{"message": "x", "queue": "other"}], tokens["owner"])
    contract.expect("what one may see and not do is refused so", "forbidden" in contract.reasons)
    contract.expect("who owns as many messages as it may is told so", "over_quota" in contract.reasons)


def main(amc):
    sets = ("broker.http.body_max_bytes=4096", "broker.message_max_bytes=2000", "broker.claims_max_bytes=3000",
            "broker.http.body_timeout_ms=2000", "broker.retries_per_second=1", "broker.queues=[{name: frail, lease_ms: 10, "
            "max_claims: 1000000}]")
    with Broker(amc, *sets) as broker:
        contract = Contract(broker)
        for part in (root, messages, contents, claims, work, operators, operations, page, general_refusals, late_requests):
            part(contract)
        too_many_connections(contract, amc)
        access(contract, amc)
    for name, status in sorted(contract.description.documented() - contract.seen):
        if status != 500:
            contract.complaints.append(f"{name} is documented to answer {status}, and never did")
    print("\n".join(contract.complaints) or f"{len(contract.seen)} answers are as documented")
    return 1 if contract.complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
