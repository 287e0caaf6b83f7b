"""Volumes on Ceph RBD: what is done to them, and what is refused."""
import json

from bascule_lab import ceph, guest, process, product

from harness import GUESTS, expect, refused
from rbd_test import disk_io, follows, lose_site, points, rbd_ready, take_point, wait_for_point


def test_rbd_volumes_change(lab):
    """Snapshots and growth of a mirrored volume: seen by the guest, and by the other site."""
    rbd_ready(lab)
    volume = lab.vm("web-1")["disks"][0]["volume"]
    lab.bascule("vm", "snapshot", "take", "web-1", "daily")
    refused(lab, "has a snapshot daily already", "vm", "snapshot", "take", "web-1", "daily")
    refused(lab, "has no snapshot weekly", "vm", "snapshot", "remove", "web-1", "weekly", "--reason", "try")
    lab.wait(lambda: "daily" in ceph.command(lab.instance, "lyon", "rbd", "snap", "ls", f"{ceph.POOL}/{volume}"), 60,
             "the snapshot at lyon", 1)

    for command in ("discard", "write-zeroes"):  # rbd-mirror doesn't copy what they do
        asked = {"execute": "qom-get", "arguments": {"path": "/machine/peripheral/ua-vda", "property": command}}
        expect(lab.execute(lab.where("web-1"), "sh", "-c", "virsh -c qemu:///system qemu-monitor-command bascule-web-1 "
                           f"'{json.dumps(asked)}' | grep -q '\"return\":false'") == 0, f"the disk has no {command}")

    lab.bascule("vm", "grow", "web-1", f"gold:{volume}", "32M")
    lab.wait(lambda: lab.observer.mib["web-1"] == 32, 10, "the guest sees 32 MiB")
    refused(lab, "volumes only grow", "vm", "grow", "web-1", f"gold:{volume}", "16M")
    lab.wait(lambda: lab.vm("web-1")["volumes"][0].get("used_mib") == 4, 90, "what it uses is known: one object")

    refused(lab, "must be from 1", "vm", "grow", "web-1", f"gold:{volume}", "70T")
    lab.bascule("vm", "grow", "web-1", f"gold:{volume}", "10T")
    lab.wait(lambda: lab.observer.mib["web-1"] == 10 << 20, 10, "the guest sees 10 TiB")
    wait_for_point(lab, "web-1")
    lab.wait(lambda: follows(lab, "web-1"), 60, "a sparse volume of 10 TiB is followed")
    lab.bascule("vm", "stop", "web-1")
    lab.bascule("vm", "snapshot", "take", "web-1", "stopped")
    lab.bascule("vm", "snapshot", "remove", "web-1", "stopped", "--reason", "not needed any more")
    lab.bascule("vm", "snapshot", "remove", "web-1", "daily", "--reason", "not needed any more")
    expect(lab.vm("web-1")["volumes"][0].get("snapshots", []) == [], "no snapshot is left")


test_rbd_volumes_change.storage = "rbd"


def test_rbd_roll_back(lab):
    """A stopped VM's volumes go back to a snapshot, keep their size, and so does the other site's copy."""
    rbd_ready(lab)
    volume = lab.vm("web-1")["disks"][0]["volume"]
    image = f"{ceph.POOL}/{volume}"
    lab.bascule("vm", "snapshot", "take", "web-1", "daily")
    refused(lab, "stop it first", "vm", "snapshot", "rollback", "web-1", "daily", "--reason", "try")
    lab.bascule("vm", "snapshot", "remove", "web-1", "daily", "--reason", "taken again below")
    lab.bascule("vm", "stop", "web-1")

    def copied():
        """A point of now is complete at lyon."""
        before = points(lab, "lyon", image)[-1]["primary_snap_id"]
        take_point(lab, "paris", image)
        lab.wait(lambda: (newest := points(lab, "lyon", image)[-1])["complete"] and newest["primary_snap_id"] > before,
                 60, "a new point at lyon")

    disk_io(lab, "paris", image, "write -P 1 8M 8M")
    copied()
    lab.bascule("vm", "snapshot", "take", "web-1", "daily")
    disk_io(lab, "paris", image, "write -P 2 8M 4M", "write -z 12M 4M", "write -P 2 4M 4M")
    copied()
    lab.bascule("vm", "grow", "web-1", f"gold:{volume}", "32M")
    refused(lab, "has no snapshot weekly", "vm", "snapshot", "rollback", "web-1", "weekly", "--reason", "try")

    def half_done(site):
        ceph.command(lab.instance, site, "rbd", "image-meta", "set", image, "bascule.rolls_back_to", "daily")

    half_done("paris")
    refused(lab, "was begun and didn't end", "vm", "snapshot", "take", "web-1", "other")
    lab.bascule("vm", "snapshot", "rollback", "web-1", "daily", "--reason", "the upgrade failed")
    content = ("read -P 0 4M 4M", "read -P 1 8M 8M", "read -P 0 16M 16M")
    disk_io(lab, "paris", image, *content)
    lab.bascule("vm", "start", "web-1")
    lab.wait_for_answer("web-1")
    lab.wait(lambda: lab.observer.mib["web-1"] == 32, 10, "the guest sees 32 MiB")
    lab.wait(lambda: follows(lab, "web-1"), 60, "the copy of web-1 at lyon follows")
    wait_for_point(lab, "web-1")
    lose_site(lab)
    lab.bascule("vm", "stop", "web-1")
    disk_io(lab, "lyon", image, *content)
    disk_io(lab, "lyon", image, "write -P 3 8M 8M")
    half_done("lyon")
    refused(lab, "was begun and didn't end", "vm", "start", "web-1")
    lab.bascule("vm", "stop", "web-1")
    lab.bascule("vm", "snapshot", "rollback", "web-1", "daily", "--reason", "it ended half way")
    disk_io(lab, "lyon", image, *content)
    lab.bascule("vm", "start", "web-1")
    lab.wait_for_answer("web-1")


test_rbd_roll_back.storage = "rbd"


def test_rbd_bad_input(lab):
    """Images of others, formats and pools that don't exist: refused with a reason, nothing is made or changed."""
    product.wait_for_hosts(lab.instance)

    def images(site):
        return set(ceph.command(lab.instance, site, "rbd", "ls", ceph.POOL).split())

    def create_refused(words, **disk):
        spec = guest.vm_spec(lab.instance, "bad", GUESTS["web-1"], pool="gold")
        spec["disks"][0] |= disk
        path = lab.instance.state / "bad.json"
        path.write_text(json.dumps(spec))
        refused(lab, words, "vm", "create", "--file", str(path))
        lab.bascule("vm", "delete", "bad")

    ceph.command(lab.instance, "paris", "rbd", "create", f"{ceph.POOL}/theirs", "--size", "16")
    create_refused("was not made by Bascule", volume="theirs")
    create_refused("have format raw", format="qcow2")
    create_refused("no pool", pool="silver")
    expect(images("paris") == {"theirs"} and images("lyon") == set(), f"nothing more is there: {images('paris')}")


test_rbd_bad_input.storage = "rbd"


def test_rbd_io_limits(lab):
    """Requests and bytes a second, as the guests themselves measure what they get: 4 KiB writes, eight at once."""
    product.wait_for_hosts(lab.instance)
    limits = {"web-1": {"iops_limit": 60}, "web-2": {"mib_per_second_limit": 1}}
    most = {"web-1": 60, "web-2": 256}
    for name, limit in limits.items():
        spec = guest.vm_spec(lab.instance, name, GUESTS[name], pool="gold", protected=False)
        spec["disks"][0] |= limit | {"size_mib": 4}
        spec["kernel"]["command_line"] += " lab.iops=10"
        product.create_guest(lab.instance, name, GUESTS[name], disks=spec["disks"], kernel=spec["kernel"], protected=False)
    for name in limits:
        writes = float(lab.wait(lambda n=name: product.page(lab.instance, GUESTS[n], "/iops"), 90, f"{name} has measured"))
        lab.note(f"{name}: {writes:.0f} writes a second, {most[name]} allowed")
        expect(0 < writes < 1.2 * most[name], f"{name} got {writes} writes a second of {most[name]}")


test_rbd_io_limits.storage = "rbd"


def test_rbd_full_pool(lab):
    """A cluster without room: said by the fault and by what is refused, nothing is half made, and its guest goes on later
    where it stopped."""
    rbd_ready(lab)
    old = lab.boot("web-1")
    images = ceph.command(lab.instance, "paris", "rbd", "ls", ceph.POOL)
    ceph.command(lab.instance, "paris", "ceph", "tell", "osd.0", "injectfull", "full")
    lab.wait(lambda: "POOL_FULL" in str(lab.hosts()["paris-1"]["faults"]), 60, "a full pool is a fault")
    path = lab.instance.state / "full.json"
    path.write_text(json.dumps(guest.vm_spec(lab.instance, "web-2", GUESTS["web-2"], pool="gold")))
    refused(lab, "No space left", "vm", "create", "--file", str(path))
    lab.bascule("vm", "delete", "web-2")
    expect(ceph.command(lab.instance, "paris", "rbd", "ls", ceph.POOL) == images, "nothing is half made")
    ceph.command(lab.instance, "paris", "ceph", "tell", "osd.0", "injectfull", "none")
    lab.wait(lambda: follows(lab, "web-1") and lab.vm("web-1")["volumes"][0]["behind_ms"] < 10_000, 90, "its copy is fresh")
    expect(lab.boot("web-1") == old, "web-1 has run on")
    lab.bascule("vm", "create", "--file", str(path))
    lab.wait_for_answer("web-2")


test_rbd_full_pool.storage = "rbd"


def template_tool(lab, code, why, *argv):
    ended = lab.execute("paris-1", "bascule-template", *argv)
    expect(ended == code, f"{why}: it ended with {ended}")


def test_rbd_templates(lab):
    """A qcow2 file becomes a template. Volumes made at either site begin as its clones, and outlive the loss of a site."""
    lab.commission()
    raw, file = lab.instance.metro / "debian.img", lab.instance.metro / "debian.qcow2"
    raw.write_bytes(b"vm=template boot=template counter=7\n".ljust(8 << 20, b"\0"))
    process.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file)
    raw.unlink()
    template = ("/srv/bascule/metro/debian.qcow2", "gold:debian")
    template_tool(lab, 0, "the template is made", "import", *template)
    expect(lab.execute("lyon-1", "bascule-template", "import", *template) == 1, "a second of its name is refused")

    def create(name, home, size_mib):
        disk = {"pool": "gold", "volume": f"{name}.raw", "size_mib": size_mib, "from": "debian"}
        product.create_guest(lab.instance, name, GUESTS[name], home=home, disks=[disk])
        boot = lab.wait_for_answer(name)
        lab.wait(lambda: (name, boot) in lab.observer.found, 10, f"{name}'s report of what it found")
        expect(lab.observer.found[name, boot] == ("template", 7), f"{name} begins with the template's content")

    create("web-1", "paris", 16)
    lab.wait(lambda: follows(lab, "web-1"), 60, "the copy of web-1 at lyon follows")
    create("web-2", "lyon", 8)
    for site in ("paris", "lyon"):
        told = ceph.command(lab.instance, site, "rbd", "info", f"{ceph.POOL}/web-1.raw")
        expect("debian@template" in told, f"web-1's volume at {site} is a clone, not a copy: {told}")
    template_tool(lab, 0, "the templates are listed", "list", "gold")
    template_tool(lab, 1, "its clones need it", "remove", "gold:debian")
    template_tool(lab, 1, "a clone is no template", "remove", "gold:web-1.raw")
    wait_for_point(lab, "web-1")
    lose_site(lab)


test_rbd_templates.storage = "rbd"
