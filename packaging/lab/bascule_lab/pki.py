"""A throwaway certificate authority: EC P-256, one key per party. The subject tells who it is (OU = role)."""
from .process import run

OFFICERS = ("officer", "glass-a", "glass-b")
DAYS = "90"
AUTHORITY = "[ca]\ndefault_ca = lab\n[lab]\ndatabase = {0}/ca.index\ncrlnumber = {0}/ca.crlnumber\ndefault_md = sha256\n"


def _key(path):
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    path.chmod(0o600)


def make_authority(pki):
    pki.mkdir(parents=True, exist_ok=True)
    _key(pki / "ca.key")
    run("openssl", "req", "-x509", "-new", "-key", pki / "ca.key", "-days", DAYS, "-out", pki / "ca.pem",
        "-subj", "/O=Bascule lab/CN=Bascule lab CA", "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    (pki / "ca.index").touch()
    (pki / "ca.crlnumber").write_text("01\n")
    (pki / "ca.cnf").write_text(AUTHORITY.format(pki))
    run("openssl", "ca", "-gencrl", "-config", pki / "ca.cnf", "-cert", pki / "ca.pem", "-keyfile", pki / "ca.key",
        "-crldays", DAYS, "-out", pki / "ca.crl.pem")
    run("openssl", "crl", "-in", pki / "ca.crl.pem", "-outform", "DER", "-out", pki / "ca.crl")


def make_officers(pki):
    """officer.key of the provider's security officer, who vouches for tenants' keys, and the keys of two who break the
    glass; the public part of each, for every host."""
    for name in OFFICERS:
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", pki / f"{name}.key")
        (pki / f"{name}.key").chmod(0o600)
        run("openssl", "pkey", "-in", pki / f"{name}.key", "-pubout", "-out", pki / f"{name}.pub")


def issue(pki, name, role, address=None, revocation_list=None):
    """<name>-<role>.pem and .key, with the address as subjectAltName if there is one, and where ca.crl is to be had."""
    stem = pki / f"{name}-{role}"
    key, request, extensions = (stem.with_suffix(s) for s in (".key", ".csr", ".ext"))
    _key(key)
    run("openssl", "req", "-new", "-key", key, "-out", request, "-subj", f"/O=Bascule lab/OU={role}/CN={name}")
    names = f"DNS:{name}" + (f",IP:{address}" if address else "")
    extensions.write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                          f"extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={names}\n"
                          + (f"crlDistributionPoints=URI:{revocation_list}\n" if revocation_list else ""))
    run("openssl", "x509", "-req", "-in", request, "-CA", pki / "ca.pem", "-CAkey", pki / "ca.key",
        "-CAcreateserial", "-days", DAYS, "-extfile", extensions, "-out", stem.with_suffix(".pem"))
    request.unlink()
    extensions.unlink()
