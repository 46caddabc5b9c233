"""Tests: where thresholds come from, suppressions with a date, and baselines."""
import datetime
import json
import os
import subprocess

import harness as h
from bench import test
from gated import CC, HERE, Process, check, small


# --- thresholds

@test
def thresholds_file(b):
    path = b.trace(small())
    b.file("repo/.git/HEAD", "")
    b.file("repo/sub/deep/x", "")
    sub = os.path.join(b.folder, "repo/sub/deep")
    b.file("repo/ci/known.txt", "leak:^f$\n")
    b.file("repo/tidemark.toml", '# budgets\n[gate]\npeak-heap = "1_000:1MB" # both\n'.replace("1_000", "1000") +
           'leaked = 0\nsuppressions = [\n  "ci/known.txt", # ours\n]\non-inconclusive = \'warn\'\n[gate.op]\n"GET /cart" = "1 kB"\n')
    d = b.gate(path, cwd=sub, verdict="warn")
    b.equal("all of it", sorted((c["name"], c["verdict"], c["budget"]) for c in d["checks"]),
            [("leaked_bytes_per_100/GET /cart", "inconclusive", 1000), ("peak_heap_bytes", "warn", 1000), ("program_bytes", "pass", 0)])
    d = b.gate(path, "--peak-heap", "5000", "--op", "GET /cart=7", cwd=sub, verdict="warn")
    b.equal("the command line wins", (check(d, "peak_heap_bytes")["verdict"], check(d, "leaked_bytes_per_100/GET /cart")["budget"]), ("pass", 7))
    b.refused("nothing to judge by", "gate", path, "--config", "/dev/null", cwd=sub)
    b.gate(path, "--config", b.file("other.toml", "[gate]\npeak-heap = 1"), cwd=sub, verdict="fail")
    b.file("repo/tidemark.toml", "[gate]\npeak-hep = 1\n")
    b.refused("tidemark: ../../tidemark.toml:2: unknown key 'peak-hep'", "gate", path, cwd=sub)
    b.refused("tidemark: tidemark.toml:2: unknown key 'peak-hep'", "gate", path, cwd=os.path.join(b.folder, "repo"))
    b.refused("tidemark: ../sub/../tidemark.toml:2: ", "gate", path, "--config", "../sub/../tidemark.toml", cwd=os.path.join(b.folder, "repo/sub"))
    b.file("repo/tidemark.toml", "[gate]\nleak-per-100-ops = 1\nsuppressions = 'ci/known.txt'\n")
    b.run("gate", path, "--gitlab", "x.json", cwd=sub, status=3)
    b.equal("from the root", [item["location"]["path"] for item in json.loads(b.read("repo/sub/deep/x.json"))], ["tidemark.toml"])
    b.file("outside/deep/x", "")
    b.file("outside/tidemark.toml", "[gate]\npeak-heap = 1\n")
    b.refused("nothing to judge by", "gate", path, cwd=os.path.join(b.folder, "outside/deep"))
    b.gate(path, cwd=os.path.join(b.folder, "outside"), verdict="fail")


@test
def bad_thresholds(b):
    path = b.trace(small())
    for option, value, says in (("--peak-heap", "big", "--peak-heap: 'big' is no size"), ("--peak-heap", "2M:1M", "critical"),
                                ("--peak-heap", "-5", "no size"), ("--peak-rss", "1M:", "no size"), ("--op", "x", "NAME=SIZE"),
                                ("--op", "=5", "NAME=SIZE"), ("--op", "a=b", "no size"), ("--regression", "x", "percentage"),
                                ("--regression", "-1", "percentage"), ("--method", "fancy", "interval, plain"),
                                ("--on-inconclusive", "maybe", "fail, warn, pass"), ("--leak-per-100-ops", "1MB/100", "no size"),
                                ("--config", "/nonexistent.toml", "/nonexistent.toml"), ("--suppressions", "/nonexistent", "/nonexistent"),
                                ("--baseline", "/nonexistent.json", "/nonexistent.json")):
        b.refused(says, "gate", path, "--leaked", "1M", f"{option}={value}")
    for text, says in (("[gate]\n\npeak-hep = 1\n", ":3: unknown key 'peak-hep'"), ("peak-heap = 1\n", ":1: 'peak-heap' stands outside"),
                       ("[gates]\nx = 1\n", "unknown table [gates]"), ("[gate]\npeak-heap = 'big'\n", ":2: peak-heap: 'big' is no size"),
                       ("[gate]\npeak-heap = 500MB\n", ":2: no value"), ("[gate]\npeak-heap = 1\npeak-heap = 2\n", ":3: 'peak-heap' stands in line 2"),
                       ("[gate]\npeak-heap\n", ":2: '=' should follow"), ("[gate\n", ":1: "), ("[[gate]]\n", "lists of tables"),
                       ("[gate]\nop = { a = 1 }\n", "inline tables"), ("[gate]\nstrict = 1\n", "true or false"), ("[gate]\nstrict = true x\n", ":2: "),
                       ("[gate]\nleaked = \"1\n", ":2: a string without"), ("[gate]\nleaked = [\"1\"]\n", "not a list"),
                       ("[gate]\nsuppressions = [\"a\" \"b\"]\n", ":2: "), ("[gate]\nleaked = \"\\q\"\n", "escape"),
                       ("[gate]\nregression = \"ten\"\n", ":2: regression: 'ten' is no percentage"), ("[gate]\nleaked = true\n", "no size"),
                       ("[gate.op]\na = [\"1\"]\n", "a size is wanted"),
                       ("[gate.op]\ncart.add = 1\n", ":2: a name with a dot in it stands in quotes: \"cart.add\"")):
        b.refused(says, "gate", path, "--config", b.file("bad.toml", text))


# --- suppressions with a date

@test
def suppressions_expire(b):
    path = b.trace(small())
    today = datetime.datetime.now(datetime.timezone.utc).date()
    day = datetime.timedelta(days=1)
    for until, verdict in ((today - day, "fail"), (today, "pass"), (today + day, "pass")):
        b.file("known.txt", f"# LeakSanitizer reads this file too\n# tidemark: owner=alice until={until}\nleak:^f$\nleak:never_there\n")
        d = b.gate(path, "--leaked", "0", "--suppressions", "known.txt")
        if today == datetime.datetime.now(datetime.timezone.utc).date():  # not at midnight
            b.equal(f"until {until}, which is {today}", d["verdict"], verdict)
    b.file("known.txt", "#tidemark: until=2020-02-29 owner=bob\nleak:^f$\n")
    d = b.gate(path, "--leaked", "1M", "--suppressions", "known.txt", verdict="fail")
    c = d["checks"][0]
    b.equal("by name", (c["name"], c["kind"]), ("suppression/^f$", "suppression"))
    for part in ("leak:^f$", "known.txt:2", "owner bob", "2020-02-29", "hides 100 B"):
        b.true(f"{c['reason']!r} names {part}", part in c["reason"])
    d = b.gate(path, "--leaked", "1M", "--suppressions", "known.txt", "--suppressions", "known.txt", verdict="fail")
    b.equal("told once", len(d["checks"]), 2)
    out, _ = b.run("leaks", "--suppressions", "known.txt", path)
    b.true("leaks reads the file too", "f" in out)
    for text, says in (("# tidemark: until=2020-02-30\nleak:f\n", "known.txt:1"), ("# tidemark: untill=2030-01-01\nleak:f\n", "untill"),
                       ("# tidemark: until=tomorrow\nleak:f\n", "tomorrow"), ("leak:f\n# tidemark: until=2030-01-01\n", "no suppression below")):
        b.file("known.txt", text)
        b.refused(says, "gate", path, "--leaked", "0", "--suppressions", "known.txt")


@test
def leak_sanitizer_reads_the_same_file(b):
    source = b.file("lsan.c", "#include <stdlib.h>\nvoid *volatile p; __attribute__((noinline)) void forget(void) { p = malloc(77); p = 0; }\n"
                              "int main(void) { forget(); return 0; }\n")
    probe = subprocess.run([*CC, "-g", "-fsanitize=address", "-o", os.path.join(b.folder, "lsan"), source],
                           capture_output=True)
    if probe.returncode:
        b.skip = "no AddressSanitizer here"
        return
    known = b.file("known.txt", "# tidemark: owner=alice until=2099-01-01\nleak:forget\n")
    env = h.clean_environment({"ASAN_OPTIONS": "detect_leaks=1"})
    bare = subprocess.run([os.path.join(b.folder, "lsan")], capture_output=True, env=env)
    if b"77 byte" not in bare.stderr:
        b.skip = "LeakSanitizer finds nothing here (ptrace?)"
        return
    env["LSAN_OPTIONS"] = f"suppressions={known}"
    got = subprocess.run([os.path.join(b.folder, "lsan")], capture_output=True, env=env)
    b.equal("suppressed", (got.returncode, b"Suppressions used" in got.stderr), (0, True))


# --- baselines

@test
def baseline_is_stable_and_survives_rebuilds(b):
    files = [b.record(f"{i}.tmk", 3000, 64, 3, 100000) for i in range(2)]
    b.run("baseline", "save", "0.json", files[0])
    b.run("baseline", "save", "-o", "again.json", files[0])
    b.run("baseline", "save", "1.json", files[1])
    b.equal("the same recording, the same bytes", b.read("0.json"), b.read("again.json"))
    documents = [json.loads(b.read(name)) for name in ("0.json", "1.json")]
    for d in documents:
        d["metrics"].pop("peak_rss_bytes", None)  # sampled, not exact
    b.equal("another run", documents[0], documents[1])
    b.true("small", len(b.read("0.json")) < 8000)
    with open(os.path.join(HERE, "gated-service.c")) as file:
        source = file.read()
    moved = b.file("elsewhere/moved.c", "/* more lines */\n" * 50 + source.replace("static void serve(", "\n\nint unused = 3;\nstatic void serve("))
    rebuilt = b.build("renamed", moved, "-O2", "-fno-inline", "-fno-optimize-sibling-calls")
    path = b.record("rebuilt.tmk", 3000, 64, 3, 100000, program=rebuilt)
    b.run("baseline", "save", "rebuilt.json", path)
    b.equal("fingerprints after a rebuild", sorted(json.loads(b.read("rebuilt.json"))["stacks"]), sorted(documents[0]["stacks"]))
    out, _ = b.run("baseline", "compare", "0.json", path)
    b.true("passes", "pass" in out.splitlines()[0])
    out, _ = b.run("baseline", "show", "0.json")
    b.true("show", "service, 1 run" in out and "take_buffer < main" in out)


@test
def fingerprints_are_as_documented(b):
    """Computed anew from the frames that the gate prints, by docs/metrics.md."""
    path = b.record("f.tmk", 3000, 64, 3, 100000, 2)
    seen = 0
    for c in b.gate(path, "--peak-heap", "1", "--leaked", "1", verdict="fail")["checks"]:
        for stack in c["stacks"]:
            value, before = 0xcbf29ce484222325, None
            for frame in reversed(stack["frames"]):
                module = os.path.basename(frame["module"])
                key = ("" if module == "service" else module.split(".so.")[0] + ".so", frame["function"])
                if key == before:
                    continue
                before = key
                for byte in key[0].encode() + b"\0" + key[1].encode() + b"\n":
                    value = (value ^ byte) * 0x100000001b3 % 2**64
            b.equal(f"fingerprint of {[f['function'] for f in stack['frames']]}", stack["fingerprint"], f"{value:016x}")
            seen += 1
    b.true(f"{seen} stacks", seen >= 4)


@test
def regressions(b):
    base = b.record("base.tmk", 3000, 0, 1, 1000000)
    b.run("baseline", "save", "base.json", base)
    same, less, more, much = (b.record(f"{n}.tmk", 3000, 0, 1, n) for n in (1000001, 500000, 1090000, 1200000))
    for path, verdict in ((base, "pass"), (same, "pass"), (less, "pass"), (more, "pass"), (much, "fail")):
        b.gate(path, "--baseline", "base.json", verdict=verdict)
    d = b.gate(much, "--baseline", "base.json", verdict="fail")
    c = check(d, "regression/peak_heap_bytes")
    b.equal("baseline, limit", (c["baseline"], round(c["budget"])), (1001000, 1101100))
    b.equal("who grew, by how much", (c["stacks"][0]["frames"][0]["function"], c["stacks"][0]["value"]), ("take_buffer", 200000))
    b.equal("from where", c["stacks"][0]["frames"][1]["function"], "main")
    b.gate(much, "--baseline", "base.json", "--regression", "25", verdict="pass")
    b.gate(more, "--baseline", "base.json", "--regression", "5%", verdict="fail")
    b.gate(same, "--baseline", "base.json", "--regression", "0", verdict="pass")  # below the floor
    leaky = b.record("leaky.tmk", 3000, 100, 1, 1000000)
    d = b.gate(leaky, "--baseline", "base.json", verdict="fail")
    b.equal("a new leak", check(d, "regression/leaked_bytes_per_100")["verdict"], "fail")
    b.equal("its stack", check(d, "regression/leaked_bytes_per_100")["stacks"][0]["frames"][0]["function"], "forget_session")
    b.run("baseline", "compare", "base.json", leaky, status=1)
    none = b.trace(small(), "none.tmk")
    d = b.gate(none, "--baseline", "base.json")
    b.equal("cannot be told", check(d, "regression/leaked_bytes_per_100")["verdict"], "inconclusive")
    b.true("operations are missing", "no operation was recorded" in check(d, "regression/leaked_bytes_per_100")["reason"])
    few = b.record("few.tmk", 500, 100, 1, 1000000)
    c = check(b.gate(few, "--baseline", "base.json", verdict="fail"), "regression/leaked_bytes_per_100/request")
    b.equal("of too few nothing is said", (c["verdict"], "500 operations are too few" in c["reason"]), ("inconclusive", True))
    c = check(b.gate(few, "--baseline", "base.json", "--method", "plain"), "regression/leaked_bytes_per_100/request")
    b.equal("nor by plain growth", (c["verdict"], c["reason"].endswith(": too few operations to compare with the baseline")), ("inconclusive", True))
    twice = b.record("twice.tmk", 6600, 0, 1, 1000000)
    d = b.gate(twice, "--baseline", "base.json", verdict="warn")
    b.equal("more work only warns", check(d, "regression/allocations")["verdict"], "warn")


@test
def growth_must_be_shown(b):
    """A leak in one of 400 operations, seen seven times, is the same leak when seen ten times, but not when seen 75 times."""
    base = b.record("base.tmk", 3000, 100, 400, 1000)
    b.run("baseline", "save", "base.json", base)
    for every, verdicts in ((400, ("pass",)), (300, ("pass", "warn")), (40, ("fail",))):
        d = b.gate(b.record(f"{every}.tmk", 3000, 100, every, 1000), "--baseline", "base.json")
        got = check(d, "regression/leaked_bytes_per_100/request")["verdict"]
        b.true(f"one in {every} is {got}, one of {verdicts}", got in verdicts)


@test
def uncertain_growth_warns(b):
    b.run("baseline", "save", "base.json", b.record("base.tmk", 3000, 0, 1, 1000))
    d = b.gate(b.record("rare.tmk", 3000, 1000, 400, 1000), "--baseline", "base.json", verdict="fail")  # by what is left at the end
    c = check(d, "regression/leaked_bytes_per_100/request")
    b.equal("verdict", c["verdict"], "warn")
    b.true(f"{c['low']} is below the limit, {c['value']} above", c["low"] < c["budget"] < c["value"])


@test
def what_runs_of_the_baseline_differed_by_is_no_regression(b):
    def run(session, size):
        s = Process(session=session)
        s.free(s.alloc(s.calls("main", "hold"), size))
        return s
    files = [b.trace(run(i, size), f"{i}.tmk") for i, size in enumerate((100000, 200000, 900000))]
    b.run("baseline", "save", "base.json", *files)
    b.trace(run(9, 850000), "within.tmk")
    within = check(b.gate("within.tmk", "--baseline", "base.json"), "regression/peak_heap_bytes")
    b.equal("within the runs", (within["verdict"], within["baseline"], within["budget"]), ("pass", 200000, 900000))
    b.gate(b.trace(run(9, 900001), "above.tmk"), "--baseline", "base.json", verdict="fail")


@test
def depth_of_recursion_is_no_other_stack(b):
    keys = []
    for depth in (1, 2, 7):
        s = Process()
        s.alloc(s.calls("_start", "main", *["walk"] * depth, "leaf"), 5000)
        b.run("baseline", "save", "base.json", b.trace(s))
        keys.append(sorted(json.loads(b.read("base.json"))["stacks"]))
    b.equal("fingerprints", keys[1:], [keys[0]] * 2)
    b.equal("there is one", len(keys[0]), 1)


@test
def bad_baselines(b):
    path = b.trace(small())
    for text, says in (("no json", "no baseline: line 1"), ("[]", "no \"schema\""), ('{"schema": "tidemark/gate/1"}', "tidemark/gate/1"),
                       ('{"schema": "tidemark/baseline/2"}', "version 2"), ('{"schema": "tidemark/baseline/1"}', "\"metrics\""),
                       ('{"schema": "tidemark/baseline/1", "metrics": {"a": {}}, "stacks": {}}', "\"value\""),
                       ('{"schema": "tidemark/baseline/1", "metrics": {}, "stacks": {"12": {}}}', "fingerprint")):
        b.refused(says, "gate", path, "--baseline", b.file("bad.json", text))
        b.refused(says, "baseline", "show", "bad.json")
    b.refused("save, show or compare", "baseline")
    b.refused("'baseline sav'", "baseline", "sav")
    b.refused("a recording", "gate", path, "--baseline", path)
    b.equal("to standard output", b.run("baseline", "save", path)[0], (b.run("baseline", "save", "-o", "o.json", path), b.read("o.json").decode())[1])
    b.refused("no recording named", "baseline", "save", "x.json")
    b.refused("a recording", "baseline", "compare", "x.json")
    out, err = b.run("baseline", "save", "x.json", b.trace(small(), whole=False), status=4)
    b.true("a torn one is no baseline", "incomplete" in err and not os.path.exists(os.path.join(b.folder, "x.json")))


@test
def verdicts_do_not_flip(b):
    """Threads, and a heap that peaks differently each time: ten runs against the baseline of three, and of one."""
    files = [b.record(f"{i}.tmk", 1500, 0, 1, 2000000, 4) for i in range(13)]
    b.run("baseline", "save", "three.json", *files[:3])
    b.run("baseline", "save", "one.json", files[0])
    for baseline in ("three.json", "one.json"):
        verdicts = [b.gate(path, "--baseline", baseline)["verdict"] for path in files[3:]]
        b.equal(f"verdicts by {baseline}", set(verdicts), {"pass"})
    worse = [b.record(f"w{i}.tmk", 1500, 0, 1, 2500000, 4) for i in range(4)]
    b.equal("a quarter more", {b.gate(path, "--baseline", "three.json")["verdict"] for path in worse}, {"fail"})
