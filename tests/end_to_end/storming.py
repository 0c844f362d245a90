"""storming.py - bodies that cost a reader most, sent many at once by a process of their own."""

import multiprocessing
import os
import socket
import threading

MIB = 1 << 20
MODEL = "other"


def chat_with(more, content="x"):
    return ('{"model":"%s","max_tokens":1,"messages":[{"role":"user","content":"%s"}]%s}' % (MODEL, content, more)).encode()


def of_values(size):
    """As many values as may be, and as much text beside them as it takes to come to SIZE bytes."""
    values = chat_with(',"x":[' + "1," * min(size // 2 - 100, 1_000_000) + '0]')
    return values if len(values) >= size else chat_with(',"x":[' + "1," * 1_000_000 + '0],"y":"' + "z" * (size - len(values)) + '"')


def of_text(size):
    """One message; each character an escape or of several bytes."""
    return chat_with("", "\\u00e9\\n\u00e9\u20ac" * (size // 13))


STORMS = (  # (what, body, how many at once)
    ("40 bodies of 2 MB", lambda: of_values(2 * MIB), 40),
    ("20 bodies of 6 MB", lambda: of_values(6 * MIB), 20),
    ("20 bodies of 1 MB for the engine", lambda: of_text(1_000_000), 20),
    ("1 body of 63 MB", lambda: of_text(63_000_000), 1),
    ("200,000 messages", lambda: chat_with("")[:-2] + b"," + b",".join([b'{"role":"user","content":"x"}'] * 200_000) + b"]}", 1),
    ("500,000 equal keys", lambda: chat_with("")[:-1] + b',"model":1' * 500_000 + b"}", 1),
)


def post(port, body):
    """The status; 0 where the connection was cut."""
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.settimeout(120)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        try:
            s.sendall(head % (port, len(body)) + body)
        except (ConnectionResetError, BrokenPipeError):
            pass  # refused before all of it was said; the answer is there all the same
        try:
            return int(s.recv(65536).split(b" ", 2)[1])
        except (ConnectionResetError, IndexError):
            return 0


def _send(port, body, count, pipe):
    os.nice(10)  # the clients' work is not what is measured
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(post(port, body))) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    pipe.send(statuses)


def storm(port, body, count):
    """The statuses of COUNT requests with BODY at once."""
    ours, theirs = multiprocessing.Pipe()
    sender = multiprocessing.Process(target=_send, args=(port, body, count, theirs))
    sender.start()
    statuses = ours.recv()
    sender.join()
    return statuses
