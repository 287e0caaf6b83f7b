"""up, down and status of a whole lab."""
import contextlib
import functools
import json
import os
import shutil
import sys
import time
from pathlib import Path

from . import bmc, ceph, config, guest, machine, network, pki, process, san, seed, sinks
from .instance import HOSTS, MACHINES, PACKAGE_DIR, SITES, SMS_PORT, STATE_ROOT, WITNESS, LabError

NEEDED = {"libvirtd": "libvirt-daemon-system", "virsh": "libvirt-clients", "qemu-system-x86_64": "qemu-system-x86",
          "qemu-storage-daemon": "qemu-utils", "ipmi_sim": "openipmi", "ipmitool": "ipmitool",
          "ip": "iproute2", "openssl": "openssl", "cpio": "cpio", "cc": "gcc", "sysctl": "procps"}


class Steps:
    """Says each step with the time since the start."""

    def __init__(self):
        self.started = time.monotonic()

    def __call__(self, text):
        print(f"[{time.monotonic() - self.started:5.1f} s] {text}", flush=True)


def _check_machine():
    if os.geteuid() != 0:
        raise LabError("the lab needs root (namespaces, bridges); run it with sudo")
    missing = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    try:
        import aiosmtpd  # noqa: F401
    except ImportError:
        missing.append("python3-aiosmtpd")
    if missing:
        raise LabError(f"missing packages: apt-get install {' '.join(missing)}")


def _this_boot():
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _is_complete(instance):
    marker = instance.complete_marker
    return marker.exists() and marker.read_text() == _this_boot() and network.exists(instance, "fabric")


def _write_files(instance, policy, storage, kept):
    instance.state.mkdir(parents=True)
    instance.state.chmod(0o700)
    (instance.state / "instance.json").write_text(
        json.dumps({"name": instance.name, "net": instance.net, "bin": str(instance.bin_dir)}))
    instance.metro.mkdir()
    pki.make_authority(instance.pki)
    pki.make_officers(instance.pki)
    revocation_list = f"http://{instance.address('sinks')}:{SMS_PORT}/ca.crl"
    issue = functools.partial(pki.issue, instance.pki, revocation_list=revocation_list)
    issue("manager", "manager", instance.address(WITNESS))
    issue("relay", "relay", instance.address("sinks"))
    issue("alice", "operator")
    issue("portal-1", "portal")
    issue("portal", "public", instance.address(WITNESS))
    for host in HOSTS:
        issue(host, "host", instance.address(host))
        issue(host, "guard", instance.address(host))
        config.write_base_system(instance, host)
        config.write_libvirt(instance, host)
        config.write_host(instance, host, storage)
        bmc.create(instance, host)
    config.write_base_system(instance, WITNESS)
    config.write_manager(instance, policy)
    config.write_portal(instance)
    config.write_client(instance)
    guest.install_image(instance)
    if kept:
        seed.put(instance, kept)


def start_sinks(instance):
    pid_file = instance.state / "sinks.pid"
    if process.read_pid(pid_file):
        return
    pid = process.spawn(instance, "sinks",
                        network.enter(instance, "sinks") + ["/usr/bin/python3", "-m", "bascule_lab.sinks", instance.name],
                        instance.state / "sinks.log", env=dict(os.environ, PYTHONPATH=str(PACKAGE_DIR.parent)))
    process.write_pid(pid_file, pid)


def _create(instance, step, policy, storage, kept):
    if instance.state.exists():
        step("removing what an unfinished or lost lab left behind")
        down(instance, quiet=True)
    step("guest image: Debian's cloud kernel and a busybox initramfs")
    guest.ensure_image()
    step("certificates and configuration files")
    _write_files(instance, policy, storage, kept)
    step(f"network {instance.net}.0.0/16: two sites, a witness, and this machine at {instance.address('outside')}")
    network.create(instance)
    step("mail relay, SMS gateway, SAN, and a BMC per host")
    start_sinks(instance)
    san.start(instance)
    for host in HOSTS:
        bmc.start(instance, host)
    if storage == "rbd":
        step("a Ceph cluster at each site, mirrored both ways")
        ceph.create(instance)
        for host in HOSTS:
            ceph.write_client_files(instance, instance.machine_dir(host) / "etc")
    step(f"machines {', '.join(MACHINES)}")
    for host in HOSTS:
        machine.boot(instance, host)
    for host in HOSTS if kept else ():  # a manager that knows its hosts doubts them if they take long to boot
        machine.wait_for_libvirt(instance, host)
    machine.boot(instance, WITNESS)


def up(instance, policy=(), storage="dir", kept=None):
    """Make the lab, or complete what is missing of it. Hosts that were crashed or powered off on purpose stay so. A new
    lab takes over what seed.keep() kept in the directory `kept`."""
    _check_machine()
    step = Steps()
    if not _is_complete(instance):
        _create(instance, step, policy, storage, kept)
    else:
        if policy:
            raise LabError(f"lab {instance.name} is up: a policy is chosen when it is made; bascule-lab down first")
        if storage == "rbd" and not ceph.is_wanted(instance):
            raise LabError(f"lab {instance.name} is up without Ceph: bascule-lab down first")
        step(f"lab {instance.name} is up")
        start_sinks(instance)
        san.start(instance)
        for host in HOSTS:
            bmc.start(instance, host)
        for site in SITES if ceph.is_wanted(instance) else ():
            ceph.start(instance, site)
        machine.boot(instance, WITNESS)
    for host in HOSTS:
        if machine.init_pid(instance, host) and not (instance.machine_dir(host) / "frozen").exists():
            machine.wait_for_libvirt(instance, host)
            step(f"{host}: libvirtd answers at {instance.address(host)}")
        else:
            step(f"{host}: down; bascule-lab heal {host} boots it")
    instance.complete_marker.write_text(_this_boot())
    missing = [n for n in ("bascule-hostd", "bascule-guard", "bascule-manager", "bascule-portal") if not (instance.bin_dir / n).exists()]
    if missing:
        step(f"not in {instance.bin_dir}: {', '.join(missing)}; started as soon as they are there")
    step(f"ready: export BASCULE_CONFIG={instance.client_config}")


def down(instance, quiet=False):
    """Remove every process, namespace, control group and file of the lab, whatever state it is in."""
    process.kill_all(instance)
    network.destroy(instance)
    process.remove_cgroups(instance)
    if instance.state.exists():
        shutil.rmtree(instance.state)
    with contextlib.suppress(OSError):  # another lab is there, or none ever was
        STATE_ROOT.rmdir()
    if not quiet:
        print(f"lab {instance.name} is gone")


def qemu_processes():
    """Every QEMU process of this computer that runs a VM of some lab: {uuid, name, lab, host, pid}."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "qemu-system" not in words[0] or "-uuid" not in words:
                continue
            group = (entry / "cgroup").read_text()
        except OSError:
            continue
        parts = group.partition("/bascule-lab/")[2].split("\n")[0].split("/")
        domain = next((w.split("guest=")[1].split(",")[0] for w in words if "guest=" in w), "")
        found.append({"uuid": words[words.index("-uuid") + 1], "name": domain.removeprefix(machine.DOMAIN_PREFIX),
                      "lab": parts[0],
                      "host": parts[1] if len(parts) > 1 else "", "pid": int(entry.name)})
    return sorted(found, key=lambda q: (q["lab"], q["host"], q["name"]))


def state_of(instance):
    """What `status` shows, as data."""
    guests = [q for q in qemu_processes() if q["lab"] == instance.name]
    machines = []
    for each in MACHINES:
        alive = machine.init_pid(instance, each) is not None
        frozen = alive and (instance.machine_dir(each) / "frozen").exists()
        entry = {"name": each, "address": instance.address(each),
                 "state": "frozen" if frozen else "up" if alive else "down",
                 "services": {s: machine.service_state(instance, each, s) for s in machine.services_of(each)}}
        if each in HOSTS:
            entry["guests"] = [q["name"] for q in guests if q["host"] == each]
            entry["bmc"] = {"address": bmc.address(instance, each), "mode": bmc.mode(instance, each),
                            "power": "on" if bmc.is_on(instance, each) else "off",
                            "swapped": bmc.is_swapped(instance, each)}
        machines.append(entry)
    return {"name": instance.name, "net": f"{instance.net}.0.0/16", "client_config": str(instance.client_config),
            "cuts": network.cuts(instance), "machines": machines,
            "mail": len(sinks.received(instance, "mail")), "sms": len(sinks.received(instance, "sms"))}


def print_status(instance, as_json):
    if not _is_complete(instance):
        print(json.dumps({"name": instance.name, "up": False}) if as_json else f"lab {instance.name} is not up")
        return 1
    state = state_of(instance)
    if as_json:
        json.dump(state | {"up": True}, sys.stdout, indent=1)
        print()
        return 0
    print(f"lab {state['name']}  {state['net']}  cuts: {', '.join(state['cuts']) or 'none'}  "
          f"mail: {state['mail']}  sms: {state['sms']}")
    for each in state["machines"]:
        services = " ".join(f"{name}={value}" for name, value in each["services"].items())
        line = f"{each['name']:8} {each['address']:12} {each['state']:6} {services}"
        if "bmc" in each:
            swapped = " swapped" if each["bmc"]["swapped"] else ""
            line += (f"  bmc {each['bmc']['address']} {each['bmc']['mode']}{swapped} power={each['bmc']['power']}"
                     f"  guests: {', '.join(each['guests']) or '-'}")
        print(line)
    print(f"export BASCULE_CONFIG={state['client_config']}")
    return 0
