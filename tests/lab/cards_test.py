"""The provider's staff with smart cards: who gets in, from where, and until when."""
import os
import subprocess
import time

from cards import PIN, Cards, ask

from harness import expect


def admitted(lab, client, *argv, **how):
    code, said = ask(lab, client, *(argv or ("status",)), **how)
    expect(code == 0, f"should be admitted: {said}")
    return said


def refused(lab, client, words, *argv, **how):
    code, said = ask(lab, client, *(argv or ("status",)), **how)
    expect(code != 0 and words in said, f"should be refused with \"{words}\": {code} {said}")


def test_only_cards_let_staff_in(lab):
    """Its holder types the PIN; a key in a file lets nobody in, nor does another network; a switch needs no staff."""
    lab.ready()
    cards = Cards(lab)
    alice, bob = cards.issue("alice"), cards.issue("bob", "rsa:2048")
    soft = cards.issue_file("carol")
    refused(lab, alice, "CA unknown to it")
    cards.demand([f"{lab.instance.net}.0.0/16"])
    refused(lab, alice, "")  # there is no list of what is revoked
    cards.publish()
    lab.wait(lambda: ask(lab, alice, "status")[0] == 0, 10, "alice is let in once there is a list")
    admitted(lab, bob)
    admitted(lab, alice, "notify", "test", "--reason", "is it her name")
    trail = admitted(lab, bob, "audit", "list", "--limit", "1000")
    expect("by alice: is it her name" in trail, f"what she does stands under her name: {trail[-500:]}")
    refused(lab, alice, "opens with this PIN", pin="0000")
    refused(lab, soft, "refuses our certificate")
    refused(lab, lab.instance.client_config, "CA unknown to it")

    where, old = lab.where("web-1"), lab.boot("web-1")
    cards.publish("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z")
    lab.wait(lambda: ask(lab, alice, "status")[0] != 0, 10, "nobody is let in by an old list")
    crashed = time.time()
    lab.verb("crash", where)
    lab.wait_for_new_boot("web-1", old, 60)
    lab.note(f"web-1: crash -> HTTP {time.time() - crashed:.1f} s while no card was accepted")
    cards.publish()
    lab.wait(lambda: ask(lab, alice, "status")[0] == 0, 10, "alice is let in again")

    cards.demand(["192.0.2.0/24"])
    expect(ask(lab, alice, "status")[0] == 3, "from another network nobody is even asked who they are")


def test_a_revoked_card_is_cut_off(lab):
    """What its holder has open ends within 10 s; others stay."""
    lab.wait_for_hosts()
    cards = Cards(lab)
    alice, bob = cards.issue("alice"), cards.issue("bob")
    cards.publish()
    cards.demand([f"{lab.instance.net}.0.0/16"])
    admitted(lab, bob)
    said = cards.folder / "followed"
    with said.open("w") as output:
        follower = subprocess.Popen([lab.instance.bin_dir / "bascule", "events", "--follow"], stdin=subprocess.PIPE,
                                    stdout=output, stderr=output, text=True, env=dict(os.environ, BASCULE_CONFIG=str(alice)))
    follower.stdin.write(PIN + "\n")
    follower.stdin.close()

    def is_followed():
        admitted(lab, bob, "notify", "test")
        return "test_notices" in said.read_text()

    lab.wait(is_followed, 10, "alice follows what happens")
    cards.revoke("alice")
    published = time.time()
    cards.publish()
    lab.wait(lambda: follower.poll() is not None, 10, "what alice follows ends")
    took = time.time() - published
    expect(took < 10, f"within 10 s: {took:.1f} s")
    expect("revoked" in said.read_text(), f"and says why: {said.read_text()[-300:]}")
    refused(lab, alice, "our certificate was revoked")
    admitted(lab, bob)
    lab.note(f"revoked -> cut off: {took:.1f} s")
