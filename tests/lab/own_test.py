"""A tenant's machine from its making to its end: an image, cloud-init, SSH, its console, a bascule, its deletion."""
import itertools
import json
import os
import select
import subprocess
import threading
import time

from bascule_lab import ceph, cloud_image, product

from harness import GUESTS, PASSWORD, PROJECT, User, expect, refused

REASON = "looking after our shop"


class Machine:
    """What its user reaches of it: SSH with their key, and the console."""

    def __init__(self, user, name):
        self.user, self.name = user, name
        self.key = user.config.with_suffix(".ssh")
        self.order = ("vm", "console", name, "--reason", REASON)
        self.environment = user.environment()
        if not self.key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna", "-f", self.key], check=True)

    def address(self):
        return self.user("vm", "show", self.name)["nics"][0]["addresses"][0]

    def ssh(self, command):
        """What the command says, or None while it can't be reached."""
        done = subprocess.run(["ssh", "-i", self.key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
                               f"UserKnownHostsFile={self.key}.hosts", "-o", "ConnectTimeout=3",
                               f"debian@{self.address()}", command], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def console(self, typed, awaited, timeout_s, expired):
        """Type into its serial line until it says what is awaited; all that it said."""
        program = subprocess.Popen([self.user.lab.instance.bin_dir / "bascule", *self.order], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment)
        try:
            return _converse(program, typed, awaited, time.monotonic() + timeout_s, expired)
        finally:
            program.kill()
            program.wait()


def _converse(program, typed, awaited, deadline, expired):
    said = b""
    while awaited not in said:
        expect(time.monotonic() < deadline, f"{expired}: {said[-500:]}")
        program.stdin.write(typed)
        program.stdin.flush()
        while select.select([program.stdout], [], [], 1)[0]:
            block = os.read(program.stdout.fileno(), 4096)
            expect(block, f"{expired}, the console ended: {said[-500:]}")
            said += block
    return said


def test_a_tenant_makes_a_machine(lab):
    """From an image, within the quota: cloud-init lets its key in, the console is theirs alone, a lost host changes
    nothing, and at the end nothing is left."""
    cloud_image.install_image(lab.instance)
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    shop = Machine(anna, "shop-1")
    make = ("vm", "create", "--name", "shop-1", "--image", "debian-12", "--size", "1G", "--memory", "256M", "--ssh-key",
            f"{shop.key}.pub")
    anna.refused("no quota yet", *make)
    lab.bascule("tenant", "quota", "acme", "--vms", "1", "--vcpus", "1", "--memory", "256M", "--storage", "1G")
    anna.refused("there is no image", *make[:5], "plan-9", *make[6:])
    asked = time.time()
    anna(*make)
    anna.refused("quota of machines", *make[:3], "shop-2", *make[4:])
    expect(len(anna("quota")["warnings"]) == 4, "she is warned: all of it is used")
    lab.wait(lambda: shop.ssh("hostname") == "shop-1", 120, "cloud-init let the key in")
    lab.note(f"asked -> SSH with the key {time.time() - asked:.1f} s")

    anna.refused("acme alone gets inside", "vm", "console", "shop-1", "--reason", REASON)
    anna.take_key()
    shop.console(b"\r", b"shop-1 login:", 60, "a login prompt on the serial line")
    lab.bascule("access", "open", "acme", "--category", "maintenance", "--reason", REASON)
    refused(lab, "who alone gets inside", "vm", "console", "acme/shop-1", "--reason", REASON)
    let_alice_in(lab, anna, shop)
    opened = [entry for entry in anna("api", "GET", "/v1/audit?limit=1000")["items"] if entry["what"] == "open_console"]
    expect([entry["words"] or entry["facts"] for entry in opened], f"the console is in her audit: {opened}")

    lab.bascule("tenant", "create", "other")
    lab.bascule("access", "open", "other", "--category", "maintenance", "--reason", REASON)
    product.create_guest(lab.instance, "web-1", GUESTS["web-1"], tenant="other")
    lab.wait_for_answer("web-1")
    expect_apart(lab, shop)
    shop.ssh("echo kept > kept; sync")
    lab.verb("crash", lab.where("shop-1@acme"))
    lab.wait(lambda: anna("vm", "show", "shop-1")["site"] == "lyon", 90, "it is switched")
    lab.wait(lambda: shop.ssh("cat kept") == "kept", 120, "the same machine, with the same keys, at lyon")
    expect_apart(lab, shop)
    anna("vm", "kill", "shop-1", "--reason", REASON)
    anna("vm", "delete", "shop-1")
    lab.bascule("vm", "kill", "other/web-1", "--reason", REASON)
    lab.bascule("vm", "delete", "other/web-1")
    left = [path.name for path in lab.instance.metro.iterdir() if path.is_file()]
    expect(left == [], f"nothing of it is left: {left}")
    for host in ("paris-1", "paris-2", "lyon-1", "lyon-2"):
        seeds = lab.instance.machine_dir(host) / "run/bascule/seeds"
        expect(not seeds.exists() or not list(seeds.iterdir()), f"{host} keeps nothing of her settings")


def expect_apart(lab, shop):
    """The machine reaches the rest of the network, and not another tenant's machine, which the rest reaches."""
    def reaches(address, port):
        return shop.ssh(f"timeout 5 bash -c '</dev/tcp/{address}/{port}' && echo yes || echo no")
    expect(reaches(lab.instance.address("witness"), 443) == "yes", "it reaches the portal")
    expect(reaches(lab.instance.guest_address(GUESTS["web-1"]), 80) == "no", "it doesn't reach another tenant's machine")
    lab.wait_for_answer("web-1")


def let_alice_in(lab, anna, shop):
    """By a grant, once; nobody else, and not by one that somebody changed."""
    grant = lab.instance.state / "grant.json"
    grant.write_text(json.dumps(anna("vm", "grant", "shop-1", "--to", "alice", "--minutes", "5", "--reason", REASON)))
    order = ("vm", "console", "acme/shop-1", "--reason", REASON, "--grant", str(grant))
    altered = lab.instance.state / "altered.json"
    altered.write_text(grant.read_text().replace(REASON, "something else altogether"))
    refused(lab, "not of that text", *order[:-1], str(altered))
    alice = Machine(anna, "acme/shop-1")
    alice.environment = dict(os.environ, BASCULE_CONFIG=str(lab.instance.client_config))
    alice.order = order
    alice.console(b"\r", b"shop-1 login:", 60, "alice is let in")
    refused(lab, "used before", *order)


def test_a_generated_client_makes_a_machine(lab):
    """The API's own description, linted; a client generated from it does all that a tenant's program would."""
    cloud_image.install_image(lab.instance)
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    lab.bascule("tenant", "quota", "acme", "--vms", "1", "--vcpus", "1", "--memory", "256M", "--storage", "1G")
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    key = Machine(anna, "generated").key
    tenant_key, tenant_pin = anna.take_key()
    url = f"https://{lab.instance.address('witness')}"
    done = subprocess.run([PROJECT / "tests/client/run", url, anna.name, PASSWORD, lab.instance.pki / "ca.pem", key,
                           tenant_key, tenant_pin],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lab.note(done.stdout.strip())
    expect(done.returncode == 0, f"the generated client failed: {done.stdout[-2000:]}")


def fuzz(lab, count, seed, tenant_count):
    """Every operation of the API, as users of some tenants and as nobody, while the provider's staff come and go."""
    tenants = [f"t{number}" for number in range(1, 1 + tenant_count)]
    for tenant in tenants:
        lab.bascule("tenant", "create", tenant)
        lab.bascule("tenant", "quota", tenant, "--vms", "3", "--vcpus", "6", "--memory", "300M", "--storage", "8M")
        User(lab, f"{tenant}/owner").join(lab.bascule("tenant", "invite", tenant, "owner")["invitation"])
    order = [PROJECT / "tests/client/run", "--fuzz", f"https://{lab.instance.address('witness')}",
             lab.instance.pki / "ca.pem", PASSWORD, str(count), str(seed), *tenants]
    with subprocess.Popen(order, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
        said = []
        reader = threading.Thread(target=lambda: said.append(client.stdout.read()))
        reader.start()
        for tenant in itertools.cycle(tenants):
            if client.poll() is not None:
                break
            lab.bascule("access", "open", tenant, "--category", "maintenance", "--reason", REASON)
        reader.join()
    lab.note(said[0].strip()[:3000])
    expect(client.returncode == 0, f"the API isn't as documented: {said[0][-4000:]}")
    verified = lab.bascule("audit", "verify")
    expect(verified["intact"], f"the audit is whole: {verified}")


def test_the_api_is_as_documented(lab):
    """3,000 requests, sensible and wild: no answer that isn't documented, nothing of another's, no error of ours."""
    lab.commission()
    fuzz(lab, 3000, 1, 4)


def test_the_api_is_as_documented_at_length(lab):
    """20,000 requests, among them each operation with each of its statuses."""
    lab.commission()
    fuzz(lab, 20_000, int(time.time()), 10)


test_the_api_is_as_documented_at_length.slow = True


def test_rbd_custody_travels(lab):
    """Who may get inside is kept with the volume, and mirrored: a host of the other site, which never saw the machine,
    knows it when the first site is gone."""
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    lab.bascule("access", "open", "acme", "--category", "maintenance", "--reason", REASON)
    product.create_guest(lab.instance, "web-1", GUESTS["web-1"], pool="gold", tenant="acme")
    lab.wait_for_answer("web-1")
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    anna.take_key()
    lab.wait(lambda: anna("vm", "show", "web-1")["volumes"][0]["well"], 60, "the copy at lyon follows")
    lab.bascule("vm", "console", "acme/web-1", "--reason", REASON)  # it is being prepared still
    asked = time.time()
    anna("vm", "accept", "web-1")
    lab.note(f"delivered within {time.time() - asked:.1f} s")
    refused(lab, "who alone gets inside", "vm", "console", "acme/web-1", "--reason", REASON)
    image = f"{ceph.POOL}/{anna('vm', 'show', 'web-1')['disks'][0]['volume']}"
    lab.wait(lambda: '"delivered":true' in ceph.command(lab.instance, "lyon", "rbd", "image-meta", "get", image,
                                                        "bascule.custody"), 60, "lyon knows it", 1)
    old = lab.boot("web-1")
    lab.verb("poweroff", "paris")
    lab.wait_for_new_boot("web-1", old, 120)
    grant = lab.instance.state / "grant.json"
    grant.write_text(json.dumps(anna("vm", "grant", "web-1", "--to", "bob", "--reason", REASON)))
    refused(lab, "for bob, not for alice", "vm", "console", "acme/web-1", "--reason", REASON, "--grant", str(grant))
    grant.write_text(json.dumps(anna("vm", "grant", "web-1", "--to", "alice", "--reason", REASON)))
    lab.bascule("vm", "console", "acme/web-1", "--reason", REASON, "--grant", str(grant))


test_rbd_custody_travels.storage = "rbd"
