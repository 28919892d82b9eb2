"""Sends a message and prints its answer: requester.py TEXT [QUEUE] [BROKER]."""
import json, os, sys, time, urllib.error, urllib.request, uuid

text, queue, broker = (sys.argv[1:] + ["World", "greetings", "http://127.0.0.1:4000"][len(sys.argv) - 1:])[:3]
token = {"Authorization": "Bearer " + os.environ["AMC_TOKEN"]} if "AMC_TOKEN" in os.environ else {}
key = str(uuid.uuid4())  # the same request again makes no second message

def post():
    asked = urllib.request.Request(f"{broker}/queues/{queue}/messages", json.dumps({"message": text}).encode(),
                                   {"Prefer": "wait=20", "Idempotency-Key": key, **token})
    with urllib.request.urlopen(asked, timeout=30) as reply: return json.load(reply)

while True:
    try:
        message = post()
        if message["status"] != "pending": break
    except urllib.error.HTTPError as why:
        if why.code not in (429, 503): sys.exit(json.load(why)["detail"])
        time.sleep(1)
    except OSError as why:  # the broker is away, or restarts
        print("waits for the broker:", why, file=sys.stderr)
        time.sleep(1)
print(message["message"] if message["status"] == "done" else message["status"])
sys.exit(message["status"] != "done")
