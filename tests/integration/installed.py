"""What is installed, as others see it: installed.py BUILD SOURCE. Builds the examples in C++ with CMake against it, and runs
them over a broker that is killed meanwhile. Exit code 77 where a tool is missing."""
import hashlib, os, pathlib, re, shutil, signal, subprocess, sys, tempfile, time, urllib.error, urllib.request

BUILD, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
LONGEST_S = 60
started = []


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=4 * LONGEST_S, **more)
    if done.returncode != 0:
        raise SystemExit(f"{command} exits with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(is_so, what):
    if not is_so:
        raise SystemExit(f"not so: {what}")


def start(log, *command):
    process = subprocess.Popen([str(word) for word in command], stderr=open(log, "w"))
    started.append(process)
    return process


def until(what, condition):
    deadline = time.monotonic() + LONGEST_S
    while not (found := condition()):
        expect(time.monotonic() < deadline, what)
        time.sleep(0.02)
    return found


def headers_need_nothing(prefix):
    """Each by itself, with the standard library alone."""
    for header in sorted((prefix / "include/amc").iterdir()):
        alone = prefix.parent / f"{header.stem}_alone.cpp"
        alone.write_text(f"#include <amc/{header.name}>\n")
        run("g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", prefix / "include", alone)
        needs = run("g++", "-std=c++20", "-M", "-I", prefix / "include", alone)
        strange = [word for word in needs.split() if "/boost/" in word]
        expect(not strange, f"{header.name} needs nothing but the standard library: {strange[:3]}")


def libraries_show_their_own_alone(prefix):
    for library, names in (("amc", "amc::"), ("amc_testing", "amc::testing::")):
        for line in run("nm", "-DC", "--defined-only", prefix / f"lib/lib{library}.so").splitlines():
            name = re.sub(r"^(typeinfo for|typeinfo name for|vtable for|guard variable for) ", "", line.split(" ", 2)[2])
            expect(name.startswith(names), f"lib{library}.so shows {name}")
    carried = run("ldd", prefix / "lib/libamc.so")
    expect(not re.search("sqlite|libpq|rabbitmq|re2", carried), f"services carry no store and no engine: {carried}")


def is_handled_again_after_exit(broker, folder, prefix):
    """A handler that calls exit() ends its process; its message is given out again."""
    (folder / "ends.cpp").write_text("""#include <amc/service.hpp>
#include <cstdlib>
int main(int argc, char** argv) {
  return amc::serve(argc, argv, {{"ends", "ends", [](const amc::delivery& work) -> amc::answer {
    if (work.attempt() == 1) std::exit(3);
    return amc::answer("run " + std::to_string(work.attempt())).done();
  }}});
}
""")
    flags = run("pkg-config", "--cflags", "--libs", "amc").split()
    run("g++", "-std=c++20", folder / "ends.cpp", *flags, "-o", folder / "ends")
    asking = subprocess.Popen([prefix / "bin/amc", "post", *broker, "--queue", "ends", "--wait", str(LONGEST_S), "x"],
                              text=True, stdout=subprocess.PIPE)
    started.append(asking)
    first = start(folder / "ends-1.log", folder / "ends", *broker)
    expect(first.wait(LONGEST_S) == 3, "the process ends as its handler says")
    start(folder / "ends-2.log", folder / "ends", *broker)
    expect(asking.communicate(timeout=2 * LONGEST_S)[0] == "run 2\n", "the message is handled by the next process")


def get(url, token=None):
    """The status and the body."""
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(asked, timeout=LONGEST_S) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def numbers_are_shown_to_who_may_read_all(greeter, at, folder):
    tokens = folder / "tokens.yaml"
    tokens.write_text("".join(f"- {{name: {name}, sha256: {hashlib.sha256(name.encode()).hexdigest()}, may: [{rights}]}}\n"
                              for name, rights in (("watcher", '"read:*"'), ("reader", '"read:names"'))))
    tokens.chmod(0o600)
    log = folder / "numbers.log"
    shown = start(log, greeter, *at, "--set", "consumer_services.http.enabled=true", "--set", "consumer_services.http.port=0",
                  "--set", f"broker.access.tokens_file={tokens}")
    url = until("the numbers are there", lambda: re.search(r"its metrics at (\S+)/metrics", log.read_text()))[1]
    for path, token, status, text in (("/metrics", "watcher", 200, "amc_"), ("/metrics", None, 401, "token"),
                                      ("/metrics", "reader", 403, "read:*"), ("/healthz", None, 200, '"ok"'),
                                      ("/", None, 404, "/metrics and /healthz")):
        got = get(url + path, token)
        expect(got[0] == status and text in got[1], f"GET {path} as {token} is {status} with {text}: {got}")
    shown.terminate()
    expect(shown.wait(LONGEST_S) == 0, "it ends in peace")


def is_a_program_like_others(greeter, folder):
    expect("consumer_services.broker_client.url" in run(greeter, "--help"), "--help tells the keys")
    wrong = subprocess.run([greeter, "--bogus"], text=True, stderr=subprocess.PIPE, timeout=LONGEST_S)
    expect(wrong.returncode == 2 and "--help" in wrong.stderr, f"what it does not know is refused: {wrong}")
    log = folder / "alone.log"
    alone = start(log, greeter, "--set", "consumer_services.broker_client.url=http://127.0.0.1:1")
    until("it waits for the broker", lambda: "consumer_services.broker_client.url" in log.read_text())
    alone.terminate()
    expect(alone.wait(LONGEST_S) == 0, "who waits for a broker ends when it is told to")


def main():
    for tool in ("cmake", "ninja", "g++", "pkg-config", "nm", "ldd"):
        if not shutil.which(tool):
            print(f"SKIPPED: building against the installed library needs {tool}, which is not here")
            sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prefix = folder / "prefix"
        os.environ["PKG_CONFIG_PATH"] = str(prefix / "lib/pkgconfig")
        try:
            check(folder, prefix)
        except SystemExit as failed:
            logs = "\n".join(f"{log.name}:\n{log.read_text()}" for log in folder.glob("*.log"))
            raise SystemExit(f"{failed}\n{logs}")
        finally:
            for process in started:
                if process.poll() is None:
                    process.kill()
                    process.wait()


def check(folder, prefix):
    run("cmake", "--install", BUILD, "--prefix", prefix)
    headers_need_nothing(prefix)
    libraries_show_their_own_alone(prefix)
    for example in ("greeter", "order-pipeline"):
        run("cmake", "-G", "Ninja", "-S", SOURCE / "examples" / example, "-B", folder / example, f"-DCMAKE_PREFIX_PATH={prefix}")
        run("cmake", "--build", folder / example)
    expect("all is well" in run(folder / "order-pipeline/services_test"), "the example's test passes")

    amc, port = prefix / "bin/amc", 0
    log = folder / "broker.log"

    def start_broker():
        log.write_text("")
        broker = start(log, amc, "broker", "--set", f"broker.http.port={port}", "--set", f"broker.store.sqlite.path={folder}/messages.db",
                       "--set", "broker.lease_ms=1000")
        url = until("the broker listens", lambda: re.search(r"listening on (\S+)\n", log.read_text()))[1]
        return broker, url

    broker, url = start_broker()
    port = url.rsplit(":", 1)[1]
    at = ("--set", f"consumer_services.broker_client.url={url}")
    greeter = start(folder / "greeter.log", folder / "greeter/greeter", *at)
    services = start(folder / "services.log", folder / "order-pipeline/services", *at)
    expect(run(amc, "post", *at, "--queue", "names", "--wait", LONGEST_S, "Ada") == "Hello, Ada!\n", "Ada is greeted")
    told = run(folder / "order-pipeline/order", url)
    expect(told == "done: order 7: 42 paid\ndead: an order needs items\npending: a reminder for tomorrow\n", told)
    broker.send_signal(signal.SIGKILL)
    broker.wait()
    asking = subprocess.Popen([folder / "order-pipeline/order", url], text=True, stdout=subprocess.PIPE)
    started.append(asking)
    start_broker()
    expect(asking.communicate(timeout=2 * LONGEST_S)[0].startswith("done: order 7: 42 paid\n"), "who asked meanwhile is answered")
    expect(run(amc, "post", *at, "--queue", "names", "--wait", LONGEST_S, "Grace") == "Hello, Grace!\n", "Grace is greeted")
    is_handled_again_after_exit(at, folder, prefix)
    numbers_are_shown_to_who_may_read_all(folder / "greeter/greeter", at, folder)
    is_a_program_like_others(folder / "greeter/greeter", folder)
    for process, what in ((greeter, "the greeter"), (services, "the services")):
        process.terminate()
        expect(process.wait(LONGEST_S) == 0, f"{what} ends in peace")
    print("what is installed works")


main()
