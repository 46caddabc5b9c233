"""Tests: debug files apart from the program, however they are found, and such as must not be taken."""
import glob
import http.server
import os
import shutil
import threading

from ask import Session, build_id
from harness import TIDEMARK
from made import DWARF, Program, Skip, TABLE, fresh, run, test, tool, written


def split_debug(folder, link=True, build="sha1", source="chain.c"):
    """A program stripped of everything, its debug file beside it, and .gnu_debuglink from one to the other."""
    program = Program(folder, source, "gcc", "-g", "-O2", f"-Wl,--build-id={build}")
    debug = program.path + ".debug"
    run("objcopy", "--only-keep-debug", program.path, debug)
    run("strip", program.path)
    if link:
        run("objcopy", f"--add-gnu-debuglink={debug}", program.path)
    return program, debug


def expect_nothing(program, *options, **how):
    answers, quality = program.ask(*options, **how)
    named = {label: answer for label, answer in answers.items() if answer}
    return ([f"names from nowhere: {named}"] if named else []) + ([f"quality {quality}"] if quality == DWARF else [])


@test
def stripped():
    program, debug = split_debug(fresh("stripped"), link=False)
    os.unlink(debug)
    return expect_nothing(program)


@test
def debuglink_beside():
    program, _ = split_debug(fresh("debuglink"))
    return program.check()


@test
def debuglink_in_dot_debug():
    program, debug = split_debug(fresh("dot-debug"))
    os.mkdir(os.path.join(os.path.dirname(debug), ".debug"))
    shutil.move(debug, os.path.join(os.path.dirname(debug), ".debug", os.path.basename(debug)))
    return program.check()


@test
def debuglink_in_debug_dir():
    program, debug = split_debug(fresh("debuglink-dir"))
    folder = fresh("debuglink-dir-elsewhere")
    os.makedirs(folder + os.path.dirname(debug))
    shutil.move(debug, folder + debug)
    return expect_nothing(program) + program.check("--debug-dir", folder)


@test
def debuglink_checksum():
    program, debug = split_debug(fresh("checksum"), build="none")
    wrong = program.check()
    with open(debug, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    return wrong + ["with a wrong checksum " + sentence for sentence in expect_nothing(program)]


def build_id_path(root, path):
    number = build_id(path)
    return os.path.join(root, ".build-id", number[:2], number[2:] + ".debug")


@test
def build_id_folder():
    program, debug = split_debug(fresh("build-id"), link=False)
    folder = fresh("build-id-elsewhere")
    target = build_id_path(folder, program.path)
    os.makedirs(os.path.dirname(target))
    shutil.move(debug, target)
    return expect_nothing(program) + program.check("--debug-dir", folder)


@test
def build_id_folder_of_sysroot():
    program, debug = split_debug(fresh("sysroot"), link=False)
    folder = fresh("sysroot-elsewhere")
    target = build_id_path(folder + "/usr/lib/debug", program.path)
    os.makedirs(os.path.dirname(target))
    shutil.move(debug, target)
    return program.check("--sysroot", folder)


@test
def build_id_folder_with_another_build():
    program, debug = split_debug(fresh("other-build"), link=False)
    other = Program(fresh("other-build-too"), "chain.c", "gcc", "-g", "-O1")
    folder = fresh("other-build-folder")
    target = build_id_path(folder, program.path)
    os.makedirs(os.path.dirname(target))
    shutil.copy(other.path, target)
    os.unlink(debug)
    return expect_nothing(program, "--debug-dir", folder)


@test
def unstripped_copy_in_debug_dir():
    program = Program(fresh("copy"), "chain.c", "gcc", "-g", "-O2")
    folder = fresh("copy-elsewhere")
    shutil.copy(program.path, folder)
    run("strip", program.path)
    return program.check("--debug-dir", folder)


@test
def module_file_gone():
    program, debug = split_debug(fresh("gone"), link=False)
    number = build_id(program.path)
    folder = fresh("gone-debug")
    target = build_id_path(folder, program.path)
    os.makedirs(os.path.dirname(target))
    shutil.move(debug, target)
    os.unlink(program.path)
    return program.check("--debug-dir", folder, build=number)


@test
def rebuilt_file():
    program = Program(fresh("rebuilt"), "chain.c", "gcc", "-g", "-O2")
    wrong = expect_nothing(program, build="00" * 20)
    session = Session(TIDEMARK).module(1, program.path, build="00" * 20).module(2, program.path, build="00" * 20)
    session.frame(1, 1, program.probes["main"]).frame(2, 2, program.probes["main"])
    answers = session.end()
    if answers.errors.count("build-id") != 1 or program.path not in answers.errors:
        wrong.append(f"said {answers.errors!r}")
    return wrong


@test
def file_without_build_id():
    program = Program(fresh("no-id"), "chain.c", "gcc", "-g", "-O2", "-Wl,--build-id=none")
    return program.check(build="-") + ["recorded with one: " + s for s in expect_nothing(program, build="ab" * 20)]


@test
def same_path_rebuilt_without_build_id():
    folder = fresh("two-builds")
    program = Program(folder, "chain.c", "gcc", "-g", "-O2", "-Wl,--build-id=none")
    second = Program(fresh("two-builds-second"), "chain.c", "gcc", "-g", "-O0", "-Wl,--build-id=none")
    session = Session(TIDEMARK)
    session.module(1, program.path, name="/x/program", build="-").frame(1, 1, program.probes["argument"])
    session.module(2, second.path, name="/x/program", build="-").frame(2, 2, second.probes["argument"])
    answers = session.end()
    return [] if answers.frames[1] == answers.frames[2] != [] else [f"{answers.frames}"]


@test
def dwz():
    tool("dwz")
    wrong = []
    for version in "4", "5":
        folder = fresh("dwz" + version)
        one = Program(folder, "names.cc", "g++", "-std=c++17", "-g", "-O2", "-gdwarf-" + version, name="one")
        two = Program(folder, "names.cc", "g++", "-std=c++17", "-g", "-O0", "-gdwarf-" + version, name="two")
        shared = os.path.join(folder, "shared.debug")
        run("dwz", "-m", shared, one.path, two.path)
        if not os.path.exists(shared):
            wrong.append("dwz made no shared file")
        wrong += one.check() + two.check()
        os.unlink(shared)
        one.ask()  # without it names may be missing, but an answer must come
    return wrong


@test
def minidebuginfo():
    tool("xz")
    folder = fresh("minidebug")
    program = Program(folder, "chain.c", "gcc", "-g", "-O2")
    small = os.path.join(folder, "small")
    run("objcopy", "-S", "--remove-section", ".comment", "--only-keep-debug", program.path, small)
    run("objcopy", "--only-keep-debug", program.path, small)
    run("objcopy", "--strip-debug", small)
    run("xz", "--keep", small)
    run("strip", program.path)
    run("objcopy", "--add-section", f".gnu_debugdata={small}.xz", program.path)
    answers, quality = program.ask()
    wrong = [] if quality == TABLE else [f"quality {quality}"]
    for label in ("plain", "static", "recursive", "main"):
        if [name for name, _, _ in answers[label]] != [program.expected[label][-1][0]]:
            wrong.append(f"{label}: {answers[label]}")
    return wrong


class DebugServer(http.server.BaseHTTPRequestHandler):
    """What a debuginfod does, for one file."""
    file, asked = None, []

    def do_GET(self):
        self.asked.append(self.path)
        good = self.path == f"/buildid/{build_id(self.file)}/debuginfo"
        body = open(self.file, "rb").read() if good else b""
        self.send_response(200 if good else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@test
def debuginfod_in_reports_only():
    """Reports ask the servers that the user named; while recording, and in the helper, nobody is asked."""
    if not glob.glob("/usr/lib/*/libdebuginfod.so.1"):
        raise Skip("libdebuginfod is not installed")
    folder = fresh("debuginfod")
    source = written(folder, "leak.c",
                     "#include <stdlib.h>\nvoid *volatile kept;\n__attribute__((noinline)) void leaks(void)\n{\n"
                     "\tkept = malloc(1234);\n}\nint main(void)\n{\n\tleaks();\n\tkept = NULL;\n\treturn 0;\n}\n")
    path, trace = os.path.join(folder, "leak"), os.path.join(folder, "leak.tmk")
    run("gcc", "-g", "-O0", "-o", path, source)
    DebugServer.file = path + ".debug"
    run("objcopy", "--only-keep-debug", path, DebugServer.file)
    run("strip", path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), DebugServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shutil.move(DebugServer.file, os.path.join(folder, "elsewhere"))
    DebugServer.file = os.path.join(folder, "elsewhere")
    env = dict(os.environ, DEBUGINFOD_URLS=f"http://127.0.0.1:{server.server_port}",
               DEBUGINFOD_CACHE_PATH=os.path.join(folder, "cache"))
    run(TIDEMARK, "record", "-o", trace, "--", path, env=env)
    wrong = [f"asked while recording: {DebugServer.asked}"] if DebugServer.asked else []
    without = run(TIDEMARK, "leaks", "--no-debug-files", trace, env=env)
    wrong += [f"asked though told not to: {DebugServer.asked}"] if DebugServer.asked else []
    text = run(TIDEMARK, "leaks", trace, env=env)
    server.shutdown()
    wrong += [] if "leaks at leak.c:5" in text else [f"with a server: {text[:600]!r}"]
    return wrong + ([f"without: {without[:300]!r}"] if "leak.c" in without else [])
