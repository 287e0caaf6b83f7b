"""Who gets inside a tenant's machine with a key in a card, or by broken glass; and machines of the tenant's own images."""
import hashlib
import json
import os
import subprocess
import time

from cards import MODULE, PIN, Cards
from own_test import REASON, Machine

from bascule_lab import product
from bascule_lab.instance import HOSTS

from harness import GUESTS, User, expect, refused


def acme(lab):
    """The tenant acme, its owner anna and its machine web-1, which is delivered."""
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    lab.bascule("access", "open", "acme", "--category", "maintenance", "--reason", REASON)
    product.create_guest(lab.instance, "web-1", GUESTS["web-1"], tenant="acme")
    lab.wait_for_answer("web-1")
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    anna("vm", "accept", "web-1")
    return anna


def test_keys_in_cards_let_people_in(lab):
    """The tenant's key and the security officer's are in cards, which sign grants and pins; hosts take both."""
    anna = acme(lab)
    cards = Cards(lab)
    key, pin = "pkcs11:token=acme;object=card;type=private", lab.instance.state / "acme.pin"
    for name in ("acme", "officer"):
        cards.issue(name)
    pin_file = lab.instance.state / "card.pin"
    pin_file.write_text(PIN)
    pin_file.chmod(0o600)
    with anna.config.open("a") as client:
        client.write(f'tenant_key = "{key}"\ntenant_pin = "{pin}"\n\n[card]\nmodule = "{MODULE}"\npin_file = "{pin_file}"\n')
    public = lab.instance.state / "acme.pub"
    public.write_text(anna("key", "public", key))
    officer = "pkcs11:token=officer;object=card;type=private"
    anna("key", "pin", str(public), "--tenant", "acme", "--signed-by", officer, "--out", str(pin))
    anna.refused("vouched for neither", *Machine(anna, "web-1").order)
    officer_key = anna("key", "public", officer)
    for host in HOSTS:
        (lab.instance.machine_dir(host) / "etc/bascule/officer.pub").write_text(officer_key)
        lab.verb("kill", host, "hostd")
    lab.wait_for_hosts()
    lab.wait(lambda: try_console(anna, "web-1"), 20, "the card's grant opens the console")


def try_console(user, name):
    done = subprocess.run([user.lab.instance.bin_dir / "bascule", *Machine(user, name).order], input="", capture_output=True,
                          text=True, timeout=30, env=user.environment(), check=False)
    return done.returncode == 0


def test_broken_glass_is_told_first(lab):
    """It takes two of the provider's people; operations and the tenant are told, then it opens, and it stays marked."""
    anna = acme(lab)
    anna("contacts", "set", "ops@acme.example")
    folder = lab.instance.state
    sign = ("vm", "break-glass", "acme/web-1", "--to", "alice", "--reason", "it spreads malware now")
    console = ("vm", "console", "acme/web-1", "--broken-glass")
    one, two, same = (folder / f"{name}.json" for name in ("one", "two", "same"))
    keys = [str(lab.instance.pki / f"glass-{name}.key") for name in "ab"]
    one.write_text(json.dumps(lab.bascule(*sign, "--signed-by", keys[0])))
    again = ("vm", "break-glass", "--countersign", str(one), "--signed-by")
    two.write_text(json.dumps(lab.bascule(*again, keys[1])))
    same.write_text(json.dumps(lab.bascule(*again, keys[0])))
    refused(lab, "two different keys", *console, str(one))
    refused(lab, "two different keys", *console, str(same))
    stranger = folder / "stranger.json"
    stranger.write_text(json.dumps(lab.bascule(*again, str(lab.instance.pki / "officer.key"))))
    refused(lab, "isn't among those of break_glass", *console, str(stranger))
    told = time.time()
    refused(lab, "acme is told now", *console, str(two))
    refused(lab, "acme was told", *console, str(two))
    mail = lab.wait(lambda: [m for m in lab.mails() if "The glass of acme/web-1 was broken" in json.dumps(m)], 10, "the mail")
    expect(any("ops@acme.example" in json.dumps(m) for m in mail), f"the tenant's own people get it: {mail}")
    expect(any("GLASS BROKEN" in json.dumps(t) for t in lab.texts()), "operations get an SMS")
    seen = anna("vm", "show", "web-1")["broken_glass"]
    expect([mark["reason"] for mark in seen] == ["it spreads malware now"], f"its tenant sees the mark: {seen}")
    events = anna("api", "GET", "/v1/audit?limit=1000")["items"]
    expect(any(entry["what"] == "break_glass" for entry in events), "and finds it in the audit")

    def opens():
        done = subprocess.run([lab.instance.bin_dir / "bascule", *console, str(two)], input="", capture_output=True, text=True,
                              timeout=30, env=dict(os.environ, BASCULE_CONFIG=str(lab.instance.client_config)), check=False)
        return done.returncode == 0

    lab.wait(opens, 20, "it opens once the tenant had its while")
    lab.note(f"told -> open {time.time() - told:.1f} s")
    refused(lab, "used before", *console, str(two))
    refused(lab, "who alone gets inside", "vm", "console", "acme/web-1", "--reason", REASON)


def test_a_tenant_brings_an_image(lab):
    """Sent through the portal, checked by its digest, kept at both sites; a machine begins as it, another reads a CD."""
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    lab.bascule("tenant", "quota", "acme", "--vms", "2", "--vcpus", "2", "--memory", "512M", "--storage", "200M")
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    disk, cd, wrong = (lab.instance.state / name for name in ("mine.qcow2", "mine.iso", "wrong.iso"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "24M"], check=True)
    content = lab.instance.state / "cd"
    content.mkdir()
    (content / "hello").write_bytes(os.urandom(8 << 20))
    subprocess.run(["genisoimage", "-quiet", "-o", cd, content], check=True)
    wrong.write_bytes(bytes(1 << 20))
    anna("image", "upload", "mine", str(disk))
    began = time.time()
    anna("image", "upload", "tools", str(cd), "--iso")
    lab.note(f"a CD of {cd.stat().st_size >> 20} MiB is stored after {time.time() - began:.1f} s")
    anna.refused("it is there already", "api", "POST", "/v1/images/mine/upload")
    anna.refused("it is no CD", "image", "upload", "wrong", str(wrong), "--iso")
    anna.refused("exists, choose another", "image", "upload", "mine", str(wrong))
    forged = lab.instance.state / "forged.json"
    forged.write_text(json.dumps({"name": "forged", "bytes": 1 << 20, "sha256": hashlib.sha256(b"other").hexdigest()}))
    anna("api", "POST", "/v1/images", "--file", str(forged))
    images = {image["name"]: image for image in anna("image", "list")["items"]}
    expect(images["mine"]["state"] == "ready" and images["mine"]["least_mib"] == 24, f"it is there: {images}")
    expect(images["wrong"]["state"] == "announced" and "no CD" in images["wrong"]["problem"], f"it isn't: {images}")

    make = ("vm", "create", "--name", "shop-1", "--size", "24M", "--memory", "64M", "--iso", "tools")
    anna.refused("must be at least 24", *make[:5], "16M", *make[6:], "--image", "mine")
    anna(*make, "--image", "mine")
    anna.refused("has it in its drive", "image", "remove", "tools")
    host = lab.wait(lambda: lab.where("shop-1@acme"), 20, "it runs")
    drives = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(lab.pid("shop-1@acme"))], capture_output=True, text=True,
                            check=True).stdout
    expect("image-" in drives and '"read-only":true' in drives, f"QEMU has the CD, read-only: {drives}")
    lab.verb("crash", host)
    lab.wait(lambda: anna("vm", "show", "shop-1")["site"] == "lyon", 90, "it is switched, with its CD")
    anna("vm", "kill", "shop-1", "--reason", REASON)
    anna("vm", "change", "shop-1", "--eject")
    anna("vm", "start", "shop-1")
    anna("vm", "kill", "shop-1", "--reason", REASON)
    anna("image", "remove", "tools")
    anna("vm", "delete", "shop-1")
    for name in ("mine", "wrong", "forged"):
        anna("image", "remove", name)
    lab.wait(lambda: not [i for i in anna("image", "list")["items"] if i["own"]], 40, "they are gone")
    left = list((lab.instance.metro / "templates").glob("image-*"))
    expect(left == [], f"nothing of them is left: {left}")
