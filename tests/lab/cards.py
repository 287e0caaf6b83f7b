"""Smart cards for the lab: an authority that issues under a policy and revokes, and cards as SoftHSM2 tokens, whose keys
are made inside and never leave."""
import contextlib
import os
import socket
import subprocess

from bascule_lab.config import API_PORT
from bascule_lab.instance import WITNESS
from bascule_lab.process import run

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
POLICY = "1.3.6.1.4.1.32473.1.1"
PIN = "2580"
AUTHORITY = """[ca]
default_ca = cards
[cards]
dir = {dir}
database = $dir/index.txt
crlnumber = $dir/crlnumber
serial = $dir/serial
new_certs_dir = $dir
certificate = $dir/cards.pem
private_key = $dir/cards.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
[any]
commonName = supplied
[card]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = clientAuth
certificatePolicies = {policy}
[file]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = clientAuth
certificatePolicies = {policy}.1
"""


class Cards:
    def __init__(self, lab):
        self.lab = lab
        self.folder = lab.instance.state / "cards"
        self.crl = lab.instance.machine_dir(WITNESS) / "var/lib/bascule/cards.crl"
        (self.folder / "tokens").mkdir(parents=True)
        (self.folder / "softhsm2.conf").write_text(f"directories.tokendir = {self.folder}/tokens\n")
        os.environ["SOFTHSM2_CONF"] = str(self.folder / "softhsm2.conf")
        os.environ["PKCS11_MODULE_PATH"] = MODULE
        (self.folder / "openssl.cnf").write_text(AUTHORITY.format(dir=self.folder, policy=POLICY))
        for name, text in (("index.txt", ""), ("crlnumber", "01\n"), ("serial", "01\n")):
            (self.folder / name).write_text(text)
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                      "-keyout", "cards.key", "-out", "cards.pem", "-subj", "/CN=cards", "-addext", "keyUsage=keyCertSign,cRLSign")

    def _openssl(self, *argv):
        return run("openssl", *argv, cwd=self.folder)

    def _sign(self, name, kind):
        self._openssl("ca", "-batch", "-config", "openssl.cnf", "-extensions", kind, "-subj", f"/CN={name}", "-notext",
                      "-in", f"{name}.csr", "-out", f"{name}.pem")

    def issue(self, name, key="EC:prime256v1"):
        """A card of that person; the path of the client.toml that uses it."""
        run("softhsm2-util", "--init-token", "--free", "--label", name, "--so-pin", "1234", "--pin", PIN)
        tool = ("pkcs11-tool", "--module", MODULE, "--token-label", name, "--login", "--pin", PIN, "--id", "01")
        run(*tool, "--keypairgen", "--key-type", key, "--label", "card")
        self._openssl("req", "-new", "-engine", "pkcs11", "-keyform", "engine", "-subj", f"/CN={name}", "-out", f"{name}.csr",
                      "-key", f"pkcs11:token={name};object=card;type=private;pin-value={PIN}")
        self._sign(name, "card")
        self._openssl("x509", "-in", f"{name}.pem", "-outform", "DER", "-out", f"{name}.der")
        run(*tool, "--write-object", f"{self.folder}/{name}.der", "--type", "cert", "--label", "card")
        uri = f"pkcs11:token={name};object=card;type="
        return self._client(name, f"{uri}cert", f"{uri}private", f'module = "{MODULE}"\n')

    def issue_file(self, name):
        """A certificate of the same authority whose key is in a file."""
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                      "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self._sign(name, "file")
        return self._client(name, self.folder / f"{name}.pem", self.folder / f"{name}.key", "")

    def _client(self, name, certificate, key, more):
        path = self.folder / f"{name}.toml"
        path.write_text(f'manager = "{self.lab.instance.address(WITNESS)}:{API_PORT}"\n\n[tls]\n'
                        f'ca = "{self.lab.instance.pki}/ca.pem"\ncertificate = "{certificate}"\nkey = "{key}"\n{more}')
        return path

    def keep_pin(self, client):
        """Whoever uses this client.toml isn't asked: for scripts."""
        pin = client.with_suffix(".pin")
        pin.touch(0o600)
        pin.write_text(PIN)
        with client.open("a") as config:
            config.write(f'pin_file = "{pin}"\n')
        return client

    def revoke(self, name):
        self._openssl("ca", "-config", "openssl.cnf", "-revoke", f"{name}.pem")

    def publish(self, *options):
        """The list of what is revoked, for the manager."""
        self._openssl("ca", "-config", "openssl.cnf", "-gencrl", "-out", "new.crl", *options)
        (self.folder / "new.crl").replace(self.crl)

    def demand(self, networks):
        """The manager admits cards only, from these networks, and is started again."""
        etc = self.lab.instance.machine_dir(WITNESS) / "etc/bascule"
        (etc / "cards.pem").write_bytes((self.folder / "cards.pem").read_bytes())
        config = etc / "manager.toml"
        kept = config.read_text().split("[cards]")[0]
        config.write_text(kept + f'[cards]\nca = "/etc/bascule/cards.pem"\npolicy = "{POLICY}"\n'
                          f'crl = "/var/lib/bascule/cards.crl"\nnetworks = {networks}\n'.replace("'", '"'))
        self.lab.verb("manager", "stop")
        self.lab.verb("manager", "start")
        self.lab.wait(self._is_open, 10, "the manager listens again")

    def _is_open(self):
        with contextlib.suppress(OSError), socket.create_connection((self.lab.instance.address(WITNESS), API_PORT), 1):
            return True
        return False


def ask(lab, client, *argv, pin=PIN, timeout_s=60):
    """(exit code, what it said) of the CLI with this configuration, whose holder types the PIN."""
    done = subprocess.run([lab.instance.bin_dir / "bascule", *argv], input=f"{pin}\n", capture_output=True, text=True,
                          timeout=timeout_s, check=False, env=dict(os.environ, BASCULE_CONFIG=str(client)))
    return done.returncode, done.stdout + done.stderr
