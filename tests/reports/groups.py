"""Tests: --group of every report that has it."""
import os
import random
import subprocess
import zlib

import harness as h
from bench import test
from story import LIBC, Story


def tenants():
    """Three threads, two plug-ins and a namespace; every figure is known."""
    s = Story()
    main, alpha, beta = s.current, s.thread(11, "alpha"), s.thread(12, "beta")
    shop, bank = "/opt/app/libshop.so.2", "/opt/app/libbank.so"
    new = ("operator new(unsigned long)", "/usr/lib/libstdc++.so.6")
    cart, loan = s.calls("main", ("shop::Cart::add(int)", shop), new), s.calls("main", ("bank::loan(int)", bank))
    plain = s.calls("main", "f")
    s.alloc(plain, 7)
    s.current = alpha
    for _ in range(3):
        s.alloc(cart, 100)
    s.free(s.alloc(loan, 5000))
    s.current = beta
    for _ in range(2):
        s.alloc(cart, 10)
    last = s.alloc(loan, 1000)
    s.current = main
    s.mark("half")
    s.free(last)
    s.alloc(loan, 40)
    s.time(1)
    return s


def by_group(document, key="value"):
    return {g["group"]: g[key] for g in document.get("groups", [])}


@test
def groups_of_known_tenants(b):
    path = b.trace(tenants())

    def leaked(*rules):
        return by_group(b.json("top", "--cost", "leaked", *(w for r in rules for w in ("--group", r)), path))

    b.equal("threads", leaked("thread"), {"alpha": 300, "beta": 20, "main": 47})
    b.equal("modules", leaked("module"), {"libshop.so.2": 320, "libbank.so": 40, "app": 7})
    b.equal("namespaces", leaked("namespace"), {"shop": 320, "bank": 40, "other": 7})
    b.equal("two levels", leaked("namespace:2"), {"shop::Cart": 320, "bank": 40, "other": 7})
    b.equal("rules", leaked("libshop*=Shop", "^bank::=Bank"), {"Shop": 320, "Bank": 40, "other": 7})
    b.equal("a rule for a thread", leaked("^beta$=B"), {"B": 20, "other": 347})
    b.equal("a rule and a word", leaked("^bank::=Bank", "thread"), {"alpha": 300, "beta": 20, "main": 7, "Bank": 40})
    peak = b.json("top", "--group", "thread", path)
    b.equal("peak", (by_group(peak), peak["total"]), ({"alpha": 5300, "main": 7, "beta": 0}, 5307))
    b.equal("blocks at the peak", by_group(peak, "peak_blocks"), {"alpha": 4, "main": 1, "beta": 0})
    b.equal("temporary", by_group(b.json("top", "--cost", "temporary", "--group", "thread", path)), {"alpha": 1, "beta": 0, "main": 0})
    b.equal("the order of the first", list(leaked("thread")), ["alpha", "main", "beta"])
    out = b.text("top", "--cost", "leaked", "--group", "thread", path)
    b.true(f"a total in {out!r}", "81.7 %" in out and "367 B   100.0 %" in out and out.rstrip().endswith("total"))
    out = b.text("top", "--cost", "leaked", "--group", "thread", "--limit", "1", path)
    b.true(f"the rest in {out!r}", "67 B" in out and "2 more" in out and "367 B" in out)


@test
def groups_of_leaks_and_differences(b):
    s = tenants()
    s.alloc(s.calls("main", ("puts", LIBC), ("_IO_file_doallocate", LIBC)), 1024)
    path = b.trace(s)
    hide = b.file("hide.supp", "leak:bank::loan\n")
    leaks = b.json("leaks", "--group", "thread", "--suppressions", hide, path)
    b.equal("program", by_group(leaks, "program_bytes"), {"alpha": 300, "beta": 20, "main": 7})
    b.equal("runtime", by_group(leaks, "runtime_bytes"), {"alpha": 0, "beta": 0, "main": 1024})
    b.equal("suppressed", by_group(leaks, "suppressed_bytes"), {"alpha": 0, "beta": 0, "main": 40})
    out = b.text("leaks", "--group", "thread", path)
    b.true("a total", "367 B" in out and "total" in out)
    diff = b.json("diff", "--from", "half", "--group", "module", path)
    b.equal("changes", by_group(diff, "change"), {"app": 1024, "libshop.so.2": 0, "libbank.so": -960})
    b.equal("before", by_group(diff, "before"), {"app": 7, "libshop.so.2": 320, "libbank.so": 1000})
    both = b.json("diff", "--group", "thread", path, path)
    b.equal("no change", set(by_group(both, "change").values()), {0})
    out = b.text("diff", "--from", "half", "--group", "thread", path)
    b.true(f"a table in {out!r}", "before" in out and "+64 B" in out.replace("  ", " ") and "total" in out)
    b.refused("is no grouping", "top", "--group", "threads", path)
    b.refused("only one of", "leaks", "--group", "thread", "--group", "module", path)


def random_story(rng):
    s = Story()
    threads = [s.current] + [s.thread(100 + i, rng.choice(["w", "x", "", "io"])) for i in range(6)]
    nodes = [s.calls("main", (f"n{i % 3}::f{i}(int)", f"/lib/lib{i % 4}.so")) for i in range(12)]
    live = []
    for _ in range(rng.randrange(1, 400)):
        s.current = rng.choice(threads)
        if live and rng.random() < 0.45:
            s.free(live.pop(rng.randrange(len(live))))
        elif live and rng.random() < 0.1:
            old = live.pop(rng.randrange(len(live)))
            live.append(s.alloc(rng.choice(nodes), rng.randrange(5000), api=2, moves=old))
        else:
            live.append(s.alloc(rng.choice(nodes), rng.randrange(5000)))
        s.time(rng.randrange(2))
    return s


COSTS = {"leaked": "leaked_bytes", "peak": "peak_bytes", "allocated": "allocated_bytes", "allocations": "allocations",
         "temporary": "temporary_allocations"}


@test
def groups_add_up_to_the_totals(b):
    """The sums of the groups are the totals, whatever the rule, the cost and the window."""
    rng = random.Random(5)
    for round_ in range(6):
        path = b.file(f"{round_}.tmk", random_story(rng).data())
        window = () if round_ % 3 == 0 else ("--from", "20%", "--to", "70%")
        for rule in ("thread", "module", "namespace", "f1=One", "^w$=W"):
            for cost, key in COSTS.items():
                plain, groups = (b.json("top", "--cost", cost, *window, *more, path) for more in ((), ("--group", rule)))
                b.equal(f"{cost} of {round_} by {rule}", sum(g["value"] for g in groups["groups"]), plain["total"])
                b.equal(f"{key} of {round_} by {rule}", sum(g[key] for g in groups["groups"]), sum(s[key] for s in plain["stacks"]))
                b.equal("total", groups["total"], plain["total"])
            plain, groups = (b.json("leaks", *window, *more, path) for more in ((), ("--group", rule)))
            b.equal("bytes", sum(g["bytes"] for g in groups["groups"]), plain["leaked_bytes"])
            b.equal("blocks", sum(g["program_blocks"] for g in groups["groups"]), plain["program_blocks"])
            groups = b.json("diff", "--from", "20%", "--to", "70%", "--group", rule, path)
            for side in ("before", "after"):
                b.equal(f"{side} by {rule}", sum(g[side] for g in groups["groups"]), groups[side]["leaked_bytes"])


TENANT = """#include <stdlib.h>
void *NAME(int n) { void *p = 0; for (int i = 0; i < n; i++) p = malloc(SIZE); return p; }
"""

SERVICE = """#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
void *alpha_work(int); void *beta_work(int);
static pthread_barrier_t ready;
static void begin(const char *name)
{
    pthread_setname_np(pthread_self(), name);
    free(malloc(1));
    pthread_barrier_wait(&ready);
    usleep(300000); /* threads are named by what the kernel tells of them while they run */
}
static void *one(void *a) { begin("alpha-1"); alpha_work(10); return a; }
static void *two(void *a) { begin("beta-1"); beta_work(20); return a; }
static void *three(void *a) { begin("gamma"); alpha_work(1); beta_work(1); free(malloc(77777)); return a; }
int main(void)
{
    pthread_t threads[3];
    void *(*const work[3])(void *) = {one, two, three};
    pthread_barrier_init(&ready, NULL, 3);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, work[i], NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
"""


@test
def groups_of_a_real_service(b):
    flags = [os.environ.get("CC", "cc"), "-g", "-fno-builtin"]
    b.file("tenant.c", TENANT)
    b.file("service.c", SERVICE)
    for name, size in (("alpha", 1000), ("beta", 300)):
        subprocess.run([*flags, "-fPIC", "-shared", f"-DNAME={name}_work", f"-DSIZE={size}", "-o", f"lib{name}.so", "tenant.c"],
                       cwd=b.folder, check=True)
    subprocess.run([*flags, "service.c", "-o", "service", "-L.", "-lalpha", "-lbeta", "-Wl,-rpath," + b.folder, "-pthread"],
                   cwd=b.folder, check=True)
    b.run("record", "-q", "-o", "t.tmk", "--", "./service")
    threads = by_group(b.json("leaks", "--group", "thread", "t.tmk"), "program_bytes")
    b.equal("threads", {k: threads.get(k) for k in ("alpha-1", "beta-1", "gamma")}, {"alpha-1": 10000, "beta-1": 6000, "gamma": 1300})
    modules = by_group(b.json("leaks", "--group", "module", "t.tmk"), "program_bytes")
    b.equal("modules", {k: modules.get(k) for k in ("libalpha.so", "libbeta.so")}, {"libalpha.so": 11000, "libbeta.so": 6300})
    rules = by_group(b.json("leaks", "--group", "libalpha*=Tenant A", "--group", "beta_work=Tenant B", "t.tmk"), "program_bytes")
    b.equal("rules", {k: rules.get(k) for k in ("Tenant A", "Tenant B")}, {"Tenant A": 11000, "Tenant B": 6300})


OPERATIONS = """#include <stdlib.h>
#include <tidemark.h>
static void *cache[50];
__attribute__((noinline)) void *shop_order(int n) { return malloc(n); }
__attribute__((noinline)) void *bank_loan(int n) { return malloc(n); }
int main(void)
{
    for (int i = 0; i < 3000; i++) {
        tidemark_op_begin(i % 3 ? "get" : "put");
        shop_order(16 + i % 5);
        if (i % 7 == 0)
            bank_loan(100);
        free(cache[i % 50]);
        cache[i % 50] = malloc(300);
        tidemark_op_end();
    }
    return 0;
}
"""


@test
def groups_of_operations(b):
    """The groups' rates add up to the operation's."""
    b.file("ops.c", OPERATIONS)
    subprocess.run([os.environ.get("CC", "cc"), "-g", "-O1", "-fno-builtin", "-I" + os.path.join(h.SOURCE, "include"), "ops.c", "-o", "ops"],
                   cwd=b.folder, check=True)
    b.run("record", "-q", "-o", "t.tmk", "--", "./ops")
    rules = ("--group", "^shop_=Shop", "--group", "^bank_=Bank")
    plain, grouped, modules = (b.json("ops", *more, "t.tmk") for more in ((), rules, ("--group", "module")))
    for name, before, after, whole in [("total", plain["total"], grouped["total"], modules["total"])] + [
            (e["name"], e, *(next(g for g in d["operations"] if g["name"] == e["name"]) for d in (grouped, modules)))
            for e in plain["operations"]]:
        rate = before["leaked_bytes_per_100"]
        b.equal(f"rate of {name}", after["leaked_bytes_per_100"], rate)
        b.true(f"sum of {name}", abs(sum(g["bytes_per_100"] for g in after["groups"]) - rate["estimate"]) <= 1e-9 * rate["estimate"])
        b.equal(f"alive of {name}", sum(g["bytes"] for g in after["groups"]), sum(s["bytes"] for s in before["stacks"]))
        b.equal(f"modules of {name}", [g["group"] for g in whole["groups"] if g["bytes_per_100"]], ["ops"])
    rates = by_group(grouped["total"], "bytes_per_100")
    b.true(f"the shop's 18 bytes an operation in {rates}", abs(rates.get("Shop", 0) - 1800) < 36)
    b.true(f"the bank's 100 bytes in one of 7 in {rates}", abs(rates.get("Bank", 0) - 10000 / 7) < 30)
    out = b.text("ops", *rules, "t.tmk")
    b.true(f"a table in {out!r}", "1.80 kB" in out and "Shop" in out and "total" in out)


TENANTS = """#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <tidemark.h>
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
__attribute__((noinline)) void *shared_work(int n) { return malloc(n); }
static void *tenant(void *name)
{
    int size = *(char *)name == 'a' ? 30 : 10;
    pthread_setname_np(pthread_self(), name);
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&one_at_a_time);
        tidemark_op_begin("serve");
        shared_work(size);
        free(malloc(500));
        tidemark_op_end();
        pthread_mutex_unlock(&one_at_a_time);
    }
    return NULL;
}
int main(void)
{
    char *names[] = {"ada", "ada", "bob"};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, tenant, names[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
"""


@test
def threads_of_operations(b):
    """What one stack leaves is shared out to the threads that left it; threads of one name are one group."""
    b.file("tenants.c", TENANTS)
    subprocess.run([os.environ.get("CC", "cc"), "-g", "-O1", "-fno-builtin", "-I" + os.path.join(h.SOURCE, "include"), "tenants.c", "-o", "tenants",
                    "-pthread"], cwd=b.folder, check=True)
    b.run("record", "-q", "-o", "t.tmk", "--", "./tenants")
    plain, threads, rules = (b.json("ops", *more, "t.tmk") for more in ((), ("--group", "thread"), ("--group", "^ada$=Tenant A")))
    for document in (threads, rules):
        b.equal("the rate", document["total"]["leaked_bytes_per_100"], plain["total"]["leaked_bytes_per_100"])
    alive = by_group(threads["total"], "bytes")
    b.equal("alive", {k: alive.get(k) for k in ("ada", "bob")}, {"ada": 4000 * 30, "bob": 2000 * 10})
    rates, estimate = by_group(threads["total"], "bytes_per_100"), plain["total"]["leaked_bytes_per_100"]["estimate"]
    b.true(f"six of seven parts in {rates}", abs(rates["ada"] / estimate - 6 / 7) < .01)
    b.true(f"the sum of {rates}", abs(sum(rates.values()) - estimate) <= 1e-9 * estimate)
    b.equal("a rule for the thread", by_group(rules["total"], "bytes").get("Tenant A"), 4000 * 30)
