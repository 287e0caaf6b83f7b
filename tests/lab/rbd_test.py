"""Guests on Ceph RBD, a cluster at each site: volumes are switched with their guests, and brought home without loss."""
import json
import time

from bascule_lab import ceph, guest, process, product

from harness import GUESTS, LabError, expect


def rbd_ready(lab, names=("web-1",)):
    """Commissioned hosts, and guests on the pool "gold" whose copies at lyon follow."""
    product.wait_for_hosts(lab.instance)
    product.commission(lab.instance, ("paris-1", "paris-2", "lyon-1", "lyon-2"))
    for name in names:
        product.create_guest(lab.instance, name, GUESTS[name], pool="gold")
    for name in names:
        lab.wait_for_answer(name)
        lab.wait(lambda n=name: follows(lab, n), 60, f"the copy of {name} at lyon follows")


def follows(lab, name):
    volumes = lab.vm(name)["volumes"]
    return bool(volumes) and all(v["here"] == "primary" and v["well"] and "complete_until" in v for v in volumes)


def lost_of(lab, name, boot):
    """Seconds of its writes that the guest's boot did not find again; its first reports may get lost."""
    lab.wait(lambda: (name, boot) in lab.observer.found, 10, f"{name}'s report of what it found")
    return lab.observer.lost(name, boot)


def found_all(lab, name):
    """The guest's boot found on its disk the last write of the boot before."""
    lost = lost_of(lab, name, lab.boot(name))
    expect(lost == 0, f"{name} lost {lost:.1f} s of its writes")


def last_words(lab, name, most=8):
    """What the engine said of the VM last, for a person."""
    trail = lab.bascule("explain", f"vm/{name}")["trail"]
    return "; ".join(f"{entry['what']}: {entry['words']}" for entry in trail[-most:])


def move_home(lab, names=("web-1",), timeout_s=180):
    """All that is away, by one plan; nothing of it may be lost."""
    old = {name: lab.boot(name) for name in names}
    plan = lab.bascule("failback", "plan")
    lab.bascule("failback", "approve", plan["id"], "--digest", plan["digest"], "--yes", "--reason", "paris is well again")
    for name in names:
        lab.wait_for_new_boot(name, old[name], timeout_s)
        expect(lab.site(name) == "paris", f"{name} should be home: {last_words(lab, name)}")
        found_all(lab, name)


def loss_of(lab, name, boot, dead_by):
    """What it lost: (by its own log, as told), in seconds. They may differ by a second, and by what the guest didn't
    write while it may have lived, at the longest until `dead_by`: nobody knows of that."""
    lost, told = lost_of(lab, name, boot), lab.vm(name).get("lost_ms", 0) / 1000
    silent = dead_by - lab.observer.found_until(name, boot)
    expect(lost - 1 <= told <= max(lost, silent) + 1,
           f"{name} lost {lost:.1f} s, and {told:.1f} s are told; it died {silent:.1f} s after the last write that its "
           f"next boot found: {last_words(lab, name)}")
    return lost, told


def wait_for_point(lab, name):
    """A new mirror snapshot is complete at lyon. For seconds then none is being copied: a promotion by force would keep
    what had come of it, and tell of more loss than there is."""
    image = f"{ceph.POOL}/{lab.vm(name)['disks'][0]['volume']}"

    def newest():
        listed = json.loads(ceph.command(lab.instance, "lyon", "rbd", "snap", "ls", "--all", "--format", "json", image))
        return max(each["id"] for each in listed if each["namespace"].get("complete"))

    before = newest()
    lab.wait(lambda: newest() > before, 20, f"a new point of {name} at lyon")


def lose_site(lab, names=("web-1",), timeout_s=90):
    """The hosts of paris and its cluster lose power at once; returns per guest what it lost."""
    old = {name: lab.boot(name) for name in names}
    began = time.monotonic()
    lab.verb("poweroff", "paris")
    dead_by = time.monotonic()
    losses = {}
    for name in names:
        boot = lab.wait_for_new_boot(name, old[name], timeout_s)
        lab.note(f"{name}: site lost -> HTTP from lyon {time.monotonic() - began:.1f} s")
        vm = lab.vm(name)
        expect(vm["away"] and "lost_ms" in vm, f"the loss should be known: {vm}")
        losses[name] = loss_of(lab, name, boot, dead_by)
    return losses


def restore_site(lab):
    lab.verb("ceph", "start", "paris")
    for host in ("paris-1", "paris-2"):
        lab.verb("heal", host)
    lab.wait(lambda: all(lab.hosts()[h]["session"] for h in ("paris-1", "paris-2")), 60, "paris is back")
    for host in ("paris-1", "paris-2"):
        lab.bascule("host", "clear", host, "--reason", "power of the site is back")


def test_rbd_host_crash_loses_nothing(lab):
    """A host dies, both clusters live: its volume is given up by one site and taken by the other, with all its data."""
    rbd_ready(lab)
    old, before = lab.boot("web-1"), len(lab.texts())
    began = time.monotonic()
    lab.verb("crash", lab.where("web-1"))
    lab.wait_for_new_boot("web-1", old, 60)
    lab.note(f"crash -> HTTP from lyon {time.monotonic() - began:.1f} s")
    vm = lab.vm("web-1")
    expect(vm["away"] and vm["site"] == "lyon", f"web-1 should be away at lyon: {vm}")
    expect("lost_ms" not in vm, f"nothing should be lost: {vm}")
    found_all(lab, "web-1")
    lab.wait(lambda: len(lab.texts()) > before + 1, 20, "an SMS about the switch")


test_rbd_host_crash_loses_nothing.storage = "rbd"


def test_rbd_site_dark_and_home(lab):
    """The whole site dies with its cluster: forced promotion, the loss is told; the way home loses nothing."""
    rbd_ready(lab)
    wait_for_point(lab, "web-1")
    lost, told = lose_site(lab)["web-1"]
    lab.note(f"lost by the guest's own log {lost:.1f} s, as told {told:.1f} s")
    expect(told < 10, "with a snapshot every 5 s no more than that and a little is lost")
    restore_site(lab)
    lab.stays(lambda: lab.site("web-1") == "lyon", 5, "nothing comes back by itself")
    began = time.monotonic()
    move_home(lab)
    lab.note(f"approved -> home {time.monotonic() - began:.1f} s")
    lab.wait(lambda: lab.vm("web-1")["volumes"][0].get("kept"), 90, "the copy of before the fault is listed")


test_rbd_site_dark_and_home.storage = "rbd"


def test_rbd_takeover_half_done(lab):
    """A host that dies between its promotion by force and its tags: by its note the next start goes on."""
    rbd_ready(lab)
    lab.bascule("vm", "stop", "web-1")
    vm = lab.vm("web-1")
    until = int(time.time() * 1000)
    lab.verb("poweroff", "paris")
    lab.wait(lambda: all(lab.hosts()[h]["phase"] == "down" for h in ("paris-1", "paris-2")), 60, "paris is fenced")
    volume = vm["disks"][0]["volume"]
    ceph.command(lab.instance, "lyon", "rbd", "mirror", "image", "promote", "--force", f"{ceph.POOL}/{volume}")
    refused(lab, "this site's copy is older", "vm", "start", "web-1")
    note = lab.instance.state / "note"
    note.write_text(json.dumps({"vm": vm["id"], "generation": vm["generation"] + 1, "until": until}))
    name = f"bascule.takeover.{volume}"
    ceph.command(lab.instance, "lyon", "rados", "-p", ceph.POOL, "put", name, note)
    lab.bascule("vm", "start", "web-1")
    lab.wait_for_answer("web-1")
    vm = lab.vm("web-1")
    expect(vm["site"] == "lyon" and "lost_ms" in vm, f"it runs at lyon, and what is lost is told: {vm}")
    expect(name not in ceph.command(lab.instance, "lyon", "rados", "-p", ceph.POOL, "ls"), "the note is gone")


test_rbd_takeover_half_done.storage = "rbd"


def has_demotion(lab, site, image):
    """The newest mirror snapshot there came from the other site and is its demotion, complete."""
    newest = json.loads(ceph.command(lab.instance, site, "rbd", "snap", "ls", "--all", "--format", "json", image))[-1]
    return "non_primary" in newest["name"] and newest["namespace"]["state"] == "demoted" and (
        newest["namespace"]["complete"])


def test_rbd_old_demotion_proves_nothing(lab):
    """librbd takes a copy over, as if nothing were missing, when the newest that it has is a demotion of long ago. Here
    the copy has one, and none of what was written later: that is lost, and told."""
    rbd_ready(lab)
    image = f"{ceph.POOL}/{lab.vm('web-1')['disks'][0]['volume']}"
    lab.bascule("vm", "stop", "web-1")
    ceph.command(lab.instance, "paris", "rbd", "mirror", "image", "demote", image)
    lab.wait(lambda: has_demotion(lab, "lyon", image), 60, "the demotion at lyon")
    lab.verb("ceph", "kill", "lyon", "rbd-mirror")
    ceph.command(lab.instance, "paris", "rbd", "mirror", "image", "promote", image)
    lab.bascule("vm", "start", "web-1")
    lab.wait_for_answer("web-1")
    old = lab.boot("web-1")
    lab.stays(lambda: lab.boot("web-1") == old, 3, "it writes for a while")
    died_at = time.monotonic()
    lab.verb("crash", lab.where("web-1"))
    boot = lab.wait_for_new_boot("web-1", old, 90)
    expect(lab.site("web-1") == "lyon", "it runs at lyon")
    lost = lab.vm("web-1").get("lost_ms", 0) / 1000
    lived = died_at - lab.observer.first_report("web-1", old)
    lab.note(f"told {lost:.1f} s, of {lived:.1f} s that it lived")
    expect(lost >= lived - 1, "all of that boot's writes are lost, and that is told")


test_rbd_old_demotion_proves_nothing.storage = "rbd"


def storage_faults(lab, host):
    return [fault for fault in lab.hosts()[host]["faults"] if fault.startswith("storage")]


def test_rbd_frozen_cluster_is_said_and_heals(lab):
    """A cluster that hangs is a fault within seconds, holds up nobody else, and is well again by itself."""
    rbd_ready(lab)
    old = lab.boot("web-1")
    began = time.monotonic()
    lab.verb("ceph", "freeze", "lyon")
    lab.wait(lambda: storage_faults(lab, "lyon-1"), 10, "the fault of lyon-1's pool")
    lab.note(f"frozen -> fault {time.monotonic() - began:.1f} s")
    lab.wait(lambda: not lab.vm("web-1")["volumes"][0]["well"], 20, "web-1's copy is said not to follow")
    expect(lab.boot("web-1") == old, "web-1 runs on")
    expect(all(lab.hosts()[host]["session"] for host in ("paris-1", "lyon-1")), "no host is doubted for it")
    began = time.monotonic()
    lab.verb("ceph", "thaw", "lyon")
    lab.wait(lambda: not storage_faults(lab, "lyon-1"), 10, "the end of the fault")
    lab.note(f"thawed -> well {time.monotonic() - began:.1f} s")
    lab.wait(lambda: follows(lab, "web-1"), 60, "web-1's copy follows again")

    ceph.command(lab.instance, "lyon", "ceph", "osd", "set-nearfull-ratio", "0.0001")
    lab.wait(lambda: "OSD_NEARFULL" in str(storage_faults(lab, "lyon-1")), 60, "a cluster that is nearly full is a fault")
    expect(not storage_faults(lab, "paris-1"), "of its own site only")
    ceph.command(lab.instance, "lyon", "ceph", "osd", "set-nearfull-ratio", "0.85")
    lab.wait(lambda: not storage_faults(lab, "lyon-1"), 60, "the end of the fault")


test_rbd_frozen_cluster_is_said_and_heals.storage = "rbd"


def refused(lab, words, *argv):
    try:
        lab.bascule(*argv)
    except LabError as error:
        expect(words in str(error), f"it should say \"{words}\": {error}")
    else:
        expect(False, f"{' '.join(argv)} should be refused")


def test_rbd_volumes_change(lab):
    """Snapshots and growth of a mirrored volume: seen by the guest, and by the other site."""
    rbd_ready(lab)
    volume = lab.vm("web-1")["disks"][0]["volume"]
    lab.bascule("vm", "snapshot", "take", "web-1", "daily")
    refused(lab, "has a snapshot daily already", "vm", "snapshot", "take", "web-1", "daily")
    refused(lab, "has no snapshot weekly", "vm", "snapshot", "remove", "web-1", "weekly", "--reason", "try")
    lab.wait(lambda: "daily" in ceph.command(lab.instance, "lyon", "rbd", "snap", "ls", f"{ceph.POOL}/{volume}"), 60,
             "the snapshot at lyon", 1)

    lab.bascule("vm", "grow", "web-1", f"gold:{volume}", "32M")
    lab.wait(lambda: lab.observer.mib["web-1"] == 32, 10, "the guest sees 32 MiB")
    refused(lab, "volumes only grow", "vm", "grow", "web-1", f"gold:{volume}", "16M")
    lab.wait(lambda: lab.vm("web-1")["volumes"][0].get("used_mib") == 4, 90, "what it uses is known: one object")

    refused(lab, "must be from 1", "vm", "grow", "web-1", f"gold:{volume}", "70T")
    lab.bascule("vm", "stop", "web-1")
    lab.bascule("vm", "snapshot", "take", "web-1", "stopped")
    lab.bascule("vm", "snapshot", "remove", "web-1", "stopped", "--reason", "not needed any more")
    lab.bascule("vm", "snapshot", "remove", "web-1", "daily", "--reason", "not needed any more")
    expect(lab.vm("web-1")["volumes"][0].get("snapshots", []) == [], "no snapshot is left")


test_rbd_volumes_change.storage = "rbd"


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


def test_rbd_wrong_key(lab):
    """A host whose key Ceph doesn't take says so, and what to look at; the other host of its site carries on."""
    product.wait_for_hosts(lab.instance)
    keyring = lab.instance.machine_dir("paris-2") / "etc/ceph" / f"paris.client.{ceph.USER}.keyring"
    right = keyring.read_text()
    keyring.write_text(f"[client.{ceph.USER}]\n\tkey = {process.run('ceph-authtool', '--gen-print-key').strip()}\n")
    lab.verb("kill", "paris-2", "hostd")
    lab.wait(lambda: "keyring" in str(storage_faults(lab, "paris-2")), 30, "the fault, and where to look")
    expect(not storage_faults(lab, "paris-1"), "of no other host")
    expect("key =" not in str(lab.hosts()["paris-2"]["faults"]), "a key is in no message")
    keyring.write_text(right)
    lab.wait(lambda: not storage_faults(lab, "paris-2"), 30, "with the right key it is well without a restart")


test_rbd_wrong_key.storage = "rbd"


def test_rbd_templates(lab):
    """A qcow2 file becomes a template. Volumes made at either site begin as its clones, and outlive the loss of a site."""
    product.wait_for_hosts(lab.instance)
    product.commission(lab.instance, ("paris-1", "paris-2", "lyon-1", "lyon-2"))
    raw, file = lab.instance.metro / "debian.img", lab.instance.metro / "debian.qcow2"
    raw.write_bytes(b"vm=template boot=template counter=7\n".ljust(8 << 20, b"\0"))
    process.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file)
    raw.unlink()
    template = ("/srv/bascule/metro/debian.qcow2", "gold:debian")
    expect(lab.execute("paris-1", "bascule-template", "import", *template) == 0, "the template is made")
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
    expect(lab.execute("paris-1", "bascule-template", "list", "gold") == 0, "the templates are listed")
    expect(lab.execute("paris-1", "bascule-template", "remove", "gold:debian") == 1, "its clones need it")
    expect(lab.execute("paris-1", "bascule-template", "remove", "gold:web-1.raw") == 1, "a clone is no template")
    wait_for_point(lab, "web-1")
    lose_site(lab)


test_rbd_templates.storage = "rbd"
