"""docs/asyncapi.json against events as the codec writes them: events.py PROGRAM, which prints some, one a line."""
import json
import pathlib
import subprocess
import sys

from description import jsonschema


def validator_of(document):
    message = document["channels"]["queue"]["messages"]["ready"]["$ref"].rpartition("/")[2]
    schema = document["components"]["messages"][message]["payload"]
    return jsonschema.Draft7Validator({**document["components"]["schemas"][schema["$ref"].rpartition("/")[2]],
                                       "components": document["components"]}, format_checker=jsonschema.FormatChecker())


def main(program):
    source = pathlib.Path(__file__).parents[3]
    document = json.loads((source / "docs/asyncapi.json").read_text())
    validator = validator_of(document)
    events = [json.loads(line) for line in subprocess.run([program], check=True, capture_output=True).stdout.splitlines()]
    events += [example["payload"] for example in document["components"]["messages"]["ready"]["examples"]]
    faults = [f"{event}: {fault.message}" for event in events for fault in validator.iter_errors(event)]
    used = set().union(*events)
    faults += [f"no event has {name!r}" for name in validator.schema["properties"] if name not in used]
    print("\n".join(faults) or f"{len(events)} events are as described")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
