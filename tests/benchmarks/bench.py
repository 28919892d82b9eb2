"""Measures everything, side by side, in one run: probes, conversations, start-up; with --full also what takes long.
Keeps what it measured in docs/performance/*.json and writes docs/performance.md from it; --page only writes."""

import argparse
import concurrent.futures
import contextlib
import functools
import http.client
import json
import os
import platform
import shutil
import statistics
import subprocess
import time

import page
from servers import (AMC, BINARIES, FOLDER, ROOT, Servers, apart, embedded, new_sqlite_path, output_of, over, separate, start, stop,
                     together, without_engine)
from stored import fill_postgresql, fill_sqlite

CONCURRENCIES = (1, 16, 64, 256, 1024)
QUEUE_TYPES = ("quorum", "classic", "transient")
FOLDER_OF_RESULTS = ROOT / "docs/performance"
MILLION = 1_000_000


def say(text):
    print(f"bench: {text}", flush=True)


def probes(servers, *options):
    return json.loads(output_of([BINARIES / "tests/benchmarks/amc_probes", *options], env=servers.environment()))


def probes_one_at_a_time(servers):
    return probes(servers, "--batch", 1, "--connections", 1, "--postgresql-connections", 1, "--count", 500, "--rounds", 3)


def microbenchmarks():
    told = json.loads(output_of([BINARIES / "tests/benchmarks/amc_microbenchmarks", "--benchmark_format=json",
                                 "--benchmark_min_time=0.2"], stderr=subprocess.DEVNULL))
    wrong = [one["name"] for one in told["benchmarks"] if one.get("error_occurred")]
    if wrong:
        raise SystemExit(f"bench: wrong answers in {wrong}")
    return [{"name": one["name"], "ns": one["real_time"], "per_s": one.get("items_per_second")}
            for one in told["benchmarks"]]


def count_for(deployment, concurrency, seconds):
    """Conversations that take about so many seconds."""
    least = max(1_000, 4 * concurrency)
    return max(least, deployment.bench(least, concurrency)["conversations_per_s"] * seconds)


def middle(told):
    return sorted(told, key=lambda one: one["conversations_per_s"])[len(told) // 2]


def conversations_at(deployment, concurrency, seconds, runs=3):
    """The middle one of a few runs."""
    count = count_for(deployment, concurrency, seconds)
    return middle([deployment.bench(count, concurrency) for _ in range(runs)])


def http_requests(deployment):
    return deployment.metrics("http_server_request_duration_seconds_count")


def rounds_beside_probes(servers, deployments, rounds, seconds):
    """Probes and conversations at concurrency 256 take turns, so that what the machine does meanwhile hits both."""
    counts = {one.name: count_for(one, 256, seconds) for one in deployments}
    told = []
    for _ in range(rounds):
        turn = {"probes": probes(servers, "--rounds", 2, "--count", 12_800)}
        for one in deployments:
            before = http_requests(one)
            came = one.bench(counts[one.name], 256)
            came["http_requests_per_conversation"] = round((http_requests(one) - before) / came["conversations"], 3)
            turn[one.name] = came
            say(f"{one.name}, concurrency 256: {came['conversations_per_s']:.0f}/s")
        told.append(turn)
    return told


def conversations(deployment, seconds):
    told = {}
    for concurrency in CONCURRENCIES:
        told[concurrency] = conversations_at(deployment, concurrency, seconds)
        say(f"{deployment.name}, concurrency {concurrency}: {told[concurrency]['conversations_per_s']:.0f}/s")
    return told


def queue_types(servers, rounds, seconds):
    """The same processes over each type of RabbitMQ's queues; the types take turns."""
    with contextlib.ExitStack() as running:
        deployments = {kind: running.enter_context(separate(servers, queue_type=kind)) for kind in QUEUE_TYPES}
        for deployment in deployments.values():
            deployment.bench(4_000, 64)
        count = count_for(deployments["quorum"], 256, seconds)
        turns = [{kind: one.bench(count, 256) for kind, one in deployments.items()} for _ in range(rounds)]
    told = {}
    for kind in QUEUE_TYPES:
        ratio = statistics.median(turn[kind]["conversations_per_s"] / turn["quorum"]["conversations_per_s"]
                                  for turn in turns)
        told[kind] = {**middle([turn[kind] for turn in turns]), "of_quorum": round(ratio, 3)}
        say(f"{kind} queues: {ratio:.2f} of the speed with quorum queues")
    return told


def engines(servers, rounds, seconds):
    """The same processes over each queue engine, and over PostgreSQL alone; they take turns. And what each driver does
    by itself."""
    driver = {one["name"]: one["driver_per_s"]
              for one in probes(servers, "--only-engines", "--rounds", rounds, "--count", 12_800)["probes"]}
    with contextlib.ExitStack() as running:
        deployments = [running.enter_context(over(servers, engine)) for engine in servers.engines()]
        deployments.append(running.enter_context(without_engine(servers)))
        for deployment in deployments:
            deployment.bench(2_000, 64)
        count = count_for(deployments[0], 256, seconds)
        turns = [{one.name: {many: one.bench(count if many > 1 else 300, many) for many in (1, 256)} for one in deployments}
                 for _ in range(rounds)]
    told = {}
    for one in deployments:
        ratio = statistics.median(turn[one.name][256]["conversations_per_s"] / turn["rabbitmq"][256]["conversations_per_s"]
                                  for turn in turns)
        told[one.name] = {"of_rabbitmq": round(ratio, 3), "publish_per_s": driver.get(f"{one.name} publish"),
                          "receive_per_s": driver.get(f"{one.name} receive"),
                          "middle": {many: middle([turn[one.name][many] for turn in turns]) for many in (1, 256)}}
        say(f"{one.name}: {ratio:.2f} of the speed over RabbitMQ")
    return told


def history(servers, rounds, seconds):
    """What it costs that a message keeps what earlier revisions said: the same deployments with and without, in turns."""
    return {"embedded": with_and_without_history(embedded, rounds, seconds),
            "separate": with_and_without_history(functools.partial(separate, servers), rounds, seconds)}


def with_and_without_history(make, rounds, seconds):
    with make(**{"broker.history": "true"}) as kept, make(**{"broker.history": "false"}) as dropped:
        for one in (kept, dropped):
            one.bench(4_000, 64)
        count = count_for(dropped, 256, seconds)
        turns = [[measured_with_cpu(one, count) for one in (kept, dropped)] for _ in range(rounds)]
    told = {"rounds": rounds, "rate_ratio": round(statistics.median(a["conversations_per_s"] / b["conversations_per_s"] for a, b in turns), 3),
            "cpu_ratio": round(statistics.median(a["cpu_us"] / b["cpu_us"] for a, b in turns), 3),
            "middle": {name: middle([turn[i] for turn in turns]) for i, name in enumerate(("true", "false"))}}
    say(f"{kept.name} with the history: {told['rate_ratio']} of the speed, {told['cpu_ratio']} of the CPU time of without")
    return told


def brokers(servers, rounds, seconds):
    """One PostgreSQL, and more and more brokers on it, each asked by a client of its own; they take turns."""
    with contextlib.ExitStack() as running:
        groups = {count: [running.enter_context(one) for one in together(servers, count)] for count in (1, 2, 3)}
        for group in groups.values():
            at_once(group, 600, 64)
        each = count_for(groups[1][0], 192, seconds)
        turns = [{count: at_once(group, each, 192) for count, group in groups.items()} for _ in range(rounds)]
    told = {count: {"per_s": round(statistics.median(turn[count] for turn in turns)),
                    "of_one": round(statistics.median(turn[count] / turn[1] for turn in turns), 3)} for count in groups}
    for count, one in told.items():
        say(f"{count} brokers on one PostgreSQL: {one['per_s']}/s, {one['of_one']} of one")
    return told


def at_once(group, conversations, concurrency):
    """Conversations a second of all together; they share the work and the concurrency."""
    share = len(group)
    with concurrent.futures.ThreadPoolExecutor(share) as clients:
        came = list(clients.map(lambda one: one.bench(conversations / share, concurrency // share), group))
    return sum(one["conversations_per_s"] for one in came)


def measured_with_cpu(deployment, count):
    before = deployment.cpu_s()
    came = deployment.bench(count, 256)
    return {**came, "cpu_us": round((deployment.cpu_s() - before) * 1e6 / came["conversations"], 1)}


def ms_to_first_201(deployment):
    """From exec to the first message that was accepted."""
    begun = time.perf_counter()
    process = start([AMC, "all", *deployment.options])
    try:
        while time.perf_counter() - begun < 60:
            try:
                link = http.client.HTTPConnection("127.0.0.1", deployment.port)
                link.request("POST", "/", '{"message": "Hi, "}')
                status = link.getresponse().status
            except OSError:
                time.sleep(0.001)
                continue
            finally:
                link.close()
            if status != 201:
                raise SystemExit(f"bench: the first answer after a start was {status}")
            return (time.perf_counter() - begun) * 1_000
        raise SystemExit("bench: no answer after a start")
    finally:
        stop(process)


def receiving(servers, rounds, seconds):
    """Services that receive over HTTP beside those that hear an engine, or share the broker's process; all take turns. With
    two brokers, whoever posts asks the one and all services the other."""
    database = servers.new_database()
    with embedded() as one, apart() as two, separate(servers) as three, without_engine(servers) as four, \
            without_engine(servers, database), without_engine(servers, database, ["broker"]) as five:
        five.name = "two brokers"
        deployments = (one, two, three, four, five)
        for deployment in deployments:
            deployment.bench(4_000, 64)
        counts = {(each.name, many): seconds * each.bench(500 * min(many, 4), many)["conversations_per_s"]
                  for each in deployments for many in (1, 256)}
        turns = [{many: {each.name: each.bench(max(4 * many, counts[each.name, many]), many) for each in deployments}
                  for many in (1, 256)} for _ in range(rounds)]
    one.forget(), two.forget()

    def ratio(many, of, what, beside):
        return round(statistics.median(of(turn[many][what]) / of(turn[many][beside]) for turn in turns), 3)

    def speed(told): return told["conversations_per_s"]
    def p50(told): return told["latency_ms"]["p50"]
    def p99(told): return told["latency_ms"]["p99"]
    told = {"apart ÷ embedded, 256 at once": ratio(256, speed, "apart", "embedded"),
            "without engine ÷ separate, 256 at once": ratio(256, speed, "without engine", "separate"),
            "without engine ÷ separate, one at a time, p50": ratio(1, p50, "without engine", "separate"),
            "two brokers ÷ without engine, one at a time, p99": ratio(1, p99, "two brokers", "without engine")}
    for what, value in told.items():
        say(f"{what}: {value:.2f}")
    return {"ratios": told, "middle": {each.name: {many: middle([turn[many][each.name] for turn in turns]) for many in (1, 256)}
                                       for each in deployments}}


PARKED, PARKED_QUEUES = 4_000, 100


def park(deployment, links):
    """Requests for work in many queues, in which there is none; each on a connection of its own."""
    for number in range(PARKED):
        link = http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=60)
        link.request("POST", f"/queues/parked-{number % PARKED_QUEUES}/receive", f'{{"worker": "w{number}"}}', {"Prefer": "wait=3600"})
        links.append(link)
    while deployment.metrics("amc_receivers") < PARKED:
        time.sleep(0.05)


def parked_receivers(rounds, seconds):
    """What parked receivers cost: memory, and the latency of conversations beside them; turns with and without them."""
    with embedded(**{"broker.http.receive_wait_max_ms": 3_600_000, "broker.http.connections_max": 2 * PARKED,
                     "broker.http.receivers_max": 2 * PARKED}) as one:
        one.bench(4_000, 64)
        count = seconds * one.bench(1_000, 1)["conversations_per_s"]
        kib, ratios = [], []
        for _ in range(rounds):
            without, before, links = one.bench(count, 1), one.resident_mib(), []
            try:
                park(one, links)
                kib.append((one.resident_mib() - before) * 1024 / PARKED)
                ratios.append(one.bench(count, 1)["latency_ms"]["p99"] / without["latency_ms"]["p99"])
            finally:
                for link in links:
                    link.close()
            while one.metrics("amc_receivers") >= PARKED_QUEUES:
                time.sleep(0.05)
    one.forget()
    told = {"receivers": PARKED, "queues": PARKED_QUEUES, "kib_each": round(max(kib), 1), "p99_ratio": round(statistics.median(ratios), 3)}
    say(f"{PARKED} parked receivers: {told['kib_each']} KiB each, p99 beside them {told['p99_ratio']:.2f} of without")
    return told


def token_for(folder, name, rights, quota=""):
    """Makes a token in FOLDER/NAME, and its entry in FOLDER/tokens.yaml."""
    token, _, entry = output_of([AMC, "token", "new", name, "--may", rights]).partition("\n")
    (folder / name).write_text(token + "\n")
    with open(folder / "tokens.yaml", "a") as tokens:
        tokens.write(entry + quota)
    return folder / name


FLOOD_CONNECTIONS, FLOOD_QUOTA = 8, 100


def neighbour(rounds, seconds):
    """The p99 of one principal's conversations beside a client of another at full speed, that has a quota or has none."""
    folder = FOLDER / "neighbour"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    services = token_for(folder, "services", "serve:*,send:*,read:*")
    floods = {"bounded": token_for(folder, "bounded", "send:flood", f"  quota: {{requests_per_s: {FLOOD_QUOTA}}}\n"),
              "unbounded": token_for(folder, "unbounded", "send:flood")}
    ratios = {kind: [] for kind in floods}
    with embedded(**{"broker.access.tokens_file": folder / "tokens.yaml",
                     "consumer_services.broker_client.token_file": services}) as one:
        one.bench(4_000, 64)
        count = seconds * one.bench(1_000, 1)["conversations_per_s"]
        for _ in range(rounds):
            alone = one.bench(count, 1)["latency_ms"]["p99"]
            for kind, token in floods.items():
                flood = start(["/usr/bin/python3", ROOT / "tests/benchmarks/flood.py", one.port, token, FLOOD_CONNECTIONS])
                try:
                    ratios[kind].append(one.bench(count, 1)["latency_ms"]["p99"] / alone)
                finally:
                    stop(flood)
    one.forget()
    told = {"connections": FLOOD_CONNECTIONS, "requests_per_s": FLOOD_QUOTA,
            "p99_ratio": {kind: round(statistics.median(all_of), 3) for kind, all_of in ratios.items()}}
    say(f"p99 beside a client at full speed: {told['p99_ratio']} of alone")
    return told


def start_up(done, pending, times=5):
    took = []
    for _ in range(times):
        deployment = filled_embedded(done, pending)
        took.append(ms_to_first_201(deployment))
        deployment.forget()
    return {"ms": round(statistics.median(took), 1), "stored": done, "pending": pending}


def filled_embedded(done, pending=0, queue="topic-a"):
    path = new_sqlite_path()
    deployment = embedded(path)
    if done:
        deployment.migrate()
        fill_sqlite(path, done, pending, queue)
    return deployment


def filled_separate(servers, done, pending=0, queue="topic-a"):
    database = servers.new_database()
    deployment = separate(servers, database)
    deployment.migrate()
    fill_postgresql(servers, database, done, pending, queue)
    return deployment


def stored(make):
    """Throughput and latency against what the store holds; the stores take turns."""
    say("fills stores")
    deployments = {done: make(done) for done in (0, MILLION, 5 * MILLION)}
    with contextlib.ExitStack() as running:
        for deployment in deployments.values():
            running.enter_context(deployment).bench(4_000, 64)
        count, order = count_for(deployments[0], 256, 3), list(deployments)
        turns = []
        for _ in range(15):
            turns.append({done: deployments[done].bench(count, 256) for done in order})
            order = order[1:] + order[:1]  # nobody is always the first
    for deployment in deployments.values():
        deployment.forget()
    speeds = [[turn[done]["conversations_per_s"] for done in deployments] for turn in turns]
    ratio = statistics.median(full / empty for empty, *_, full in speeds)
    say(f"with 5 M stored {ratio:.2f} of the speed with none")
    return {"ratio": round(ratio, 3), "by_count": {done: middle([turn[done] for turn in turns]) for done in deployments}}


def memory(make, minutes):
    """The process with the broker, over 1 M stored and 10 k pending that nobody takes, under load."""
    deployment = make(MILLION, 10_000, "nobody-listens")
    told = memory_under_load(deployment, minutes)
    deployment.forget()
    return {"stored": MILLION, "pending": 10_000, **told}


def memory_under_load(deployment, minutes):
    samples, begun = [], time.time()
    with deployment:
        samples.append((0, round(deployment.resident_mib(), 1)))
        while time.time() - begun < minutes * 60:
            deployment.bench(20_000, 64)
            samples.append((round(time.time() - begun, 1), round(deployment.resident_mib(), 1)))
        peak = deployment.resident_mib("VmHWM")  # what a run needed is gone when it ends
    settled = [mib for at, mib in samples if at >= minutes * 12]  # after the first fifth
    half = len(settled) // 2
    told = {"minutes": minutes, "max_mib": round(peak, 1), "samples": samples,
            "growth_mib": round(statistics.median(settled[half:]) - statistics.median(settled[:half] or settled), 1)}
    say(f"{deployment.name}: {told['max_mib']} MiB at most, grown by {told['growth_mib']}")
    return told


def overload(deployment, seconds):
    """Twice what it can take, on a clock that does not wait; then how fast it is two seconds after the last request,
    whatever is still under way."""
    with deployment:
        deployment.bench(4_000, 64)
        capacity = conversations_at(deployment, 256, 5)["conversations_per_s"]
        before, begun = deployment.resident_mib(), time.time()
        load = start([BINARIES / "tests/benchmarks/amc_overload", "--url", deployment.url, "--rate", 2 * capacity,
                      "--duration", seconds], stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(max(0, begun + seconds + 2 - time.time()))
            speed_after = speed_now(deployment, capacity) / capacity
            told = json.loads(load.communicate()[0])
        finally:
            stop(load)
        finish(deployment, 20 * seconds)
        told.update(capacity_per_s=capacity, seconds=seconds, mib_before=round(before, 1), mib_max=round(deployment.resident_mib("VmHWM"), 1),
                    speed_after=round(speed_after, 3), answered_rightly=load.returncode == 0)
    say(f"{deployment.name} at twice {capacity:.0f}/s: {told['statuses']}, {told['without_answer']} without an answer, "
        f"{told['late']} late, {told['speed_after']} of full speed after 2 s")
    return told


def speed_now(deployment, capacity):
    """Messages that end in a second: new ones, and those of a backlog. New ones would wait behind a long one."""
    begun, backlog = time.time(), deployment.pending()
    if backlog > 2 * capacity:
        time.sleep(2)
        ended, left = time.time(), deployment.pending()  # counting takes a while, and tells what was when it began
        return (backlog - left) / (ended - begun)
    came = deployment.bench(3 * capacity, 256)
    return came["conversations_per_s"] + (backlog - deployment.pending()) / came["elapsed_s"]


def finish(deployment, longest_s):
    """What was accepted becomes done."""
    begun = time.time()
    while deployment.pending() > 0:
        if time.time() - begun > longest_s:
            raise SystemExit(f"bench: {deployment.pending()} messages are not finished {longest_s} s after an overload")
        time.sleep(1)


@functools.cache
def commit():
    """As it was before any figure was written."""
    return output_of(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip()


def machine():
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    memory_kib = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1])
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": round(memory_kib / 2**20, 1),
            "kernel": platform.release(), "load_before": round(os.getloadavg()[0], 2),
            "commit": commit(), "date": time.strftime("%Y-%m-%d")}


def measure_short(servers, full):
    say("micro-benchmarks, probes")
    results = {"machine": machine(), "micro": microbenchmarks(), "one_at_a_time": probes_one_at_a_time(servers)}
    with embedded() as one, separate(servers) as other:
        for deployment in (one, other):
            deployment.bench(4_000, 64)  # pages, plans and pools are warm
        results["rounds"] = rounds_beside_probes(servers, (one, other), 9 if full else 5, 5 if full else 2)
        results["conversations"] = {each.name: conversations(each, 10 if full else 2) for each in (one, other)}
    results["queue_types"] = queue_types(servers, 7 if full else 5, 5 if full else 2)
    results["start_up"] = start_up(0, 0)
    return results


def of_each(servers, measure):
    makers = {"embedded": filled_embedded, "separate": functools.partial(filled_separate, servers)}
    return {name: measure(make) for name, make in makers.items()}


LONG_PARTS = {
    "engines": lambda servers, asked: engines(servers, 7 if asked.full else 3, 3 if asked.full else 2),
    "receiving": lambda servers, asked: receiving(servers, 7, 3),
    "parked": lambda servers, asked: parked_receivers(7, 3),
    "neighbour": lambda servers, asked: neighbour(7, 3),
    "brokers": lambda servers, asked: brokers(servers, 7, 3),
    "history": lambda servers, asked: history(servers, 9, 3),
    "start_up": lambda servers, asked: start_up(MILLION, 10_000, times=3),
    "stored": lambda servers, asked: of_each(servers, stored),
    "overload": lambda servers, asked: of_each(servers, lambda make: overload(make(0), asked.seconds)),
    "memory": lambda servers, asked: of_each(servers, lambda make: memory(make, asked.minutes)),
}


def measure_long(servers, asked, parts):
    """Each part with the machine as it was then, so that one can be measured anew."""
    results = (None if asked.full else kept("long.json")) or {"machine": {}}
    for name in parts:
        results["machine"][name] = machine()
        results[name] = LONG_PARTS[name](servers, asked)
    return results


def keep(name, results):
    FOLDER_OF_RESULTS.mkdir(parents=True, exist_ok=True)
    (FOLDER_OF_RESULTS / name).write_text(json.dumps(results, indent=1) + "\n")


def kept(name):
    path = FOLDER_OF_RESULTS / name
    return json.loads(path.read_text()) if path.exists() else None


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--full", action="store_true", help="also stores of millions, memory and overload")
    asked.add_argument("--minutes", type=float, default=10, help="of load for the memory (default 10)")
    asked.add_argument("--seconds", type=float, default=60, help="of overload (default 60)")
    asked.add_argument("--only", choices=LONG_PARTS, help="this long part anew")
    asked.add_argument("--page", action="store_true", help="only write the page anew")
    asked = asked.parse_args()
    if asked.only and not kept("long.json"):
        raise SystemExit("bench: there are no long runs yet, of which to measure one part anew: scripts/bench --full")
    parts = [asked.only] if asked.only else list(LONG_PARTS) if asked.full else ["engines"]
    commit()
    if not asked.page:
        with Servers() as servers:
            if not asked.only:
                keep("short.json", measure_short(servers, asked.full))
            if parts:
                keep("long.json", measure_long(servers, asked, parts))
        shutil.rmtree(FOLDER, ignore_errors=True)
    long = kept("long.json")
    page.write(kept("short.json"), long)
    if "overload" in parts and not all(one["answered_rightly"] for one in long["overload"].values()):
        raise SystemExit("bench: under overload some requests were not answered rightly")


if __name__ == "__main__":
    main()
