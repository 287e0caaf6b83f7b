"""A tenant's machine from its making to its end: an image, cloud-init, SSH, its console, a bascule, its deletion."""
import os
import select
import subprocess
import time

from bascule_lab import cloud_image

from harness import PASSWORD, PROJECT, User, expect, refused

REASON = "looking after our shop"


class Machine:
    """What its user reaches of it: SSH with their key, and the console."""

    def __init__(self, user, name):
        self.user, self.name = user, name
        self.key = user.config.with_suffix(".key")
        self.key.unlink(missing_ok=True)
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
        program = subprocess.Popen([self.user.lab.instance.bin_dir / "bascule", "vm", "console", self.name, "--reason",
                                    REASON], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=self.user.environment())
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

    said = shop.console(b"\r", b"shop-1 login:", 60, "a login prompt on the serial line")
    expect(b"shop-1 login:" in said, "the console")
    lab.bascule("access", "open", "acme", "--category", "maintenance", "--reason", REASON)
    refused(lab, "who alone gets inside", "vm", "console", "acme/shop-1", "--reason", REASON)
    opened = [entry for entry in anna("api", "GET", "/v1/audit?limit=1000")["items"] if entry["what"] == "open_console"]
    expect([entry["words"] or entry["facts"] for entry in opened], f"the console is in her audit: {opened}")

    shop.ssh("echo kept > kept; sync")
    lab.verb("crash", lab.where("shop-1@acme"))
    lab.wait(lambda: anna("vm", "show", "shop-1")["site"] == "lyon", 90, "it is switched")
    lab.wait(lambda: shop.ssh("cat kept") == "kept", 120, "the same machine, with the same keys, at lyon")
    anna("vm", "kill", "shop-1", "--reason", REASON)
    anna("vm", "delete", "shop-1")
    left = [path.name for path in lab.instance.metro.iterdir() if path.is_file() and "lab-" not in path.name]
    expect(left == [cloud_image.INITRD], f"nothing of it is left: {left}")
    for host in ("paris-1", "paris-2", "lyon-1", "lyon-2"):
        seeds = lab.instance.machine_dir(host) / "run/bascule/seeds"
        expect(not seeds.exists() or not list(seeds.iterdir()), f"{host} keeps nothing of her settings")


def test_a_generated_client_makes_a_machine(lab):
    """The API's own description, linted; a client generated from it does all that a tenant's program would."""
    cloud_image.install_image(lab.instance)
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    lab.bascule("tenant", "quota", "acme", "--vms", "1", "--vcpus", "1", "--memory", "256M", "--storage", "1G")
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    key = Machine(anna, "generated").key
    url = f"https://{lab.instance.address('witness')}"
    done = subprocess.run([PROJECT / "tests/client/run", url, anna.name, PASSWORD, lab.instance.pki / "ca.pem", key],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lab.note(done.stdout.strip())
    expect(done.returncode == 0, f"the generated client failed: {done.stdout[-2000:]}")
