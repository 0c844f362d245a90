#!/usr/bin/env python3
"""A daemon that other machines reach: who gets in, and by which names. In a network of its own, so that none really does."""

import os
import shutil
import subprocess
import sys
import unittest

from headroomd import BUILD, Daemon, ask, chat, request, Reply

ADDRESS = "10.77.0.1"
OWN_NETWORK = ["unshare", "--net", *(["--map-root-user"] if os.getuid() else [])]
SET_UP = f"ip link set lo up && ip address add {ADDRESS}/24 dev lo && "


class Network(unittest.TestCase):
    def start(self, server):
        daemon = Daemon(f"keep_alive = forever\n[server]\n{server}\n")
        self.addCleanup(daemon.done)
        return daemon

    def ask(self, daemon, host, **headers):
        with daemon.connect() as s:
            s.sendall(request("POST", "/v1/chat/completions", chat(max_tokens=1), **headers).replace(b"Host: localhost", b"Host: " + host.encode()))
            return Reply(s)

    def test_nobody_gets_in_without_a_key(self):
        daemon = self.start(f"listen = {ADDRESS}:0")
        self.assertEqual(daemon.address, ADDRESS)
        self.assertIn("event=no_keys", daemon.log())
        self.assertEqual(self.ask(daemon, ADDRESS).status, 401)
        self.assertEqual(ask(daemon, "GET", "/health").status, 200)
        key = subprocess.run([BUILD + "/headroomctl", "--socket", daemon.control_path, "key", "add", "laptop"], capture_output=True, text=True, check=True).stdout.strip()
        self.assertEqual(self.ask(daemon, f"{ADDRESS}:{daemon.port}", X_Api_Key=key).status, 200)
        self.assertEqual(self.ask(daemon, "rebound.example", X_Api_Key=key).json()["error"]["code"], "host_not_allowed")
        self.assertEqual(self.ask(daemon, "10.77.0.2", X_Api_Key=key).status, 403)
        subprocess.run([BUILD + "/headroomctl", "--socket", daemon.control_path, "key", "remove", "laptop"], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(self.ask(daemon, ADDRESS).status, 401)  # the last key has gone, and the door is closed still

    def test_all_addresses(self):
        daemon = self.start("listen = 0.0.0.0:0\nkeys = open-to-network")
        self.assertIn("event=open-to-network", daemon.log())
        self.assertEqual(self.ask(daemon, "127.0.0.1").status, 200)
        self.assertEqual(self.ask(daemon, ADDRESS).status, 403)  # not the address that was reached
        daemon.address = ADDRESS
        self.assertEqual(self.ask(daemon, ADDRESS).status, 200)
        self.assertEqual(self.ask(daemon, "0.0.0.0").status, 403)

    def test_the_address_for_ollamas_clients_counts_too(self):
        daemon = self.start(f"ollama = {ADDRESS}:11434")
        self.assertEqual(self.ask(daemon, "localhost").status, 401)

    def test_keys_cannot_be_given_up_by_a_reload(self):
        daemon = self.start(f"listen = {ADDRESS}:0")
        with open(daemon.scratch + "/headroom.conf", "a") as f:
            f.write("[server]\nkeys = none\n")
        reload = subprocess.run([BUILD + "/headroomctl", "--socket", daemon.control_path, "reload"], capture_output=True, text=True)
        self.assertNotEqual(reload.returncode, 0)
        self.assertIn("open-to-network", reload.stdout + reload.stderr)
        self.assertEqual(self.ask(daemon, ADDRESS).status, 401)


if __name__ == "__main__":
    if os.environ.get("IN_OWN_NETWORK"):
        unittest.main()
    if not shutil.which("unshare") or not shutil.which("ip") or subprocess.run([*OWN_NETWORK, "sh", "-c", SET_UP + "true"], capture_output=True).returncode:
        print("SKIP: no network of its own can be made here")
        sys.exit(77)
    command = [*OWN_NETWORK, "sh", "-c", SET_UP + 'exec "$@"', "sh", sys.executable, *sys.argv]
    sys.exit(subprocess.run(command, env=dict(os.environ, IN_OWN_NETWORK="1")).returncode)
