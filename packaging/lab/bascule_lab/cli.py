"""The verbs of bascule-lab."""
import argparse
import email
import email.policy
import json
import os
import signal
import subprocess
import sys
import time

from . import bmc, ceph, cloud_image, lifecycle, machine, network, process, product, sinks
from .instance import HOSTS, MACHINES, SITES, LabError, make_instance, require_machine, site_of

CUTS = "HOST | witness | sites | site:SITE | witness:SITE"


def hosts_of(site):
    if site not in SITES:
        raise LabError(f"no site {site!r} in the lab; there are: {', '.join(SITES)}")
    return [host for host in HOSTS if site_of(host) == site]


def require_cut(target):
    kind, _, site = target.partition(":")
    if target != "sites" and not (kind in ("site", "witness") and site in SITES):
        require_machine(target)
    return target


def heal(lab, host):
    """As it should be: BMC sound, power on, link joined, nothing held, stopped or broken."""
    bmc.heal(lab, host)
    bmc.set_on(lab, host, True)
    for service in machine.services_of(host):
        machine.hold(lab, host, service, False)
    (lab.machine_dir(host) / "watchdog.broken").unlink(missing_ok=True)
    machine.freeze(lab, host, False)
    network.join(lab, host)
    machine.boot(lab, host)
    machine.wait_for_libvirt(lab, host)


def do_crash(lab, args):
    machine.power_cut(lab, require_machine(args.host))


def do_heal(lab, args):
    if args.host in HOSTS:
        heal(lab, args.host)
    else:
        machine.boot(lab, require_machine(args.host))


def do_cut(lab, args):
    network.cut(lab, require_cut(args.target))


def do_join(lab, args):
    network.join(lab, require_cut(args.target))


def do_freeze(lab, args):
    machine.freeze(lab, require_machine(args.host), args.verb == "freeze")


def do_signal(lab, args):
    number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "cont": signal.SIGCONT}[args.verb]
    for service in args.services:
        pids = machine.signal_service(lab, require_machine(args.host), service, number, args.vm)
        print(f"{args.verb} {service} on {args.host}: pid {', '.join(map(str, pids))}")


def do_hold(lab, args):
    for service in args.services:
        machine.hold(lab, require_machine(args.host), service, args.verb == "hold")


def do_site(lab, args):
    for host in hosts_of(args.site):
        network.unplug(lab, host)
    for host in hosts_of(args.site):
        if args.verb == "dark":
            bmc.set_mode(lab, host, "dead")
        else:
            bmc.set_on(lab, host, False)
        machine.power_cut(lab, host)
    if ceph.is_wanted(lab):
        ceph.kill(lab, args.site)


def do_ceph(lab, args):
    if not ceph.is_wanted(lab):
        raise LabError(f"lab {lab.name} has no Ceph: make it with bascule-lab up --storage rbd")
    if args.site not in SITES:
        raise LabError(f"no site {args.site!r} in the lab; there are: {', '.join(SITES)}")
    if args.what == "start":
        ceph.start(lab, args.site)
    elif args.what == "kill":
        ceph.kill(lab, args.site, args.daemon)
    else:
        ceph.freeze(lab, args.site, args.what == "freeze", args.daemon)


def do_bmc(lab, args):
    if args.host == "swap":
        if len(args.mode) != 2:
            raise LabError("give two hosts: bascule-lab bmc swap HOST HOST")
        bmc.swap(lab, *(require_machine(h, HOSTS) for h in args.mode))
        return
    require_machine(args.host, HOSTS)
    if not args.mode:
        print(f"{bmc.address(lab, args.host)} {bmc.mode(lab, args.host)}")
        return
    try:
        seconds = float(args.mode[1]) if len(args.mode) > 1 else None
    except ValueError:
        raise LabError(f"not a number of seconds: {args.mode[1]!r}") from None
    bmc.set_mode(lab, args.host, args.mode[0], seconds)


def do_bmc_act(lab, args):
    bmc.act(lab, args.host, args.what)


def do_dog(lab, args):
    mark = lab.machine_dir(require_machine(args.host, HOSTS)) / "watchdog.broken"
    machine.set_mark(mark, args.state == "off")


def do_manager(lab, args):
    if args.what == "start":
        machine.hold(lab, "witness", "manager", False)
    elif args.what == "stop":
        machine.hold(lab, "witness", "manager", True)
        machine.signal_service(lab, "witness", "manager", signal.SIGTERM)
        process.wait_until(lambda: machine.service_state(lab, "witness", "manager") != "up", 15, "end of the manager")
    else:
        machine.signal_service(lab, "witness", "manager", signal.SIGKILL)


def do_sink(lab, args):
    if args.set:
        (lab.state / f"{args.verb}.mode").write_text(args.set + "\n")
        return
    messages = sinks.received(lab, args.verb)
    if args.json:
        print(json.dumps(messages, indent=1))
        return
    for message in messages:
        arrived = time.strftime("%H:%M:%S", time.localtime(message["arrived"]))
        if args.verb == "sms":
            print(f"{arrived}  to {message['to']}: {message['text']}")
            continue
        mail = email.message_from_bytes(message["data"].encode(), policy=email.policy.default)
        body = mail.get_body(("plain",))
        print(f"{arrived}  to {', '.join(message['to'])}: {mail['subject']}\n")
        print("    " + (body.get_content() if body else "").strip().replace("\n", "\n    ") + "\n")
    if not messages:
        print(f"no {args.verb} yet")


def do_observe(lab, args):
    found = [q for q in lifecycle.qemu_processes() if q["lab"] == lab.name]
    if args.json:
        print(json.dumps(found, indent=1))
        return
    for guest in found:
        print(f"{guest['uuid']}  {guest['name']:12} {guest['host']:8} {guest['pid']}")


def do_logs(lab, args):
    logs = sorted(p for p in (lab.machine_dir(require_machine(args.host)) / "var/log").glob("*.log")
                  if not args.services or p.stem in args.services)
    if not logs:
        raise LabError(f"no such log of {args.host}")
    return subprocess.run(["tail", "-n", str(args.lines), *(["-F"] if args.follow else []), *logs],
                          check=False).returncode


def do_up(lab, args):
    lifecycle.up(lab, args.policy, args.storage)


def do_down(lab, args):
    lifecycle.down(lab)


def do_demo(lab, args):
    product.demo(lab, lifecycle.Steps(), "gold" if ceph.is_wanted(lab) else "metro")


def do_image(lab, args):
    cloud_image.install_image(lab)
    print(f"{cloud_image.NAME} is in the pool metro: tenants may make machines of it")


def do_status(lab, args):
    return lifecycle.print_status(lab, args.json)


def do_exec(lab, args):
    return machine.execute(lab, require_machine(args.host), args.command)


def make_parser():
    parser = argparse.ArgumentParser(prog="bascule-lab", description="A two-site Bascule lab on this machine.")
    parser.add_argument("--name", help="which lab (default: $BASCULE_LAB, else demo)")
    parser.add_argument("--net", help="first two octets of its /16 (default: 198.18 for demo, 198.19 else)")
    parser.add_argument("--bin", help="directory of the programs (default: build/release/bin)")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name, handler, summary, *arguments):
        sub = verbs.add_parser(name, help=summary, description=summary)
        for flags, options in arguments:
            sub.add_argument(*flags, **options)
        sub.set_defaults(handler=handler)

    host = (("host",), {"metavar": "HOST", "help": ", ".join(MACHINES)})
    site = (("site",), {"metavar": "SITE", "help": ", ".join(SITES)})
    target = (("target",), {"metavar": "TARGET", "help": CUTS})
    services = (("services",), {"metavar": "SERVICE", "nargs": "+", "help": "hostd, guard, libvirtd, qemu, manager"})
    vm = (("--vm",), {"help": "of qemu: only this VM's"})
    as_json = (("--json",), {"action": "store_true"})
    set_mode = (("--set",), {"choices": ("ok", "reject", "hang"), "help": "how it answers from now on"})
    verb("up", do_up, "make the lab, or complete it",
         (("--policy",), {"action": "append", "default": [], "metavar": "LINE", "help": "a line of [policy]"}),
         (("--storage",), {"choices": ("dir", "rbd"), "default": "dir", "help": "rbd: two mirrored Ceph clusters too"}))
    verb("demo", do_demo, "commission the hosts and make the guests web-1 and web-2")
    verb("image", do_image, "build the cloud image (by debootstrap, a minute) and offer it to tenants")
    verb("down", do_down, "remove the lab: nothing is left")
    verb("status", do_status, "machines, services, BMCs, cuts", as_json)
    verb("crash", do_crash, "cut a host's power: links first, then everything; its BMC goes on saying on", host)
    verb("heal", do_heal, "everything of a host is well again, and it is booted if it was down", host)
    verb("cut", do_cut, "set links down", target)
    verb("join", do_join, "set links up again", target)
    verb("freeze", do_freeze, "stop every process of a host: a hung kernel", host)
    verb("thaw", do_freeze, "continue them", host)
    verb("kill", do_signal, "SIGKILL services (they are started again unless held)", host, services, vm)
    verb("stop", do_signal, "SIGSTOP services", host, services, vm)
    verb("cont", do_signal, "SIGCONT services", host, services, vm)
    verb("hold", do_hold, "do not start a service again when it ends", host, services)
    verb("unhold", do_hold, "start it again", host, services)
    verb("dark", do_site, "a whole site without power, BMCs included", site)
    verb("poweroff", do_site, "a whole site powered off; the BMCs answer", site)
    verb("bmc", do_bmc, "show or set a BMC's fault: HOST [ok|dead|slow SECONDS|lying|stuck], or swap HOST HOST",
         (("host",), {"metavar": "HOST|swap"}), (("mode",), {"nargs": "*", "metavar": "MODE"}))
    verb("bmc-act", do_bmc_act, "(for ipmi_sim) act on a host", host, (("what",), {"choices": ("on", "off")}))
    verb("dog", do_dog, "a watchdog that works, or a broken one", host, (("state",), {"choices": ("on", "off")}))
    verb("manager", do_manager, "start, stop (orderly) or kill the manager",
         (("what",), {"choices": ("start", "stop", "kill")}))
    verb("ceph", do_ceph, "a site's Ceph cluster, or one daemon of it: mon.a, osd.0, rbd-mirror",
         (("what",), {"choices": ("start", "kill", "freeze", "thaw")}), site,
         (("daemon",), {"nargs": "?", "metavar": "DAEMON"}))
    verb("mail", do_sink, "mail received", as_json, set_mode)
    verb("sms", do_sink, "SMS received", as_json, set_mode)
    verb("observe", do_observe, "every QEMU process by VM, seen from outside", as_json)
    verb("logs", do_logs, "a machine's logs", host, (("services",), {"metavar": "SERVICE", "nargs": "*"}),
         (("-n", "--lines"), {"type": int, "default": 20}), (("-f", "--follow"), {"action": "store_true"}))
    verb("exec", do_exec, "run a command on a machine", host, (("command",), {"nargs": argparse.REMAINDER}))
    return parser


def main(argv=None):
    args = make_parser().parse_args(argv)
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    try:
        lab = make_instance(args.name, args.net, args.bin)
        if args.verb not in ("up", "down", "status") and not lab.state.exists():
            raise LabError(f"lab {lab.name} is not up; bascule-lab up makes it")
        return args.handler(lab, args) or 0
    except LabError as error:
        print(f"bascule-lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
