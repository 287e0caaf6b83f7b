"""How a host gets its certificates by an invitation, renews them by itself, and is cut off."""
import shutil
import subprocess
import time

from bascule_lab import machine
from bascule_lab.instance import WITNESS

from harness import expect, refused

VALIDITY_S = 45
HOST = "paris-1"


def serve_authority(lab):
    """The manager has the lab's authority, whose certificates are short-lived, and is started again."""
    etc = lab.instance.machine_dir(WITNESS) / "etc/bascule"
    shutil.copy(lab.instance.pki / "ca.key", etc / "ca.key")
    with (etc / "manager.toml").open("a") as config:
        config.write('\n[authority]\ncertificate = "/etc/bascule/ca.pem"\nkey = "/etc/bascule/ca.key"\n'
                     f'validity_s = {VALIDITY_S}\n')
    lab.verb("manager", "stop")
    lab.verb("manager", "start")
    lab.wait(lambda: lab.bascule("host", "list"), 10, "the manager answers again")


def join(lab, invitation, state="/var/lib/bascule"):
    """(exit code, what it said) of bascule-hostd join in the host's own place."""
    argv = machine.inside(lab.instance, HOST, [
        "bascule-hostd", "join", invitation["manager"], "--host", HOST, "--fingerprint",
        invitation["fingerprint"], "--state-dir", state])
    done = subprocess.run(argv, input=invitation["invitation"] + "\n", capture_output=True, text=True, timeout=60,
                          check=False)
    return done.returncode, done.stdout + done.stderr


def use_identity(lab):
    """hostd.toml and guard.toml name the files of the identity; both daemons are started again."""
    etc = lab.instance.machine_dir(HOST) / "etc/bascule"
    for name, who in (("hostd", "host"), ("guard", "guard")):
        config = etc / f"{name}.toml"
        text = config.read_text()
        for key, old in (("ca.pem", "ca.pem"), (f"{who}.pem", f"{who}.pem"), (f"{who}.key", f"{who}.key")):
            text = text.replace(f"/etc/bascule/{old}", f"/var/lib/bascule/identity/{key}")
        config.write_text(text)
        (etc / f"{who}.pem").unlink()
        (etc / f"{who}.key").unlink()
    lab.verb("kill", HOST, "hostd", "guard")


def serials(lab):
    trail = lab.bascule("audit", "list", "--limit", "1000")["items"]
    return [entry["facts"]["host_certificate"] for entry in trail
            if entry["what"] in ("enrol_host", "renew_certificates")]


def has_session(lab):
    return lab.hosts()[HOST]["session"]


def test_a_host_joins_renews_and_is_cut_off(lab):
    """By an invitation that is good once; its certificates outlive their time; expelled, it is out within seconds."""
    lab.wait_for_hosts()
    refused(lab, "no [authority]", "host", "invite", HOST)
    serve_authority(lab)
    lab.wait_for_hosts()
    invitation = lab.bascule("host", "invite", HOST)
    code, said = join(lab, dict(invitation, invitation="bst_" + "A" * 43))
    expect(code == 1 and "no longer, good" in said, f"a guessed invitation: {code} {said}")
    code, said = join(lab, dict(invitation, fingerprint="0" * 64))
    expect(code == 1 and "fingerprint" in said, f"another's manager: {code} {said}")
    code, said = join(lab, invitation)
    expect(code == 0, f"it joins: {said}")
    code, said = join(lab, invitation, "/var/tmp")
    expect(code == 1 and "no longer, good" in said, f"once: {code} {said}")
    use_identity(lab)
    joined = time.time()
    lab.wait(lambda: has_session(lab), 30, "it is back with those certificates")

    lab.wait(lambda: len(serials(lab)) >= 3, 3 * VALIDITY_S, "its certificates are renewed, twice")
    lab.verb("kill", HOST, "hostd", "guard")  # which dial with the files as they are now
    lab.wait(lambda: has_session(lab), 30, "the renewed ones let it in")
    lab.wait(lambda: not lab.hosts()[HOST]["guard"].get("problem"), 30, "and its guard, which has a lease")
    expect(time.time() - joined > VALIDITY_S, "the first certificates are over by now")
    lab.note(f"{len(serials(lab))} issues of {VALIDITY_S} s within {time.time() - joined:.0f} s")

    asked = time.time()
    lab.bascule("host", "expel", HOST, "--reason", "stolen from the rack")
    lab.wait(lambda: not has_session(lab), 5, "it is cut off")
    lab.note(f"expelled -> its session ends within {time.time() - asked:.1f} s")
    lab.stays(lambda: not has_session(lab), 5, "it doesn't come back")
