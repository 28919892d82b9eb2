"""A broker with messages in every state, and a service that takes them as a test says."""
import contextlib
import json
import os
import pathlib
import subprocess
import threading

from broker import Broker

UNKNOWN = "00000000-0000-7000-8000-000000000000"


class System(Broker):
    def __init__(self, *sets):
        super().__init__(os.environ["AMC"], "broker.queues=[{name: fragile, max_failures: 0}, {name: orders, max_failures: 0}]", *sets)
        self.page = f"http://127.0.0.1:{self.port}/ui/"

    def call(self, method, path, body=None, headers=()):
        answer = self.ask(method, path, headers, b"" if body is None else json.dumps(body).encode())
        assert answer.status < 300, f"{method} {path} was answered {answer.status}: {answer.body!r}"
        return answer.json() if answer.body else None

    def post(self, queue, message="x", **more):
        return self.call("POST", f"/queues/{queue}/messages", {"message": message, **more})["id"]

    def post_many(self, queue, messages):
        return [one["id"] for one in self.call("POST", "/messages", [{"queue": queue, **message} for message in messages])]

    def take(self, queue, max=1):
        return self.call("POST", f"/queues/{queue}/receive", {"worker": "w1", "service": "packer", "max": max, "in_hand": 1})["deliveries"]

    def fail(self, delivery, error, **more):
        self.call("POST", "/failures", [{**{name: delivery[name] for name in ("id", "revision", "claim")}, "error": error, **more}])

    def answer(self, delivery, **more):
        self.call("POST", "/answers", [{"id": delivery["id"], "revision": delivery["revision"], **more}])

    def kill(self, queue, messages, error):
        """Dead letters, with this for a reason; `#` in it is a number."""
        ids = self.post_many(queue, messages)
        taken = {delivery["id"]: delivery for delivery in self.take(queue, len(ids))}
        for number, id in enumerate(ids):
            self.fail(taken[id], error.replace("#", str(number)), final=True)
        return ids

    def find(self, id):
        return self.call("GET", f"/messages/{id}")

    @contextlib.contextmanager
    def service(self, queue, handle):
        """Takes what comes; `handle` returns the reason why one fails, or nothing."""
        over = threading.Event()

        def work():
            while not over.is_set():
                deliveries = self.call("POST", f"/queues/{queue}/receive", {"worker": "w2", "service": "packer", "max": 10}, [("Prefer", "wait=1")])
                for delivery in deliveries["deliveries"]:
                    why = handle(delivery)
                    if why:
                        self.fail(delivery, why)
                    else:
                        self.answer(delivery, message="packed", done=True)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Guarded(System):
    """One that asks who asks."""

    def __init__(self, folder, **rights):
        self.file = pathlib.Path(folder, "tokens.yaml")
        self.tokens, self.entries = {}, {}
        for name, may in rights.items():
            made = subprocess.run([os.environ["AMC"], "token", "new", name, "--may", may], check=True, capture_output=True, text=True, cwd=folder)
            self.tokens[name], _, self.entries[name] = made.stdout.partition("\n")
        self.write()
        super().__init__(f"broker.access.tokens_file={self.file}")

    def write(self, without=""):
        fresh = self.file.with_suffix(".new")
        fresh.write_text("".join(entry for name, entry in self.entries.items() if name != without) or "[]\n")
        fresh.rename(self.file)

    def call(self, method, path, body=None, headers=()):
        return super().call(method, path, body, [*headers, ("Authorization", f"Bearer {self.tokens['chief']}")])
