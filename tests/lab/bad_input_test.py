"""Garbage, floods and wrong certificates on every port: refused, and everything goes on."""
import os
import socket
import ssl
import subprocess

from bascule_lab import pki
from bascule_lab.instance import WITNESS
from harness import GUESTS, expect

MANAGER_PORTS = (7443, 7444, 7445)


def talk(address, data, wrap=None):
    """Connect, send, and read until the peer closes or is silent for 3 s. A refusal is an answer too."""
    try:
        with socket.create_connection(address, timeout=3) as plain:
            stream = wrap.wrap_socket(plain, server_hostname=address[0]) if wrap else plain
            stream.sendall(data)
            return stream.recv(65536)
    except OSError as error:
        return str(error).encode()


def context(lab, owner, role):
    made = ssl.create_default_context(cafile=str(lab.instance.pki / "ca.pem"))
    made.check_hostname = False
    made.load_cert_chain(lab.instance.pki / f"{owner}-{role}.pem", lab.instance.pki / f"{owner}-{role}.key")
    return made


def foreign_context(lab):
    """A certificate of the right names from another authority; it trusts anybody."""
    directory = lab.instance.state / "foreign"
    directory.mkdir(exist_ok=True)
    pki.make_authority(directory)
    pki.issue(directory, "alice", "operator")
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.load_cert_chain(directory / "alice-operator.pem", directory / "alice-operator.key")
    return made


def expired_context(lab):
    """alice's own key with a certificate of the right authority that ended yesterday."""
    directory = lab.instance.pki
    request, certificate = directory / "old.csr", directory / "old.pem"
    key = directory / "alice-operator.key"
    subprocess.run(["openssl", "x509", "-x509toreq", "-in", directory / "alice-operator.pem", "-signkey", key, "-out",
                    request], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", directory / "ca.pem", "-CAkey",
                    directory / "ca.key", "-days", "-1", "-set_serial", "77", "-out", certificate],
                   check=True, capture_output=True)
    made = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    made.check_hostname = False
    made.load_cert_chain(certificate, key)
    return made


def test_garbage_on_every_port(lab):
    lab.ready()
    manager = lab.instance.address(WITNESS)
    pids = lab.service_pids("witness", "manager"), lab.service_pids("paris-1", "hostd")
    boots = {name: lab.boot(name) for name in GUESTS}
    request = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n"
    for port in MANAGER_PORTS:
        for data in (os.urandom(4096), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(70000), b""):
            talk((manager, port), data)
        for wrap in (foreign_context(lab), expired_context(lab)):
            answer = talk((manager, port), request + b"\r\n", wrap)
            expect(not answer.startswith(b"HTTP/1.1 2"), f"port {port}: a bad certificate got {answer[:80]!r}")
    good = context(lab, "alice", "operator")
    for data in (request + b"X: " + b"a" * 2_000_000 + b"\r\n\r\n", b"\0" * 100_000,
                 b"POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n"):
        answer = talk((manager, 7443), data, good)
        expect(not answer.startswith(b"HTTP/1.1 2"), f"oversized got {answer[:80]!r}")
    for port in MANAGER_PORTS[1:]:
        answer = talk((manager, port), request + b"\r\n", good)
        expect(not answer.startswith(b"HTTP/1.1 2"), f"port {port}: an operator is no host: {answer[:80]!r}")
    expect((lab.service_pids("witness", "manager"), lab.service_pids("paris-1", "hostd")) == pids,
           "no program should have died of it")
    expect({name: lab.boot(name) for name in GUESTS} == boots, "guests run on")
    expect(all(h["phase"] == "up" for h in lab.hosts().values()), "hosts are up")


def test_corrupt_store_is_refused(lab):
    """A store that is garbage: the manager says so and doesn't start, guests run on; the true one back: as before."""
    lab.ready()
    boots = {name: lab.boot(name) for name in GUESTS}
    state = lab.instance.machine_dir("witness") / "var/lib/bascule"
    lab.verb("manager", "stop")
    stores = sorted(path for path in state.iterdir() if path.suffix in (".db", ".sqlite"))
    expect(stores, f"no store in {sorted(p.name for p in state.iterdir())}")
    good = stores[0].read_bytes()
    stores[0].write_bytes(os.urandom(len(good)))
    lab.verb("manager", "start")
    log = lab.instance.machine_dir("witness") / "var/log/manager.log"
    lab.wait(lambda: "database" in log.read_text()[-2000:], 20, "the manager says what is wrong")
    expect({name: lab.boot(name) for name in GUESTS} == boots, "guests run on")
    lab.verb("hold", "witness", "manager")
    lab.wait(lambda: not lab.service_pids("witness", "manager"), 10, "the manager doesn't run on garbage")
    stores[0].write_bytes(good)
    lab.verb("manager", "start")
    lab.wait_for_hosts()
    lab.wait(lambda: all(vm["state"] == "running" for vm in lab.vms().values()), 30, "all is as before")
    expect(lab.bascule("audit", "verify")["intact"], "the audit chain is intact")
