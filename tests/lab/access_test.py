"""Whose a machine is, and a reason before anybody of the provider works on it."""
import time

from bascule_lab import product

from harness import GUESTS, expect, refused

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
    expect(lab.vm("web-1")["tenant"] == "acme", "it is theirs, and seen while the session is open")
    where, old = lab.where("web-1"), lab.boot("web-1")

    lab.bascule("access", "end", access)
    expect("web-1" not in lab.vms() and len(lab.vms()) == 1, f"it has no name any more: {list(lab.vms())}")
    for order in (("show",), ("stop",), ("kill", "--reason", "just to try it")):
        refused(lab, "bascule access open acme", "vm", order[0], "web-1", *order[1:])
    expect(len(trail(lab, "refuse_access")) == 3, "each refusal is in the audit")
    expect(lab.boot("web-1") == old, "it runs on")

    crashed = time.time()
    lab.verb("crash", where)
    lab.wait_for_new_boot("web-1", old, 90)
    lab.note(f"web-1: crash -> HTTP {time.time() - crashed:.1f} s, with nobody at work for its tenant")
    open_access(lab)
    expect(lab.vm("web-1")["site"] == "lyon", "it is at lyon")
    lab.bascule("vm", "show", "web-1")
    looks = trail(lab, "look_at")
    expect(looks and all(look["actor"] == "alice" for look in looks), f"each look is in the audit: {looks}")
