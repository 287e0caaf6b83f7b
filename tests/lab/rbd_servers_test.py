"""Hosts that carry their site's storage too: they keep their power while it can't do without them."""
import json

from bascule_lab import ceph

from harness import expect, refused
from rbd_test import rbd_ready

HOSTS = ("paris-1", "paris-2")


def copies_needed(lab, least):
    """A write waits for so many of the two copies; hostd has told the manager what follows from that."""
    ceph.command(lab.instance, "paris", "ceph", "osd", "pool", "set", ceph.POOL, "min_size", str(least))
    lab.wait(lambda: all(bool(lab.hosts()[h].get("storage", {}).get("why_not")) == (least > 1) for h in HOSTS), 60,
             f"the manager knows {'that' if least > 1 else 'when'} the storage needs both", 1)


def noout(lab, host):
    dump = json.loads(ceph.command(lab.instance, "paris", "ceph", "osd", "dump", "--format", "json"))
    return "noout" in dump["crush_node_flags"].get(host, [])


def switch_off_and_on(lab, host, osd):
    lab.bascule("--wait", "60", "host", "power", "off", host, "--reason", "more memory")
    lab.verb("ceph", "kill", "paris", osd)
    lab.wait(lambda: osd in lab.hosts()[host]["storage"].get("down", []), 60, f"{osd} is known to be down")
    expect(noout(lab, host), f"nothing of {host} is copied elsewhere while it is off")
    expect(not any(noout(lab, other) for other in HOSTS if other != host), "that is of no other host")
    lab.verb("ceph", "start", "paris")
    lab.bascule("--wait", "60", "host", "power", "on", host, "--reason", "memory is in")
    lab.wait(lambda: lab.hosts()[host]["session"], 120, f"{host} is back", 1)
    lab.wait(lambda: not noout(lab, host), 60, "the flag is cleared", 1)


def test_rbd_host_that_carries_storage(lab):
    """Power off: refused while data would become unreachable, else with noout for that host until it is back. A host that
    is lost is fenced by its power only once its daemons are known to be down."""
    rbd_ready(lab)
    where = lab.where("web-1")
    other = next(host for host in HOSTS if host != where)
    osd = {host: f"osd.{number}" for number, host in enumerate(HOSTS)}
    ceph.carry(lab.instance, "paris", HOSTS)
    copies_needed(lab, 2)
    lab.wait(lambda: lab.vm("web-1")["volumes"][0].get("copies_here") == {"copies": 2, "osds": 2, "osds_down": []}, 30,
             "the copies are listed")
    expect(lab.vm("web-1")["volumes"][0]["copies_there"]["copies"] == 1, "the other site's are")
    expect(lab.hosts()[other]["storage"]["daemons"] == [osd[other]], f"what {other} carries: {lab.hosts()[other]}")
    refused(lab, f"needs its {osd[other]}", "host", "power", "off", other, "--reason", "more memory")
    copies_needed(lab, 1)
    lab.verb("ceph", "kill", "paris", "mgr.a")
    lab.wait(lambda: lab.hosts()[other]["storage"]["why_not"], 60, "who can't be asked is no leave to switch off")
    refused(lab, f"needs its {osd[other]}", "host", "power", "off", other, "--reason", "more memory")
    lab.verb("ceph", "start", "paris")
    lab.wait(lambda: not lab.hosts()[other]["storage"]["why_not"], 90, "it can be asked again")
    switch_off_and_on(lab, other, osd[other])

    copies_needed(lab, 2)
    old = lab.boot("web-1")
    lab.verb("crash", where)
    lab.wait(lambda: any(each["what"] == "power_withheld" for each in lab.bascule("explain", f"host/{where}")["trail"]), 30,
             "its power is withheld")
    lab.stays(lambda: lab.hosts()[where]["phase"] == "fencing", 5, f"{where} isn't fenced while its storage lives")
    lab.verb("ceph", "kill", "paris", osd[where])
    lab.wait_for_new_boot("web-1", old, 120)
    expect(lab.site("web-1") == "lyon", "web-1 runs at lyon")


test_rbd_host_that_carries_storage.storage = "rbd"


def promise_copies(lab, host, copies):
    """In its hostd.toml; hostd is killed, and the host's init starts it again."""
    config = lab.instance.machine_dir(host) / "etc/bascule/hostd.toml"
    config.write_text(config.read_text().replace('kind = "rbd"\n', f'kind = "rbd"\ncopies = {copies}\n'))
    lab.verb("kill", host, "hostd")


def test_rbd_fewer_copies_than_promised(lab):
    """A pool that can keep fewer copies than its hosts promise is a fault, until it can again; guests run on."""
    rbd_ready(lab)
    where = lab.where("web-1")
    ceph.carry(lab.instance, "paris", HOSTS)
    copies_needed(lab, 1)
    promise_copies(lab, where, 2)

    def faults():
        return [fault for fault in lab.hosts()[where]["faults"] if "promised copies" in fault]

    lab.wait(lambda: lab.vm("web-1")["volumes"][0].get("copies_here") == {"copies": 2, "osds": 2, "osds_down": []}, 60,
             "both copies are known")
    expect(not faults(), f"nothing is amiss: {faults()}")
    mails, boot = len(lab.mails()), lab.boot("web-1")
    lab.verb("ceph", "kill", "paris", "osd.1")
    lab.wait(lambda: any("has 1 OSDs up for 2 promised copies; down: osd.1" in fault for fault in faults()), 90,
             "fewer copies than promised are a fault", 1)
    lab.wait(lambda: any("promised" in mail["data"] for mail in lab.mails()[mails:]), 30, "people are told")
    lab.verb("ceph", "start", "paris")
    lab.wait(lambda: not faults(), 90, "the fault ends with its cause", 1)
    expect(lab.boot("web-1") == boot, "the guest ran on")


test_rbd_fewer_copies_than_promised.storage = "rbd"
