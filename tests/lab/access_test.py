"""Whose a machine is: a reason before anybody of the provider works on it, and its tenant's users at the portal."""
import json
import subprocess
import threading
import time

from bascule_lab import product

from harness import GUESTS, User, expect, refused

REASON = "the first machines of their contract"


def open_access(lab):
    lab.bascule("access", "open", "acme", "--category", "maintenance", "--reason", REASON)
    return lab.bascule("access", "list")["items"][0]["id"]


def trail(lab, what):
    return [entry for entry in lab.bascule("audit", "list", "--limit", "1000")["items"] if entry["what"] == what]


def test_a_tenants_machine_needs_a_reason(lab):
    """Without one it has no name, no page and obeys nobody; the cluster protects it all the same."""
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    refused(lab, "three different words", "access", "open", "acme", "--category", "incident", "--reason", "an incident")
    access = open_access(lab)
    product.create_guest(lab.instance, "web-1", GUESTS["web-1"], tenant="acme")
    lab.wait_for_answer("web-1")
    expect(lab.vm("acme/web-1")["tenant"] == "acme", "it is theirs, and seen while the session is open")
    where, old = lab.where("web-1@acme"), lab.boot("web-1")

    lab.bascule("access", "end", access)
    expect("acme/web-1" not in lab.vms() and len(lab.vms()) == 1, f"it has no name any more: {list(lab.vms())}")
    for order in (("show",), ("stop",), ("kill", "--reason", "just to try it")):
        refused(lab, "bascule access open acme", "vm", order[0], "acme/web-1", *order[1:])
    expect(len(trail(lab, "refuse_access")) == 3, "each refusal is in the audit")
    expect(lab.boot("web-1") == old, "it runs on")

    crashed = time.time()
    lab.verb("crash", where)
    lab.wait_for_new_boot("web-1", old, 90)
    lab.note(f"web-1: crash -> HTTP {time.time() - crashed:.1f} s, with nobody at work for its tenant")
    open_access(lab)
    expect(lab.vm("acme/web-1")["site"] == "lyon", "it is at lyon")
    lab.bascule("vm", "show", "acme/web-1")
    looks = trail(lab, "look_at")
    expect(looks and all(look["actor"] == "alice" for look in looks), f"each look is in the audit: {looks}")


def curl(lab, certificate, url):
    """The exit status of curl with this certificate of the lab's."""
    return subprocess.run(["curl", "-s", "-o", "/dev/null", "--max-time", "5", "--cacert", lab.instance.pki / "ca.pem",
                           "--cert", lab.instance.pki / f"{certificate}.pem", "--key",
                           lab.instance.pki / f"{certificate}.key", url], check=False).returncode


def test_a_tenants_user_takes_over_a_machine(lab):
    """Invited, signed in through the portal: from delivery on the provider stays outside, is seen, and can be shown out."""
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    access = open_access(lab)
    product.create_guest(lab.instance, "web-1", GUESTS["web-1"], tenant="acme")
    lab.wait_for_answer("web-1")
    anna = User(lab, "acme/anna")
    anna.refused("sign in", "vm", "list")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    machines = anna("vm", "list")["items"]
    expect([vm["name"] for vm in machines] == ["web-1"], f"her own, by her own name: {machines}")
    anna.refused("nothing of that name is yours", "host", "list")

    anna("vm", "accept", "web-1")
    refused(lab, "who alone gets inside", "vm", "delete", "acme/web-1")
    seen = anna("api", "GET", "/v1/access")["items"]
    expect([(each["by"], each["reason"]) for each in seen] == [("alice", REASON)], f"who is at work, and why: {seen}")
    asked = time.time()
    anna("api", "DELETE", f"/v1/access/{access}")
    refused(lab, "say why first", "vm", "show", "acme/web-1")
    lab.note(f"shown out within {time.time() - asked:.1f} s, two commands included")

    made = anna("token", "create", "watch", "--may", "see_machines")
    anna("vm", "list", token=made["token"])
    anna.refused("doesn't have the permission", "vm", "stop", "web-1", token=made["token"])
    anna("token", "end", made["id"])
    anna.refused("sign in", "vm", "list", token=made["token"])

    where, old = lab.where("web-1@acme"), lab.boot("web-1")
    anna("vm", "reboot", "web-1")
    old = lab.wait_for_new_boot("web-1", old, 60)
    expect(lab.where("web-1@acme") == where, "it was rebooted where it is")
    lab.verb("crash", where)
    lab.wait_for_new_boot("web-1", old, 90)
    lab.wait(lambda: anna("vm", "show", "web-1")["site"] == "lyon", 10, "she sees where it runs")
    trail = anna("api", "GET", "/v1/audit?limit=1000")["items"]
    expect({entry["tenant"] for entry in trail} == {"acme"}, "her audit is her tenant's")
    expect({"open_access", "accept_delivery", "end_access"} <= {entry["what"] for entry in trail}, f"with all of it: {trail}")


class Stream:
    """Server-Sent Events of the portal, as a browser has them: every line with the moment at which it came."""

    def __init__(self, lab, token, last=None):
        headers = [f"Authorization: Bearer {token}", "Accept: text/event-stream"]
        headers += [f"Last-Event-ID: {last}"] if last else []
        self.program = subprocess.Popen(
            ["curl", "-sN", "--cacert", lab.instance.pki / "ca.pem", *(word for each in headers for word in ("-H", each)),
             f"https://{lab.instance.address('witness')}/v1/events"], stdout=subprocess.PIPE, text=True)
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.program.stdout:
            self.lines.append((time.time(), line.strip()))

    def events(self):
        told = [json.loads(line.removeprefix("data: ")) for _, line in list(self.lines) if line.startswith("data: ")]
        return [event for event in told if "number" in event]

    def seen(self, what):
        return what in [event["what"] for event in self.events()]

    def at(self, line):
        return next((when for when, each in list(self.lines) if each == line), None)


def test_a_tenant_follows_her_machine(lab):
    """One stream tells what happens to it, over the manager's absence and a bascule, and ends with her token; its use of
    the host is measured where it runs."""
    lab.commission()
    lab.bascule("tenant", "create", "acme")
    open_access(lab)
    product.create_guest(lab.instance, "web-1", GUESTS["web-1"], tenant="acme")
    lab.wait_for_answer("web-1")
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    token = anna("token", "create", "watch", "--may", "see_machines")
    stream = Stream(lab, token["token"])
    lab.wait(lambda: stream.lines, 10, "the stream begins")
    lab.verb("manager", "stop")
    lab.wait(lambda: stream.at("event: unavailable"), 40, "it says that the manager is away")
    lab.verb("manager", "start")
    lab.wait(lambda: stream.at("event: available"), 20, "and that it is back")
    lab.wait(lambda: anna("vm", "metrics", "web-1").get("now"), 60, "its use is measured")
    now = anna("vm", "metrics", "web-1")["now"]
    expect(now["memory_bytes"] > 50e6 and now["cpus"] > 0 and now["disk_writes"] > 0, f"what it uses: {now}")

    old, before = lab.boot("web-1"), len(stream.events())
    lab.verb("crash", lab.where("web-1@acme"))
    lab.wait_for_new_boot("web-1", old, 90)
    lab.wait(lambda: stream.seen("vm_running"), 10, "the stream tells of the switch")
    odd = [event for event in stream.events() if event["tenant"] != "acme" or event.get("facts")]
    expect(not odd, f"her own, without hosts: {odd[:3]}")
    lab.wait(lambda: anna("vm", "metrics", "web-1").get("now"), 60, "its use is measured at lyon")
    again = Stream(lab, token["token"], last=stream.events()[before]["number"] - 1)
    lab.wait(lambda: again.events()[-1:] == stream.events()[-1:], 10, "a second one takes up where the first was")
    expect(again.events() == stream.events()[before:], f"the same events: {again.events()}")
    ended = time.time()
    anna("token", "end", token["id"])
    lab.wait(lambda: stream.at("event: ended") and again.at("event: ended"), 5, "both end with the token")
    lab.note(f"ended {stream.at('event: ended') - ended:.1f} s after the token, the command included")
    lab.wait(lambda: stream.program.poll() is not None, 5, "and their connections")


def test_the_portal_holds_nothing(lab):
    """It ends and comes back without anybody signing in again; without the manager it says so; its certificate opens no
    other door, and no other certificate opens its own."""
    lab.wait(lambda: lab.bascule("tenant", "create", "acme"), 20, "the manager answers")
    anna = User(lab, "acme/anna")
    anna.join(lab.bascule("tenant", "invite", "acme", "anna")["invitation"])
    lab.verb("kill", "witness", "portal")
    lab.wait(lambda: anna("me")["user"] == "acme/anna", 10, "the portal is back, and she is signed in still")
    lab.verb("manager", "stop")
    anna.refused("nothing was done", "vm", "list")
    lab.verb("manager", "start")
    lab.wait(lambda: anna("me")["user"] == "acme/anna", 20, "the manager is back")
    witness = lab.instance.address("witness")
    expect(curl(lab, "alice-operator", f"https://{witness}:7443/v1/status") == 0, "an operator's door")
    for port in (7443, 7444, 7445):
        expect(curl(lab, "portal-1-portal", f"https://{witness}:{port}/v1/status") != 0, f"port {port} refuses a portal")
    for name in ("alice-operator", "paris-1-host"):
        expect(curl(lab, name, f"https://{witness}:7447/v1/status") != 0, f"the portals' door refuses {name}")
