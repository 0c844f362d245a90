#!/usr/bin/env python3
"""The runner of the machine's scenarios (tests/vm): a guest whose kernel panics is started again once, and that is said; which scenarios
a name stands for. No machine is started here."""

import contextlib
import io
import os
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

sys.dont_write_bytecode = True
VM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "vm")
sys.path.insert(0, VM)
loader = SourceFileLoader("vm_runner", os.path.join(VM, "run"))
runner = module_from_spec(spec_from_loader("vm_runner", loader))
loader.exec_module(runner)

PANIC = """[    1.000000] systemd[1]: Started headroomd.service.
[   58.120000] general protection fault, probably for non-canonical address: 0000 [#1] PREEMPT SMP NOPTI
[   58.120000] RIP: 0010:__kmem_cache_alloc_node+0x1c1/0x2d0
[   58.120000] Kernel panic - not syncing: Fatal exception
"""


class Panics(unittest.TestCase):
    def machine(self, console):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        machine = runner.Machine(folder.name, folder.name, None, None, os.path.join(folder.name, "console"))
        self.addCleanup(os.rmdir, machine.sockets)
        with open(machine.log, "w") as f:
            f.write(console)
        return machine

    def attempts(self, *outcomes):
        """(what again_after_panic returned or raised, how often it tried, what it said)."""
        left = list(outcomes)

        def attempt():
            outcome = left.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            try:
                result = runner.again_after_panic("steady (once)", attempt)
            except runner.Gone as gone:
                result = gone
        return result, len(outcomes) - len(left), said.getvalue()

    def test_the_console_tells_a_panic(self):
        machine = self.machine(PANIC)
        gone = machine._gone("the machine ended")
        self.assertIsInstance(gone, runner.Panicked)
        self.assertEqual(str(gone), "Kernel panic - not syncing: Fatal exception in __kmem_cache_alloc_node+0x1c1/0x2d0")
        with open(machine.log + ".panic") as f:
            self.assertEqual(f.read(), PANIC)

    def test_an_end_without_a_panic_is_the_failure_that_it_is(self):
        gone = self.machine("[    1.000000] reboot: Power down\n")._gone("the machine ended")
        self.assertNotIsInstance(gone, runner.Panicked)
        self.assertEqual(self.attempts(gone, 0)[:2], (gone, 1))

    def test_a_panic_is_tried_again_once_and_said(self):
        result, tries, said = self.attempts(runner.Panicked("Kernel panic: x"), 77)
        self.assertEqual((result, tries), (77, 2))
        self.assertIn("steady (once): the guest's kernel panicked (Kernel panic: x)", said)

    def test_a_second_panic_fails(self):
        second = runner.Panicked("again")
        self.assertEqual(self.attempts(runner.Panicked("once"), second, 0)[:2], (second, 2))


class Names(unittest.TestCase):
    def test_a_range_has_everyday_values_and_others_on_request(self):
        everyday = runner.scenarios("everyday")
        self.assertIn("cliff-anonymous@100", everyday)
        self.assertNotIn("cliff-anonymous@1000", everyday)
        self.assertIn("steady", everyday)
        self.assertEqual(runner.named(["cliff-anonymous"]), [f"cliff-anonymous@{mib_s}" for mib_s in (10, 100, 30, 300, 1000)])
        self.assertEqual(runner.named(["cliff-anonymous@300", "boot"]), ["cliff-anonymous@300", "boot"])
        self.assertIsNone(runner.named(["cliff-anonymous@7"]))


if __name__ == "__main__":
    unittest.main()
