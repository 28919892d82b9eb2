"""A real broker in a folder of its own, and requests to it byte by byte."""
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)

    def send(self, method, target, headers=(), body=b"", host="localhost"):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
        if not any(name == "Content-Length" for name, _ in headers):
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def read(self, method):
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return Answer(response.status, response.headers, response.read())

    def close(self):
        self.socket.close()


class Broker:
    def __init__(self, amc, *sets):
        self.folder = tempfile.TemporaryDirectory()
        self.words = [os.path.abspath(amc), "broker"]
        for one in sets:
            self.words += ["--set", one]
        self.start(0)

    def start(self, port):
        """Over the store of the one before, if there was one."""
        self.log = open(f"{self.folder.name}/log", "w+")
        self.process = subprocess.Popen([*self.words, "--set", f"broker.http.port={port}"], cwd=self.folder.name, stderr=self.log)
        self.port = self.wait_for_port()

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

    def wait_for_port(self):
        for _ in range(6000):
            with open(self.log.name) as log:
                found = re.search(r"listening on http://[^ ]*:(\d+)\s", log.read())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        sys.exit(f"the broker does not start: {self.told()}")

    def told(self):
        with open(self.log.name) as log:
            return log.read()

    def connect(self):
        return Connection(self.port)

    def ask(self, method, target, headers=(), body=b"", **how):
        connection = self.connect()
        try:
            connection.send(method, target, headers, body, **how)
            return connection.read(method)
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()
