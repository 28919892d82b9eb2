"""Writes docs/performance.md and its plots from what was measured."""

import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

# The system that this project was created from, on two cores.
SEED_POSTS_PER_S, SEED_CONVERSATIONS_PER_S, SEED_LEAST_MS = 53, 49, 50

NAMES = {"embedded": "embedded: `amc all`, SQLite, one process",
         "separate": "separate: broker and each service a process, PostgreSQL, RabbitMQ quorum queues"}

# The steps of a conversation, and the probe that says how fast each can be.
STEPS = {
    "embedded": (("HTTP request", 3, "http request"), ("insert", 1, "sqlite insert"),
                 ("guarded update", 4, "sqlite guarded update"), ("publish", 2, "embedded publish"),
                 ("receive", 2, "embedded receive")),
    "separate": (("HTTP request", 3, "http request"), ("insert", 1, "postgresql insert"),
                 ("guarded update", 4, "postgresql guarded update"), ("confirmed publish", 2, "rabbitmq publish"),
                 ("receive", 2, "rabbitmq receive")),
}


def number(value, digits=0):
    return f"{value:,.{digits}f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def rates_of(told):
    """What each probe measured of a plain client; of the embedded queue, which has none, of the driver."""
    return {one["name"]: one.get("raw_per_s", one["driver_per_s"]) for one in told["probes"]}


def floor_s(rates, name, http_requests=3):
    """What a conversation takes at least: the sum of its steps, each at the rate of its probe."""
    return sum((http_requests if probe == "http request" else count) / rates[probe] for _, count, probe in STEPS[name])


class Floor:
    """Medians over the rounds; a share is one of a round: its conversations over the floor that its probes give."""

    def __init__(self, short, name):
        self.rounds, self.name = short["rounds"], name
        self.rates = {probe: self.median(lambda turn: rates_of(turn["probes"])[probe])
                      for probe in rates_of(self.rounds[0]["probes"])}
        self.seconds = self.median(lambda turn: floor_s(rates_of(turn["probes"]), name))
        self.measured = self.median(self.speed)
        self.share = self.median(lambda turn: self.speed(turn) * floor_s(rates_of(turn["probes"]), name))
        self.requests = self.median(self.requests_in)
        self.share_as_sent = self.median(
            lambda turn: self.speed(turn) * floor_s(rates_of(turn["probes"]), name, self.requests_in(turn)))

    def median(self, of):
        return statistics.median(of(turn) for turn in self.rounds)

    def speed(self, turn):
        return turn[self.name]["conversations_per_s"]

    def requests_in(self, turn):
        return turn[self.name]["http_requests_per_conversation"]

    def text(self):
        rows = [(step, count, f"{probe}: {number(self.rates[probe])}/s", number(count / self.rates[probe] * 1e6, 1))
                for step, count, probe in STEPS[self.name]]
        rows.append(("**floor**", "", f"**{number(1 / self.seconds)} conversations/s**",
                     f"**{number(self.seconds * 1e6, 1)}**"))
        return table(("step", "times", "its probe, raw", "µs"), rows) + (
            f"\nMeasured at concurrency 256: {number(self.measured)} conversations/s, **{self.share:.2f} of the floor**. "
            f"Really sent were {self.requests:.2f} HTTP requests for each conversation, since claims and answers travel in "
            f"batches; over the floor with so many the share is {self.share_as_sent:.2f}.\n")


def probe_medians(short):
    """Of each probe: raw, driver, ratio."""
    told = {}
    for i, one in enumerate(short["rounds"][0]["probes"]["probes"]):
        told[one["name"]] = [statistics.median(turn["probes"]["probes"][i][key] for turn in short["rounds"])
                             if key in one else None for key in ("raw_per_s", "driver_per_s", "ratio")]
    return told


def targets(short, long, floors):
    talk = short["conversations"]
    probe = probe_medians(short)
    alone = rates_of(short["one_at_a_time"])
    rows = []

    def add(what, target, stretch, value, unit="", digits=2, least=True, beside=""):
        good = "yes" if (value >= target if least else value <= target) else "**no**"
        sign = "≥" if least else "≤"
        aim = f"{sign} {target:,}{unit}" + (f" ({stretch:,})" if stretch else "")
        rows.append((what, aim, number(value, digits) + unit, good, beside))

    for name, least, stretch in (("embedded", 8_000, 12_000), ("separate", 3_000, 4_500)):
        add(f"{name}, concurrency 256", least, stretch, floors[name].measured, "/s", 0,
            beside=f"{floors[name].share_as_sent:.2f} of its floor with the HTTP requests really sent")
        add(f"{name}, share of the floor", 0.6, 0.8, floors[name].share,
            beside=f"floor {number(1 / floors[name].seconds)}/s")
    for name, p50, p99 in (("embedded", 1.5, 5), ("separate", 5, 15)):
        one = talk[name]["1"]["latency_ms"]
        floor_ms = floor_s(alone, name) * 1_000
        for which, most in (("p50", p50), ("p99", p99)):
            add(f"{name}, one at a time, {which}", most, None, one[which], " ms", least=False,
                beside=f"{one[which] / floor_ms:.1f} × its floor in batches of one, {floor_ms:.2f} ms")
    for name in ("rabbitmq publish", "rabbitmq receive"):
        raw, driver, ratio = probe[name]
        add(f"{name}, driver ÷ raw client", 0.9, 1.0, ratio, beside=f"{number(driver)} ÷ {number(raw)}/s")
    add("start to the first 201, empty store", 100, None, short["start_up"]["ms"], " ms", 0, False)
    if long:
        one = long["start_up"]
        add(f"start to the first 201, {one['stored']:,} stored, {one['pending']:,} pending", 1_000, None, long["start_up"]["ms"], " ms", 0, False,
            f"{long['start_up']['ms'] / short['start_up']['ms']:.1f} × empty")
        for name in NAMES:
            counts = list(long["stored"][name]["by_count"].items())
            (_, empty), (most, full) = counts[0], counts[-1]
            add(f"{name}, {number(int(most))} stored ÷ empty", 0.9, None, long["stored"][name]["ratio"],
                beside=f"{number(full['conversations_per_s'])} ÷ {number(empty['conversations_per_s'])}/s")
            one = long["memory"][name]
            add(f"{name}, memory of the broker's process, {one['stored']:,} stored, {one['pending']:,} pending", 80, None,
                one["max_mib"], " MiB", 0, False, "the most that it ever was")
            add(f"{name}, memory, grown in {one['minutes']:g} minutes of load", 1, None, one["growth_mib"], " MiB", 1, False)
            one = long["overload"][name]
            add(f"{name}, {one['seconds']:g} s of overload: answers late, missing or neither 2xx nor 503", 0, None,
                one["late"] + one["without_answer"] + one["wrong"], "", 0, False,
                f"{one['unsent'] / (2 * one['capacity_per_s'] * one['seconds']):.0%} unsent; "
                f"{one['mib_before']:.0f} → {one['mib_max']:.0f} MiB")
            add(f"{name}, full speed 2 s after an overload", 0.9, 1.0, one["speed_after"],
                beside=f"÷ {number(one['capacity_per_s'])}/s before")
    return table(("what", "target (stretch)", "measured", "met", "beside it"), rows)


def conversations(short):
    rows = []
    for name, told in short["conversations"].items():
        for concurrency, one in told.items():
            latency = one["latency_ms"]
            rows.append((name, concurrency, number(one["conversations_per_s"]),
                         f"{one['conversations_per_s'] / SEED_CONVERSATIONS_PER_S:.0f} ×",
                         *(number(latency[p], 2) for p in ("p50", "p99", "p999")), number(one["conversations"])))
    rows.append(("the seed, 2 cores", "", SEED_CONVERSATIONS_PER_S, "1 ×", f"≥ {SEED_LEAST_MS}", "", "", ""))
    return table(("", "concurrency", "conversations/s", "of the seed's", "p50 ms", "p99 ms", "p99.9 ms", "counted"), rows)


def queue_types(short):
    return table(("queues", "conversations/s at 256", "of quorum's", "p50 ms", "p99 ms"),
                 [(kind, number(one["conversations_per_s"]), f"{one['of_quorum']:.2f}",
                   number(one["latency_ms"]["p50"], 1), number(one["latency_ms"]["p99"], 1))
                  for kind, one in short["queue_types"].items()])


def probes(short):
    rows = [(name, number(raw) if raw else "–", number(driver), f"{ratio:.2f}" if raw else "–")
            for name, (raw, driver, ratio) in probe_medians(short).items()]
    return table(("probe", "raw, a second", "through the driver", "ratio"), rows)


def engines_text(long):
    told = long and long.get("engines")
    if not told:
        return "Not measured yet: `scripts/bench --only engines`.\n"
    rows = []
    for name, one in told.items():
        many, single = one["middle"]["256"], one["middle"]["1"]
        rows.append((name, number(many["conversations_per_s"]), f"{one['of_rabbitmq']:.2f}", number(many["latency_ms"]["p99"], 1),
                     number(single["latency_ms"]["p50"], 2), *(number(one[what]) if one[what] else "–"
                                                               for what in ("publish_per_s", "receive_per_s"))))
    return (f"{machine(long['machine']['engines'])}\n"
            + table(("", "conversations/s at 256", "of RabbitMQ's", "p99 ms", "one at a time, p50 ms", "published/s", "received/s"), rows))


def micro(short):
    return table(("benchmark", "ns", "items a second"),
                 [(one["name"], number(one["ns"]), number(one["per_s"]) if one["per_s"] else "")
                  for one in short["micro"]])


# What each ratio is to be at least, or, of a latency, at most; and better still.
RECEIVING_TARGETS = {"apart ÷ embedded, 256 at once": ("≥", 0.7, 0.9),
                     "without engine ÷ separate, 256 at once": ("≥", 1.4, 2.2),
                     "without engine ÷ separate, one at a time, p50": ("≤", 0.6, 0.4),
                     "two brokers ÷ without engine, one at a time, p99": ("≤", 3, 1.5)}


def receiving_text(long):
    told = long.get("receiving")
    if not told:
        return ""
    rows = []
    for what, (sign, target, stretch) in RECEIVING_TARGETS.items():
        value = told["ratios"][what]
        met = value >= target if sign == "≥" else value <= target
        rows.append((what, f"{sign} {target} ({stretch})", f"{value:.2f}", "yes" if met else "**no**"))
    speeds = [(name, many, number(one["conversations_per_s"]), number(one["latency_ms"]["p50"], 2),
               number(one["latency_ms"]["p99"], 2)) for name, by in told["middle"].items() for many, one in by.items()]
    return (f"### Receiving over HTTP\n\n{machine(long['machine']['receiving'])}\nApart: broker and two services as processes over SQLite, "
            "with no server; without engine: the same over PostgreSQL; two brokers: who posts asks the one, all services the "
            "other. Medians of the ratios of turns.\n\n" + table(("what", "target (stretch)", "measured", "met"), rows) + "\n"
            + table(("", "concurrency", "conversations/s", "p50 ms", "p99 ms"), speeds) + "\n" + parked_text(long) + neighbour_text(long))


def parked_text(long):
    told = long.get("parked")
    if not told:
        return ""
    return (f"{told['receivers']:,} receivers parked on {told['queues']} queues take {told['kib_each']} KiB each (target ≤ 32); "
            f"beside them the p99 of conversations one at a time is {told['p99_ratio']:.2f} of what it is without (target ≤ 2).\n\n")


def neighbour_text(long):
    told = long.get("neighbour")
    if not told:
        return ""
    ratio = told["p99_ratio"]
    return (f"Beside a client of another principal that sends at full speed over {told['connections']} connections and heeds no answer, the "
            f"p99 of conversations one at a time is {ratio['bounded']:.2f} of what it is alone where that client has a quota of "
            f"{told['requests_per_s']} requests a second (target ≤ 2), and {ratio['unbounded']:.2f} where it has none.\n\n")


def brokers_text(long):
    told = long.get("brokers")
    if not told:
        return ""
    rows = [(count, number(one["per_s"]), f"{one['of_one']:.2f}") for count, one in told.items()]
    return (f"\n### Several brokers on one PostgreSQL\n\n{machine(long['machine']['brokers'])}\nEach is `amc all` with the embedded queue, and is "
            "asked by a client of its own; together 192 conversations at once. All of it shares the cores with PostgreSQL "
            "(`scripts/bench --only brokers`); they take turns, the ratio is the median over the turns.\n\n"
            + table(("brokers", "conversations/s, all together", "of one's"), rows))


def history_text(long):
    told = long.get("history")
    if not told:
        return ""
    rows = [(name, f"{one['rate_ratio']:.2f}", f"{one['cpu_ratio']:.2f}",
             *(number(one["middle"][kept]["conversations_per_s"]) for kept in ("true", "false")),
             *(number(one["middle"][kept]["cpu_us"]) for kept in ("true", "false"))) for name, one in told.items()]
    return (f"\n### What the history costs\n\n{machine(long['machine']['history'])}\nThe same deployment with `broker.history: true` and with "
            f"`false`, 256 at once; they take turns, the ratios are medians over {next(iter(told.values()))['rounds']} turns "
            "(`scripts/bench --only history`). CPU time: of the processes of AMC, not of the servers. The history is on by default since "
            "it costs less than 15 % of the conversations a second.\n\n"
            + table(("", "speed ÷ without", "CPU ÷ without", "conversations/s with", "without", "µs of CPU each with", "without"), rows))


def long_text(long):
    if not long or "memory" not in long:
        return "Not measured yet: `make bench-full`.\n"
    stored_rows = [(name, number(int(count)), number(one["conversations_per_s"]), number(one["latency_ms"]["p50"], 1),
                    number(one["latency_ms"]["p99"], 1))
                   for name, told in long["stored"].items() for count, one in told["by_count"].items()]
    overload_rows = []
    for name, one in long["overload"].items():
        statuses = ", ".join(f"{count:,} × {status}" for status, count in one["statuses"].items())
        overload_rows.append((name, f"2 × {number(one['capacity_per_s'])}/s, {one['seconds']:g} s", statuses,
                              one["without_answer"], one["late"], number(one["unsent"]),
                              number(one["latency_ms"]["p99"]), number(one["latency_ms"]["max"]),
                              f"{one['mib_before']:.0f} → {one['mib_max']:.0f}", f"{one['speed_after']:.2f}"))
    memory_rows = [(name, one["samples"][0][1], one["max_mib"], one["growth_mib"], f"{one['minutes']:g}")
                   for name, one in long["memory"].items()]
    return (receiving_text(long)
            + f"### Stored messages\n\n{machine(long['machine']['stored'])}\n![Throughput against stored messages](performance/stored.svg)\n\n"
            + table(("", "stored", "conversations/s at 256", "p50 ms", "p99 ms"), stored_rows)
            + f"\n### Overload\n\n{machine(long['machine']['overload'])}\nTwice what the broker can take, on a clock that does not wait for it; each request is a "
              "new message. What was accepted and is not finished is a backlog in the store: the speed "
              "after it counts what ends of that and of new conversations, from 2 s after the last request on. Unsent are "
              "those that came while 4,000 were under way: where there are many, the load was less than twice.\n\n"
            + table(("", "rate", "answers", "without", "late", "unsent", "p99 ms", "max ms", "MiB", "speed 2 s after"),
                    overload_rows)
            + brokers_text(long)
            + history_text(long)
            + f"\n### Memory\n\n{machine(long['machine']['memory'])}\nResident, of the process with the broker, over stored and pending messages that "
              "nobody takes, under load; at most: as the kernel has counted. Grown: the middle of the last two fifths over the two before.\n\n"
            + table(("", "MiB at first", "MiB at most", "grown by MiB", "minutes of load"), memory_rows))


def machine(one):
    return (f"{one['cpu']}, {one['cores']} cores, {one['memory_gib']} GiB, Linux {one['kernel']}; commit "
            f"{one['commit']}, {one['date']}; load before it began: {one['load_before']}.\n")


PLOT = """
set terminal svg size 900,460 dynamic font "sans-serif,13" background "white"
set output "{output}"
set multiplot layout 1,2
set grid back lc rgb "#dddddd" lw 1
set border 3 lc rgb "#888888"
set tics nomirror tc rgb "#333333"
set key below center horizontal Left reverse samplen 2 spacing 1.2
set logscale x {base}
set style line 1 lc rgb "#0072b2" lw 2.5 pt 7 ps 0.6
set style line 2 lc rgb "#d55e00" lw 2.5 pt 7 ps 0.6
set style line 3 lc rgb "#0072b2" lw 1.5 dt 2 pt 6 ps 0.6
set style line 4 lc rgb "#d55e00" lw 1.5 dt 2 pt 6 ps 0.6
set style line 5 lc rgb "#888888" lw 1.5 dt 4
set xlabel "{xlabel}"
set xrange [{xrange}]
{xtics}
{data}
set title "conversations a second"
set yrange [0:{top}]
set format y "%.0f"
plot {rates}
set title "latency, ms"
set logscale y 10
set yrange [{least_ms}:*]
set format y "%g"
plot {latencies}
unset multiplot
"""


def plot(name, series, lines, **how):
    """`series`: for each deployment its points (x, rate, p50, p99)."""
    data = "\n".join(f"${key} << EOD\n" + "\n".join(" ".join(map(str, point)) for point in points) + "\nEOD"
                     for key, points in series.items())
    style = {"embedded": (1, 3), "separate": (2, 4)}
    rates = [f'${key} using 1:2 with linespoints ls {style[key][0]} title "{key}"' for key in series]
    rates += [f'{value} with lines ls 5 title "{title}"' for title, value in lines.items()]
    latencies = [f'${key} using 1:{column} with linespoints ls {style[key][column - 3]} title "{key}, {title}"'
                 for key in series for column, title in ((3, "p50"), (4, "p99"))]
    top = max([point[1] for points in series.values() for point in points]) * 1.35
    script = PLOT.format(output=DOCS / "performance" / name, data=data, rates=", ".join(rates), top=top,
                         latencies=", ".join(latencies), **how)
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def points(told, x=int):
    return [(x(key), one["conversations_per_s"], one["latency_ms"]["p50"], one["latency_ms"]["p99"])
            for key, one in told.items()]


def plots(short, long):
    plot("concurrency.svg", {name: points(told) for name, told in short["conversations"].items()},
         {f"the seed, {SEED_CONVERSATIONS_PER_S}/s": SEED_CONVERSATIONS_PER_S}, base=2, xlabel="concurrency",
         xrange="0.8:1300", xtics="set xtics (1, 16, 64, 256, 1024)", least_ms=0.5)
    if long:
        # An empty store stands at the left of a logarithmic axis.
        plot("stored.svg", {name: points(told["by_count"], lambda key: max(int(key), 100_000))
                            for name, told in long["stored"].items()}, {}, base=10, xlabel="stored messages",
             xrange="80000:7e6", xtics='set xtics ("none" 1e5, "1 M" 1e6, "5 M" 5e6)', least_ms=10)


def write(short, long):
    probing = short["rounds"][0]["probes"]
    floors = {name: Floor(short, name) for name in NAMES}
    plots(short, long)
    (DOCS / "performance.md").write_text(f"""# Performance

<!-- written by scripts/bench; the figures are in performance/*.json -->

An absolute figure moves with the machine, so each stands beside a ratio that was measured in the same run: the driver
beside a plain C client, whole conversations beside the sum of their steps. Every answer is checked: a wrong or missing
one fails the benchmark. No test asserts a time.

```console
$ make bench         # probes, floor, conversations, start-up: a few minutes
$ make bench-full    # longer rounds, and stores of millions, overload, memory
$ scripts/bench --only overload    # one long part anew: engines, receiving, parked, neighbour, start_up, stored, overload, memory
$ scripts/bench --page    # only this page, from docs/performance/*.json
```

{machine(short['machine'])}
## Targets

{targets(short, long, floors)}
## Method

The engines are started as the tests start them: throw-away servers on loopback; PostgreSQL waits for the disk
(`--durable`), SQLite is in a real folder and syncs each commit. Client, broker, services and servers share the cores.

- **Probes** (`amc_probes`): a plain loop over SQLite's C API, libpq and rabbitmq-c, and over Asio and Beast for HTTP; then
  the same work through the project's drivers, server and client. {len(short["rounds"])} times two rounds of
  {number(probing["count"])} operations, {probing["batch"]} in a batch; raw and driver take turns, and so do probes and
  conversations; medians of the rates and of the ratios. A raw client reads and writes no more than a change
  needs, and only counts what it changed; a driver also brings back each row and says why a change was refused.
- **Floor** of a conversation: the sum of its steps, each at the rate of its raw probe (the embedded queue has nothing below
  it). Floor rate = 1 ÷ the sum; share of the floor = conversations a second ÷ floor rate. Steps of different conversations
  run at the same time on several cores, which the sum does not know.
- **Conversations**: `amc bench`, closed loop: POST, ServiceA, ServiceB, the finished answer checked. Middle of three runs.
- **Start-up**: from `exec` of `amc all` to the first 201; median.

{NAMES["embedded"]}.
{NAMES["separate"]}.

## Probes

{probes(short)}
## The floor

### Embedded

{floors["embedded"].text()}
### Separate

{floors["separate"].text()}
## Conversations

![Throughput and latency against concurrency](performance/concurrency.svg)

{conversations(short)}
The seed took {SEED_POSTS_PER_S} POST a second on 2 cores, and {SEED_CONVERSATIONS_PER_S} conversations, none under
{SEED_LEAST_MS} ms.

What a profile showed, and what was cut, is in [decisions/0012](decisions/0012-what-a-profile-showed.md).

### The type of RabbitMQ's queues

The separate processes over each type of queue (`queue_system.rabbitmq.queue_type`); they take turns, the ratio is the
median over the turns. No type loses a message: the store keeps it, and what a restart of RabbitMQ takes out of
transient queues is rung again, at the latest after `broker.ring_again_ms`. [guarantees.md](guarantees.md) has the
checker's run over transient queues.

{queue_types(short)}
### Every queue engine

PostgreSQL, and the broker and each service a process of its own, over each engine as it is configured by default, and over
PostgreSQL alone (`scripts/bench --only engines`); they take turns, the ratio is the median over the turns. Published and received: the
driver by itself, 64 in a batch, one publisher or subscriber; what the library has fetched ahead when the first event is there counts, with
Kafka nearly everything. What each promises differs, and so what it costs:
[adding-a-platform.md](adding-a-platform.md).

{engines_text(long)}
## Long runs

{long_text(long)}
## Micro-benchmarks

What a conversation spends between the engines (`amc_microbenchmarks`).

{micro(short)}""")
