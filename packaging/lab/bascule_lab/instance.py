"""One lab: its names, addresses and paths. No side effects here."""
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

STATE_ROOT = Path("/var/lib/bascule-lab")
PACKAGE_DIR = Path(__file__).resolve().parent
PROJECT_DIR = PACKAGE_DIR.parent.parent.parent
SITES = ("paris", "lyon")
HOSTS = ("paris-1", "paris-2", "lyon-1", "lyon-2")
WITNESS = "witness"
MACHINES = HOSTS + (WITNESS,)
WATCHDOG_TIMEOUT_S = 5
SMTP_PORT = 2525
SMS_PORT = 13013
REPORT_PORT = 9999
SAN_PORT = 10809


class LabError(Exception):
    """A fault to show to the user as it is: what happened, to what, what to do next."""


def site_of(host):
    return host.rsplit("-", 1)[0]


@dataclass(frozen=True)
class Instance:
    """A named lab. `net` is the first two octets of its /16; `bin_dir` holds the programs under test."""

    name: str
    net: str
    bin_dir: Path

    @property
    def state(self):
        return STATE_ROOT / self.name

    @property
    def pki(self):
        return self.state / "pki"

    @property
    def metro(self):
        return self.state / "metro"

    @property
    def san(self):
        return self.state / "san"

    @property
    def client_config(self):
        return self.state / "client" / "client.toml"

    @property
    def complete_marker(self):
        return self.state / "complete"

    def machine_dir(self, machine):
        return self.state / "machines" / machine

    def bmc_dir(self, host):
        return self.state / "bmc" / host

    def namespace(self, what):
        return f"bl-{self.name}-{what}"

    @property
    def outside_link(self):
        return f"bl-{self.name}"

    def address(self, what):
        """The IPv4 address of a machine, "outside", "sinks", "san", of a BMC as "bmc:HOST", of a site's storage as
        "ceph:SITE"."""
        fixed = {"outside": "0.1", WITNESS: "0.2", "sinks": "0.3", "san": "0.4"}
        if what in fixed:
            return f"{self.net}.{fixed[what]}"
        if what.startswith("ceph:"):
            return f"{self.net}.{SITES.index(what[5:]) + 1}.200"
        host = what.removeprefix("bmc:")
        site, number = host.rsplit("-", 1)
        last = (110 if what.startswith("bmc:") else 10) + int(number)
        return f"{self.net}.{SITES.index(site) + 1}.{last}"

    def guest_address(self, number):
        return f"{self.net}.3.{number}"


def make_instance(name=None, net=None, bin_dir=None):
    """The instance of that name: what an earlier `up` recorded, else the defaults."""
    name = name or os.environ.get("BASCULE_LAB", "demo")
    if not re.fullmatch(r"[a-z][a-z0-9]{0,9}", name):
        raise LabError(f"lab name {name!r}: use 1 to 10 lower-case letters and digits, a letter first")
    recorded = {}
    record = STATE_ROOT / name / "instance.json"
    if record.exists():
        recorded = json.loads(record.read_text())
    net = net or recorded.get("net") or ("198.18" if name == "demo" else "198.19")
    if not re.fullmatch(r"\d{1,3}\.\d{1,3}", net):
        raise LabError(f"--net {net!r}: give the first two octets of a /16, such as 198.20")
    bin_dir = Path(bin_dir or recorded.get("bin") or PROJECT_DIR / "build/release/bin").resolve()
    return Instance(name, net, bin_dir)


def require_machine(machine, among=MACHINES):
    if machine not in among:
        raise LabError(f"no machine {machine!r} in the lab; there are: {', '.join(among)}")
    return machine
