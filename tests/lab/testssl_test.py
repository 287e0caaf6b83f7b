"""TLS as testssl.sh sees it, on every listener of the lab. Slow: some minutes each."""
import json
import shutil
import subprocess

from bascule_lab.config import API_PORT, PORTAL_PORT

from harness import expect

GRAVE = ("MEDIUM", "HIGH", "CRITICAL")
LISTENERS = {"portal": PORTAL_PORT, "api": API_PORT, "hosts": 7444, "leases": 7445, "portals": 7447, "consoles": 7448}


def findings(lab, port):
    """[(id, severity, words)] of what is medium or worse."""
    report = lab.instance.state / f"testssl-{port}.json"
    subprocess.run(["testssl", "--quiet", "--warnings", "batch", "--color", "0", "--add-ca", lab.instance.pki / "ca.pem",
                    "--nodns", "min", "--jsonfile", report, f"{lab.instance.address('witness')}:{port}"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=900, check=False)
    return [(one["id"], one["severity"], one["finding"]) for one in json.loads(report.read_text()) if one["severity"] in GRAVE]


def test_tls_of_every_listener(lab):
    """No finding of medium or above."""
    expect(shutil.which("testssl"), "needs testssl.sh: apt-get install testssl.sh")
    lab.wait_for_hosts()
    found = {name: findings(lab, port) for name, port in LISTENERS.items()}
    for name, listed in found.items():
        lab.note(f"{name}: {listed or 'nothing of medium or above'}")
    expect(not any(found.values()), f"testssl.sh finds: {found}")


test_tls_of_every_listener.slow = True
