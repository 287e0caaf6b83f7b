"""A host or a site is lost, is proved dead by its BMC, and its VMs answer from the other site."""
import time

from harness import GUESTS, expect


def settle(lab, name):
    """The guest runs at the other site under its unchanged address, and the manager says away."""
    vm = lab.wait(lambda: lab.vm(name)["state"] == "running" and lab.vm(name), 30, f"{name} is running")
    expect(vm["site"] == "lyon" and vm["away"], f"{name} should be away at lyon: {vm}")
    expect(lab.site(name) == "lyon", f"{name} should run at lyon, seen from outside")


def told(lab, before):
    """Mail and SMS about it have arrived."""
    lab.wait(lambda: len(lab.mails()) > before[0] and len(lab.texts()) > before[1], 10, "mail and SMS")
    for text in lab.texts():
        expect(len(text["text"]) <= 160, f"an SMS of {len(text['text'])} characters: {text['text']}")


def test_host_crash_then_manual_failback(lab):
    """Crash → away at lyon; heal → nothing moves; plan, approve → home. Never two copies."""
    lab.ready()
    before = len(lab.mails()), len(lab.texts())
    host = lab.where("web-1")
    moved = [name for name in GUESTS if lab.where(name) == host]
    old = {name: lab.boot(name) for name in GUESTS}
    crashed = time.monotonic()
    lab.verb("crash", host)
    lab.wait(lambda: lab.site("web-1") == "lyon", 30, "a process of web-1 at lyon", 0.05)
    lab.note(f"crash of {host} -> process at lyon {time.monotonic() - crashed:.1f} s")
    for name in moved:
        new = lab.wait_for_new_boot(name, old[name])
        lab.note(f"{name}: crash -> HTTP {time.monotonic() - crashed:.1f} s, new boot {new}")
        settle(lab, name)
    told(lab, before)
    for name in set(GUESTS) - set(moved):
        expect(lab.boot(name) == old[name], f"{name} was not on {host} and should run on untouched")

    lab.verb("heal", host)
    lab.wait(lambda: lab.hosts()[host]["session"], 30, f"{host} is back")
    lab.stays(lambda: all(lab.site(name) == "lyon" for name in moved), 15, "nothing comes back by itself")
    expect(lab.hosts()[host]["quarantined"], f"{host} should be quarantined")
    lab.bascule("host", "clear", host, "--reason", "repaired and tested again")
    lab.stays(lambda: all(lab.site(name) == "lyon" for name in moved), 5, "clearing a host moves nothing")

    away = {name: lab.boot(name) for name in moved}
    plan = lab.bascule("failback", "plan")
    lab.bascule("failback", "approve", plan["id"], "--digest", plan["digest"], "--yes", "--reason", "paris is well")
    for name in moved:
        lab.wait_for_new_boot(name, away[name], 120)
        expect(lab.site(name) == "paris", f"{name} should be home")
        lab.wait(lambda n=name: not lab.vm(n)["away"], 10, f"{name} is no longer away")
    expect(lab.bascule("audit", "verify")["intact"], "the audit chain should be intact")
    key, file = lab.instance.state / "audit-key.pem", lab.instance.state / "audit.jsonl"
    key.write_text(lab.bascule("audit", "key")["public_key"])
    exported = lab.bascule("audit", "export", "--out", str(file))
    checked = lab.bascule("audit", "check", str(file), "--key", str(key))
    expect(checked["last"] == exported["records"] > 20, f"the exported audit is proved: {exported}, {checked}")


def test_returned_host_gets_nothing(lab):
    """Also not after restarts of everything; a VM started by hand on it is stopped."""
    lab.ready()
    host = lab.where("web-1")
    old = lab.boot("web-1")
    lab.verb("crash", host)
    lab.wait_for_new_boot("web-1", old)
    lab.verb("heal", host)
    lab.wait(lambda: lab.hosts()[host]["session"], 30, f"{host} is back")
    lab.verb("manager", "kill")
    lab.verb("kill", host, "hostd", "libvirtd")
    lab.wait(lambda: lab.hosts()[host]["session"], 60, f"{host} is back after restarts")
    expect(lab.hosts()[host]["quarantined"], f"{host} should keep its quarantine over restarts")
    expect(lab.site("web-1") == "lyon", "web-1 should stay at lyon")
    lab.stays(lambda: lab.site("web-1") == "lyon", 10, "web-1 stays at lyon")


def lose_paris(lab, verb):
    """The whole site is lost by that verb: both guests answer from lyon, without anybody's help."""
    old = {name: lab.boot(name) for name in GUESTS}
    began = time.monotonic()
    lab.verb(verb, "paris")
    for name in GUESTS:
        lab.wait_for_new_boot(name, old[name], 90)
        lab.note(f"{name}: {verb} -> HTTP {time.monotonic() - began:.1f} s")
    for name in GUESTS:
        settle(lab, name)


def test_site_power_off(lab):
    """Both hosts of paris off, their BMCs answer: power is the evidence."""
    lab.ready()
    lose_paris(lab, "poweroff")


def test_site_dark_is_held(lab):
    """Mode keep: hosts and BMCs of paris without power. Nothing starts, operations are told, two signed words end it."""
    lab.ready("san")
    before = len(lab.mails()), len(lab.texts())
    old = {name: lab.boot(name) for name in GUESTS}
    lab.verb("dark", "paris")
    lab.wait(lambda: all(h["phase"] == "held" for h in lab.hosts().values() if h["site"] == "paris"), 90,
             "hosts of paris are held")
    told(lab, before)
    lab.stays(lambda: not any(lab.where(name) for name in GUESTS), 15, "nothing starts without evidence")
    for host in ("paris-1", "paris-2"):
        lab.bascule("host", "attest-down", host, "--yes", "--reason", "the site has no power")
    for name in GUESTS:
        lab.wait_for_new_boot(name, old[name], 60)
        settle(lab, name)


def test_site_dark_lapses(lab):
    """Mode stop: hosts and BMCs of paris without power, and the leases' lapse is the evidence."""
    lab.ready("san")
    lose_paris(lab, "dark")


test_site_dark_lapses.policy = ('on_lease_loss = "stop"',)


def test_bmc_dead_is_held_then_attested(lab):
    """Without evidence nothing starts: held and paged. An operator's signed word starts it."""
    lab.ready()
    before = len(lab.mails()), len(lab.texts())
    host, old = lab.where("web-1"), lab.boot("web-1")
    lab.verb("bmc", host, "dead")
    lab.verb("crash", host)
    lab.wait(lambda: lab.hosts()[host]["phase"] == "held", 60, f"{host} is held")
    told(lab, before)
    lab.stays(lambda: lab.where("web-1") is None, 15, "web-1 is not started without evidence")
    lab.bascule("host", "attest-down", host, "--yes", "--reason", "unplugged by hand, seen")
    lab.wait_for_new_boot("web-1", old)
    settle(lab, "web-1")


def test_dead_bmc_that_answers_again(lab):
    """Held for want of evidence; once the BMC answers, the failover completes by itself."""
    lab.ready()
    host = lab.where("web-1")
    old = lab.boot("web-1")
    lab.verb("bmc", host, "dead")
    lab.verb("crash", host)
    lab.wait(lambda: lab.hosts()[host]["phase"] == "held", 60, f"{host} is held")
    lab.verb("bmc", host, "ok")
    lab.wait_for_new_boot("web-1", old, 60)
    settle(lab, "web-1")
