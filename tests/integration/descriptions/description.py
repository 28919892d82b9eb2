"""The document that GET /openapi.json gives, and whether answers of a broker are as it says."""
import json
import sys
from dataclasses import dataclass

try:
    import jsonschema
except ImportError:
    print("SKIPPED: holding answers against GET /openapi.json needs python3-jsonschema, which is not here")
    sys.exit(77)


@dataclass(frozen=True)
class Operation:
    path: str  # "/messages/{id}"
    method: str  # "get"
    about: dict
    parameters: tuple

    @property
    def name(self):
        return f"{self.method.upper()} {self.path}"


class Description:
    def __init__(self, document):
        self.document = document
        self.validators = {}
        self.operations = [
            Operation(path, method, about, tuple(self.resolved(p) for p in
                                                 item.get("parameters", []) + about.get("parameters", [])))
            for path, item in document["paths"].items()
            for method, about in item.items() if method != "parameters"]
        for name, schema in document["components"]["schemas"].items():
            jsonschema.Draft202012Validator.check_schema(schema)

    def operation(self, name):
        return next(o for o in self.operations if o.name == name)

    def resolved(self, part):
        while "$ref" in part:
            at = self.document
            for step in part["$ref"].removeprefix("#/").split("/"):
                at = at[step]
            part = {**at, **{k: v for k, v in part.items() if k != "$ref"}}
        return part

    def faults(self, schema, value):
        """What is wrong with a value, one line each."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            self.validators[key] = jsonschema.Draft202012Validator(
                {**schema, "components": self.document["components"]}, format_checker=jsonschema.FormatChecker())
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in self.validators[key].iter_errors(value)]

    def body_schema(self, operation):
        body = operation.about.get("requestBody")
        return body and body["content"]["application/json"]["schema"]

    def documented(self):
        return {(o.name, int(status)) for o in self.operations for status in o.about["responses"]}

    def complaints(self, operation, answer):
        """What an answer has that the document does not say, and what it lacks."""
        described = operation.about["responses"].get(str(answer.status))
        if described is None:
            return [f"{answer.status} is not documented"]
        described = self.resolved(described)
        return [*self.header_complaints(described, answer), *self.body_complaints(described, answer)]

    def header_complaints(self, described, answer):
        for name, header in described.get("headers", {}).items():
            header = self.resolved(header)
            value = answer.headers.get(name)
            if value is None:
                if header.get("required"):
                    yield f"there is no {name}"
                continue
            if header["schema"].get("type") == "integer" and value.isdigit():
                value = int(value)
            yield from (f"{name}: {fault}" for fault in self.faults(header["schema"], value))

    def body_complaints(self, described, answer):
        contents = described.get("content")
        if contents is None:
            if answer.body:
                yield f"it has a body: {answer.body[:200]!r}"
            return
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if kind not in contents:
            yield f"its Content-Type is {kind!r}, not one of {list(contents)}"
            return
        try:
            value = json.loads(answer.body) if kind.endswith("json") else answer.body.decode()
        except ValueError as failed:
            yield f"it is no {kind}: {failed}"
            return
        yield from self.faults(contents[kind]["schema"], value)
