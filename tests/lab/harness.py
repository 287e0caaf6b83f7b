"""What lab tests are written with: a fresh lab, the CLI, faults, and waits that end.

The lab is named "test", or $BASCULE_TEST_LAB with its network $BASCULE_TEST_NET, so that two can be used at once. The
first lab of a name commissions its hosts, by real drills; later ones take that over if $BASCULE_TEST_SEEDS says where to
keep it.
A test is a function test_*(lab) in a file *_test.py of this directory; its attribute `policy`, if any, has lines of the
manager's [policy], and `storage` = "rbd" gives it a Ceph cluster at each site. It fails by an exception (`expect`, `wait`), or by whatever the observer saw meanwhile.
"""
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "packaging/lab"))

from bascule_lab import api, cli, config, lifecycle, machine, product, seed, sinks  # noqa: E402
from bascule_lab.instance import HOSTS, LabError, make_instance, site_of  # noqa: E402

from observer import Observer  # noqa: E402

GUESTS = product.DEMO_GUESTS
NAME = os.environ.get("BASCULE_TEST_LAB", "test")
NET = os.environ.get("BASCULE_TEST_NET")
PASSWORD = "correct horse battery"
PATIENCE = 3  # the bounds of waits are those of a machine that does nothing else
# A sanitizer's report, or the C++ runtime's last words, and what follows.
CRASH = re.compile(r"^(==\d+==ERROR: |.*: runtime error: |terminate called ).*(\n.*){0,30}", re.MULTILINE)


class Failure(Exception):
    """What was expected and what was seen."""


def expect(condition, what):
    if not condition:
        raise Failure(what)


def refused(lab, words, *argv):
    """This command fails, and says these words."""
    try:
        lab.bascule(*argv)
    except LabError as error:
        expect(words in str(error), f"it should say \"{words}\": {error}")
    else:
        expect(False, f"{' '.join(argv)} should be refused")


class Lab:
    def __init__(self, bin_dir, policy=(), storage="dir"):
        self.instance = make_instance(NAME, NET, bin_dir)
        lifecycle.down(self.instance, quiet=True)
        self.notes = []
        seeds = os.environ.get("BASCULE_TEST_SEEDS")
        self.seed = Path(seeds) / NAME if seeds else None
        kept = self.seed if self.seed and self.seed.exists() else None
        with contextlib.redirect_stdout(io.StringIO()):
            lifecycle.up(self.instance, policy, storage, kept)
        self.observer = Observer(self.instance)

    def close(self):
        """Ends the lab; returns the observer's faults."""
        faults = self.observer.stop()
        lifecycle.down(self.instance, quiet=True)
        return faults

    def show_state(self, machines, lines):
        """What a person looks at first when something failed."""
        lifecycle.print_status(self.instance, as_json=False)
        for machine in machines:
            for log in sorted((self.instance.machine_dir(machine) / "var/log").glob("*.log")):
                if log.stem in ("manager", "hostd", "guard"):
                    print(f"--- {machine} {log.stem}")
                    print("\n".join(log.read_text(errors="replace").splitlines()[-lines:]))

    def crashes(self):
        """What a daemon said when it ended itself: it is started again, so a test may not notice."""
        logs = sorted(self.instance.machine_dir("").glob("*/var/log/*.log"))
        told = [(log, CRASH.search(log.read_text(errors="replace"))) for log in logs]
        return [f"{log.parents[2].name} {log.stem} crashed: {report.group()}" for log, report in told if report]

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

    def commission(self):
        """Four hosts, connected, whose BMCs are bound."""
        self.wait_for_hosts()
        product.commission(self.instance, HOSTS)
        if self.seed and not self.seed.exists():
            seed.keep(self.instance, self.seed)

    def ready(self, pool="metro"):
        """Four commissioned hosts, and both guests answering at paris. On the pool "san" no image lock hides a second
        writer."""
        self.commission()
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


class User:
    """A tenant's user at their own computer: the CLI, through the portal."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.config = config.write_tenant_client(lab.instance, name)

    def __call__(self, *argv, said=None, token=None):
        done = subprocess.run([self.lab.instance.bin_dir / "bascule", "--json", *argv], input=said,
                              env=self.environment(token),
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise LabError(f"{self.name}: bascule {' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout

    def environment(self, token=None):
        return dict(os.environ, BASCULE_CONFIG=str(self.config), **({"BASCULE_TOKEN": token} if token else {}))

    def refused(self, words, *argv, **how):
        try:
            self(*argv, **how)
        except LabError as error:
            expect(words in str(error), f"it should say \"{words}\": {error}")
        else:
            expect(False, f"{' '.join(argv)} should be refused")

    def take_key(self):
        """A key for their tenant, which the provider's security officer vouches for."""
        key, pin = (self.config.with_suffix(suffix) for suffix in (".tenant.key", ".tenant.pin"))
        key.unlink(missing_ok=True)
        self("key", "make", str(key))
        officer = str(self.lab.instance.pki / "officer.key")
        self("key", "pin", f"{key}.pub", "--tenant", self.name.split("/")[0], "--signed-by", officer, "--out", str(pin))
        with self.config.open("a") as config_file:
            config_file.write(f'tenant_key = "{key}"\ntenant_pin = "{pin}"\n')
        return key, pin

    def join(self, invitation):
        self("set-password", self.name, "--invitation", invitation, said=PASSWORD + "\n")
        self("sign-in", self.name, said=PASSWORD + "\n")
