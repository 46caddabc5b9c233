"""Tests: the forms of output, read by readers of their own."""
import html
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ET

import forms
from bench import test
from gated import HERE, Process, small


# --- forms

def nasty():
    """Names that no form may stumble over."""
    s = Process(exe="/opt/a&b <c>|\"d\"", command=("a&b <c>|\"d\"",), session=3)
    bad = s.calls("main", 'operator<<(std::vector<int, A&>&, char const*) [with X = `y`|"z"]]]>', "f::*x_y_*~@team")
    s.alloc(bad, 5000)
    s.alloc(s.calls("main", "late\n::error::\t\x01"), 4000)
    s.mark("op|a`<b>&\"c\n", 100)
    return s


@test
def forms_of_output(b):
    """Every form from verdicts of every kind, read by a reader of its own."""
    leaky, clean = b.record("leaky.tmk", 4000, 100, 1, 1500000), b.record("clean.tmk", 4000, 0, 1, 1000000)
    b.run("baseline", "save", "base.json", clean)
    b.file("old.txt", "# tidemark: until=2021-01-01\nleak:nothing\n")
    scenes = {
        "all": ([leaky, "--baseline", "base.json", "--leak-per-100-ops", "1k", "--op", "no=1", "--peak-heap", "1:1G", "--suppressions", "old.txt"], 1),
        "clean": ([clean, "--baseline", "base.json", "--leak-per-100-ops", "1k"], 0),
        "runs": ([leaky, clean, "--peak-heap", "1M", "--op", "login=1"], 1),
        "nasty": ([b.trace(nasty(), "nasty.tmk"), "--peak-heap", "1", "--op", "op|a`<b>&\"c\n=1", "--leaked", "1"], 1),
        "torn": ([b.trace(nasty(), "torn.tmk", whole=False), "--leaked", "1"], 4),
    }
    for name, (arguments, status) in scenes.items():
        out, _ = b.run("gate", *arguments, "--json", "x.json", "--markdown", "x.md", "--junit", "x.xml", "--sarif=x.sarif", "--gitlab", "gl.json",
                       "--bencher", "bmf.json", "--benchmark", "gab.json", "--github", status=status, env={"GITHUB_STEP_SUMMARY": os.path.join(b.folder, f"{name}.summary")})
        document = json.loads(b.read("x.json"))
        b.good(f"{name}: JSON", forms.gate(document))
        b.equal(f"{name}: jq", subprocess.run(["jq", "-r", ".verdict"], input=b.read("x.json"), capture_output=True).stdout.decode().strip(), document["verdict"])
        b.good(f"{name}: JUnit", forms.junit(b.read("x.xml")))
        b.good(f"{name}: SARIF", forms.sarif(json.loads(b.read("x.sarif"))))
        b.good(f"{name}: GitLab", forms.gitlab(json.loads(b.read("gl.json"))))
        b.good(f"{name}: Bencher", forms.bencher(json.loads(b.read("bmf.json"))))
        b.good(f"{name}: benchmark", forms.benchmark(json.loads(b.read("gab.json"))))
        told = forms.annotations("\n".join(line for line in out.splitlines() if line.startswith("::")))
        bad = [c for c in document["checks"] if c["verdict"] != "pass"]
        b.equal(f"{name}: annotations", [(a[1].get("title"), a[2]) for a in told], [("Tidemark: " + c["name"], c["reason"]) for c in bad])
        b.equal(f"{name}: results", [r["message"]["text"] for r in json.loads(b.read("x.sarif"))["runs"][0]["results"]], [c["reason"] for c in bad])
        b.equal(f"{name}: findings", len(json.loads(b.read("gl.json"))), len(bad))
        b.equal(f"{name}: step summary", b.read(f"{name}.summary"), b.read("x.md"))
        b.good(f"{name}: Markdown", markdown(b.read("x.md"), document))


@test
def a_full_disk(b):
    """Documents that a buffer holds, and longer ones."""
    deep = Process()
    for i in range(20):
        deep.alloc(deep.calls("main", *(f"function_{k}_of_stack_{i}" for k in range(30))), 5000)
    full = "tidemark: cannot write '/dev/full': No space left on device\n"
    for path in b.trace(small(), "small.tmk"), b.trace(deep, "deep.tmk"):
        for form in ("json", "markdown", "junit", "sarif", "gitlab", "bencher", "benchmark"):
            b.equal(form, b.run("gate", path, "--peak-heap", "1", f"--{form}=/dev/full", status=2)[1], full)
        b.equal("baseline", b.run("baseline", "save", "-o", "/dev/full", path, status=2)[1], full)


# No UTF-8: alone, cut short, overlong, a surrogate, beyond Unicode; and a text that is cut somewhere.
BYTES = [b"\xff", b"\xe2\x82", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "\xe4".encode() * 400, b"x" + "\u20ac".encode() * 300]


@test
def any_bytes(b):
    """Whatever stands in names of programs, functions, files, operations and suppressions: every document is a valid one."""
    for i, odd in enumerate(BYTES):
        s = Process(exe=b"/opt/" + odd[:200], command=(odd,), session=i + 1)
        where = s.stack(s.frame(s.main, 0x10, [(odd, b"/src/" + odd, 3)]), s.frame(s.main, 0x20, [("main", "m.c", 1)]))
        for _ in range(40):
            s.alloc(where, 5000)
            s.mark(b"op" + odd, 100)
        b.trace(s, "odd.tmk")
        b.file("odd.txt", b"# tidemark: owner=" + odd[:40] + b" until=2021-01-01\nleak:" + odd + b"\n")
        b.file("odd.toml", b"[gate]\npeak-heap = 1\n[gate.op]\n\"op" + odd + b"\" = 1\n")
        for more in ([], ["--suppressions", "odd.txt"], ["--baseline", "base.json"]):
            if more[:1] == ["--baseline"]:
                b.run("baseline", "save", "base.json", "odd.tmk")
            b.run("gate", "odd.tmk", "--peak-heap", "1", b"--op=op" + odd + b"=1", "--op", b"no" + odd + b"=1", "--leaked", "1", *more, "--json", "x.json",
                  "--markdown", "x.md", "--junit", "x.xml", "--sarif=x.sarif", "--gitlab", "gl.json", "--bencher", "bmf.json", "--benchmark", "gab.json",
                  "--github", status=1, env={"GITHUB_STEP_SUMMARY": os.path.join(b.folder, "summary")})
            b.good(f"{odd[:9]}: JSON", forms.gate(json.loads(b.read("x.json"))))
            b.good(f"{odd[:9]}: JUnit", forms.junit(b.read("x.xml")))
            b.good(f"{odd[:9]}: SARIF", forms.sarif(json.loads(b.read("x.sarif"))))
            b.good(f"{odd[:9]}: GitLab", forms.gitlab(json.loads(b.read("gl.json"))))
            b.good(f"{odd[:9]}: Bencher", forms.bencher(json.loads(b.read("bmf.json"))))
            b.good(f"{odd[:9]}: benchmark", forms.benchmark(json.loads(b.read("gab.json"))))
            b.good(f"{odd[:9]}: Markdown", markdown(b.read("x.md"), json.loads(b.read("x.json"))))
        json.loads(b.read("base.json"))
        for command in (["gate", "--config", "odd.toml"], ["ops"], ["leaks"], ["summary"], ["top"], ["folded"], ["baseline", "compare", "base.json"]):
            for form in ([], ["--json"]):
                out, _ = b.run(*command, *form, "odd.tmk", status=None)
                b.true(f"{command} says something", json.loads(out) if form else out)
        b.run("baseline", "show", "base.json")
        b.run("history", "add", "--db", "h.db", "--commit", f"c{i}", "odd.tmk")
    for form in ("--json", "--csv"):
        b.run("history", "export", "--db", "h.db", form)
    b.run("history", "show", "--db", "h.db")
    ET.fromstring(b.run("history", "plot", "--db", "h.db", "--svg")[0])


def markdown(data, document):
    """Read by GitHub's own reader: headings, a table of six columns, every reason as it was, stacks folded away."""
    done = subprocess.run(["cmark-gfm", "-e", "table", "--unsafe"], input=data, capture_output=True)
    if done.returncode:
        return [done.stderr.decode()]
    page = done.stdout.decode()
    plain = html.unescape(re.sub(r"<[^>]*>", "", page))
    wrong = [] if page.count("<h3") == 1 else ["not one heading"]
    rows = [re.findall(r"<t[hd][^>]*>", row) for row in re.findall(r"<tr.*?</tr>", page, re.S)]
    wrong += [f"a row of {len(row)} columns" for row in rows if len(row) != 6]
    figures = {c["name"].removeprefix("regression/") for c in document["checks"] if c["kind"] in ("budget", "regression")}
    figures &= {m["name"] for m in document["metrics"]}
    wrong += [f"{len(rows)} rows for {len(figures)} figures"] if len(rows) != len(figures) + bool(figures) else []
    for name in re.findall(r"op\|a.<b>&.c", " ".join(c["name"] for c in document["checks"])):
        for text, times in ((name, 2), ("f::*x_y_*~@team", 2)):  # in a reason and in the table; in a reason and in a stack
            if plain.count(text) < times:
                wrong.append(f"{text!r} stands there {plain.count(text)} times, not {times}")
    squeeze = lambda text: re.sub(r"[^\w]+", " ", text)  # noqa: E731
    for c in document["checks"]:
        if c["verdict"] != "pass" and squeeze(c["reason"]) not in squeeze(plain):
            wrong.append(f"does not show {c['reason']!r}")
    if page.count("<details>") != page.count("</details>") or page.count("<pre") != page.count("<details>"):
        wrong.append(f"{page.count('<details>')} details, {page.count('</details>')} ends, {page.count('<pre')} blocks")
    return wrong


@test
def places_in_the_sources(b):
    """Paths below the repository are relative to it."""
    b.file("repo/.git/HEAD", "")
    with open(os.path.join(HERE, "gated-service.c"), "rb") as file:
        source = b.file("repo/src dir/service.c", file.read())
    program = b.build("here", source, "-O1", "-fno-optimize-sibling-calls")
    path = b.record("here.tmk", 4000, 100, 1, 1000, program=program)
    out, _ = b.run("gate", path, "--op", "request=1k", "--sarif", "x.sarif", "--gitlab", "gl.json", "--github", status=1, cwd=os.path.join(b.folder, "repo/src dir"))
    line = next(i for i, text in enumerate(b.read("repo/src dir/service.c").decode().splitlines(), 1) if "malloc((size_t)leak_bytes)" in text)
    told = next(a for a in forms.annotations(out) if a[0])
    b.equal("annotation", (told[1]["file"], told[1]["line"]), ("src dir/service.c", str(line)))
    where = json.loads(b.read("repo/src dir/x.sarif"))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    b.equal("SARIF", (where["artifactLocation"]["uri"], where["region"]["startLine"]), ("src%20dir/service.c", line))
    b.equal("GitLab", json.loads(b.read("repo/src dir/gl.json"))[0]["location"], {"path": "src dir/service.c", "lines": {"begin": line}})


@test
def places_are_the_programs(b):
    """What a person would look at is no template of the language, no system library, and no interpreter around an extension."""
    templates = Process()
    templates.alloc(templates.calls("_start", "main", "shop::cart::add(int)", "void std::vector<int>::push_back(int)", "std::_Vector_base<int>::_M_create()",
                                    "<alloc::alloc::Global>::alloc_impl", ("operator new(unsigned long)", "/usr/lib/libstdc++.so.6")), 5000)
    extension = Process()
    module = extension.module("/opt/leaky.so")
    extension.alloc(extension.stack(extension.frame(extension.module(extension.exe), 64, [("run", "ceval.c", 7)]),
                                    extension.frame(module, 64, [("lose", "leaky.c", 3)]),
                                    extension.frame(extension.module("/usr/lib/libsome.so"), 64, [("some_strdup", "some.c", 9)])), 5000)
    for story, place in ((templates, ("src/2.c", "12")), (extension, ("leaky.c", "3"))):
        path = b.trace(story, place[0].replace("/", "-") + ".tmk")
        out, _ = b.run("gate", path, "--leaked", "1k", "--github", "--markdown", "x.md", status=1)
        told = next(a for a in forms.annotations(out) if a[0])
        b.equal("annotation", (told[1]["file"], told[1]["line"]), place)
        b.true(f"{place} in Markdown", f" at {place[0]}:{place[1]}" in b.read("x.md").decode())
    shown = b.run("gate", "src-2.c.tmk", "--leaked", "1k", "--markdown", "x.md", status=1)[0].splitlines()
    at = next(i for i, text in enumerate(shown) if "operator new" in text)
    b.equal("frames", [text.split("  ")[0] for text in map(str.strip, shown[at:at + 5])],
            ["operator new(unsigned long)", "... 2 of libraries", "void std::vector<int>::push_back(int)", "shop::cart::add(int)", "main"])
    b.run("baseline", "save", "x.json", "src-2.c.tmk")
    b.equal("a baseline's functions", [s["functions"] for s in json.loads(b.read("x.json"))["stacks"].values()],
            ["operator new(unsigned long) < ... < void std::vector<int>::push_back(int) < shop::cart::add(int) < main"])
    b.true("the same in Markdown", "\n    ... 2 of libraries\n    void std::vector<int>" in b.read("x.md").decode())


@test
def help_and_text(b):
    for command in (("gate",), ("baseline", "save"), ("baseline", "show"), ("baseline", "compare")):
        b.true(f"{command} --help", "usage: tidemark " + " ".join(command) in b.run(*command, "--help")[0])
    out, err = b.run("gate", b.trace(small()), "--peak-heap", "1000:1k", status=1)
    b.true(f"text: {out}", out.startswith("app: FAIL (1 recording)\n") and "peak heap: 1.92 kB is over the critical 1.02 kB" in out)
    b.equal("nothing on stderr", err, "")
    out, _ = b.run("gate", b.trace(small()), "--op", "a\x1b[31m\x7f=1", "--github", status=3)
    b.true(f"no control characters in an annotation's title: {out!r}", "leaked_bytes_per_100/a?[31m?::" in out)
