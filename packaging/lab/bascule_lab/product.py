"""Bascule itself, through its CLI with --json and its API: commission the hosts, make guests, ask them by HTTP."""
import json
import os
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from . import api, guest
from .instance import HOSTS, LabError
from .process import wait_until

DEMO_GUESTS = {"web-1": 101, "web-2": 102}
NOT_YET = (LabError, KeyError)


def bascule(instance, *argv, timeout_s=120):
    """The CLI's answer; LabError with what it said when it fails."""
    program = instance.bin_dir / "bascule"
    if not program.exists():
        raise LabError(f"{program} is not built; packaging/quickstart builds everything")
    environment = dict(os.environ, BASCULE_CONFIG=str(instance.client_config))
    try:
        done = subprocess.run([program, "--json", *argv], capture_output=True, text=True, timeout=timeout_s,
                              check=False, env=environment)
    except subprocess.TimeoutExpired:
        raise LabError(f"bascule {' '.join(argv)}: no answer within {timeout_s:g} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"bascule {' '.join(argv)}: exit status {done.returncode}: {said}")
    return json.loads(done.stdout) if done.stdout.strip() else None


def by_name(instance, kind):
    """Hosts ("host") or VMs ("vm") as the API shows them, by name."""
    return {item["name"]: item for item in api.get(instance, f"{kind}s")["items"]}


def attempt(condition, timeout_s, what):
    """wait_until, where a CLI that fails (a manager that just starts) counts as not yet."""
    last = []

    def tried():
        try:
            return condition()
        except NOT_YET as error:
            last[:] = [error]
            return None

    try:
        return wait_until(tried, timeout_s, what, interval_s=0.2)
    except LabError as error:
        raise LabError(f"{error}" + (f"; last: {last[0]}" if last else "")) from None


def wait_for_hosts(instance, timeout_s=180):
    attempt(lambda: sum(h["session"] for h in by_name(instance, "host").values()) == len(HOSTS), timeout_s,
            "all hosts connected to the manager")


def commission(instance, hosts, step=lambda text: None, reason="commissioning of the lab"):
    """The drill that binds each host's BMC to it (powers it off and on), of all hosts at once."""
    def fencing(host):
        return by_name(instance, "host")[host]["fencing"]

    def drill(host):
        bascule(instance, "host", "drill", host, "--reason", reason)
        attempt(lambda: fencing(host)["bmc_guid"] and by_name(instance, "host")[host]["session"], 240,
                f"drill of {host}")
        step(f"{host}: commissioned (its BMC switched it off and on under Bascule's eyes)")

    with ThreadPoolExecutor(len(hosts)) as threads:
        list(threads.map(drill, [host for host in hosts if not fencing(host)["bmc_guid"]]))


def create_guest(instance, name, number, **changes):
    """Make and start a lab guest. Returns False if there is one of that name."""
    if name in by_name(instance, "vm"):
        return False
    path = instance.state / f"{name}.json"
    path.write_text(json.dumps(guest.vm_spec(instance, name, number, **changes), indent=1))
    bascule(instance, "vm", "create", "--file", str(path))
    return True


def page(instance, number, path="/", timeout_s=1):
    """What the guest at guest_address(number) answers to GET, or None."""
    try:
        with urllib.request.urlopen(f"http://{instance.guest_address(number)}{path}", timeout=timeout_s) as answer:
            return answer.read().decode().strip() if answer.status == 200 else None
    except OSError:
        return None


def demo(instance, step, pool="metro"):
    """Four commissioned hosts and two guests that answer: what the quickstart ends with. Idempotent."""
    wait_for_hosts(instance)
    step("all hosts are connected to the manager")
    commission(instance, HOSTS, step)
    for name, number in DEMO_GUESTS.items():
        if create_guest(instance, name, number, pool=pool):
            step(f"{name}: created at paris")
    for name, number in DEMO_GUESTS.items():
        attempt(lambda n=number: page(instance, n), 120, f"{name} at http://{instance.guest_address(number)}/")
        step(f"{name}: {page(instance, number)}")
