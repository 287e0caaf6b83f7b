"""Programs of the product die; guests don't."""
import time

from harness import GUESTS, expect


def test_qemu_killed_restarts_in_place(lab):
    lab.ready()
    host, pid = lab.where("web-1"), lab.pid("web-1")
    old = lab.boot("web-1")
    killed = time.monotonic()
    lab.verb("kill", host, "qemu", "--vm", "web-1")
    lab.wait(lambda: lab.pid("web-1") not in (None, pid), 15, "web-1 has a new process", 0.02)
    lab.note(f"killed -> new process {time.monotonic() - killed:.2f} s")
    expect(lab.where("web-1") == host, "web-1 should restart on the same host")
    lab.wait_for_new_boot("web-1", old)
    lab.wait(lambda: lab.vm("web-1")["state"] == "running", 15, "web-1 is running")
    expect(not lab.vm("web-1")["away"], "web-1 should not be away")


def test_daemons_killed_guests_survive(lab):
    """hostd, guard, libvirtd and the manager, each killed and started again: same processes, same boots."""
    lab.ready()
    pids = {name: lab.pid(name) for name in GUESTS}
    boots = {name: lab.boot(name) for name in GUESTS}
    for service in ("hostd", "libvirtd", "guard"):
        for host in {lab.where(name) for name in GUESTS}:
            lab.verb("kill", host, service)
        lab.wait_for_hosts()
        lab.wait(lambda: all(vm["state"] == "running" for vm in lab.vms().values()), 30, f"running after {service}")
    lab.verb("manager", "kill")
    lab.wait_for_hosts()
    lab.wait(lambda: all(vm["state"] == "running" for vm in lab.vms().values()), 30, "running after the manager")
    lab.stays(lambda: {name: lab.pid(name) for name in GUESTS} == pids, 10, "the guests' processes are the same")
    expect({name: lab.boot(name) for name in GUESTS} == boots, "the guests did not reboot")


def test_manager_killed_during_failover(lab):
    """At several moments of a failover: it completes, once."""
    lab.ready()
    host, old = lab.where("web-1"), lab.boot("web-1")
    lab.verb("crash", host)
    for delay in (2.0, 1.5, 0.5):
        time.sleep(delay)  # moments of a failover, not a wait for something
        lab.verb("manager", "kill")
        lab.wait(lambda: lab.service_pids("witness", "manager"), 10, "the manager is started again")
    lab.wait_for_new_boot("web-1", old, 120)
    expect(lab.site("web-1") == "lyon", "web-1 should run at lyon")


def test_guests_outlast_a_planned_stop_of_the_manager(lab):
    """In mode stop, for much longer than a lease; a manager that returns is obeyed, and its leases are short again."""
    lab.ready()
    boots = {name: lab.boot(name) for name in GUESTS}
    stopped = time.monotonic()
    lab.verb("manager", "stop")
    lab.note(f"the manager ended {time.monotonic() - stopped:.1f} s after SIGTERM")
    lab.stays(lambda: None not in [lab.pid(name) for name in GUESTS], 30, "the guests run on without a manager")
    lab.verb("manager", "start")
    lab.wait_for_hosts()
    lab.wait(lambda: all(vm["state"] == "running" for vm in lab.vms().values()), 30, "all VMs are known to run")
    expect({name: lab.boot(name) for name in GUESTS} == boots, "the guests did not reboot")
    host, old = lab.where("web-1"), lab.boot("web-1")
    lab.wait(lambda: lab.vm("web-1")["protected"], 30, "web-1 is protected again")
    lab.verb("crash", host)
    lab.wait_for_new_boot("web-1", old, 60)


test_guests_outlast_a_planned_stop_of_the_manager.policy = ('on_lease_loss = "stop"',)
