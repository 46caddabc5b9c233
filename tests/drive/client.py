#!/usr/bin/python3
"""Helpers for `tidemark drive --op-helper`: an operation's number a line in, a line out when it was performed.

usage: client.py redis PORT KEYS          SET and GET of a value of 2000 bytes at one of so many keys; 0: at another one each time
       client.py http PORT PATH...        GET of one of these paths, in turn
       client.py sqlite FOLDER            a few statements in the sqlite3 shell behind the pipes FOLDER/in and FOLDER/out
"""
import http.client
import os
import socket
import sys


def redis(port, keys):
    connection = socket.create_connection(("127.0.0.1", int(port)))

    def perform(number):
        key = f"key:{number % int(keys) if int(keys) else number}"
        connection.sendall(f"SET {key} {'v' * 2000}\r\nGET {key}\r\n".encode())
        answer = b""
        while answer.count(b"\r\n") < 3:
            part = connection.recv(4096)
            if not part:
                sys.exit("redis closed the connection")
            answer += part
        if not answer.startswith(b"+OK\r\n$2000\r\n"):
            sys.exit(f"redis answers {answer!r}")
    return perform


def web(port, *paths):
    connection = http.client.HTTPConnection("127.0.0.1", int(port))

    def perform(number):
        connection.request("GET", paths[number % len(paths)])
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"status {answer.status}")
    return perform


def sqlite(folder):
    statements = open(os.path.join(folder, "in"), "w", encoding="ascii")  # pylint: disable=consider-using-with
    out = os.path.join(folder, "out")

    def perform(number):
        statements.write(f"insert or replace into orders values({number % 50}, 'customer {number}');\n"
                         f".once {out}\nselect 'done', count(*), max(name) from orders;\n")  # .once flushes, and closes
        statements.flush()
        with open(out, encoding="ascii") as f:
            if not f.read().startswith("done|"):
                sys.exit("sqlite3 does not answer")
    return perform


def main():
    perform = {"redis": redis, "http": web, "sqlite": sqlite}[sys.argv[1]](*sys.argv[2:])
    for line in sys.stdin:
        perform(int(line))
        print("done", flush=True)


main()
