"""Tests: servers that others wrote, driven and judged."""
import os

import harness as h
from place import expect, judged, rate_of

HERE = os.path.dirname(os.path.realpath(__file__))
CLIENT = f"exec /usr/bin/python3 {os.path.join(HERE, 'client.py')}"


def functions(document):
    return {f.get("function", "") for c in document["checks"] for s in c.get("stacks", []) for f in s["frames"]}


def redis(keys):
    def start_and_judge(place):
        server = [place.link(h.find("redis-server")), "--port", str(place.port), "--bind", "127.0.0.1", "--save", "", "--dir", place.top]
        return judged(place, "--ready-line", "Ready to accept connections", "--clients", "2", "--op-helper", f"{CLIENT} redis {place.port} {keys}",
                      gate=["--leak-per-100-ops=64kB"], server=server)
    return start_and_judge


def redis_clean(place):
    got, document = redis(50)(place)
    return expect(got, 0) + ([] if document and document["verdict"] == "pass" else [f"{document}"])


def redis_growing(place):
    got, document = redis(0)(place)
    wrong = expect(got, 1)
    if not document or document["verdict"] != "fail":
        return wrong + ["not failed"]
    if not 200000 < rate_of(document)["value"] < 260000:
        wrong.append(f"rate {rate_of(document)}")
    if "setCommand" not in functions(document):
        wrong.append(f"the stack is not named: {sorted(functions(document))}")
    return wrong


NGINX = """
worker_processes 2; daemon off; master_process on; error_log stderr warn; pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{ access_log {folder}/access.log; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
 uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; gzip on; gzip_types *; gzip_min_length 1;
 server {{ listen 127.0.0.1:{port}; root {folder}/site; }} }}
"""


def nginx(place):
    """A master and its workers, summed."""
    os.chmod(place.top, 0o755)
    os.makedirs(os.path.join(place.top, "site"))
    for i in range(5):
        place.write(f"site/page{i}.html", f"page {i}\n" * (i * 100 + 1))
    conf = place.write("nginx.conf", NGINX.format(folder=place.top, port=place.port))
    got, document = judged(place, "--ready-port", str(place.port), "--clients", "4",
                           "--op-helper", f"{CLIENT} http {place.port} " + " ".join(f"/page{i}.html" for i in range(5)),
                           gate=["--leak-per-100-ops=4kB", "--peak-heap=20MB"], server=[h.find("nginx"), "-p", place.top, "-c", conf])
    wrong = expect(got, 0, r"traces in '.*' and [2-9] more beside it")
    return wrong + ([] if document and document["verdict"] == "pass" else [f"{document}"])


PYTHON_SERVER = """
import http.server, sys
kept = []
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, -1
    def do_GET(self):
        if self.path == "/leak":
            kept.append(bytearray(2000))
        body = b"x" * 500
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("serving", flush=True)
server.serve_forever()
"""


def python(path, status):
    def test(place):
        script = place.write("server.py", PYTHON_SERVER)
        got, document = judged(place, "--ready-line", "serving", "--op-helper", f"{CLIENT} http {place.port} {path}",
                               gate=["--leak-per-100-ops=64kB"], server=["/usr/bin/python3", script, str(place.port)])
        wrong = expect(got, status)
        if status and document and abs(rate_of(document)["value"] - 200100) > 0.05 * 200000:
            wrong.append(f"rate {rate_of(document)}")
        return wrong
    return test


def sqlite(place):
    """The sqlite3 shell, statements through a pipe."""
    os.mkfifo(os.path.join(place.top, "in"))
    os.mkfifo(os.path.join(place.top, "out"))
    table = "create table orders(id integer primary key, name text)"
    got, document = judged(place, "--ready-cmd", f"test -e {place.top}/up", "--op-helper", f"{CLIENT} sqlite {place.top}",
                           gate=["--leak-per-100-ops=1kB"],
                           server=["sh", "-c", f"touch {place.top}/up; exec sqlite3 :memory: '{table}' '.read {place.top}/in'"])
    return expect(got, 0) + ([] if document and document["verdict"] == "pass" else [f"{document}"])


REAL = {"redis": (redis_clean, "redis-server"), "redis-growing": (redis_growing, "redis-server"), "nginx": (nginx, "nginx"),
        "python": (python("/clean", 0), "python3"), "python-leaking": (python("/leak", 1), "python3"), "sqlite3": (sqlite, "sqlite3")}
