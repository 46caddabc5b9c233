"""What flamegraph.pl, inferno and speedscope demand of folded stacks, as a checker.

flamegraph.pl takes a line as /^(.*)\\s+?(\\d+(?:\\.\\d*)?)$/ and the stack once more by the same rule (its differential form);
it splits at ';'. inferno reads UTF-8 and takes what follows the last blank as the count. speedscope wants /^(.*) (\\d+)$/."""
import re

LINE = re.compile(r"^(.*)\s+?(\d+(?:\.\d*)?)$")


def problems(data):
    """Sentences about what is wrong with these bytes; none when all three would read them."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return [f"no UTF-8: {error}"]
    if text and not text.endswith("\n"):
        return ["the last line has no end"]
    found = []
    for number, line in enumerate(text.split("\n")[:-1], 1):
        match = LINE.match(line)
        if not match:
            found.append(f"line {number} has no count: {line!r}")
            continue
        stack = match.group(1)
        if LINE.match(stack):
            found.append(f"line {number} would be read as a difference: {line!r}")
        if re.search(r"[\s\x00-\x1f\x7f]", stack):
            found.append(f"line {number} has a blank or control character in a name: {line!r}")
        if any(not frame for frame in stack.split(";")):
            found.append(f"line {number} has an empty frame: {line!r}")
        if int(match.group(2)) == 0:
            found.append(f"line {number} counts nothing: {line!r}")
    return found


def stacks(data):
    """{stack: value}; a stack that comes twice is an error."""
    result = {}
    for line in data.decode().splitlines():
        stack, value = line.rsplit(" ", 1)
        assert stack not in result, f"{stack} comes twice"
        result[stack] = int(value)
    return result
