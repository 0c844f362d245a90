"""machine.py - a small machine under QEMU, without hardware help: boots the disk that `build` made, or goes on from where
an earlier one had finished booting.

Booting takes half a minute, going on from a booted state a second or two, so the state (memory and disk) is kept once and
every scenario starts from it, each with a fresh copy-on-write disk. The project and the models come as disks of their own,
which the machine has not looked into before that state was taken; they may be different ones each time, but keep their size.

Its clock counts instructions (-icount): a second in the machine is a fixed amount of work, however busy the builder is, so that
tokens per second and seconds until the cliff can be compared between two runs. That takes one processor: with more, QEMU
runs them in turns of a tenth of a second. Only the disks' throttle follows the builder's clock.

The processor lacks two things. Without 16-byte compare-and-swap the kernel's allocator takes its path with a lock: with it, it panicked
once in __kmem_cache_alloc_node. And without fast copies and fills of bytes ("erms") it does them by words: each round of such an
instruction counts as one, so clearing a page would take as long as computing 4096 instructions, and no program could grow
by more than 60 MiB/s.

The machine obeys over a serial port of its own (guest/agent): one line of shell, its output, its status.
"""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MEMORY_MIB = 1024
CLOCK = "shift=3,sleep=on"  # 8 ns an instruction: about what one core of a builder does when it is free
PROCESSOR = "max,-cx16,-erms,-fsrm"
PROJECT_MIB = 128  # what a disk's size may not change between the booted state and its use
MODELS_MIB = 2048
UNTHROTTLED = 4 << 30  # bytes/s
BOOT_SECONDS = 300  # a loaded builder boots in one minute
KERNEL_OPTIONS = "root=/dev/vda rw console=ttyS0 psi=1 systemd.unified_cgroup_hierarchy=1 tsc=reliable mitigations=off audit=0 loglevel=5 panic=-1"


class Gone(Exception):
    """The machine ended, or no longer answers."""


class Panicked(Gone):
    """... since its kernel panicked, which says nothing of what ran in it."""


class Machine:
    """FOLDER holds disk.img, vmlinuz, initrd.img. PROJECT and MODELS are disk images. Everything that is written lands in SCRATCH."""

    def __init__(self, folder, scratch, project, models, log, display=None):
        self.folder, self.scratch, self.log = folder, scratch, log
        self.project, self.models = project, models
        self.display = display or f"file:{log}"
        self.sockets = tempfile.mkdtemp(prefix="headroom-vm-")  # a Unix socket's path must be short
        self.process = self.port = self.qmp = self.disk = None
        self.port_bytes = b""

    # --- life ---

    def _start(self, disk, *more):
        command = [
            "qemu-system-x86_64", "-accel", "tcg,thread=single", "-icount", CLOCK, "-cpu", PROCESSOR, "-smp", "1", "-m", str(MEMORY_MIB),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
            "-serial", self.display,
            "-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe,throttling.bps-total={UNTHROTTLED}",
            "-drive", f"file={self.project},if=virtio,format=raw,readonly=on",
            "-drive", f"file={self.models},if=virtio,format=raw,readonly=on,throttling.bps-total={UNTHROTTLED}",
            "-device", "virtio-serial", "-chardev", f"socket,id=port,path={self.sockets}/port,server=on,wait=off",
            "-device", "virtserialport,chardev=port,name=headroom",
            "-qmp", f"unix:{self.sockets}/qmp,server=on,wait=off",
            *more]
        on_terminal = self.display == "mon:stdio"
        with open(self.log + ".qemu", "ab") as log:
            self.process = subprocess.Popen(command, stdin=None if on_terminal else subprocess.DEVNULL, stderr=None if on_terminal else log)
        self.port = self._connect("port")
        self.qmp = self._connect("qmp").makefile("rw")
        json.loads(self.qmp.readline())
        self.command("qmp_capabilities")

    def _connect(self, name):
        end = time.monotonic() + 20
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(os.path.join(self.sockets, name))
                return s
            except OSError:
                s.close()
                if self.process.poll() is not None or time.monotonic() > end:
                    raise Gone("QEMU did not start") from None
                time.sleep(0.05)

    def _new_disk(self, backing, name=None):
        disk = os.path.join(self.scratch, name or os.path.basename(self.log).rpartition(".")[0] + ".qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", os.path.abspath(backing), "-F",
                        "raw" if backing.endswith(".img") else "qcow2", disk], check=True)
        return disk

    def boot(self):
        """From the disk, until the agent answers."""
        disk = self._new_disk(os.path.join(self.folder, "disk.img"), "booted.qcow2")
        self._start(disk, "-kernel", os.path.join(self.folder, "vmlinuz"), "-initrd", os.path.join(self.folder, "initrd.img"),
                    "-append", KERNEL_OPTIONS)
        self._read_until(b"agent ready", BOOT_SECONDS)

    def save(self, state, disk=None):
        """Ends the machine; what it was is in the file STATE and, if it went on from another, in DISK."""
        self.command("migrate", uri="exec:cat >" + shlex.quote(state))
        while True:
            status = self.command("query-migrate").get("status")
            if status == "completed":
                break
            if status in ("failed", "cancelled"):
                raise Gone("the booted state could not be kept")
            time.sleep(0.1)
        kept, self.disk = self.disk, None
        self.close()
        if kept:
            os.replace(kept, disk)

    def restore(self, state, disk):
        """Goes on from a saved state and the disk that belongs to it, which is not written to: what changes lands in self.disk."""
        disk = self.disk = self._new_disk(disk)
        self._start(disk, "-kernel", os.path.join(self.folder, "vmlinuz"), "-initrd", os.path.join(self.folder, "initrd.img"),
                    "-append", KERNEL_OPTIONS, "-incoming", "exec:cat " + shlex.quote(state))
        end = time.monotonic() + 60
        while self.command("query-status")["status"] != "running":
            if time.monotonic() > end or self.process.poll() is not None:
                raise Gone("the booted state could not be taken up")
            time.sleep(0.05)

    def close(self):
        """Ends it at once; nothing in it is worth keeping. May be called again."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for s in (self.port, self.qmp):
            if s:
                s.close()
        self.port = self.qmp = None
        for name in ("port", "qmp"):
            if os.path.exists(os.path.join(self.sockets, name)):
                os.unlink(os.path.join(self.sockets, name))
        if os.path.isdir(self.sockets):
            os.rmdir(self.sockets)
        if self.disk and os.path.exists(self.disk):
            os.unlink(self.disk)

    # --- use ---

    def command(self, name, **arguments):
        """One command of QEMU's monitor."""
        self.qmp.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.qmp.flush()
        for line in self.qmp:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Gone(f"{name}: {answer['error']['desc']}")
        raise Gone("QEMU ended")

    def throttle(self, disk, bytes_s):
        """The disk "root" or "models" moves so much each second, as an old one does; 0: as fast as it can."""
        limits = {name: 0 for name in ("bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr")}
        self.command("block_set_io_throttle", device={"root": "virtio0", "models": "virtio2"}[disk], bps=bytes_s or UNTHROTTLED, **limits)

    def _gone(self, why):
        """The exception for a machine that does not answer. The console of one that panicked is kept beside that of its successor."""
        lines = []
        if os.path.exists(self.log):
            with open(self.log, errors="replace") as console:
                lines = console.read().splitlines()
        panic = next((i for i, line in enumerate(lines) if "Kernel panic" in line), None)
        if panic is None:
            return Gone(why)
        shutil.copy(self.log, self.log + ".panic")
        where = next((line.split("RIP: 0010:")[1] for line in lines[:panic] if "RIP: 0010:" in line), "an unknown place")
        return Panicked(f"{lines[panic].split('] ')[-1]} in {where}")

    def _read_until(self, mark, seconds, on_line=None):
        """The line that begins with MARK; the lines before it go to ON_LINE."""
        end = time.monotonic() + seconds
        while True:
            line, newline, rest = self.port_bytes.partition(b"\n")
            if newline:
                self.port_bytes = rest
                if line.startswith(mark):
                    return line.decode()
                if on_line:
                    on_line(line.decode(errors="replace"))
                continue
            self.port.settimeout(max(0.01, end - time.monotonic()))
            try:
                more = self.port.recv(65536)
            except socket.timeout:
                raise self._gone(f"no answer within {seconds} s") from None
            if not more:
                raise self._gone("the machine ended")
            self.port_bytes += more

    def run(self, line, seconds=60, on_line=None):
        """One line of shell as root. Its status; its output goes to ON_LINE, line by line."""
        assert "\n" not in line
        try:
            self.port.sendall(line.encode() + b"\n")
        except OSError:
            raise self._gone("the machine ended") from None
        return int(self._read_until(b"agent status ", seconds, on_line).split()[-1])
