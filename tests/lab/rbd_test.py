"""Guests on Ceph RBD, a cluster at each site: volumes are switched with their guests, and brought home without loss."""
import contextlib
import json
import time

from bascule_lab import ceph, network, process, product

from harness import GUESTS, LabError, expect, refused


def rbd_ready(lab, names=("web-1",)):
    """Commissioned hosts, and guests on the pool "gold" whose copies at lyon follow."""
    lab.commission()
    for name in names:
        product.create_guest(lab.instance, name, GUESTS[name], pool="gold")
    for name in names:
        lab.wait_for_answer(name)
        lab.wait(lambda n=name: follows(lab, n), 60, f"the copy of {name} at lyon follows")


def points(lab, site, image):
    listed = json.loads(ceph.command(lab.instance, site, "rbd", "snap", "ls", "--all", "--format", "json", image))
    return [each["namespace"] for each in listed if each["namespace"]["type"] == "mirror"]


@contextlib.contextmanager
def no_other_points(lab, site, image):
    """Meanwhile no hostd makes a mirror snapshot of it: two at once are one too many for librbd."""
    told = ceph.command(lab.instance, site, "rbd", "info", "--format", "json", image)
    lock = (f"rbd_header.{json.loads(told)['id']}", "bascule.point")

    def rados(*words):
        return ceph.command(lab.instance, site, "rados", "-p", ceph.POOL, "lock", *words)

    lab.wait(lambda: rados("get", *lock, "--lock-duration", "60") is not None, 10, f"the lock of {image}")
    try:
        yield
    finally:
        for locker in json.loads(rados("info", *lock))["lockers"]:
            rados("break", *lock, locker["name"])


def take_point(lab, site, image):
    with no_other_points(lab, site, image):
        ceph.command(lab.instance, site, "rbd", "mirror", "image", "snapshot", image)


def disk_io(lab, site, image, *commands):
    """qemu-io at the site's cluster; everything that it reads must be as its commands say."""
    conf = ceph.config_file(lab.instance, site)
    told = process.run(*network.enter(lab.instance, ceph.unit(site)), "qemu-io", "-f", "raw",
                       *(word for command in commands for word in ("-c", command)), f"rbd:{image}:conf={conf}", timeout=60)
    expect("verification failed" not in told, f"{image} at {site} after {commands}: {told}")


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
    """What it lost by its own log, what is told, and by how much that is too little or (negative) too much, in seconds.
    Nobody knows when exactly it made the last write that is left, nor how long it lived without writing, at the longest
    until `dead_by`: both may be told."""
    lost, told = lost_of(lab, name, boot), lab.vm(name).get("lost_ms", 0) / 1000
    earliest, _ = lab.observer.found_until(name, boot)
    return lost, told, max(lost - told, 0) or -max(told - max(lost, dead_by - earliest), 0)


def wait_for_point(lab, name):
    """A new point is complete at lyon."""
    image = f"{ceph.POOL}/{lab.vm(name)['disks'][0]['volume']}"
    before = points(lab, "lyon", image)[-1]["primary_snap_id"]
    lab.wait(lambda: (newest := points(lab, "lyon", image)[-1])["complete"] and newest["primary_snap_id"] > before, 20,
             f"a new point of {name} at lyon")


def lose_site(lab, names=("web-1",), timeout_s=90, off_s=1):
    """The hosts of paris and its cluster lose power at once; returns per guest what loss_of() tells."""
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
        losses[name] = lost, told, off = loss_of(lab, name, boot, dead_by)
        expect(abs(off) <= off_s, f"{name} lost {lost:.1f} s, and {told:.1f} s are told: {last_words(lab, name)}")
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
    lost, told, _ = lose_site(lab)["web-1"]
    lab.note(f"lost by the guest's own log {lost:.1f} s, as told {told:.1f} s")
    expect(told < 10, "with a snapshot every 5 s no more than that and a little is lost")
    restore_site(lab)
    lab.stays(lambda: lab.site("web-1") == "lyon", 5, "nothing comes back by itself")
    began = time.monotonic()
    move_home(lab)
    lab.note(f"approved -> home {time.monotonic() - began:.1f} s")
    lab.wait(lambda: lab.vm("web-1")["volumes"][0].get("kept"), 90, "the copy of before the fault is listed")


test_rbd_site_dark_and_home.storage = "rbd"


def test_rbd_one_point_at_a_time(lab):
    """While another client of the cluster makes a mirror snapshot, hostd makes none, and says so."""
    rbd_ready(lab)
    image = f"{ceph.POOL}/{lab.vm('web-1')['disks'][0]['volume']}"
    with no_other_points(lab, "paris", image):
        last = points(lab, "paris", image)[-1]
        lab.wait(lambda: "one client at a time" in lab.vm("web-1")["volumes"][0]["here"], 20, "why there is no new point")
        expect(points(lab, "paris", image)[-1] == last, "no new point")
    wait_for_point(lab, "web-1")
    lab.wait(lambda: follows(lab, "web-1"), 20, "web-1's copy follows")


test_rbd_one_point_at_a_time.storage = "rbd"


def put_note(lab, vm, **fields):
    """As a take-over at lyon leaves it that was begun and not ended. Returns the object's name."""
    note = lab.instance.state / "note"
    note.write_text(json.dumps({"vm": vm["id"], "until": int(time.time() * 1000)} | fields))
    name = f"bascule.takeover.{vm['disks'][0]['volume']}"
    ceph.command(lab.instance, "lyon", "rados", "-p", ceph.POOL, "put", name, note)
    return name


def objects(lab, site):
    return ceph.command(lab.instance, site, "rados", "-p", ceph.POOL, "ls").split()


def heals_unused_takeover(lab):
    vm = lab.vm("web-1")
    info = ("rbd", "info", "--format", "json", f"{ceph.POOL}/{vm['disks'][0]['volume']}")
    old = json.loads(ceph.command(lab.instance, "lyon", *info))["id"]
    name = put_note(lab, vm, generation=0, undone=1)
    lab.verb("kill", lab.where("web-1"), "hostd")

    def copied_anew():
        try:
            return json.loads(ceph.command(lab.instance, "lyon", *info))["id"] != old
        except LabError:
            return False  # between the two

    lab.wait(copied_anew, 60, "a new copy at lyon", 1)
    expect(name not in objects(lab, "lyon"), "the note is gone")
    lab.wait(lambda: follows(lab, "web-1"), 60, "web-1's new copy follows")


def test_rbd_takeover_half_done(lab):
    """A host that dies between its promotion by force and its tags: by its note the next start goes on. Where the VM
    started at home instead, a copy that was being undone is made anew."""
    rbd_ready(lab)
    heals_unused_takeover(lab)
    lab.bascule("vm", "stop", "web-1")
    vm = lab.vm("web-1")
    lab.verb("poweroff", "paris")
    lab.wait(lambda: all(lab.hosts()[h]["phase"] == "down" for h in ("paris-1", "paris-2")), 60, "paris is fenced")
    volume = vm["disks"][0]["volume"]
    ceph.command(lab.instance, "lyon", "rbd", "mirror", "image", "promote", "--force", f"{ceph.POOL}/{volume}")
    refused(lab, "this site's copy is older", "vm", "start", "web-1")
    name = put_note(lab, vm, generation=vm["generation"] + 1)
    lab.bascule("vm", "start", "web-1")
    lab.wait_for_answer("web-1")
    vm = lab.vm("web-1")
    expect(vm["site"] == "lyon" and "lost_ms" in vm, f"it runs at lyon, and what is lost is told: {vm}")
    expect(name not in objects(lab, "lyon"), "the note is gone")


test_rbd_takeover_half_done.storage = "rbd"


def test_rbd_half_a_copy_is_undone(lab):
    """The site is lost while a point of many objects is being copied: what runs is the last complete one, whole. With
    somebody's snapshot in the copy it is the one before, and the half snapshot is gone."""
    lab.commission()
    images, wanted = {}, {"web-1": 2, "web-2": 1}
    for name in wanted:
        disk = {"pool": "gold", "volume": f"{name}.raw", "size_mib": 64}
        product.create_guest(lab.instance, name, GUESTS[name], home="paris", disks=[disk])
        images[name] = f"{ceph.POOL}/{name}.raw"
    for name in wanted:
        lab.wait_for_answer(name)
        lab.bascule("vm", "stop", name)

    def write(pattern):
        for image in images.values():
            disk_io(lab, "paris", image, f"write -P {pattern} 4M 60M")

    def take_points():
        for image in images.values():
            take_point(lab, "paris", image)

    for pattern in (1, 2):
        write(pattern)
        before = {image: points(lab, "lyon", image)[-1]["primary_snap_id"] for image in images.values()}
        take_points()
        for image in images.values():
            lab.wait(lambda i=image: (newest := points(lab, "lyon", i)[-1])["complete"] and
                     newest["primary_snap_id"] > before[i], 60, f"pattern {pattern} of {image} at lyon")
    write(3)
    ceph.command(lab.instance, "paris", "rbd", "snap", "create", f"{images['web-2']}@daily")
    ceph.limit_link(lab.instance, "paris", 40)
    take_points()
    for image in images.values():
        lab.wait(lambda i=image: not points(lab, "lyon", i)[-1]["complete"], 30, f"a new point of {image} is being copied")
    lab.verb("ceph", "freeze", "paris")  # however long it takes from here on to have no power: nothing more is copied
    expect(not any(points(lab, "lyon", i)[-1]["complete"] for i in images.values()), "no copy has ended")
    lab.verb("poweroff", "paris")
    ceph.limit_link(lab.instance, "paris", 0)
    lab.wait(lambda: all(lab.hosts()[h]["phase"] == "down" for h in ("paris-1", "paris-2")), 60, "paris is fenced")
    for name, pattern in wanted.items():
        lab.bascule("vm", "start", name)
        lab.wait_for_answer(name)
        vm = lab.vm(name)
        expect(vm["site"] == "lyon" and "lost_ms" in vm, f"it runs at lyon, and what is lost is told: {vm}")
        lab.bascule("vm", "stop", name)
        disk_io(lab, "lyon", images[name], f"read -P {pattern} 4M 60M")
        told = ceph.command(lab.instance, "lyon", "rbd", "info", images[name])
        expect("object map invalid" not in told, f"its object map is built anew: {told}")
    expect("daily" not in ceph.command(lab.instance, "lyon", "rbd", "snap", "ls", images["web-2"]), "no half snapshot")


test_rbd_half_a_copy_is_undone.storage = "rbd"


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


def test_rbd_promotion_in_part(lab):
    """A promotion that was cut short leaves an image that calls itself primary and can't be written: the next start
    promotes it anew."""
    rbd_ready(lab)
    lab.bascule("vm", "stop", "web-1")
    image = f"{ceph.POOL}/{lab.vm('web-1')['disks'][0]['volume']}"
    header = "rbd_header." + json.loads(ceph.command(lab.instance, "paris", "rbd", "info", "--format", "json", image))["id"]
    flags = lab.instance.state / "features"
    ceph.command(lab.instance, "paris", "rados", "-p", ceph.POOL, "getomapval", header, "features", str(flags))
    flags.write_bytes((int.from_bytes(flags.read_bytes(), "little") | NON_PRIMARY).to_bytes(8, "little"))
    ceph.command(lab.instance, "paris", "rados", "-p", ceph.POOL, "setomapval", header, "features", "--input-file", str(flags))
    expect("non-primary" in ceph.command(lab.instance, "paris", "rbd", "info", image), "it is as a promotion may leave it")
    lab.bascule("vm", "start", "web-1")
    lab.wait_for_answer("web-1")
    expect("non-primary" not in ceph.command(lab.instance, "paris", "rbd", "info", image), "it is promoted wholly")
    found_all(lab, "web-1")
    lab.wait(lambda: follows(lab, "web-1"), 60, "its copy follows")


test_rbd_promotion_in_part.storage = "rbd"
NON_PRIMARY = 1 << 10  # of an image's features, see rbd/features.h


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
    lab.wait(lambda: lab.vm("web-1")["volumes"][0].get("behind_bytes", 0) > 8 * 4096 and
             lab.vm("web-1")["volumes"][0]["behind_ms"] > 8000, 30, "how far its copy is behind, in time and bytes")
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
