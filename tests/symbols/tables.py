"""Tests: names from symbol tables alone, and addresses that only look like a function's."""
import os
import re
import shutil

from ask import EXACT, build_id, look_up
from harness import TIDEMARK
from made import Program, Skip, TABLE, fresh, run, test, tool, written


def assemble(folder, text, *flags, name="object.so"):
    path = os.path.join(folder, name)
    run("gcc", "-shared", "-nostdlib", *flags, "-o", path, written(folder, name + ".s", text))
    return path


def function(name, size=16, kind="@function", binding=".globl", with_size=True):
    text = f'.p2align 4\n{binding} "{name}"\n.type "{name}", {kind}\n"{name}":\n.fill {size}, 1, 0x90\n'
    return text + (f'.size "{name}", {size}\n' if with_size else "")


def symbols_of(path, *options):
    found = {}
    for line in run("readelf", "-sW", *options, path).split("\n"):
        fields = line.split()
        if len(fields) > 7 and fields[0][:-1].isdigit() and fields[6] not in ("UND", "ABS"):
            found[fields[7]] = int(fields[1], 16)
    return found


@test
def mangled_names():
    names = {
        "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE": "core::fmt::Formatter::pad",
        "_ZN60_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..Drop$GT$4drop17h0123456789abcdefE":
            "<alloc::vec::Vec<T> as core::ops::Drop>::drop",
        "_RNvNtCs1234_7mycrate3foo3bar": "mycrate::foo::bar",
        "_RINvNtC3std3mem8align_ofdE": "std::mem::align_of::<f64>",
        "_D8demangle4testFiZv": "demangle.test(int)",
        "_Dmain": "D main",
        "_ZN3foo3barEiPKc": "foo::bar(int, char const*)",
        "_ZNSt6vectorIiSaIiEE9push_backEOi": "std::vector<int, std::allocator<int> >::push_back(int&&)",
        "_ZN12_GLOBAL__N_14helpEv": "(anonymous namespace)::help()",
        "_Z4workv.constprop.0": "work() [clone .constprop.0]",
        "_Zbroken": "_Zbroken",
        "_D": "_D",
        "_R": "_R",
        "plain.part.0": "plain.part.0",
        "main.main": "main.main",
    }
    path = assemble(fresh("mangled"), ".text\n" + "".join(function(name) for name in names))
    places = symbols_of(path)
    answers, quality = look_up(TIDEMARK, path, [places[name] + 5 for name in names], flags=EXACT)
    wrong = [] if quality == TABLE else [f"quality {quality}"]
    for (name, readable), answer in zip(names.items(), answers):
        if answer != [(readable, "", 0)]:
            wrong.append(f"{name}: {answer} instead of {readable}")
    return wrong


@test
def unfolding_names():
    """Names that would demangle to gigabytes: an answer of bounded size comes, soon."""
    bomb = "_Z1fI" + "St4pairI" * 3 + "".join(f"S{'' if i == 0 else '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'[i - 1]}_" for i in range(3))
    doubling = "_Z1f1aI1bE" + "".join(f"1cIS{c}_S{c}_E" for c in ["", *"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"])
    path = assemble(fresh("bomb"), ".text\n" + function(bomb) + function(doubling))
    places = symbols_of(path)
    answers, _ = look_up(TIDEMARK, path, [places[bomb] + 1, places[doubling] + 1], flags=EXACT)
    return [f"{len(answer[0][0])} bytes" for answer in answers if not answer or len(answer[0][0]) > 20000]


@test
def gaps_and_overlaps():
    text = ".text\n" + function("first", 16) + ".fill 32, 1, 0xcc\n" + function("second", 64)
    text += ".globl inner\n.type inner, @function\n.set inner, second + 16\n.size inner, 16\n"
    text += ".weak alias\n.type alias, @function\n.set alias, first\n.size alias, 16\n"
    text += ".globl __alias\n.type __alias, @function\n.set __alias, second\n.size __alias, 64\n"
    text += ".p2align 4\nlabel:\n.fill 16, 1, 0x90\nnext_label:\n.fill 16, 1, 0x90\n.data\n.globl thing\nthing: .quad 1\n"
    path = assemble(fresh("gaps"), text)
    at = symbols_of(path)
    cases = {
        at["first"]: "first", at["first"] + 15: "first", at["first"] + 16: None, at["second"] - 1: None,
        at["second"]: "second", at["second"] + 15: "second", at["second"] + 16: "inner", at["second"] + 31: "inner",
        at["second"] + 32: "second", at["second"] + 63: "second",
        at["label"]: "label", at["label"] + 15: "label", at["next_label"]: "next_label",
        at["next_label"] + 15: "next_label", at["next_label"] + 16: None, at["thing"]: None, 0: None, 1 << 63: None,
    }
    answers, _ = look_up(TIDEMARK, path, list(cases), flags=EXACT)
    wrong = [f"{address:#x}: {answer} instead of {name}" for (address, name), answer in zip(cases.items(), answers)
             if [frame[0] for frame in answer] != ([name] if name else [])]
    # What strip leaves are sized exports only: a label without a size must not reach into what was hidden.
    run("strip", "-x", path)
    run("strip", path)
    answers, _ = look_up(TIDEMARK, path, [at["label"], at["first"] + 1], flags=EXACT)
    if answers[0] or [frame[0] for frame in answers[1]] != ["first"]:
        wrong.append(f"stripped: {answers}")
    return wrong


@test
def return_address_behind_the_function():
    """A call that never returns may be a function's last instruction: its return address is the next function's."""
    path = assemble(fresh("last-call"), ".text\n" + function("dies", 16) + function("next", 16))
    at = symbols_of(path)
    answers, _ = look_up(TIDEMARK, path, [at["next"]])
    exact, _ = look_up(TIDEMARK, path, [at["next"]], flags=EXACT)
    wrong = [] if answers == [[("dies", "", 0)]] else [f"{answers}"]
    return wrong + ([] if exact == [[("next", "", 0)]] else [f"exact: {exact}"])


@test
def versioned_names():
    folder = fresh("versions")
    script = written(folder, "map", "V1 { global: work; local: *; }; V2 { } V1;\n")
    text = '.text\n' + function("old_work") + function("new_work")
    text += '.symver old_work, work@V1\n.symver new_work, work@@V2\n'
    path = assemble(folder, text, "-Wl,--version-script=" + script)
    at = symbols_of(path)
    places = [at["old_work"] + 1, at["new_work"] + 1]
    full, _ = look_up(TIDEMARK, path, places, flags=EXACT)
    run("strip", path)
    bare, _ = look_up(TIDEMARK, path, places, flags=EXACT)
    wrong = [f"{answer}" for answer in full + bare if "@" in answer[0][0]]
    return wrong + ([] if [a[0][0] for a in bare] == ["work", "work"] else [f"stripped: {bare}"])


@test
def ifunc_and_plt():
    folder = fresh("plt")
    source = written(folder, "plt.c",
                     "#include <stdlib.h>\n#include <string.h>\n"
                     "static int one(void) { return 1; }\nstatic void *choose(void) { return (void *)one; }\n"
                     "static int chosen(void) __attribute__((ifunc(\"choose\")));\n"
                     "int main(int c, char **v) { free(malloc(c)); return chosen() + atoi(v[0]); }\n")
    wrong = []
    for flags in (("-fcf-protection=none",), ("-fcf-protection",), ("-Wl,-z,now",), ("-no-pie",), ("-fuse-ld=gold",)):
        path = os.path.join(folder, "plt" + "".join(flags).replace(",", "_"))
        run("gcc", "-O0", *flags, source, "-o", path)
        sections = ("-j", ".plt", "-j", ".plt.sec", "-j", ".plt.got") if ".plt.sec" in run("readelf", "-SW", path) else ()
        text = run("objdump", "-d", *sections, path)
        stubs = {match[2]: int(match[1], 16) for match in re.finditer(r"^([0-9a-f]+) <(\w+@plt)>:", text, re.M)}
        wanted = {name: stubs[name] for name in ("malloc@plt", "free@plt", "atoi@plt") if name in stubs}
        answers, _ = look_up(TIDEMARK, path, [place + 4 for place in wanted.values()], flags=EXACT)
        wrong += [f"{flags} {name}: {answer}" for name, answer in zip(wanted, answers) if answer != [(name, "", 0)]]
        if len(wanted) < 3:
            wrong.append(f"{flags}: the test found only {wanted}")
    return wrong


@test
def discarded_code():
    """ld leaves a discarded function's lines at address 0, where in a PIE they may reach into real code."""
    wrong = []
    for compiler, linker in (("gcc", "bfd"), ("gcc", "gold"), ("clang-14", "lld"), ("clang-14", "bfd")):
        if not shutil.which(compiler) or not shutil.which("ld." + linker):
            continue
        program = Program(fresh(f"discarded-{compiler}-{linker}"), "discarded.c", compiler, "-g", "-O0",
                          "-ffunction-sections", "-fuse-ld=" + linker, "-Wl,--gc-sections")
        wrong += [f"{compiler} {linker}: {sentence}" for sentence in program.check()]
    return wrong


@test
def assembler_lines():
    """Hand-written code has lines but no functions in its debug information: the names are the symbol table's."""
    folder = fresh("assembler")
    path = assemble(folder, "".join(
        f".text\n.globl {name}\n.type {name}, @function\n{name}:\nnop\nret\n.size {name}, .-{name}\n"
        for name in ("by_hand", "by_hand_too")), "-g")
    at = symbols_of(path)
    answers, _ = look_up(TIDEMARK, path, [at["by_hand"], at["by_hand_too"] + 1], flags=EXACT)
    good = [[("by_hand", path + ".s", 5)], [("by_hand_too", path + ".s", 13)]]
    return [] if answers == good else [f"{answers}"]


@test
def rust():
    tool("rustc")
    folder = fresh("rust")
    source = written(folder, "main.rs",
                     "mod inner {\n    #[inline(always)]\n    pub fn make(n: usize) -> Vec<u8> {\n"
                     "        let mut v = Vec::new();\n        v.resize(n, 1);\n        v\n    }\n}\n"
                     "#[inline(never)]\nfn work(n: usize) -> usize {\n    inner::make(n).len()\n}\n"
                     "fn main() {\n    println!(\"{}\", work(std::env::args().count()));\n}\n")
    wrong = []
    for version, flags in (("default", ()), ("v0", ("-C", "symbol-mangling-version=v0"))):
        path = os.path.join(folder, version)
        run("rustc", "-g", "-O", *flags, "-o", path, source)
        text = run("objdump", "-d", "--no-show-raw-insn", path)
        body = re.search(r"<\S*4main4work\S*>:\n(.*?)\n\n", text, re.S)
        if not body:
            raise Skip("work() is not to be found in the program")
        places = [int(line.split(":")[0], 16) for line in body[1].split("\n")]
        answers, _ = look_up(TIDEMARK, path, places, flags=EXACT)
        ends = {answer[-1][0] if answer else "" for answer in answers}  # "" is padding behind it
        if not {"main::work"} <= ends <= {"main::work", ""}:
            wrong.append(f"{version}: {ends}")
        if not any("main::inner::make" == frame[0] and frame[1].endswith("main.rs") for answer in answers
                   for frame in answer):
            wrong.append(f"{version}: no inlined make in {answers}")
    return wrong


@test
def vdso():
    with open("/proc/self/maps") as maps:
        line = next((line for line in maps if "[vdso]" in line), None)
    if not line:
        raise Skip("no vdso")
    low, high = (int(part, 16) for part in line.split()[0].split("-"))
    folder = fresh("vdso")
    path = os.path.join(folder, "vdso.so")
    with open("/proc/self/mem", "rb") as memory, open(path, "wb") as file:
        memory.seek(low)
        file.write(memory.read(high - low))
    at = symbols_of(path, "--dyn-syms")
    name = next(name for name in at if "gettimeofday" in name)
    answers, _ = look_up(TIDEMARK, "", [at[name] + 1], flags=EXACT, name="[vdso]", build=build_id(path))
    other, _ = look_up(TIDEMARK, "", [at[name] + 1], flags=EXACT, name="[vdso]", build="12" * 20)
    wrong = [] if answers[0] and "gettimeofday" in answers[0][0][0] else [f"{answers}"]
    return wrong + ([f"another kernel's: {other}"] if other != [[]] else [])
