"""The portal's pages, in a browser."""
import json
import os
import subprocess

from bascule_lab import cloud_image, product
from bascule_lab.config import API_PORT

from cards import MODULE, PIN, Cards

from harness import GUESTS, PASSWORD, PROJECT, User, expect


def drive(lab, script, config=None, when=None, **more):
    """`config` is the CLI's; when[line]() is called once the script says that line."""
    settings = lab.instance.state / "web.json"
    address = lab.instance.address("witness")
    settings.write_text(json.dumps({
        "url": f"https://{address}", "certificate": str(lab.instance.pki / "portal-public.pem"), "password": PASSWORD,
        "bascule": str(lab.instance.bin_dir / "bascule"), "pictures": str(PROJECT / "build/web/pictures"),
        "lab": [str(PROJECT / "packaging/lab/bascule-lab"), "--name", lab.instance.name], **more}))
    environment = dict(os.environ, BASCULE_CONFIG=str(config or lab.instance.client_config))
    said = ""
    with subprocess.Popen([PROJECT / "tests/web/run", script, settings], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=environment) as browser:
        for line in browser.stdout:
            said += line
            (when or {}).get(line.strip(), lambda: None)()
    lab.note(said.strip()[-3000:])
    expect(browser.returncode == 0, f"the browser: {said[-3000:]}")


def test_a_tenant_works_in_the_portal(lab):
    """Signs in, makes a machine, types into its consoles, sees and ends the provider's access; a viewer may only look."""
    cloud_image.install_image(lab.instance)
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    lab.bascule("tenant", "quota", "acme", "--vms", "3", "--vcpus", "4", "--memory", "1G", "--storage", "8G")
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    key, pin = anna.take_key()
    drive(lab, "tenant.js", user="acme/anna", key=str(key), pin=str(pin))


def test_an_operator_works_in_the_portal(lab):
    """Comes by smart card and PIN, sees a host die and its machine move, brings it home; sees tenants' names after a reason
    only. A key in a file doesn't let in, nor does a card without its PIN; a revoked one is cut off."""
    lab.ready()
    lab.bascule("tenant", "create", "acme")
    lab.bascule("access", "open", "acme", "--category", "maintenance", "--reason", "making their first machine")
    product.create_guest(lab.instance, "shop-1", 77, tenant="acme")
    for session in lab.bascule("access", "list")["items"]:
        lab.bascule("access", "end", session["id"])
    cards = Cards(lab)
    alice = cards.keep_pin(cards.issue("alice"))
    cards.issue_file("bob")
    cards.publish()
    cards.demand([f"{lab.instance.net}.0.0/16"])

    def revoke():
        cards.revoke("alice")
        cards.publish()

    now = "alice's card is lost: it is revoked now"
    drive(lab, "staff.js", alice, {now: revoke}, url=f"https://{lab.instance.address('witness')}:{API_PORT}",
          host=lab.where("web-1"), certificate=str(lab.instance.pki / "manager-manager.pem"), revoke=now,
          card={"module": MODULE, "tokens": str(cards.folder / "softhsm2.conf"), "pin": PIN},
          file={"certificate": str(cards.folder / "bob.pem"), "key": str(cards.folder / "bob.key")})
    log = (lab.instance.machine_dir("witness") / "var/log/manager.log").read_text()
    for words in ("CN=bob, OU=: it wasn't issued under the policy", "peer did not return a certificate", "certificate revoked"):
        expect(words in log, f"the manager says why it refused: {words}")


def test_the_provider_asks_the_tenant_consents(lab):
    """What is delivered opens to an operator by what its tenant signs, until the tenant ends it; words, addresses and sessions
    that mean harm do none."""
    cloud_image.install_image(lab.instance)
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    lab.bascule("tenant", "quota", "acme", "--vms", "3", "--vcpus", "4", "--memory", "1G", "--storage", "8G")
    lab.bascule("access", "open", "acme", "--category", "maintenance", "--reason", "making their second machine")
    product.create_guest(lab.instance, "web-1", GUESTS["web-1"], tenant="acme")
    lab.bascule("access", "end", lab.bascule("access", "list")["items"][0]["id"])
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    key, pin = anna.take_key()
    anna("vm", "create", "--name", "shop-1", "--image", "debian-12", "--size", "1G", "--memory", "256M")
    pki = lab.instance.pki
    settings = {
        "user": anna.name, "key": str(key), "pin": str(pin), "other_key": str(pki / "officer.key"),
        "tenant_config": str(anna.config), "staff_url": f"https://{lab.instance.address('witness')}:{API_PORT}",
        "operator": {"certificate": str(pki / "alice-operator.pem"), "key": str(pki / "alice-operator.key")},
        "delivered": anna("vm", "show", "shop-1")["id"], "prepared": anna("vm", "show", "web-1")["id"]}
    for script in ("consents.js", "account.js", "hostile.js"):
        drive(lab, script, **settings)
