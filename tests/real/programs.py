"""Real programs: for each its inputs, its command line, and what may differ between two runs. tests/real/run runs them."""
import json
import os
import random

import harness as h


class Program:
    """One program. broken: stacks that may end before the root, as a part of all (code without unwind information)."""

    def __init__(self, name, needs, command, prepare=None, env=None, broken=0, files=1, stdin=b"", same=lambda out: out,
                 artifacts=(), ways=h.WAYS):
        self.name, self.needs, self.command, self.prepare = name, needs, command, prepare
        self.env, self.broken, self.files, self.stdin = env or {}, broken, files, stdin
        self.same, self.artifacts, self.ways = same, artifacts, ways


def write(folder, name, text, mode=0o644):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


SQL = """
create table t(id integer primary key, name text, value real, blob_ blob);
with recursive n(i) as (select 1 union all select i+1 from n where i<20000)
 insert into t select i, 'name-'||(i*7919%10007), i*1.5, zeroblob(i%50) from n;
create index by_name on t(name);
select count(*), sum(value), max(name) from t where name like 'name-1%';
select name, count(*) c from t group by name order by c desc, name limit 20;
select a.id, b.id from t a join t b on a.name=b.name and a.id<b.id order by 1,2 limit 50;
delete from t where id%3=0; vacuum; select count(*), length(group_concat(name)) from t;
"""

PYTHON = """
import json, re, threading, subprocess, sys, collections
rows = [{'id': i, 'name': 'n%d' % (i * 7919 % 1009), 'tags': [str(k) for k in range(i % 7)]} for i in range(8000)]
text = json.dumps(rows)
back = json.loads(text)
groups = collections.defaultdict(list)
for row in back:
    groups[row['name']].append(row['id'])
print(len(text), len(groups), sum(map(len, groups.values())))
print(sorted(re.findall(r'n[0-9]+5', text))[:5])
def work(k):
    return sum(len(str(i) * k) for i in range(3000))
results = []
threads = [threading.Thread(target=lambda k=k: results.append(work(k))) for k in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(results))
print(subprocess.run(['echo', 'from a child'], capture_output=True, text=True).stdout)
try:
    [].pop()
except IndexError as e:
    print(e)
sys.exit(3)
"""

POOL = """
import multiprocessing, os
def work(n):
    return sum(len(str(i) * 3) for i in range(n * 1000))
if __name__ == '__main__':
    with multiprocessing.get_context('fork').Pool(3) as pool:
        print(pool.map(work, range(12)))
    pid = os.fork()
    if pid == 0:
        os._exit(len([object() for _ in range(10000)]) % 256)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

PERL = """
use strict; my (%h, @l);
for my $i (1..20000) { my $k = sprintf("key%05d", $i * 7919 % 10007); push @{$h{$k}}, "v$i"; }
my $s = join ',', map { "$_=" . scalar(@{$h{$_}}) } (sort keys %h)[0..30];
print "$s\\n"; my $n = 0;
for (values %h) { for (@$_) { $n++ if /^v(\\d)\\d*\\1$/ } }
print "$n\\n"; my $t = 'x' x 100000; $t =~ s/x/yy/g; print length($t), "\\n"; print `echo backtick`; exit 4;
"""

GIT = """
set -e
export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2001-01-01T00:00:00Z' GIT_COMMITTER_DATE='2001-01-01T00:00:00Z'
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
rm -rf repo && git -c init.defaultBranch=main init -q repo && cd repo
for i in 1 2 3 4 5; do seq $((i * 1000)) > file$i; git add .; git commit -qm "commit $i"; done
git checkout -q -b side HEAD~2; echo side > other; git add .; git commit -qm side; git merge -q main -m merge
git log --oneline --graph --stat; git diff --stat HEAD~1; git repack -adq; git fsck --full; git blame file3 | tail -3
git rev-parse HEAD
"""

BASH = """
declare -A map; for ((i = 0; i < 3000; i++)); do map[key$((i * 7 % 1000))]+="$i "; done
echo ${#map[@]} ${map[key7]}; x=$(for i in 1 2 3; do echo "line $i"; done | sed 's/line/LINE/' | sort -r); echo "$x"
f() { local n=$1; ((n > 0)) && f $((n - 1)) || echo bottom; }; f 100
while read -r a b; do [[ $a =~ ^r(.*)$ ]] && echo "${BASH_REMATCH[1]} $b"; done <<< $'r1 one\\nr2 two'
( exit 5 ); echo $?; cat <(echo process) ; printf '%s\\n' {a..e}{1..3} | tail -1; trap 'echo bye' EXIT; exit 6
"""

CXX = """
#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>
template <int N> struct Depth { static int value() { return Depth<N - 1>::value() + N; } };
template <> struct Depth<0> { static int value() { return 0; } };
int main() {
    std::map<std::string, std::vector<int>> m;
    for (int i = 0; i < 1000; i++) m["k" + std::to_string(i % 37)].push_back(i);
    std::regex r("k([0-9]+)"); std::smatch s; int n = 0;
    for (auto &e : m) n += std::regex_match(e.first, s, r);
    std::cout << n << ' ' << Depth<100>::value() << std::endl; return 7;
}
"""

MAKEFILE = """
prog: $(patsubst %,u%.o,1 2 3 4 5 6)
\t@cc -o $@ $^ && ./prog
u%.o: u%.c
\t@cc -O1 -c -o $@ $< && echo built $@
"""

NODE = """
const rows = []; for (let i = 0; i < 20000; i++) rows.push({id: i, name: 'n' + (i * 7919 % 1009), list: Array(i % 9).fill(i)});
const text = JSON.stringify(rows); const map = new Map(); for (const r of JSON.parse(text)) map.set(r.name, (map.get(r.name) || 0) + r.id);
console.log(text.length, map.size, Buffer.from(text).toString('base64').length);
const zlib = require('zlib'); console.log(zlib.gunzipSync(zlib.gzipSync(text)).length);
setTimeout(() => { console.log('later'); process.exit(8); }, 10);
"""


def prepare_jq(folder):
    draw = random.Random(5)
    rows = [{"id": i, "name": f"n{draw.randrange(500)}", "values": [draw.randrange(100) for _ in range(draw.randrange(8))]}
            for i in range(6000)]
    write(folder, "in.json", json.dumps(rows))


def prepare_cxx(folder):
    write(folder, "in.cc", CXX)


def prepare_make(folder):
    write(folder, "Makefile", MAKEFILE)
    for i in range(1, 6):
        write(folder, f"u{i}.c", f"#include <stdio.h>\nint u{i}(void) {{ return printf(\"unit {i}\\n\"); }}\n")
    write(folder, "u6.c", "int u1(void), u2(void), u3(void), u4(void), u5(void);\nint main(void) { u1(); u2(); u3(); u4(); u5(); return 0; }\n")


def prepare_tar(folder):
    os.makedirs(os.path.join(folder, "tree"))
    draw = random.Random(6)
    for i in range(60):
        write(folder, f"tree/file-{i}", "".join(draw.choice("abcdefgh \n") for _ in range(draw.randrange(20000))))


def prepare_openssl(folder):
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    h.run([h.find("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=test"])
    write(folder, "text", "tidemark\n" * 20000)


def sorted_lines(out):
    return b"\n".join(sorted(out.splitlines()))


def shell(script):
    return [h.find("sh") or "/bin/sh", "-c", script]


def tar_by(compressor):
    script = (f"tar -I {compressor} --sort=name --mtime=@0 --owner=0 --group=0 -cf out.tar.x tree && "
              f"tar -I {compressor} -tvf out.tar.x && mkdir -p back && tar -I {compressor} -xf out.tar.x -C back && diff -r tree back/tree")
    return Program(f"tar-{compressor}", ("tar", compressor), shell(script), prepare_tar, files=4, artifacts=("out.tar.x",))


def compiler(name, driver):
    return Program(name, (driver,), [h.find(driver) or driver, "-std=c++17", "-O1", "-g", "-c", "in.cc", "-o", "out.o"], prepare_cxx,
                   files=1, artifacts=("out.o",))


# JIT compilers and their hand-written stubs carry no unwind information: their stacks may end early, and say so.
JIT = 0.02

PROGRAMS = [
    Program("sqlite3", ("sqlite3",), [h.find("sqlite3"), "-batch", ":memory:"], stdin=SQL.encode()),
    Program("jq", ("jq",), [h.find("jq"), "-c", "group_by(.name) | map({n: .[0].name, s: (map(.values | add // 0) | add)}) | sort_by(.s)[]", "in.json"],
            prepare_jq),
    Program("python3", ("python3",), [h.find("python3"), "-c", PYTHON], env={"PYTHONHASHSEED": "0"}, files=2),
    Program("python3-malloc", ("python3",), [h.find("python3"), "-c", PYTHON],
            env={"PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc"}, files=2),
    Program("python3-pool", ("python3",), [h.find("python3"), "-c", POOL], env={"PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc"}, files=5),
    Program("perl", ("perl",), [h.find("perl"), "-e", PERL], env={"PERL_HASH_SEED": "0"}, files=2),
    Program("git", ("git",), shell(GIT), files=20),
    Program("bash", ("bash",), [h.find("bash"), "-c", BASH], files=4),
    Program("make-j", ("make", "cc"), [h.find("make"), "-s", "-j2"], prepare_make, files=20, same=sorted_lines),
    compiler("g++", "g++"),
    compiler("clang++", "clang++"),
    tar_by("xz"),
    tar_by("zstd"),
    Program("node", ("node",), [h.find("node"), "-e", NODE], broken=JIT),
    # Its perf data would stay in /tmp, whatever TMPDIR says.
    Program("java", ("java",), [h.find("java"), "-XX:-UsePerfData", "-version"], broken=JIT),
    Program("openssl", ("openssl",), shell("openssl x509 -in cert.pem -noout -text && openssl dgst -sha256 -sign key.pem -out sig text && "
            "openssl enc -aes-256-cbc -pbkdf2 -S 0011223344556677 -k pass -in text -out text.enc && openssl dgst -sha512 text.enc"),
            prepare_openssl, files=4, artifacts=("sig", "text.enc")),
    Program("ffmpeg", ("ffmpeg",), [h.find("ffmpeg"), "-v", "error", "-nostdin", "-threads", "2", "-f", "lavfi", "-i",
            "testsrc=duration=1:size=160x120:rate=10", "-c:v", "mpeg4", "-bitexact", "-f", "framemd5", "-"]),
    Program("imagemagick", ("convert",), [h.find("convert"), "-size", "120x80", "gradient:red-blue", "-rotate", "30", "-blur", "0x2",
            "-resize", "50%", "ppm:-"]),
]
