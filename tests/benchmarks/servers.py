"""Engines and processes of a benchmark. Whatever is started is stopped by its process id."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = ROOT / "build/release"
AMC = BINARIES / "amc"
# Not /tmp, which may be memory: a commit must reach a disk.
FOLDER = ROOT / "build/bench"


def die_with_parent():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def start(command, **how):
    return subprocess.Popen([str(word) for word in command], preexec_fn=die_with_parent, **how)


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def output_of(command, **how):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, **how)
    if done.returncode != 0:
        raise SystemExit(f"bench: {command[0]} failed ({done.returncode}): {done.stdout}")
    return done.stdout


ENGINES = {"rabbitmq": "url", "nats": "url", "kafka": "brokers", "redis": "url"}  # and the key that names the server


class Servers:
    """A throw-away PostgreSQL that waits for the disk, and a throw-away server of each queue engine; one that cannot be
    had is left out, and a line says so. PostgreSQL and RabbitMQ must be there."""

    def __enter__(self):
        self.scripts, self.urls, self.databases = [], {}, 0
        FOLDER.mkdir(parents=True, exist_ok=True)
        for engine, options in (("postgresql", ["--durable"]), *((engine, []) for engine in ENGINES)):
            script = start([ROOT / "scripts/test-server", engine, *options], stdout=subprocess.PIPE, text=True)
            self.scripts.append(script)
            for line in script.stdout:
                name, _, value = line.strip().partition("=")
                if name == ENGINES.get(engine, "url"):
                    self.urls[engine] = value
                if name == "ready":
                    break
            else:
                if engine in ("postgresql", "rabbitmq"):
                    raise SystemExit(f"bench: no {engine}")
                print(f"bench: no {engine} here: it is not measured", flush=True)
        return self

    def engines(self):
        return [engine for engine in ENGINES if engine in self.urls]

    def __exit__(self, *_):
        for script in self.scripts:
            stop(script)

    def environment(self):
        return {**os.environ, "TMPDIR": str(FOLDER), "AMC_TEST_POSTGRESQL_URL": self.urls["postgresql"],
                **{f"AMC_TEST_{engine}_{ENGINES[engine]}".upper(): self.urls[engine] for engine in self.engines()}}

    def sql(self, statement, database=None):
        output_of(["psql", "-qX", "-v", "ON_ERROR_STOP=1", database or self.urls["postgresql"], "-c", statement])

    def new_database(self):
        self.databases += 1
        name = f"bench_{self.databases}"
        self.sql(f"CREATE DATABASE {name}")
        return self.urls["postgresql"].rsplit("/", 1)[0] + "/" + name


class Deployment:
    """AMC's processes over one configuration; the first is the one with the broker in it."""

    def __init__(self, name, settings, roles, folder=None):
        self.name, self.roles, self.folder = name, roles, folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {"broker.http.port": self.port, "consumer_services.broker_client.url": self.url,
                    "log.level": "warning", **settings}
        self.options = ["--config", FOLDER / "no-config"]
        for key, value in settings.items():
            self.options += ["--set", f"{key}={value}"]
        (FOLDER / "no-config").mkdir(parents=True, exist_ok=True)
        self.processes = []

    def migrate(self):
        output_of([AMC, "migrate", *self.options])

    def __enter__(self):
        try:
            for role in self.roles:
                self.processes.append(start([AMC, role, *self.options]))
            output_of([AMC, "requester", *self.options])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            stop(process)

    def forget(self):
        """What it has stored in a file takes no room any more; databases go with their server."""
        if self.folder:
            shutil.rmtree(self.folder)

    def bench(self, conversations, concurrency, warm_up=0):
        """Whole conversations; a wrong or missing answer ends the benchmark."""
        return json.loads(output_of([AMC, "bench", *self.options, "--json", "--conversations", int(conversations),
                                     "--concurrency", concurrency, "--warm-up", warm_up]))

    def metrics(self, name):
        """The sum of a metric over all its labels, at the broker."""
        with urllib.request.urlopen(self.url + "/metrics") as reply:
            lines = reply.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def pending(self):
        with urllib.request.urlopen(self.url + "/queues") as reply:
            return sum(queue["pending"] for queue in json.load(reply)["queues"])

    def resident_mib(self, what="VmRSS"):
        """Of the process with the broker; VmHWM: the most that it ever was."""
        status = pathlib.Path(f"/proc/{self.processes[0].pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith(what + ":")).split()[1]) / 1024

    def cpu_s(self):
        """User and system time so far, of all its processes."""
        ticks = 0
        for process in self.processes:
            after_name = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(after_name[11]) + int(after_name[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def together(servers, count):
    """So many `amc all` on one PostgreSQL, with the embedded queue."""
    database = servers.new_database()
    return [Deployment(f"broker {i + 1} of {count}", {"broker.store.engine": "postgresql",
                                                      "broker.store.postgresql.url": database}, ["all"]) for i in range(count)]


def new_sqlite_path():
    path = FOLDER / f"store-{time.time_ns()}" / "amc.db"
    path.parent.mkdir(parents=True)
    return path


ROLES = ["broker", "service-a", "service-b"]


def embedded(path=None, **settings):
    """amc all: SQLite, the embedded queue, one process."""
    path = path or new_sqlite_path()
    return Deployment("embedded", {"broker.store.sqlite.path": path, **settings}, ["all"], path.parent)


def separate(servers, database=None, queue_type="quorum", **settings):
    """PostgreSQL and RabbitMQ; the broker and each service a process of its own."""
    return Deployment("separate", {
        "broker.store.engine": "postgresql",
        "broker.store.postgresql.url": database or servers.new_database(),
        "queue_system.platform": "rabbitmq",
        "queue_system.rabbitmq.url": servers.urls["rabbitmq"],
        "queue_system.rabbitmq.queue_type": queue_type,
        "queue_system.prefix": f"bench-{time.time_ns()}.",
        **settings,
    }, ROLES)


def over(servers, engine):
    """PostgreSQL and a queue engine as it is configured by default; the broker and each service a process of its own."""
    return Deployment(engine, {
        "broker.store.engine": "postgresql",
        "broker.store.postgresql.url": servers.new_database(),
        "queue_system.platform": engine,
        f"queue_system.{engine}.{ENGINES[engine]}": servers.urls[engine],
        "queue_system.prefix": f"bench-{time.time_ns()}.",
    }, ROLES)


def apart():
    """The same without any server, the broker and each service a process of its own: services receive over HTTP."""
    path = new_sqlite_path()
    return Deployment("apart", {"broker.store.sqlite.path": path}, ROLES, path.parent)


def without_engine(servers, database=None, roles=ROLES):
    """PostgreSQL and no queue engine: services receive over HTTP."""
    return Deployment("without engine", {"broker.store.engine": "postgresql",
                                         "broker.store.postgresql.url": database or servers.new_database()}, roles)
