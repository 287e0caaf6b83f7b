"""A host is lost to the manager while its guests are alive: nothing may start twice."""
import time

from harness import expect


def fenced(lab, host, old):
    began = time.monotonic()
    lab.wait_for_new_boot("web-1", old, 90)
    lab.note(f"-> HTTP from lyon {time.monotonic() - began:.1f} s")
    expect(lab.site("web-1") == "lyon", "web-1 should run at lyon")
    expect(lab.hosts()[host]["phase"] == "down", f"{host} should be proved down")


def test_host_cut_off(lab):
    """Its link is cut and its guests run on: powered off, then started elsewhere."""
    lab.ready("san")
    host, old = lab.where("web-1"), lab.boot("web-1")
    lab.verb("cut", host)
    fenced(lab, host, old)


def test_host_frozen(lab):
    """A hung kernel without a working watchdog: powered off before anything starts elsewhere; the thaw wakes nobody."""
    lab.ready("san")
    host, old = lab.where("web-1"), lab.boot("web-1")
    lab.verb("dog", host, "off")
    lab.verb("freeze", host)
    fenced(lab, host, old)
    lab.verb("thaw", host)
    lab.stays(lambda: lab.site("web-1") == "lyon", 5, "one copy, at lyon")


def test_witness_cut_from_a_site_fences_nobody(lab):
    """The manager's link to paris is cut; hosts at lyon still see paris alive: held, not fenced."""
    lab.ready("san")
    old = {name: lab.boot(name) for name in ("web-1", "web-2")}
    lab.verb("cut", "witness:paris")
    lab.wait(lambda: all(h["phase"] == "held" for h in lab.hosts().values() if h["site"] == "paris"), 60,
             "hosts of paris are held")
    lab.stays(lambda: {name: lab.boot(name) for name in old} == old, 15, "guests run on at paris")
    lab.verb("join", "witness:paris")
    lab.wait(lambda: all(h["phase"] == "up" for h in lab.hosts().values()), 60, "all hosts are up again")
    expect({name: lab.boot(name) for name in old} == old, "guests did not reboot")


def test_swapped_bmc_is_no_evidence(lab):
    """The BMC at the host's address is another host's: nothing is powered off, nothing starts."""
    lab.ready("san")
    host = lab.where("web-1")
    lab.verb("bmc", "swap", host, "lyon-2")
    lab.verb("crash", host)
    lab.wait(lambda: lab.hosts()[host]["phase"] == "held", 90, f"{host} is held")
    lab.stays(lambda: lab.where("web-1") is None, 10, "web-1 is not started without evidence")
    expect(lab.hosts()["lyon-2"]["session"], "lyon-2 should not have been powered off")


def test_hostd_stopped(lab):
    """Only hostd hangs: whatever is decided, and after it wakes again, there is one copy."""
    lab.ready("san")
    host, old = lab.where("web-1"), lab.boot("web-1")
    lab.verb("stop", host, "hostd")
    lab.wait(lambda: lab.hosts()[host]["phase"] != "up", 60, f"{host} is missed")
    lab.wait(lambda: lab.boot("web-1") not in (None, old) or lab.hosts()[host]["phase"] == "held", 60,
             f"{host} is held or web-1 answers from elsewhere")
    lab.note(f"{host} is {lab.hosts()[host]['phase']}, web-1 at {lab.where('web-1')}")
    if lab.where("web-1") == host:
        lab.verb("cont", host, "hostd")
    lab.stays(lambda: lab.where("web-1"), 10, "web-1 runs")


def test_lease_lapse_with_dead_bmc(lab):
    """Mode stop: the guard stops the guests at its deadline, and the manager starts them elsewhere without a BMC."""
    lab.ready("san")
    host, old = lab.where("web-1"), lab.boot("web-1")
    lab.verb("bmc", host, "dead")
    lab.verb("cut", host)
    fenced(lab, host, old)


test_lease_lapse_with_dead_bmc.policy = ('on_lease_loss = "stop"',)
