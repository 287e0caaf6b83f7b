"""A manager and a portal of their own on the loopback, with two hosts that are made up: what loads are put on."""
import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "packaging/lab"))

from bascule_lab import pki  # noqa: E402

API, PORTAL_DOOR, PUBLIC = 27443, 27447, 28443
HOSTS = {"paris-1": "paris", "lyon-1": "lyon"}
PASSWORD = "correct horse battery"


class Client:
    """JSON over a kept connection; with a certificate (an operator) or a token (a tenant's user)."""

    def __init__(self, directory, port, certificate=None):
        context = ssl.create_default_context(cafile=directory / "pki/ca.pem")
        if certificate:
            context.load_cert_chain(directory / f"pki/{certificate}.pem", directory / f"pki/{certificate}.key")
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)

    def __call__(self, method, path, body=None, token=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        while True:
            self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = self.connection.getresponse()
            said = json.loads(answer.read())
            if answer.status == 429:
                time.sleep(float(answer.headers["Retry-After"]))
                continue
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {said}")
            return said


@contextlib.contextmanager
def running(program, config):
    with open(config.with_suffix(".log"), "w") as log:
        process = subprocess.Popen([program, "--config", config], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def configure(directory, pages=None):
    (directory / "pki").mkdir()
    pki.make_authority(directory / "pki")
    for name, role in (("manager", "manager"), ("alice", "operator"), ("portal-1", "portal"), ("portal", "public"),
                       *((host, "host") for host in HOSTS)):
        pki.issue(directory / "pki", name, role, "127.0.0.1")

    def tls(name):
        return (f'[tls]\nca = "{directory}/pki/ca.pem"\ncertificate = "{directory}/pki/{name}.pem"\n'
                f'key = "{directory}/pki/{name}.key"\n')

    (directory / "manager.toml").write_text(
        f'cluster = "load"\nstate_dir = "{directory}"\n[listen]\naddress = "127.0.0.1"\napi_port = {API}\n'
        f'host_port = 27444\nlease_port = 27445\nstream_port = 27448\nportal_port = {PORTAL_DOOR}\n{tls("manager-manager")}'
        '[journal]\nmax_mb = 0\n[[site]]\nname = "paris"\nprimary = true\n[[site]]\nname = "lyon"\n'
        + "".join(f'[[host]]\nname = "{host}"\nsite = "{site}"\naddress = "127.0.0.1"\n' for host, site in HOSTS.items()) +
        '[[staff]]\nname = "alice"\nroles = ["administrator"]\n')
    (directory / "portal.toml").write_text(
        (f'pages = "{pages}"\n' if pages else "") +
        f'[listen]\naddress = "127.0.0.1"\nport = {PUBLIC}\ncertificate = "{directory}/pki/portal-public.pem"\n'
        f'key = "{directory}/pki/portal-public.key"\nconnections_per_address = 20000\n[manager]\naddress = "127.0.0.1:{PORTAL_DOOR}"\n{tls("portal-1-portal")}')


@contextlib.contextmanager
def made_up_hosts(directory):
    pki_dir = directory / "pki"
    hosts = [{"name": host, "certificate": f"{pki_dir}/{host}-host.pem", "key": f"{pki_dir}/{host}-host.key"} for host in HOSTS]
    (directory / "hosts.json").write_text(json.dumps({"manager": "127.0.0.1", "port": 27444, "cluster": "load",
                                                      "ca": f"{pki_dir}/ca.pem", "hosts": hosts}))
    process = subprocess.Popen([PROJECT / "tests/client/run", "--hosts", directory / "hosts.json"])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def connected(make):
    deadline = time.monotonic() + 20
    while True:
        try:
            client = make()
            client.connection.connect()
            return client
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
