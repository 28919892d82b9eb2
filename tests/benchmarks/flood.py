"""A client at full speed that heeds no answer: flood.py PORT TOKEN_FILE CONNECTIONS. Ends with its parent, or on SIGTERM."""

import http.client
import pathlib
import sys
import threading

port, token_file, connections = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
HEADERS = {"Authorization": "Bearer " + pathlib.Path(token_file).read_text().strip()}


def flood():
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while True:
        link.request("POST", "/queues/flood/messages", '{"message": "x"}', HEADERS)
        link.getresponse().read()


threads = [threading.Thread(target=flood, daemon=True) for _ in range(connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
