"""Watches a lab from outside: QEMU processes, the guests' reports, and the guests' disks.

Faults it finds, whatever a test is looking at:
  - two QEMU processes with one VM UUID at the same moment
  - the reports of a VM come from boot A, then B, then A again: two copies run
  - so does the first block of its disk: two copies write
  - a guest finds in its disk's first block what it did not write

It also keeps what each guest wrote and when, for `lost`: how much of it a later boot did not find again.
"""
import contextlib
import os
import re
import socket
import struct
import threading
import time
from pathlib import Path

from bascule_lab.instance import REPORT_PORT

SAMPLE_S = 0.03
SETTLED_S = 30  # a process this old that is not QEMU hardly becomes it: looked at in one of SELDOM samples only
SELDOM = 16
BLIND_S = 1.0   # a longer gap between two looks at the processes makes the observer's word worthless
LONGEST = 1 << 16  # read of a command line; -uuid is among its first words
REPORT = re.compile(r"vm=(\S+) boot=(\S+) counter=(\d+)(?: disk=(\S+) after=(\S+) mib=(\d+))?")
SO_TIMESTAMPNS = 35  # socket(7); the module socket has no name for it


class Boots:
    """The boots of one VM in the order in which a source showed them."""

    def __init__(self):
        self.order = []  # [boot, first seen, last seen]

    def see(self, boot, now):
        """Returns what is wrong, or None."""
        if self.order and self.order[-1][0] == boot:
            self.order[-1][2] = now
            return None
        earlier = any(b == boot for b, _, _ in self.order)
        current = self.order[-1][0] if self.order else None
        self.order.append([boot, now, now])
        return f"boot {boot} again after boot {current}" if earlier else None


class Observer:
    def __init__(self, instance):
        self.instance = instance
        self.faults = []
        self.samples = 0
        self.longest_gap = 0.0
        self.reports = {}  # VM name -> Boots, by UDP
        self.writers = {}  # VM name -> Boots, on disk
        self.written = {}  # VM name -> [(boot, counter, when)], as acknowledged to the guest
        self.mib = {}      # VM name -> size of its disk as the guest sees it
        self.found = {}    # (VM name, boot) -> (boot, counter) that this boot found on its disk
        self._others = {}  # pid -> first seen, of processes that are not QEMU
        self._end = threading.Event()
        self.began = time.monotonic()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((instance.address("outside"), REPORT_PORT))
        self._socket.settimeout(0.2)
        self._threads = [threading.Thread(target=work, daemon=True)
                         for work in (self._sample, self._read_disks, self._listen)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Ends the observation and returns every fault found."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()
        return self.faults

    def blind(self):
        """Why what it saw proves nothing, or None."""
        if self.longest_gap > BLIND_S:
            return f"the observer was blind for {self.longest_gap:.2f} s: the machine is overloaded"
        return None

    def boots(self, vm):
        """The boot ids that the VM reported so far, oldest first."""
        seen = self.reports.get(vm)
        return [boot for boot, _, _ in seen.order] if seen else []

    def first_report(self, vm, boot):
        """When that boot first reported (monotonic seconds)."""
        return next(first for b, first, _ in self.reports[vm].order if b == boot)

    def lost(self, vm, boot):
        """Seconds of acknowledged writes that `boot` did not find on its disk: from the last that it found to the last
        of the boot before. 0.0 when it found them all."""
        kept, missing = self._kept_and_missing(vm, boot)
        return missing[-1] - kept[-1] if missing else 0.0

    def found_until(self, vm, boot):
        """(earliest, latest) that the last write which `boot` found on its disk was made (monotonic seconds): between the
        acknowledgement of the one before and its own. Storage may keep a write waiting for seconds. The earliest is when
        we began, if it found none, or the first: since when the disk was like that, nobody saw."""
        kept = self._kept_and_missing(vm, boot)[0]
        return kept[-2] if len(kept) > 1 else self.began, kept[-1]

    def _kept_and_missing(self, vm, boot):
        """When each write of the boot before was acknowledged: those that `boot` found, and those that it didn't."""
        before, counter = self.found[vm, boot]
        writes = [(number, when) for each, number, when in self.written[vm] if each == before]
        missing = [when for number, when in writes if number > counter]
        return [when for number, when in writes if number <= counter] or missing[:1], missing

    def last_report(self, vm):
        return self.reports[vm].order[-1][2] if vm in self.reports else None

    def _sample(self):
        with contextlib.suppress(OSError):  # of this thread alone: it must not wait for what it watches
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        last = time.monotonic()
        while not self._end.is_set():
            self._sample_processes()
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - last)
            last = now
            self.samples += 1
            self._end.wait(SAMPLE_S)

    def _read_disks(self):
        """Apart from the processes, as a read may wait for a busy disk."""
        while not self._end.is_set():
            self._sample_disks()
            self._end.wait(SAMPLE_S)

    def _sample_processes(self):
        seen = {}
        now = time.monotonic()
        pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self._others = {pid: first for pid, first in self._others.items() if pid in pids}
        for pid in pids:
            if now - self._others.get(pid, now) > SETTLED_S and (pid + self.samples) % SELDOM:
                continue
            uuid = uuid_of(pid, self.instance.name)
            if uuid is None:
                self._others.setdefault(pid, now)
            elif uuid in seen and all(uuid_of(each, self.instance.name) == uuid for each in (seen[uuid], pid)):
                states = " and ".join(f"{each} ({state_of(each)})" for each in (seen[uuid], pid))
                self._fault(f"two QEMU processes of VM {uuid}: pids {states}")
            else:
                seen[uuid] = pid
            if uuid is not None:  # seen between its fork and its exec, it would be looked at seldom
                self._others.pop(pid, None)

    def _sample_disks(self):
        for path in (*self.instance.metro.glob("*.raw"), *self.instance.san.glob("*.raw")):
            try:
                with open(path, "rb") as disk:
                    text = disk.read(256).split(b"\n")[0].decode(errors="replace")
            except OSError:
                continue
            found = REPORT.match(text)
            if found:
                self._see(self.writers, "written to the disk", found)

    def _listen(self):
        while not self._end.is_set():
            try:
                data, extras, _, _ = self._socket.recvmsg(512, 64)
            except TimeoutError:
                continue
            found = REPORT.match(data.decode(errors="replace"))
            if found:
                self._see(self.reports, "reported", found)
                self._note_write(arrival(extras), *found.groups())

    def _note_write(self, when, vm, boot, counter, disk, after, mib):
        self.mib[vm] = int(mib or 0)
        if disk == "foreign":
            self._fault(f"{vm}: boot {boot} found on its disk what it had not written")
        if disk in ("ok", "foreign"):
            self.written.setdefault(vm, []).append((boot, int(counter), when))
        if after and (vm, boot) not in self.found:
            before, _, number = after.rpartition(":")
            earlier = [each for each, _, _ in self.written.get(vm, []) if each != boot]
            if before or earlier:  # nothing found: all that an earlier boot wrote is lost
                self.found[vm, boot] = (before or earlier[-1], int(number) if before else 0)

    def _see(self, table, how, found):
        name, boot = found.group(1), found.group(2)
        wrong = table.setdefault(name, Boots()).see(boot, time.monotonic())
        if wrong:
            self._fault(f"{name}: {wrong} ({how})")

    def _fault(self, text):
        if text not in self.faults:
            self.faults.append(text)


def arrival(extras):
    """When the kernel took a datagram in (monotonic seconds): this thread may have waited for a processor since."""
    seconds, nanoseconds = next(struct.unpack("qq", data[:16]) for _, kind, data in extras if kind == SO_TIMESTAMPNS)
    return time.monotonic() - (time.time() - (seconds + nanoseconds / 1e9))


def uuid_of(pid, lab):
    """The VM that this process runs, if it is a living QEMU, and not of another lab."""
    try:
        file = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)  # thousands each second: what open() adds to it counts
        try:
            words = os.read(file, LONGEST).split(b"\0")
        finally:
            os.close(file)
        if b"qemu-system" not in words[0] or b"-uuid" not in words:
            return None
        groups = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return None
    if "/bascule-lab/" in groups and f"/bascule-lab/{lab}/" not in groups:
        return None
    return words[words.index(b"-uuid") + 1].decode()


def state_of(pid):
    """Its state and the clock ticks since the boot at which it started (proc(5)), and the threads it still has."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"state {fields[0]}, {fields[17]} threads, started at {fields[19]}"
    except OSError:
        return "gone by now"
