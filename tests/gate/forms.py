"""Whether a document is what its standard says, written from the standards and not from the code that makes it. Each function
returns sentences about what is wrong. JUnit: the Jenkins xUnit schema (junit-10.xsd) as a list of elements; SARIF: OASIS SARIF
2.1.0, the sections named below; GitLab Code Quality, Bencher Metric Format, github-action-benchmark: their manuals."""
import re
import xml.etree.ElementTree as ET

# --- JUnit: element -> (attributes: required?), children

JUNIT = {
    "testsuites": ({"name": 0, "time": 0, "tests": 0, "failures": 0, "disabled": 0, "errors": 0}, {"testsuite"}),
    "testsuite": ({"name": 1, "tests": 1, "failures": 1, "errors": 1, "skipped": 0, "time": 0, "timestamp": 0, "hostname": 0, "id": 0,
                   "package": 0, "group": 0}, {"testsuite", "properties", "testcase", "system-out", "system-err"}),
    "testcase": ({"name": 1, "classname": 1, "time": 0, "group": 0}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "error": ({"type": 0, "message": 0}, set()), "failure": ({"type": 0, "message": 0}, set()),
    "skipped": ({"type": 0, "message": 0}, set()), "system-out": ({}, set()), "system-err": ({}, set()),
}


def junit(data):
    wrong = []
    try:
        root = ET.fromstring(data)
    except ET.ParseError as error:
        return [f"no XML: {error}"]
    if root.tag != "testsuites":
        wrong.append(f"the root is {root.tag}")
    for element in root.iter():
        if element.tag not in JUNIT:
            wrong.append(f"an element {element.tag}")
            continue
        attributes, children = JUNIT[element.tag]
        wrong += [f"{element.tag} has an attribute {a}" for a in element.attrib if a not in attributes]
        wrong += [f"{element.tag} lacks {a}" for a, required in attributes.items() if required and a not in element.attrib]
        wrong += [f"{child.tag} in {element.tag}" for child in element if child.tag not in children]
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        for what, found in (("tests", len(cases)), ("failures", len(suite.findall("*/failure"))), ("errors", len(suite.findall("*/error")))):
            if suite.get(what) != str(found):
                wrong.append(f"{what}={suite.get(what)}, but there are {found}")
        names = [case.get("name") for case in cases]
        if len(set(names)) != len(names):
            wrong.append(f"two cases of one name: {names}")
    return wrong


# --- JSON by rules: {key: rule}, keys with ? may be missing; [rule] a list; a type; a function that says what is wrong

def fits(value, rule, where="document"):
    if isinstance(rule, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        known = {key.rstrip("?"): (key.endswith("?"), inner) for key, inner in rule.items()}
        wrong = [f"{where} has a key {key}" for key in value if key not in known]
        wrong += [f"{where} lacks {key}" for key, (optional, _) in known.items() if key not in value and not optional]
        for key in value:
            if key in known:
                wrong += fits(value[key], known[key][1], f"{where}.{key}")
        return wrong
    if isinstance(rule, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [problem for i, item in enumerate(value) for problem in fits(item, rule[0], f"{where}[{i}]")]
    if isinstance(rule, type):
        good = isinstance(value, rule) and not (rule is int and isinstance(value, bool))
        return [] if good else [f"{where} is {value!r}"]
    problem = rule(value)
    return [f"{where}: {problem}"] if problem else []


def one_of(*values):
    return lambda value: None if value in values else f"{value!r} is none of {values}"


def number(value):
    return None if isinstance(value, (int, float)) and not isinstance(value, bool) else f"{value!r} is no number"


def hexadecimal(value):
    return None if isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value) else f"{value!r} is no id"


def positive(value):
    return None if isinstance(value, int) and not isinstance(value, bool) and value > 0 else f"{value!r} is not above 0"


def uri_reference(value):
    """RFC 3986: an absolute URI, or a relative path whose first part holds no colon."""
    if not isinstance(value, str) or not re.fullmatch(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?#\[\]-]|%[0-9A-Fa-f]{2})*", value):
        return f"{value!r} is no URI"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value) or (not value.startswith("/") and ":" not in value.split("/")[0]):
        return None
    return f"{value!r} is neither absolute nor relative"


MESSAGE = {"text": str}  # 3.11.8
LOCATION = {  # 3.28, 3.29, 3.4, 3.30
    "physicalLocation?": {"artifactLocation": {"uri": uri_reference, "uriBaseId?": one_of("%SRCROOT%")}, "region": {"startLine": positive}},
    "message?": MESSAGE}
SARIF = {  # 3.13, 3.14, 3.18, 3.19, 3.49, 3.27, 3.44, 3.45
    "$schema": uri_reference, "version": one_of("2.1.0"),
    "runs": [{
        "tool": {"driver": {"name": str, "version": str, "rules": [{"id": str, "shortDescription": MESSAGE}]}},
        "results": [{
            "ruleId": str, "kind": one_of("fail", "open"), "level": one_of("error", "warning", "none"), "message": MESSAGE,
            "locations": [LOCATION], "stacks?": [{"message": MESSAGE, "frames": [{"location": LOCATION, "module?": str}]}],
            "partialFingerprints": {"tidemark/v1": str}}]}]}


def sarif(document):
    wrong = fits(document, SARIF)
    if wrong:
        return wrong
    for run in document["runs"]:
        ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        if len(set(ids)) != len(ids):
            wrong.append("rules of one id")  # 3.49.3
        for result in run["results"]:
            if result["ruleId"] not in ids:
                wrong.append(f"no rule {result['ruleId']}")
            if (result["kind"] == "fail") == (result["level"] == "none"):  # 3.27.9, 3.27.10
                wrong.append(f"kind {result['kind']} with level {result['level']}")
            if not result["message"]["text"] or not result["locations"]:
                wrong.append("a result without text or place")
            for location in result["locations"]:
                artifact = location["physicalLocation"]["artifactLocation"]
                if ("uriBaseId" in artifact) == artifact["uri"].startswith("file:"):  # 3.4.4
                    wrong.append(f"base of {artifact['uri']}")
    return wrong


def gitlab(document):
    wrong = fits(document, [{"description": str, "check_name": str, "fingerprint": str,
                             "severity": one_of("info", "minor", "major", "critical", "blocker"),
                             "location": {"path": str, "lines": {"begin": positive}}}])
    if not wrong:
        prints = [item["fingerprint"] for item in document]
        wrong += ["two findings of one fingerprint"] if len(set(prints)) != len(prints) else []
        wrong += [f"a path that begins with ./: {item['location']['path']}" for item in document if item["location"]["path"].startswith("./")]
    return wrong


def bencher(document):
    if not isinstance(document, dict) or not document:
        return ["no object"]
    wrong = []
    for benchmark, measures in document.items():
        if not isinstance(measures, dict):
            return [f"{benchmark} is no object"]
        for name, measure in measures.items():
            wrong += fits(measure, {"value": number, "lower_value?": number, "upper_value?": number}, f"{benchmark}.{name}")
            if not measure.get("lower_value", measure["value"]) <= measure["value"] <= measure.get("upper_value", measure["value"]):
                wrong.append(f"{name} lies outside of its bounds")
    return wrong


def benchmark(document):
    return fits(document, [{"name": str, "unit": str, "value": number, "range?": str, "extra?": str}])


ANNOTATION = re.compile(r"^::(error|warning|notice) ((?:[a-z]+=(?:[^,:%\r\n]|%[0-9A-F]{2})*,?)+)::((?:[^%\r\n]|%[0-9A-F]{2})*)$")


def annotations(text):
    """(command, properties, message) of each line; a line that is none is (None, {}, line)."""
    found = []
    for line in text.splitlines():
        match = ANNOTATION.match(line)
        if not match:
            found.append((None, {}, line))
            continue
        decode = lambda part: re.sub(r"%([0-9A-F]{2})", lambda m: chr(int(m.group(1), 16)), part)  # noqa: E731
        properties = dict(part.split("=", 1) for part in match.group(2).rstrip(",").split(","))
        found.append((match.group(1), {key: decode(value) for key, value in properties.items()}, decode(match.group(3))))
    return found


NUMBER_OR_NULL = lambda value: None if value is None else number(value)  # noqa: E731
STACK = {"fingerprint": lambda v: None if re.fullmatch(r"[0-9a-f]{16}", v) else f"{v!r}", "value": number,
         "frames": [{"function": str, "file": str, "line": int, "module": str}]}
GATE = {
    "schema": one_of("tidemark/gate/1"), "program": str, "verdict": one_of("pass", "warn", "inconclusive", "incomplete", "fail"),
    "sessions": [{"id": hexadecimal, "others_of_session": [str], "files": [str], "complete": bool, "lost_events": int}], "warnings": [str],
    "checks": [{"name": str, "kind": one_of("budget", "regression", "suppression", "recording"),
                "verdict": one_of("pass", "warn", "inconclusive", "incomplete", "fail"), "reason": str,
                "unit": one_of("bytes", "allocations", "bytes per 100 operations", None), "value": NUMBER_OR_NULL, "budget": NUMBER_OR_NULL,
                "critical": NUMBER_OR_NULL, "baseline": NUMBER_OR_NULL, "low": NUMBER_OR_NULL, "high": NUMBER_OR_NULL,
                "detectable?": NUMBER_OR_NULL, "needed_operations?": NUMBER_OR_NULL, "stacks": [STACK]}],
    "metrics": [{"name": str, "unit": str, "value": NUMBER_OR_NULL, "low?": NUMBER_OR_NULL, "high?": NUMBER_OR_NULL, "runs": [NUMBER_OR_NULL]}]}


def gate(document):
    wrong = fits(document, GATE)
    if not wrong:
        order = ["pass", "warn", "inconclusive", "incomplete", "fail"]
        ranks = [order.index(check["verdict"]) for check in document["checks"]]
        wrong += ["checks are not worst first"] if ranks != sorted(ranks, reverse=True) else []
        wrong += [f"a reason of several lines: {check['reason']!r}" for check in document["checks"] if "\n" in check["reason"]]
    return wrong
