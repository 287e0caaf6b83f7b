"""Every combination and many moments: minutes each, so only with --slow."""
import itertools
import time

from harness import GUESTS, expect

SERVICES = ("hostd", "guard", "libvirtd")


def combinations():
    for count in range(1, len(SERVICES) + 1):
        yield from itertools.combinations(SERVICES, count)


def home_again(lab, host):
    """All is repaired, cleared and home, whatever happened before."""
    lab.verb("heal", host)
    for service in SERVICES:
        if lab.service_pids(host, service):
            lab.verb("cont", host, service)
    lab.wait(lambda: lab.hosts()[host]["session"], 60, f"{host} is back")
    if lab.hosts()[host]["quarantined"]:
        lab.bascule("host", "clear", host, "--reason", "repaired and tested again")
    lab.wait(lambda: lab.hosts()[host]["phase"] == "up", 60, f"{host} is up")
    lab.wait(lambda: all(vm["state"] == "running" for vm in lab.vms().values()), 90, "all VMs run")
    if any(vm["away"] for vm in lab.vms().values()):
        plan = lab.bascule("failback", "plan")
        lab.bascule("failback", "approve", plan["id"], "--digest", plan["digest"], "--yes", "--reason", "repaired and tested again")
        lab.wait(lambda: not any(vm["away"] for vm in lab.vms().values()), 120, "all VMs are home")
    lab.wait(lambda: lab.hosts()[host]["fencing"]["state"] == "ready", 90, f"{host} can be fenced again")


def disturb(lab, host, verb, services, cut):
    old = lab.wait_for_answer("web-1")
    began = time.monotonic()
    if cut:
        lab.verb("cut", host)
    lab.verb(verb, host, *services)
    if cut:
        lab.wait_for_new_boot("web-1", old, 120)
        expect(lab.site("web-1") == "lyon", "web-1 should run at lyon")
    else:
        lab.stays(lambda: lab.observer.faults == [], 12, "one copy at most")
        lab.wait(lambda: lab.boot("web-1"), 60, "web-1 answers, here or there")
    lab.note(f"{verb} {'+'.join(services)}{' and cut' if cut else ''}: web-1 at {lab.where('web-1')}, "
             f"{'rebooted' if lab.boot('web-1') != old else 'untouched'}, {time.monotonic() - began:.0f} s")
    expect(lab.observer.faults == [], str(lab.observer.faults))


def all_combinations(lab, cut):
    lab.ready("san")
    for verb, services in itertools.product(("kill", "stop"), combinations()):
        host = lab.where("web-1")
        disturb(lab, host, verb, services, cut)
        home_again(lab, host)


def test_daemons_killed_and_stopped(lab):
    all_combinations(lab, cut=False)


def test_daemons_killed_and_stopped_with_a_cut(lab):
    all_combinations(lab, cut=True)


def test_manager_killed_at_20_points_of_a_failover(lab):
    """Every 250 ms from the crash on: the failover completes, once, and no guest elsewhere stops."""
    lab.ready("san")
    for point in range(20):
        host = lab.where("web-1")
        old = {name: lab.wait_for_answer(name) for name in GUESTS}
        others = [name for name in GUESTS if lab.where(name) != host]
        crashed = time.monotonic()
        lab.verb("crash", host)
        time.sleep(max(0.0, crashed + 0.25 * (point + 1) - time.monotonic()))  # the point, not a wait
        lab.verb("manager", "kill")
        lab.wait_for_new_boot("web-1", old["web-1"], 120)
        lab.note(f"killed {0.25 * (point + 1):.2f} s after the crash: HTTP {time.monotonic() - crashed:.1f} s")
        expect(lab.site("web-1") == "lyon", "web-1 should run at lyon")
        for name in others:
            expect(lab.boot(name) == old[name], f"{name} was not on {host} and should run on untouched")
        home_again(lab, host)


for each in (test_daemons_killed_and_stopped, test_daemons_killed_and_stopped_with_a_cut,
             test_manager_killed_at_20_points_of_a_failover):
    each.slow = True
    each.policy = ("brake_window_ms = 5000",)
