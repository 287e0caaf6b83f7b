"""Fencing at the storage: a writer that was stopped, given up and fenced wakes up again."""
import json
import signal
import subprocess
import threading
import time

from bascule_lab import ceph, network

from harness import expect
from rbd_test import rbd_ready

BOUND_S = 240  # no writer lives longer, whatever it waits for
SHORT_S = 4
LONG_S = 10 * 365 * 86400  # hostd's


class Writer:
    """A qemu-io at paris that has an image open. `options`: of librbd."""

    def __init__(self, lab, image, options=""):
        conf = ceph.config_file(lab.instance, "paris")
        self.process = subprocess.Popen(
            [*network.enter(lab.instance, ceph.unit("paris")), "qemu-io", "-f", "raw",
             f"rbd:{image}:conf={conf}{options}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.bound = threading.Timer(BOUND_S, self.process.kill)
        self.bound.start()

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def answer(self, *words):
        """The first line with one of these words."""
        for line in self.process.stdout:
            if any(word in line for word in words):
                return line
        return "it has ended"

    def write(self, pattern):
        self.ask(f"write -P {pattern} 1M 4k")
        return self.answer("wrote", "failed", "error")

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.bound.cancel()
        self.process.kill()
        self.process.wait()


def clients(lab, image):
    told = json.loads(ceph.command(lab.instance, "paris", "rbd", "status", "--format", "json", image))
    return {watcher["address"] for watcher in told["watchers"]}


def blocklist(lab):
    """address -> until when, "2036-11-25T23:04:58.000000+0000"."""
    listed = ceph.command(lab.instance, "paris", "ceph", "osd", "blocklist", "ls", "--format", "json")
    entries, _ = json.JSONDecoder().raw_decode(listed.lstrip())  # "listed 1 entries" follows
    return {entry["addr"]: entry["until"] for entry in entries}


def overwrites(lab, image, expiry_s):
    """Whether a writer that was stopped and blocklisted for so long overwrites its successor's data when it wakes."""
    ceph.command(lab.instance, "paris", "rbd", "create", image, "--size", "16")
    old = Writer(lab, image)
    new = None
    try:
        expect("wrote" in old.write(1), "the old writer writes")
        old.stop()
        addresses = clients(lab, image)
        for address in addresses:
            ceph.command(lab.instance, "paris", "ceph", "osd", "blocklist", "add", address, str(expiry_s))
        new = Writer(lab, image, ":rbd_blocklist_on_break_lock=false")
        expect("wrote" in new.write(2), "its successor writes")
        if expiry_s == SHORT_S:
            lab.wait(lambda: not addresses & blocklist(lab).keys(), 30, "the entry expires")
        old.ask("write -P 1 1M 4k")
        old.wake()
        old.answer("wrote", "failed", "error")
        new.ask("read -P 2 1M 4k")
        return "failed" in new.answer("verification failed", "read 4096")
    finally:
        for writer in filter(None, (old, new)):
            writer.end()


def test_rbd_fence_outlasts_a_stopped_writer(lab):
    """A short fence lets the stopped writer's data through once it has expired; hostd's doesn't, and its guest's disk is
    whole."""
    rbd_ready(lab)
    # When it wakes, its write and the news that it had been fenced are on their way at once.
    expect(any(overwrites(lab, f"{ceph.POOL}/short-{number}", SHORT_S) for number in range(6)),
           "a fence that expired fences nobody")
    expect(not overwrites(lab, f"{ceph.POOL}/long", LONG_S), "a fence that lasts does")

    lab.bascule("vm", "stop", "web-1")
    before = lab.boot("web-1")
    image = f"{ceph.POOL}/web-1.raw"
    mirrors = clients(lab, image)
    stopped = Writer(lab, image)
    try:
        expect("wrote" in stopped.write(1), "somebody else writes")
        stopped.stop()
        addresses = clients(lab, image) - mirrors
        lab.bascule("vm", "start", "web-1")
        lab.wait_for_new_boot("web-1", before)
        entries = blocklist(lab)
        # Whoever breaks its lock, as QEMU does, fences it too, but for an hour only.
        expect(addresses and all(int(entries.get(each, "0")[:4]) > time.gmtime().tm_year + 8 for each in addresses),
               f"{addresses} are fenced for years: {entries}")
        stopped.ask("write -P 1 0 4k")
        stopped.wake()
        expect("wrote" not in stopped.answer("wrote", "failed", "error"), "what was fenced can't write")
    finally:
        stopped.end()
    old = lab.boot("web-1")
    lab.bascule("vm", "stop", "web-1")
    lab.bascule("vm", "start", "web-1")
    lab.wait_for_new_boot("web-1", old)  # the observer asks the guest whether its disk is as it left it


test_rbd_fence_outlasts_a_stopped_writer.storage = "rbd"
