"""Greets whoever a message of a queue names: worker.py [QUEUE] [BROKER]. SIGTERM ends it once it has answered."""
import json, os, signal, sys, time, urllib.request, uuid

queue, broker = (sys.argv[1:] + ["greetings", "http://127.0.0.1:4000"][len(sys.argv) - 1:])[:2]
worker, waiting, stopping = str(uuid.uuid4()), False, False
token = {"Authorization": "Bearer " + os.environ["AMC_TOKEN"]} if "AMC_TOKEN" in os.environ else {}

def stop(*_):
    global stopping
    stopping = True
    if waiting: sys.exit()  # what is on its way to a connection that closes is given to somebody else

def receive(outcomes, wait):
    body = json.dumps({"service": "greeter", "worker": worker, "max": 0 if stopping else 1, **outcomes}).encode()
    asked = urllib.request.Request(f"{broker}/queues/{queue}/receive", body, {"Prefer": f"wait={wait}", **token})
    with urllib.request.urlopen(asked, timeout=wait + 10) as reply: return json.load(reply)["deliveries"]

def handle(text): return f"Hello, {text}!"
signal.signal(signal.SIGTERM, stop)
outcomes = {}
while outcomes or not stopping:
    try:
        waiting = not outcomes
        deliveries, outcomes, waiting = receive(outcomes, 0 if outcomes else 20), {}, False
        for d in deliveries:
            try: outcomes = {"answers": [{"id": d["id"], "revision": d["revision"], "message": handle(d["message"]), "done": True}]}
            except Exception as why: outcomes = {"failures": [{k: d[k] for k in ("id", "revision", "claim")} | {"error": str(why)}]}
    except OSError as why:  # the broker is away, or restarts: what was not told is told again
        print("waits for the broker:", why, file=sys.stderr)
        time.sleep(1)
