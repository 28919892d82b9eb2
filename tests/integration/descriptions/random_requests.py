"""Random requests, made from what GET /openapi.json says, some as it wants them and some not: random_requests.py AMC [COUNT
[SEED]]. Whatever a real broker answers is documented; what is not as the document wants it is refused, and what is, is not
refused as malformed."""
import copy
import json
import random
import sys
from urllib.parse import quote

from description import Description
from broker import Broker

TEXTS = ("", "Hi, ", "Hi, Bram.", "Hi, Bram. Bye!", "order 17", "ü\U0001f600\t\n", "\u0000", "a\u0000b", ".", "..", "orders",
         "a queue", "q" * 100, "q" * 101, "\\", '"', "%", "0", "1", "*", '"1"', '"1", "2-done"', 'W/"1"', '"1" "2"', "true",
         "pending", "dead", "cancelled", "wait=0", "wait=x", "respond-async", "2026-11-24T06:19:33Z", "2026-11-24t06:19:33.5+01:00",
         "2999-01-01T00:00:00Z", "2026-11-24 06:19:33Z", "00000000-0000-7000-8000-000000000000", "ABCDEF00-0000-7000-8000-000000000000",
         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "QUJD", "aGk=", "aGl=", "text/plain",
         'application/json; charset="utf-8"', "vendor=1")
NUMBERS = (0, 1, 2, -1, 5, 100, 1000, 1001, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -2**63)


class Maker:
    """Values, most of which a schema admits."""

    def __init__(self, description, chance):
        self.description = description
        self.chance = chance
        self.known = []  # {"id", "revision", "claim"} of what there is

    def text(self):
        if self.chance.random() < 0.3:
            return "".join(chr(self.chance.choice((self.chance.randrange(1, 0x250), self.chance.randrange(0x1f300, 0x1f600))))
                           for _ in range(self.chance.randrange(12)))
        return self.chance.choice(TEXTS + tuple(k["id"] for k in self.known[-3:]) * 3)

    def admitted(self, schema, candidates):
        for value in candidates:
            if not self.description.faults(schema, value):
                return value
        raise LookupError(f"nothing is admitted by {schema}")

    def value(self, schema):
        schema = self.description.resolved(schema)
        if "properties" in schema or "propertyNames" in schema:
            return self.object(schema)
        for several in ("oneOf", "anyOf"):
            if several in schema:
                return self.value(self.chance.choice(schema[several]))
        if "enum" in schema:
            return self.chance.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        if not isinstance(schema.get("type"), str):
            return self.junk()  # whatever it is
        if schema["type"] in ("array", "object", "number") and len(schema) == 1:  # whatever is in it
            return self.admitted(schema, (self.junk() for _ in range(1000)))
        return getattr(self, schema["type"])(schema)

    def object(self, schema):
        if "properties" not in schema:
            return {self.text(): self.value(schema["additionalProperties"]) for _ in range(self.chance.randrange(3))}
        alternatives = [set(one["required"]) for one in schema.get("oneOf", [])]
        needed = self.chance.choice(alternatives) if alternatives else set()
        left_out = set().union(*alternatives) - needed
        needed |= set(schema["required"])
        some = {name: self.value(part) for name, part in schema["properties"].items()
                if name not in left_out and (name in needed or self.chance.random() < 0.4)}
        if self.known and {"id", "revision"} <= set(some) and self.chance.random() < 0.7:
            some |= {name: value for name, value in self.chance.choice(self.known[-20:]).items() if name in some}
        return some

    def array(self, schema):
        return [self.value(schema["items"]) for _ in range(self.chance.choice((0, 1, 1, 2, 5)))]

    def string(self, schema):
        return self.admitted(schema, (self.text() for _ in range(100_000)))

    def integer(self, schema):
        near = (schema["minimum"], schema["minimum"] + 1, schema["maximum"])  # every integer has its bounds
        return self.admitted(schema, (self.chance.choice(NUMBERS + near) for _ in range(1000)))

    def boolean(self, _):
        return self.chance.random() < 0.5

    def null(self, _):
        return None

    def junk(self):
        return self.chance.choice((None, True, [], {}, 0.5, self.chance.choice(NUMBERS), self.text(), [[self.text()]]))

    def spoiled(self, value):
        """With one thing changed, somewhere."""
        if isinstance(value, (dict, list)) and value and self.chance.random() < 0.8:
            value = copy.copy(value)
            at = self.chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
            how = self.chance.random()
            if isinstance(value, dict) and how < 0.2:
                del value[at]
            elif isinstance(value, dict) and how < 0.4:
                value[self.text()] = self.junk()
            else:
                value[at] = self.spoiled(value[at])
            return value
        return self.junk()

    def body(self, schema):
        """The bytes, and whether the schema admits them."""
        value = self.value(schema)
        if self.chance.random() < 0.4:
            value = self.spoiled(value)
        told = json.dumps(value, ensure_ascii=self.chance.random() < 0.5).encode()
        if self.chance.random() < 0.05:
            broken = self.chance.choice((told[:-1], told + b"]", told + b"\xff", b"\xef\xbb\xbf" + told, b"{'a': 1}",
                                         b'{"message": "a", "message": "b"}', b"[" * 100, b"nul", b'"\\ud800"'))
            return broken, False
        return told, not self.description.faults(schema, value)


class Request:
    """One request for an operation. `wanted`: it is as the document wants it."""

    def __init__(self, make, operation):
        self.operation = operation
        self.make = make
        self.method = operation.method.upper()
        self.path, self.query, self.headers, self.body = operation.path, [], [], b""
        self.wanted = True
        for parameter in operation.parameters:
            self.add(parameter)
        if make.chance.random() < 0.05:
            self.query.append("nobody=1")
            self.wanted = self.wanted and operation.path == "/"  # which ignores what it does not know
        schema = make.description.body_schema(operation)
        if schema and (make.chance.random() < 0.95):
            self.body, fits = make.body(schema)
            self.wanted = self.wanted and fits
        elif schema:
            self.wanted = self.wanted and not operation.about["requestBody"]["required"]

    def add(self, parameter):
        chance = self.make.chance
        needed = parameter.get("required", False)
        if parameter["in"] != "path" and chance.random() > (0.95 if needed else 0.4):
            self.wanted = self.wanted and not needed
            return
        value = self.text_for(parameter)
        as_number = int(value) if value.isascii() and value.isdigit() and str(int(value)) == value else value
        faults = self.make.description.faults
        fits = not faults(parameter["schema"], value) or not faults(parameter["schema"], as_number)
        self.wanted = self.wanted and fits
        if parameter["in"] == "path":
            self.path = self.path.replace("{" + parameter["name"] + "}", quote(value, safe=""))
        elif parameter["in"] == "query":
            self.query.append(f"{parameter['name']}={quote(value, safe='')}")
        else:
            self.headers.append((parameter["name"], value))

    def text_for(self, parameter):
        if self.make.chance.random() < 0.8:
            value = str(self.make.value(parameter["schema"]))
        else:
            value = self.make.text()
        if parameter["in"] == "header":  # one line, without blanks around it
            value = "".join(c for c in value if " " <= c <= "~").strip()
        if parameter["in"] == "path":
            value = value or "x"
        return value

    def send(self, connection):
        target = self.path + ("?" + "&".join(self.query) if self.query else "")
        self.told = (self.method, target, self.headers, self.body)
        connection.send(*self.told)
        return connection.read(self.method)


def verdict(request, answer):
    """What is wrong with the answer, beside what the schemas say."""
    if answer.status >= 500:
        return f"{answer.status} without a reason"
    if not request.wanted and answer.status < 400:
        return "what the document does not admit was taken"
    # That a text matches a route, that times follow each other, that path and body name one queue: no schema says.
    sends = "requestBody" in request.operation.about
    if request.wanted and (answer.status in (400, 428) or answer.status == 422 and not sends):
        return "what the document admits was refused"
    if request.wanted and answer.status == 422 and not told_by_words(answer.json()["detail"]):
        return f"what the document admits was refused: {answer.json()['detail']}"
    return None


def told_by_words(detail):
    return any(words in detail for words in ("which queue this message belongs to", "must be later than", "and the body another",
                                             "Idempotency-Key", "broker.queues_max", "8192 bytes together"))


def main(amc, count=2000, seed=1):
    with Broker(amc, "broker.queues_max=50") as broker:
        description = Description(broker.ask("GET", "/openapi.json").json())
        make = Maker(description, random.Random(seed))
        connection, taken, refused = broker.connect(), 0, 0
        for number in range(count):
            request = Request(make, make.chance.choice(description.operations))
            answer = request.send(connection)
            complaints = description.complaints(request.operation, answer)
            complaints += filter(None, [verdict(request, answer)])
            if complaints:
                print(f"request {number} of seed {seed}: {request.told}\nwas answered {answer.status} {answer.body[:500]!r}:")
                print("\n".join(complaints))
                return 1
            taken, refused = taken + (answer.status < 400), refused + (answer.status >= 400)
            remember(make, request, answer)
            if answer.headers.get("Connection") == "close":
                connection = broker.connect()
        print(f"{taken} requests were taken and {refused} refused, as documented")
    return 0 if taken > count / 5 and refused > count / 5 else 1


def remember(make, request, answer):
    if not answer.body or answer.headers.get("Content-Type") != "application/json" or answer.status >= 400:
        return
    got = answer.json()
    some = got if isinstance(got, list) else got.get("deliveries", []) + got.get("messages", []) + [got]
    for one in some:
        if "refused" not in one and "id" in one:
            make.known.append({name: one[name] for name in ("id", "revision", "claim") if name in one})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
