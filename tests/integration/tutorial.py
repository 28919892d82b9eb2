"""Runs a document, or one section of it, as a reader would: its files are saved, its commands run in one shell, and what they
print is compared; "…" stands for anything. What follows a `sleep` is to come true soon: it is run again until it has, so that no
time is asserted. tutorial.py AMC DOCUMENT [--section NAME] [--build BUILD]; what BUILD installs is in
$HOME/amc. Exit code 77 where a tool is missing."""
import argparse, os, pathlib, re, shutil, signal, socket, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("amc", type=pathlib.Path)
parser.add_argument("document", type=pathlib.Path)
parser.add_argument("--section")
parser.add_argument("--build")
asked = parser.parse_args()
AMC, DOCUMENT, BUILD = asked.amc.resolve(), asked.document, asked.build
LONGEST_S = 90
END = "-- end of a command --"


def document():
    text = DOCUMENT.read_text()
    if not asked.section:
        return text
    return re.search(rf"^## {re.escape(asked.section)}$(.*?)(?=^## |\Z)", text, re.S | re.M)[1]


def blocks(text):
    """Each fenced block: its language, its text, and the words before it."""
    at = 0
    for block in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M):
        yield block[1], block[2], text[at:block.start()]
        at = block.end()


def commands(console):
    """Each command with the lines that it prints."""
    for part in re.split(r"^\$ ", console, flags=re.M)[1:]:
        lines = part.splitlines()
        end = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
        yield "\n".join(lines[:end]), lines[end:]


def is_like(printed, expected):
    pattern = "\n".join(".*".join(re.escape(part) for part in line.split("…")) for line in expected)
    return re.fullmatch(pattern, printed.strip("\n"), re.S) is not None


class Shell:
    def __init__(self, folder, port):
        self.port = port
        url = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "PATH": f"{AMC.parent}:{os.environ['PATH']}", "BROKER": url, "HOME": str(folder),
                       "AMC__BROKER__HTTP__PORT": str(port), "AMC__CONSUMER_SERVICES__BROKER_CLIENT__URL": url}
        self.errors = open(folder / "errors.log", "w+")
        self.process = subprocess.Popen(["bash", "-m"], cwd=folder, env=environment, text=True, start_new_session=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)

    def run(self, command):
        command = command.replace("localhost:4000", f"127.0.0.1:{self.port}")
        self.process.stdin.write(f"{command}\necho '{END}'\n")
        self.process.stdin.flush()
        printed = []
        for line in self.process.stdout:
            if line.strip() == END:
                return "".join(printed)
            printed.append(line)
        raise SystemExit(f"the shell has ended at: {command}")

    def told(self):
        self.errors.seek(0)
        return self.errors.read()

    def end(self):
        for line in pathlib.Path("/proc").glob("[0-9]*/stat"):  # jobs have groups of their own, in this session
            try:
                fields = line.read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == self.process.pid:
                    os.kill(int(line.parent.name), signal.SIGKILL)
            except OSError:
                pass
        self.process.wait()


def main():
    for tool in ("bash", "curl", "python3") + (("g++", "pkg-config") if BUILD else ()):
        if not shutil.which(tool):
            print(f"SKIPPED: the tutorial needs {tool}, which is not here")
            sys.exit(77)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
    count = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if BUILD:
            subprocess.run(["cmake", "--install", BUILD, "--prefix", folder / "amc"], check=True, stdout=subprocess.DEVNULL)
        shell = Shell(folder, port)
        try:
            for language, text, before in blocks(document()):
                if language in ("python", "cpp"):
                    (folder / re.findall(r"`(\w+\.(?:py|cpp|hpp))`", before)[-1]).write_text(text)
                if language != "console":
                    continue
                soon = False
                for command, expected in commands(text):
                    signal.alarm(LONGEST_S)
                    printed = shell.run(command)
                    while soon and not is_like(printed, expected):
                        time.sleep(1)
                        printed = shell.run(command)
                    signal.alarm(0)
                    soon = command.startswith("sleep ")
                    count += 1
                    if not is_like(printed, expected):
                        raise SystemExit(f"$ {command}\nprinted:\n{printed}\ninstead of:\n" + "\n".join(expected))
        except TimeoutError:
            raise SystemExit(f"took longer than {LONGEST_S} s: {command}\n{shell.told()}")
        except SystemExit as failed:
            logs = "\n".join(f"{log.name}:\n{log.read_text()}" for log in folder.glob("*.log"))
            raise SystemExit(f"{failed}\n{logs}\n")
        finally:
            shell.end()
    print(f"{count} commands do what the document says")


main()
