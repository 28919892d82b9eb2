"""Reads gcovr's JSON, prints how much of each module the tests reach, and each stretch of lines that they do not reach, with
its reason. A reason is a comment `// not covered: WHY` on one of the lines or directly above the first. Exits with 1 where a
stretch has none; says where a reason stands that is needed no longer.

  python3 scripts/uncovered.py test-coverage/lines.json
"""
import collections
import json
import re
import sys

MODULES = ("api", "broker", "consumer_services", "message_store", "queue_system", "service")
REASON = re.compile(r"// not covered: (.+)")


def lines_of(report):
    """For each file the number of runs of each line that is code."""
    files = collections.defaultdict(dict)
    for file in report["files"]:
        runs = files[file.get("file", file.get("filename"))]
        for line in file["lines"]:
            if not line.get("gcovr/noncode"):
                runs[line["line_number"]] = max(runs.get(line["line_number"], 0), line["count"])
    return files


def stretches(runs):
    """Lists of lines that were not reached, with no line between them that was."""
    found = [[]]
    for number in sorted(runs):
        if runs[number] == 0:
            found[-1].append(number)
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]


def reasons_of(source):
    """For each reason the lines that it may stand for: its own, and the first that is no comment below it."""
    reasons = {}
    for number, line in enumerate(source, 1):
        if not (found := REASON.search(line)):
            continue
        words, below = found[1], number
        if line.lstrip().startswith("//"):
            while source[below].lstrip().startswith("//"):
                words += " " + source[below].lstrip(" /")
                below += 1
            below += 1
        reasons[number] = (below, words.strip())
    return reasons


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        files = lines_of(json.load(file))
    modules = collections.defaultdict(lambda: [0, 0])
    listed, without = [], 0
    for name, runs in sorted(files.items()):
        module = "/".join(name.split("/")[:2])
        modules[module][0] += sum(count > 0 for count in runs.values())
        modules[module][1] += len(runs)
        if not name.startswith(tuple(f"src/{m}/" for m in MODULES)):
            continue
        with open(name, encoding="utf-8") as file:
            source = file.read().splitlines()
        reasons, used = reasons_of(source), set()
        for stretch in stretches(runs):
            why = [n for n, (line, _) in reasons.items() if stretch[0] <= line <= stretch[-1]]
            used.update(why)
            without += not why
            place = f"{name}:{stretch[0]}" + (f"-{stretch[-1]}" if stretch[-1] > stretch[0] else "")
            listed.append(f"{place}: " + ("; ".join(reasons[n][1] for n in why) or
                                          f"NO REASON: {source[stretch[0] - 1].strip()}"))
        listed += [f"{name}:{n}: is reached; the reason can go" for n in reasons if n not in used]

    for module, (covered, total) in sorted(modules.items()):
        print(f"{module:28} {100 * covered / max(total, 1):5.1f} %  of {total} lines")
    print(*listed, sep="\n")
    if without:
        sys.exit(f"coverage: {without} stretches are reached by no test and give no reason; test them, remove them, or say "
                 "why on a line: // not covered: WHY")


main()
