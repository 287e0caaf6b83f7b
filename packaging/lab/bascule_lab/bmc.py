"""A BMC per host: ipmi_sim on an address of its own at the host's site, and the faults that real BMCs have.

Modes: ok | dead (silent) | slow SECONDS | lying (says "off", the host runs on) | stuck (accepts, does nothing).
Swapped BMCs have exchanged addresses: whoever commands host A's address acts on host B, and reads B's GUID.
"""
import shlex

from . import machine, network, process
from .config import BMC_PASSWORD, BMC_USER, host_uuid
from .instance import HOSTS, PACKAGE_DIR, SITES, LabError

CHASSIS = PACKAGE_DIR.parent / "bmc-chassis"
MODES = ("ok", "dead", "slow", "lying", "stuck")


def address(instance, host):
    return (instance.bmc_dir(host) / "address").read_text().strip()


def site(instance, host):
    """Where the BMC is plugged in: that of its address."""
    return SITES[int(address(instance, host).split(".")[2]) - 1]


def mode(instance, host):
    return (instance.bmc_dir(host) / "mode").read_text().strip()


def is_on(instance, host):
    return (instance.bmc_dir(host) / "power").read_text().strip() == "1"


def set_on(instance, host, on):
    (instance.bmc_dir(host) / "power").write_text("1\n" if on else "0\n")


def create(instance, host):
    directory = instance.bmc_dir(host)
    (directory / "state").mkdir(parents=True, exist_ok=True)
    (directory / "mode").write_text("ok\n")
    (directory / "address").write_text(instance.address(f"bmc:{host}") + "\n")
    (directory / "commands").write_text(
        "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n"
        "sel_enable 0x20 1000 0x0a\nmc_enable 0x20\n")
    set_on(instance, host, True)


def _write_config(instance, host):
    levels = "".join(f"  allowed_auths_{level} none md2 md5 straight\n"
                     for level in ("callback", "user", "operator", "admin"))
    directory = instance.bmc_dir(host)
    command = shlex.join([str(CHASSIS), str(directory), instance.name, host])
    (directory / "lan.conf").write_text(
        f'name "bmc-{host}"\nstartlan 1\n  addr {address(instance, host)} 623\n  priv_limit admin\n{levels}'
        f'  guid {host_uuid(host).replace("-", "")}\nendlan\nchassis_control "{command} 0x20"\n'
        'user 1 true "" "" user 10 none md2 md5 straight\n'
        f'user 2 true "{BMC_USER}" "{BMC_PASSWORD}" admin 10 none md2 md5 straight\n')


def start(instance, host):
    """Give the BMC its address and start it, if it does not run. Not in mode dead."""
    directory = instance.bmc_dir(host)
    if mode(instance, host) == "dead" or process.read_pid(directory / "pid"):
        return
    namespace = f"bmc-{site(instance, host)}"
    process.run("ip", "-n", instance.namespace(namespace), "addr", "replace", f"{address(instance, host)}/16",
                "dev", "eth0")
    _write_config(instance, host)
    pid = process.spawn(
        instance, f"bmc-{host}",
        network.enter(instance, namespace)
        + ["ipmi_sim", "-n", "-c", directory / "lan.conf", "-f", directory / "commands", "-s", directory / "state"],
        directory / "log", cwd=directory)
    process.write_pid(directory / "pid", pid)


def stop(instance, host):
    """Silent at once: the address goes first, so that nothing answers, not even a refusal."""
    process.run("ip", "-n", instance.namespace(f"bmc-{site(instance, host)}"), "addr", "del",
                f"{address(instance, host)}/16", "dev", "eth0", check=False)
    process.kill_recorded(instance.bmc_dir(host) / "pid")


def set_mode(instance, host, new_mode, seconds=None):
    if new_mode not in MODES:
        raise LabError(f"no BMC mode {new_mode!r}; there are: {', '.join(MODES)}")
    if (new_mode == "slow") != (seconds is not None):
        raise LabError("give a number of seconds with mode slow, and with no other")
    (instance.bmc_dir(host) / "mode").write_text(f"{new_mode}{f' {seconds:g}' if seconds else ''}\n")
    if new_mode == "dead":
        stop(instance, host)
    else:
        start(instance, host)


def swap(instance, one, other):
    addresses = address(instance, one), address(instance, other)
    stop(instance, one)
    stop(instance, other)
    (instance.bmc_dir(one) / "address").write_text(addresses[1] + "\n")
    (instance.bmc_dir(other) / "address").write_text(addresses[0] + "\n")
    start(instance, one)
    start(instance, other)


def is_swapped(instance, host):
    return address(instance, host) != instance.address(f"bmc:{host}")


def act(instance, host, what):
    """What the chassis does to the host, on command of ipmi_sim."""
    if what == "off":
        machine.power_cut(instance, host)
    else:
        machine.boot(instance, host)


def heal(instance, host):
    """The BMC is as it should be: its own address, mode ok."""
    if is_swapped(instance, host):
        partner = next(h for h in HOSTS if address(instance, h) == instance.address(f"bmc:{host}"))
        swap(instance, host, partner)
    set_mode(instance, host, "ok")
