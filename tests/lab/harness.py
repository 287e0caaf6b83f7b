"""What lab tests are written with: a fresh lab, the CLI, faults, and waits that end.

The lab is named "test", or $BASCULE_TEST_LAB with its network $BASCULE_TEST_NET, so that two can be used at once.
A test is a function test_*(lab) in a file *_test.py of this directory; its attribute `policy`, if any, has lines of the
manager's [policy], and `storage` = "rbd" gives it a Ceph cluster at each site. It fails by an exception (`expect`, `wait`), or by whatever the observer saw meanwhile.
"""
import contextlib
import io
import os
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "packaging/lab"))

from bascule_lab import api, cli, lifecycle, machine, product, sinks  # noqa: E402
from bascule_lab.instance import LabError, make_instance, site_of  # noqa: E402

from observer import Observer  # noqa: E402

GUESTS = product.DEMO_GUESTS
NAME = os.environ.get("BASCULE_TEST_LAB", "test")
NET = os.environ.get("BASCULE_TEST_NET")
PATIENCE = 3  # the bounds of waits are those of a machine that does nothing else


class Failure(Exception):
    """What was expected and what was seen."""


def expect(condition, what):
    if not condition:
        raise Failure(what)


class Lab:
    def __init__(self, bin_dir, policy=(), storage="dir"):
        self.instance = make_instance(NAME, NET, bin_dir)
        lifecycle.down(self.instance, quiet=True)
        self.notes = []
        with contextlib.redirect_stdout(io.StringIO()):
            lifecycle.up(self.instance, policy, storage)
        self.observer = Observer(self.instance)

    def close(self):
        """Ends the lab; returns the observer's faults."""
        faults = self.observer.stop()
        lifecycle.down(self.instance, quiet=True)
        return faults

    # -- waiting, saying --

    def note(self, text):
        """Shown with the test's result."""
        self.notes.append(text)

    def wait(self, condition, timeout_s, what, interval_s=0.1):
        """The first true value of condition(); Failure after PATIENCE * timeout_s. A refused call counts as not yet."""
        timeout_s *= PATIENCE
        deadline = time.monotonic() + timeout_s
        last = None
        while True:
            try:
                value = condition()
                if value:
                    return value
            except (Failure, LabError) as error:
                last = error
            if time.monotonic() > deadline:
                raise Failure(f"{what}: not within {timeout_s:g} s" + (f"; last: {last}" if last else ""))
            time.sleep(interval_s)

    def stays(self, condition, seconds, what):
        """Condition() must hold all the time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            expect(condition(), what)
            time.sleep(0.5)

    # -- the product --

    def bascule(self, *argv):
        """Run the CLI with --json; its answer, or LabError with what it said."""
        return product.bascule(self.instance, *argv)

    def vms(self):
        return product.by_name(self.instance, "vm")

    def vm(self, name):
        return self.vms()[name]

    def hosts(self):
        return product.by_name(self.instance, "host")

    def status(self):
        return api.get(self.instance, "status")

    def wait_for_hosts(self):
        product.wait_for_hosts(self.instance)

    def ready(self, pool="metro"):
        """Four commissioned hosts, and both guests answering at paris. On the pool "san" no image lock hides a second
        writer."""
        product.demo(self.instance, lambda text: None, pool)

    # -- the guests, seen from outside --

    def http(self, name):
        """{"boot", "counter"} of the guest's web page, or None."""
        words = (product.page(self.instance, GUESTS[name]) or "").split()
        return dict(word.split("=") for word in words[1:]) if words and words[0] == name else None

    def boot(self, name):
        page = self.http(name)
        return page and page["boot"]

    def wait_for_answer(self, name, timeout_s=60):
        return self.wait(lambda: self.boot(name), timeout_s, f"{name} answers HTTP")

    def wait_for_new_boot(self, name, old, timeout_s=60):
        return self.wait(lambda: self.boot(name) not in (None, old) and self.boot(name), timeout_s,
                         f"{name} answers with a new boot id")

    def where(self, name):
        """The host whose QEMU runs the guest now, seen from outside; None if nowhere."""
        found = [q["host"] for q in lifecycle.qemu_processes()
                 if q["lab"] == self.instance.name and q["name"] == name]
        return found[0] if found else None

    def pid(self, name):
        found = [q["pid"] for q in lifecycle.qemu_processes()
                 if q["lab"] == self.instance.name and q["name"] == name]
        return found[0] if found else None

    def site(self, name):
        host = self.where(name)
        return host and site_of(host)

    # -- faults --

    def verb(self, *argv):
        """Any verb of bascule-lab, such as lab.verb("crash", "paris-1")."""
        with contextlib.redirect_stdout(io.StringIO()):
            code = cli.main(["--name", self.instance.name, *argv])
        expect(code == 0, f"bascule-lab {' '.join(argv)} failed")

    def execute(self, host, *argv):
        """Run a program in the machine; its exit code."""
        return machine.execute(self.instance, host, argv)

    def service_pids(self, host, service):
        return machine.programs(self.instance, host, service)

    def mails(self):
        return sinks.received(self.instance, "mail")

    def texts(self):
        return sinks.received(self.instance, "sms")
