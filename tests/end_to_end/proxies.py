#!/usr/bin/env python3
"""The configurations of docs/network.md, each in the proxy that it is for: TLS in front, streams in pieces."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

from fleet import large_model, tearDownModule
from headroomd import BUILD, ROOT, Daemon, Reply, chat, eventually, request

NAME = "chat.example"


def configuration(language):
    with open(ROOT + "/docs/network.md") as f:
        return re.search(rf"```{language}\n(.*?)```", f.read(), re.S).group(1)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@unittest.skipUnless(shutil.which("openssl"), "needs openssl")
class Proxies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix="headroom-")
        cls.addClassCleanup(shutil.rmtree, cls.scratch)
        cls.certificate, secret = cls.scratch + f"/{NAME}.crt", cls.scratch + f"/{NAME}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
                        "-out", cls.certificate, "-keyout", secret], check=True, capture_output=True)
        with open(cls.scratch + f"/{NAME}.pem", "w") as both:
            for path in (cls.certificate, secret):
                with open(path) as f:
                    both.write(f.read())
        cls.daemon = Daemon("keep_alive = forever\n" + configuration("ini"), models={"demo.gguf": large_model()})  # an answer of it lasts
        cls.addClassCleanup(cls.daemon.done)
        cls.key = subprocess.run([BUILD + "/headroomctl", "--socket", cls.daemon.control_path, "key", "add", "laptop"], capture_output=True, text=True, check=True).stdout.strip()

    def start(self, language, command, before=""):
        """The proxy with the page's configuration, but for ports and the place of the certificate."""
        if not shutil.which(command[0]):
            print(f"SKIP: {command[0]} is not here")
            self.skipTest(command[0])
        self.port = free_port()
        text = before + re.sub(r"/etc/ssl/\w+/", self.scratch + "/", configuration(language)).replace("127.0.0.1:14376", f"127.0.0.1:{self.daemon.port}")
        text = re.sub(r"(bind |listen |chat.example):?443", rf"\g<1>{'127.0.0.1:' if language != 'caddy' else ':'}{self.port}", text)
        path = f"{self.scratch}/{language}"
        with open(path, "w") as f:
            f.write(text if language != "nginx" else f"pid {self.scratch}/pid; error_log stderr; events {{}} http {{ access_log off; {text} }}")
        log = open(path + ".log", "wb")
        proxy = subprocess.Popen([*command, path], stdout=log, stderr=log, env=dict(os.environ, HOME=self.scratch))
        log.close()
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.terminate)
        eventually(lambda: proxy.poll() is not None or self.is_there())
        with open(path + ".log") as log:
            self.assertIsNone(proxy.poll(), log.read())

    def is_there(self):
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def connect(self):
        context = ssl.create_default_context(cafile=self.certificate)
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=60), server_hostname=NAME)

    def send(self, s, body, host=None, **headers):
        s.sendall(request("POST", "/v1/chat/completions", body, Content_Type="application/json", **headers).replace(b"Host: localhost", f"Host: {host or f'{NAME}:{self.port}'}".encode()))

    def ask(self, body, **headers):
        with self.connect() as s:
            self.send(s, body, **headers)
            return Reply(s)

    def running(self):
        return self.daemon.model("demo")["running"]

    def check(self):
        self.assertEqual(self.ask(chat(max_tokens=1)).status, 401)
        self.assertEqual(self.ask(chat(max_tokens=1), X_Api_Key=self.key).status, 200)
        self.assertEqual(self.ask(chat(max_tokens=1), X_Api_Key=self.key, Origin=f"https://{NAME}:{self.port}").status, 200)
        self.assertEqual(self.ask(chat(max_tokens=1), X_Api_Key=self.key, Origin="https://other.example").status, 403)
        self.assertNotEqual(self.ask(chat(max_tokens=1), X_Api_Key=self.key, host="rebound.example").headers.get("content-type"), "application/json; charset=utf-8")
        long = self.ask(chat(messages=[{"role": "user", "content": "word " * 1000000}]), X_Api_Key=self.key)
        self.assertEqual(long.json()["error"]["code"], "context_length_exceeded")
        with self.connect() as s:
            self.send(s, {"model": "demo", "prompt": "Once", "stream": True, "ignore_eos": True, "messages": chat()["messages"]}, X_Api_Key=self.key)
            received = b""
            while received.count(b"data: ") < 5:
                received += s.recv(4096)
            self.assertEqual(self.running(), 1)  # pieces come while it is being written
        eventually(lambda: self.running() == 0)  # the client has left

    def test_haproxy(self):
        self.start("haproxy", ["haproxy", "-db", "-f"])
        self.check()

    def test_nginx(self):
        self.start("nginx", ["nginx", "-p", self.scratch, "-g", "daemon off;", "-c"])
        self.check()

    def test_caddy(self):
        self.start("caddy", ["caddy", "run", "--adapter", "caddyfile", "--config"], f"{{\n admin off\n http_port {free_port()}\n}}\n")
        self.check()


if __name__ == "__main__":
    unittest.main()
