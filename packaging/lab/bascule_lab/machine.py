"""A machine of the lab: boot, power cut, freeze, and what runs in it.

Power here is only what the machine does; the power state that a BMC reports is the BMC's own (bmc.py): a crashed
host is down and still "on".
"""
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from . import network, process
from .instance import HOSTS, PACKAGE_DIR, WITNESS, LabError

BIN = "/opt/bascule/bin"
DOMAIN_PREFIX = "bascule-"  # the product's libvirt domain of the VM web-1 is bascule-web-1
HOST_SERVICES = {
    "virtlogd": ["/usr/sbin/virtlogd"],
    "libvirtd": ["/usr/sbin/libvirtd"],
    "hostd": [f"{BIN}/bascule-hostd", "--config", "/etc/bascule/hostd.toml"],
    "guard": [f"{BIN}/bascule-guard", "--config", "/etc/bascule/guard.toml"],
}
WITNESS_SERVICES = {
    "manager": [f"{BIN}/bascule-manager", "--config", "/etc/bascule/manager.toml"],
    "portal": [f"{BIN}/bascule-portal", "--config", "/etc/bascule/portal.toml"],
}
NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup")


def services_of(machine):
    return WITNESS_SERVICES if machine == WITNESS else HOST_SERVICES


@contextlib.contextmanager
def locked(instance, machine):
    """One boot or power cut of a machine at a time, over all processes of the lab."""
    with open(instance.machine_dir(machine) / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def init_pid(instance, machine):
    """The outer pid of the machine's PID 1, or None when it is down."""
    return process.read_pid(instance.machine_dir(machine) / "init.pid")


def libvirt_uri(instance, host):
    """How to reach the host's libvirtd from this computer."""
    return f"qemu+unix:///system?socket={instance.machine_dir(host)}/run/libvirt/libvirt-sock"


def _fresh_run_directory(top):
    """/run is empty after a boot, except for what the lab was told to hold."""
    run = top / "run"
    for entry in run.iterdir():
        if entry.name != "lab":
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for entry in (run / "lab").glob("*.pid"):
        entry.unlink()


def _write_boot_files(instance, machine):
    top = instance.machine_dir(machine)
    _fresh_run_directory(top)
    (top / "root").mkdir(exist_ok=True)
    (top / "boot_id").write_text(f"{uuid.uuid4()}\n")
    (top / "watchdog").unlink(missing_ok=True)
    os.mkfifo(top / "watchdog", 0o600)
    instance.bin_dir.mkdir(parents=True, exist_ok=True)
    config = {
        "name": machine, "metro": str(instance.metro), "bin": str(instance.bin_dir),
        "watchdog": str(top / "watchdog"), "boot_id": str(top / "boot_id"), "unified": process.is_unified(),
        "services": [{"name": n, "argv": argv} for n, argv in services_of(machine).items()],
    }
    (top / "init.json").write_text(json.dumps(config, indent=1))


def boot(instance, machine):
    """Start the machine if it is down. Returns once its PID 1 runs; its services come up by themselves."""
    with locked(instance, machine):
        if init_pid(instance, machine):
            return
        top = instance.machine_dir(machine)
        process.kill_all(instance, machine)
        process.remove_cgroups(instance, machine)
        network.attach_machine(instance, machine)
        _write_boot_files(instance, machine)
        if machine in HOSTS:
            start_watchdog(instance, machine)
        starter = process.spawn(
            instance, machine,
            network.enter(instance, machine)
            + ["unshare", "--mount", "--uts", "--ipc", "--cgroup", "--pid", "--fork", "--kill-child",
               "/usr/bin/python3", PACKAGE_DIR / "machine_init.py", top / "init.json"],
            top / "var/log/init.log")
        children = process.wait_until(lambda: process.start_time(starter) and process.children_of(starter), 30,
                                      f"first process of {machine} (see {top}/var/log/init.log)")
        process.write_pid(top / "init.pid", children[0])
        if process.is_unified():
            process.move(instance, "starters", starter)


def start_watchdog(instance, host):
    """The host's watchdog hardware; see watchdog.py. One that `dog HOST off` broke stays broken."""
    top = instance.machine_dir(host)
    process.kill_recorded(top / "watchdog.pid")
    environment = dict(os.environ, PYTHONPATH=str(PACKAGE_DIR.parent))
    pid = process.spawn(instance, f"watchdog-{host}",
                        [sys.executable, "-m", "bascule_lab.watchdog", instance.name, host], top / "watchdog.log",
                        env=environment)
    process.write_pid(top / "watchdog.pid", pid)


def power_cut(instance, machine):
    """As if the power failed: the link first, so that no FIN and no RST escapes, then every process at once."""
    with locked(instance, machine):
        network.unplug(instance, machine)
        top = instance.machine_dir(machine)
        pid = init_pid(instance, machine)
        if pid:
            os.kill(pid, signal.SIGKILL)
        process.kill_all(instance, machine)
        (top / "init.pid").unlink(missing_ok=True)
        network.detach_machine(instance, machine)


def wait_for_libvirt(instance, host, timeout_s=60):
    def answers():
        done = subprocess.run(["virsh", "-q", "-c", libvirt_uri(instance, host), "uri"], capture_output=True,
                              timeout=30, check=False)
        return done.returncode == 0

    process.wait_until(answers, timeout_s, f"libvirtd of {host}", interval_s=0.1)


def processes(instance, machine):
    """(pid, command line) of every process in the machine."""
    found = []
    for pid in sorted(process.pids_in(instance, machine)):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        found.append((pid, [word.decode(errors="replace") for word in command if word]))
    return found


def programs(instance, machine, service, vm=None):
    if service == "qemu":
        guest = f"guest={DOMAIN_PREFIX}{vm}," if vm else "guest="
        return [pid for pid, argv in processes(instance, machine)
                if argv and "qemu-system" in argv[0] and any(guest in word for word in argv)]
    if service not in services_of(machine):
        raise LabError(f"no service {service!r} on {machine}; there are: {', '.join(services_of(machine))}"
                       + ("" if machine == WITNESS else ", qemu"))
    program = services_of(machine)[service][0]
    return [pid for pid, argv in processes(instance, machine) if argv and argv[0] == program]


def signal_service(instance, machine, service, number, vm=None):
    """Send a signal to a service's processes (or to qemu, of one VM or all). Returns their pids."""
    pids = programs(instance, machine, service, vm)
    if not pids:
        raise LabError(f"{service}{f' of {vm}' if vm else ''} does not run on {machine}")
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return pids


def service_state(instance, machine, service):
    pids = programs(instance, machine, service)
    program = Path(services_of(machine)[service][0])
    if not pids:
        unbuilt = str(program.parent) == BIN and not (instance.bin_dir / program.name).exists()
        return "absent" if unbuilt else "down"
    state = Path(f"/proc/{pids[0]}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return "stopped" if state == "T" else "up"


def set_mark(path, present):
    """A file whose existence is the information."""
    if present:
        path.touch()
    else:
        path.unlink(missing_ok=True)


def hold(instance, machine, service, held):
    """While held, a service that ends is not started again, also not by a reboot."""
    if service not in services_of(machine):
        raise LabError(f"no service {service!r} on {machine}; there are: {', '.join(services_of(machine))}")
    mark = instance.machine_dir(machine) / "run/lab/hold" / service
    mark.parent.mkdir(parents=True, exist_ok=True)
    set_mark(mark, held)


def freeze(instance, machine, frozen):
    """Stop, or continue, every process of the machine: a hung kernel. Repeated until no new process appears."""
    number = signal.SIGSTOP if frozen else signal.SIGCONT
    done = set()
    while new := process.pids_in(instance, machine) - done:
        for pid in new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        done |= new
        time.sleep(0.01)
    mark = instance.machine_dir(machine) / "frozen"
    set_mark(mark, frozen)


def inside(instance, machine, argv):
    """The command that runs this one in the machine."""
    pid = init_pid(instance, machine)
    if not pid:
        raise LabError(f"{machine} is down; bascule-lab heal {machine} boots it")
    path = f"PATH={BIN}:/usr/sbin:/usr/bin:/sbin:/bin"
    return ["nsenter", "-t", str(pid), *NAMESPACES, "--root", "--wd", "--", "/usr/bin/env", path, *argv]


def execute(instance, machine, argv):
    """Run a command in the machine with this terminal; returns its exit status."""
    return subprocess.run(inside(instance, machine, argv), check=False).returncode
