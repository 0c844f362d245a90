#!/usr/bin/env python3
"""door - raw requests and what each gets: by Host, Origin, content type, and by shapes that two servers may read in two ways.

Each row is one situation: bytes on a connection of their own, the status of the answer, the word for it, and how many answers
come. Where a request is refused there is one, and the connection ends: what stands behind it is never taken for a request.
The table is printed as it was answered.
"""

import json
import re
import socket
import sys

from headroomd import Daemon, read_all

JSON = "Content-Type: application/json"
CROSS = "Sec-Fetch-Site: cross-site"
PREFLIGHT = "Access-Control-Request-Method: POST"
CHAT = b'{"model":"demo","messages":[{"role":"user","content":"x"}],"max_tokens":1}'
BEHIND = b"GET /behind HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def get(*headers, host="localhost:PORT", target="/v1/models", version="1.1", method="GET"):
    lines = [f"{method} {target} HTTP/{version}"] + ([] if host is None else [f"Host: {host}"]) + list(headers) + ["Connection: close"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def post(*headers, body=CHAT, host="localhost:PORT", **more):
    return get(f"Content-Length: {len(body)}", *headers, host=host, target="/v1/chat/completions", method="POST", **more) + body


def chunked(*headers, size=b"%x" % len(CHAT), line_end=b"\r\n", after=b"\r\n", end=b"0\r\n\r\n", name="Transfer-Encoding", coding="chunked", version="1.1"):
    return get(f"{name}: {coding}", *headers, target="/v1/chat/completions", method="POST", version=version) + size + line_end + CHAT + after + end


# situation, bytes, status, code (None: not refused), a header that the answer has
ROWS = [
    # Host, on every route and method
    ("localhost", get(), 200, None),
    ("an address", get(host="127.0.0.1:PORT"), 200, None),
    ("an address without the port", get(host="127.0.0.1"), 200, None),
    ("a port that was forwarded", get(host="localhost:8080"), 200, None),
    ("the other family's loopback", get(host="[::1]:PORT"), 200, None),
    ("in capitals", get(host="LOCALHOST"), 200, None),
    ("the name of this machine", get(host=socket.gethostname() + ":PORT"), 200, None),
    ("a configured name", get(host="models.example"), 200, None),
    ("a page's name that points here", get(host="evil.com"), 403, "host_not_allowed"),
    ("... with our port", get(host="evil.com:PORT"), 403, "host_not_allowed"),
    ("... asks for health", get(host="evil.com", target="/health"), 403, "host_not_allowed"),
    ("... asks for nothing there is", get(host="evil.com", target="/nothing"), 403, "host_not_allowed"),
    ("... by HEAD", get(host="evil.com", method="HEAD"), 403, None),
    ("... by OPTIONS", get(host="evil.com", method="OPTIONS"), 403, "host_not_allowed"),
    ("... by OPTIONS *", get(host="evil.com", method="OPTIONS", target="*"), 403, "host_not_allowed"),
    ("... by a method nobody has", get(host="evil.com", method="DELETE"), 403, "host_not_allowed"),
    ("... posts", post(JSON, host="evil.com"), 403, "host_not_allowed"),
    ("... posts as its own origin", post(JSON, "Origin: http://evil.com", host="evil.com"), 403, "host_not_allowed"),
    ("... waits to be told to go on", post(JSON, "Expect: 100-continue", host="evil.com"), 403, "host_not_allowed"),
    ("a name that begins like ours", get(host="localhost.evil.com"), 403, "host_not_allowed"),
    ("a name that ends like ours", get(host="evil.localhost"), 403, "host_not_allowed"),
    ("the address of everything", get(host="0.0.0.0:PORT"), 403, "host_not_allowed"),
    ("an address of the network", get(host="192.168.1.1:PORT"), 403, "host_not_allowed"),
    ("an empty Host", get(host=""), 403, "host_not_allowed"),
    ("no Host", get(host=None), 400, "bad_request"),
    ("no Host in HTTP/1.0, which no browser speaks", get(host=None, version="1.0"), 200, None),
    ("a foreign Host in HTTP/1.0", get(host="evil.com", version="1.0"), 403, "host_not_allowed"),
    ("two Hosts", get("Host: evil.com"), 400, "bad_request"),
    ("two Hosts in HTTP/1.0", get("Host: evil.com", version="1.0"), 400, "bad_request"),
    ("two in one", get(host="localhost, evil.com"), 400, "bad_request"),
    ("a user before the host", get(host="localhost@evil.com"), 400, "bad_request"),
    ("a target in absolute form", get(target="http://localhost:PORT/v1/models"), 200, None),
    ("... that names another", get(target="http://evil.com/v1/models"), 403, "host_not_allowed"),
    ("... where the Host names another", get(target="http://localhost:PORT/v1/models", host="evil.com"), 403, "host_not_allowed"),
    ("... with a user", get(target="http://a@localhost/v1/models"), 400, "bad_request"),
    # Origin
    ("the server's own page", post(JSON, "Origin: http://localhost:PORT"), 200, None),
    ("... by its address", post(JSON, "Origin: http://127.0.0.1:PORT", host="127.0.0.1:PORT"), 200, None),
    ("a page that is let in", post(JSON, "Origin: https://page.example", CROSS), 200, None, "access-control-allow-origin: https://page.example"),
    ("... asks before", get("Origin: https://page.example", PREFLIGHT, method="OPTIONS"), 204, None, "access-control-allow-methods: GET, HEAD, OPTIONS"),
    ("... is told its mistakes", get("Origin: https://page.example", target="/nothing"), 404, "not_found", "access-control-allow-origin: https://page.example"),
    ("any page", post(JSON, "Origin: https://evil.com", CROSS), 403, "origin_not_allowed"),
    ("... reads", get("Origin: https://evil.com", CROSS), 403, "origin_not_allowed"),
    ("... asks before", get("Origin: https://evil.com", PREFLIGHT, method="OPTIONS"), 403, "origin_not_allowed"),
    ("... looks for us", get("Origin: https://evil.com", target="/health"), 403, "origin_not_allowed"),
    ("... with text", post("Content-Type: text/plain", "Origin: https://evil.com"), 403, "origin_not_allowed"),
    ("a file or a frame in a sandbox", post(JSON, "Origin: null"), 403, "origin_not_allowed"),
    ("another server of this machine", post(JSON, "Origin: http://localhost:3000", "Sec-Fetch-Site: same-site"), 403, "origin_not_allowed"),
    ("an origin that begins like one that is let in", get("Origin: https://page.example.evil.com"), 403, "origin_not_allowed"),
    ("two Origins", get("Origin: https://page.example", "Origin: https://evil.com"), 400, "bad_request"),
    ("a picture in any page", get(CROSS, "Sec-Fetch-Mode: no-cors"), 403, "origin_not_allowed"),
    ("a form of any page", post("Content-Type: application/x-www-form-urlencoded", CROSS, "Sec-Fetch-Mode: navigate"), 403, "origin_not_allowed"),
    ("a link that was followed", get(CROSS, "Sec-Fetch-Mode: navigate", target="/"), 200, None),
    # content type
    ("curl -d", post("Content-Type: application/x-www-form-urlencoded"), 200, None),
    ("no content type", post(), 200, None),
    ("text from the own page", post("Content-Type: text/plain", "Origin: http://localhost:PORT"), 415, "content_type"),
    ("no type from a page that is let in", post("Origin: https://page.example"), 415, "content_type", "access-control-allow-origin: https://page.example"),
    ("a form of the own page", post("Content-Type: multipart/form-data; boundary=x", "Sec-Fetch-Site: same-origin"), 415, "content_type"),
    ("JSON with a charset", post("Content-Type: Application/JSON ; charset=utf-8", "Origin: http://localhost:PORT"), 200, None),

    # shapes that two servers may read in two ways; what stands behind is never a request
    ("chunks", chunked(), 200, None),
    ("chunks in capitals, with an extension and a trailer", chunked(size=b"00%X;a=b" % len(CHAT), end=b"0;c\r\nTrailer: x\r\n\r\n"), 200, None),
    ("chunks in HTTP/1.0", chunked(version="1.0"), 400, "bad_request"),
    ("chunk data longer than it says", chunked(after=b"x\r\n"), 400, "bad_request"),
    ("chunk data without CR LF", chunked(after=b""), 400, "bad_request"),
    ("chunk data and LF alone", chunked(after=b"\n"), 400, "bad_request"),
    ("chunk data and CR alone", chunked(after=b"\r"), 400, "bad_request"),
    ("a chunk size and LF alone", chunked(size=b"%x\n" % len(CHAT), line_end=b""), 400, "bad_request"),
    ("a chunk size with a blank", chunked(size=b"%x " % len(CHAT)), 400, "bad_request"),
    ("a chunk size with 0x", chunked(size=b"0x%x" % len(CHAT)), 400, "bad_request"),
    ("a chunk size with a sign", chunked(size=b"+%x" % len(CHAT)), 400, "bad_request"),
    ("no chunk size", chunked(size=b""), 400, "bad_request"),
    ("a chunk size that wraps around", chunked(size=b"10000000000000000%x" % len(CHAT)), 400, "bad_request"),
    ("an extension with LF", chunked(size=b"%x;a\nb" % len(CHAT)), 400, "bad_request"),
    ("a trailer that goes on", chunked(end=b"0\r\nTrailer: x\r\n y\r\n\r\n"), 400, "bad_request"),
    ("a trailer with LF alone", chunked(end=b"0\r\nTrailer: x\n\r\n"), 400, "bad_request"),
    ("both lengths", chunked("Content-Length: 4"), 400, "bad_request"),
    ("both, the other way round", post("Transfer-Encoding: chunked"), 400, "bad_request"),
    ("another coding", chunked(coding="gzip, chunked"), 501, "transfer_encoding"),
    ("chunked that is not the last", chunked(coding="chunked, identity"), 501, "transfer_encoding"),
    ("chunked in disguise", chunked(coding="xchunked"), 501, "transfer_encoding"),
    ("a coding behind a tab", chunked(coding="\tchunked"), 200, None),
    ("two codings", chunked("Transfer-Encoding: identity"), 501, "transfer_encoding"),
    ("twice chunked", chunked("Transfer-Encoding: chunked"), 501, "transfer_encoding"),
    ("a blank before the colon", chunked(name="Transfer-Encoding "), 400, "bad_request"),
    ("a header that goes on", get("X: a\r\n b"), 400, "bad_request"),
    ("... and is a coding", chunked(coding="\r\n chunked"), 400, "bad_request"),
    ("... before any header", get().replace(b"Host", b" Host"), 400, "bad_request"),
    ("two lengths that differ", post("Content-Length: 4"), 400, "bad_request"),
    ("two lengths that are equal", post(f"Content-Length: {len(CHAT)}"), 400, "bad_request"),
    ("two lengths in one", get("Content-Length: 4, 4", method="POST") + b"abcd", 400, "bad_request"),
    ("a length with a sign", get("Content-Length: +4", method="POST") + b"abcd", 400, "bad_request"),
    ("a length below nothing", get("Content-Length: -4", method="POST") + b"abcd", 400, "bad_request"),
    ("a length in hexadecimal", get("Content-Length: 0x4", method="POST") + b"abcd", 400, "bad_request"),
    ("a length with a blank within", get("Content-Length: 1 2", method="POST") + b"abcd", 400, "bad_request"),
    ("an empty length", get("Content-Length:", method="POST") + b"abcd", 400, "bad_request"),
    ("a length that wraps around", get("Content-Length: 18446744073709551620", method="POST") + b"abcd", 400, "bad_request"),
    ("lines that end with LF alone", get().replace(b"\r\n", b"\n"), 400, "bad_request"),
    ("one line that ends with LF alone", get("X: a\nY: b"), 400, "bad_request"),
    ("CR within a line", get("X: a\rTransfer-Encoding: chunked"), 400, "bad_request"),
    ("NUL in a header", get("X: a\0b"), 400, "bad_request"),
    ("a header without a name", get(": x"), 400, "bad_request"),
    ("a header without a colon", get("X"), 400, "bad_request"),
    ("a version nobody speaks", get(version="1.2"), 505, "http_version"),
    ("no version", b"GET /v1/models\r\n\r\n", 505, "http_version"),
    ("two blanks in the request line", get(target=" /v1/models"), 400, "bad_request"),
    ("a target with a blank", get(target="/v1/models /x"), 400, "bad_request"),
    ("a proxy's CONNECT", get(method="CONNECT", target="evil.com:80"), 405, "method_not_allowed"),
    ("a body of GET is read, not taken for a request", get("Content-Length: %d" % len(BEHIND)) + BEHIND, 200, None),
]


def answers(heard):
    """The status lines, wherever they stand: a body of ours never looks like one."""
    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]


def check(daemon, situation, said, status, code, header=None):
    with daemon.connect() as s:
        s.sendall(said.replace(b"PORT", str(daemon.port).encode()) + BEHIND)
        heard = read_all(s)
    head, _, body = heard.partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.decode("latin-1").split("\r\n")]
    error = json.loads(body).get("error", {}) if code else {}
    found = (answers(heard), error.get("code"), "access-control-allow-origin: *" in lines, header is None or header.lower() in lines)
    print(f"{situation:50} {heard[9:12].decode():4} {error.get('code') or '-':20} {error.get('message', '')}")
    wrong = found != ([status], code, False, True)
    wrong |= status == 403 and any(line.startswith("access-control") for line in lines)
    wrong |= bool(code) and status in (403, 415) and not error["advice"]
    if wrong:
        print(f"  expected {status} {code} {header or ''} and heard {heard!r}")
    return wrong


def main():
    daemon = Daemon("[server]\nhosts = models.example\norigins = https://page.example\n")
    wrong = sum(check(daemon, *row) for row in ROWS)
    with daemon.connect_control() as s:    # the operator's socket is reached through the file system, not through a browser
        s.sendall(get(host="whatever", target="/control/models"))
        wrong += answers(read_all(s)) != [200]
    daemon.done()
    print(f"{len(ROWS)} situations, {wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
