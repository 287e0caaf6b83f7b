"""Namespaces, bridges and links.

    fabric namespace:   [outside] --- [witness]        each pair of bridges has one link of its own, and no bridge
                           | \         / |             passes a frame from one link to another (isolated ports):
                           |  [paris]-[lyon]           what is cut is cut, and there is no loop
    paris: hosts' eth0, BMCs     lyon: the same     witness: the manager, the sinks     outside: this
    machine, the SAN

Guests and management share a site's bridge. Every machine sees one flat /16.
"""
from pathlib import Path

from .instance import SITES, WITNESS, LabError, site_of
from .process import run

BRIDGES = ("outside", WITNESS) + SITES
PAIRS = (("outside", WITNESS), ("outside", "paris"), ("outside", "lyon"), (WITNESS, "paris"), (WITNESS, "lyon"),
         ("paris", "lyon"))
NETNS_DIR = Path("/run/netns")


def _end(here, there):
    return f"{here[:3]}-to-{there[:3]}"


def _ip(instance, *argv):
    return run("ip", "-n", instance.namespace("fabric"), *argv)


def _add_namespace(name):
    run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", check=False)


def exists(instance, what):
    return (NETNS_DIR / instance.namespace(what)).exists()


def enter(instance, what):
    """The command prefix that runs a program in a namespace. Unlike `ip netns exec` it keeps the mount namespace,
    so that namespaces made by that program (a BMC that boots its host) are seen by everybody."""
    return ["nsenter", f"--net={NETNS_DIR / instance.namespace(what)}", "--"]


def create(instance):
    """The fabric, its bridges and links, and the veth to this machine."""
    taken = run("ip", "-o", "-4", "addr", "show", "to", f"{instance.net}.0.0/16").strip()
    if taken:
        raise LabError(f"{instance.net}.0.0/16 is in use by {taken.split()[1]}; choose another with --net")
    _add_namespace(instance.namespace("fabric"))
    for bridge in BRIDGES:
        _ip(instance, "link", "add", f"br-{bridge}", "type", "bridge", "stp_state", "0", "forward_delay", "0")
        _ip(instance, "link", "set", f"br-{bridge}", "up")
    for a, b in PAIRS:
        _ip(instance, "link", "add", _end(a, b), "type", "veth", "peer", "name", _end(b, a))
        for here, there in ((a, b), (b, a)):
            _ip(instance, "link", "set", _end(here, there), "master", f"br-{here}", "up")
            _ip(instance, "link", "set", _end(here, there), "type", "bridge_slave", "isolated", "on")
    outside = instance.outside_link
    run("ip", "link", "add", outside, "type", "veth", "peer", "name", "root", "netns", instance.namespace("fabric"))
    _ip(instance, "link", "set", "root", "master", "br-outside", "up")
    run("ip", "link", "set", outside, "addrgenmode", "none")
    run("ip", "link", "set", outside, "up")
    run("ip", "addr", "add", f"{instance.address('outside')}/16", "dev", outside)
    for site in SITES:
        attach(instance, f"bmc-{site}", site)
    for what, bridge in (("sinks", WITNESS), ("san", "outside")):
        attach(instance, what, bridge)
        run("ip", "-n", instance.namespace(what), "addr", "add", f"{instance.address(what)}/16", "dev", "eth0")


def attach(instance, what, bridge):
    """A namespace with an eth0 on a bridge of the fabric; its port there is named `what`."""
    namespace = instance.namespace(what)
    _add_namespace(namespace)
    _ip(instance, "link", "add", what, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    _ip(instance, "link", "set", what, "master", f"br-{bridge}", "up")
    run("ip", "-n", namespace, "link", "set", "eth0", "up")


def attach_machine(instance, machine):
    """A freshly booted machine's network: eth0 in a bridge br0 that its guests share."""
    detach_machine(instance, machine)
    attach(instance, machine, WITNESS if machine == WITNESS else site_of(machine))
    namespace = instance.namespace(machine)
    run("ip", "-n", namespace, "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0")
    run("ip", "-n", namespace, "link", "set", "eth0", "master", "br0")
    run("ip", "-n", namespace, "link", "set", "br0", "up")
    run("ip", "-n", namespace, "addr", "add", f"{instance.address(machine)}/16", "dev", "br0")
    if machine in cuts(instance):
        unplug(instance, machine)


def unplug(instance, machine):
    """Set the machine's port down: nothing leaves it any more, no FIN and no RST."""
    run("ip", "-n", instance.namespace("fabric"), "link", "set", machine, "down", check=False)


def plug(instance, machine):
    """Set the machine's port up again."""
    run("ip", "-n", instance.namespace("fabric"), "link", "set", machine, "up")


def detach_machine(instance, machine):
    run("ip", "-n", instance.namespace("fabric"), "link", "del", machine, check=False)
    if exists(instance, machine):
        run("ip", "netns", "del", instance.namespace(machine))


def ports_of(target):
    """The ports that a cut of `target` sets down: HOST, witness, sites, site:SITE or witness:SITE."""
    kind, _, site = target.partition(":")
    if target == "sites":
        return [_end("paris", "lyon")]
    if kind == "site" and site in SITES:
        return [_end(site, other) for other in BRIDGES if other != site]
    if kind == WITNESS and site in SITES:
        return [_end(site, WITNESS)]
    return [target]


def cuts(instance):
    directory = instance.state / "cuts"
    return sorted(p.name for p in directory.iterdir()) if directory.exists() else []


def cut(instance, target):
    directory = instance.state / "cuts"
    directory.mkdir(exist_ok=True)
    (directory / target).touch()
    for port in ports_of(target):
        run("ip", "-n", instance.namespace("fabric"), "link", "set", port, "down", check=":" in target)


def join(instance, target):
    (instance.state / "cuts" / target).unlink(missing_ok=True)
    still_cut = {port for other in cuts(instance) for port in ports_of(other)}
    for port in ports_of(target):
        if port not in still_cut:
            run("ip", "-n", instance.namespace("fabric"), "link", "set", port, "up", check=":" in target)


def destroy(instance):
    """Remove everything that create() and attach() made, as far as it is there."""
    run("ip", "link", "del", instance.outside_link, check=False)
    if NETNS_DIR.exists():
        for namespace in NETNS_DIR.glob(instance.namespace("*")):
            run("ip", "netns", "del", namespace.name, check=False)
            namespace.unlink(missing_ok=True)
