"""The configuration files of the lab's machines, in the form that ARCHITECTURE.md documents."""
import shutil
import uuid
from pathlib import Path

from . import cloud_image, guest
from .instance import HOSTS, SAN_PORT, SITES, SMS_PORT, SMTP_PORT, WATCHDOG_TIMEOUT_S, WITNESS, site_of
from .pki import OFFICERS

API_PORT = 7443
PORTAL_PORT = 443
OPERATOR = "alice-operator"  # files of the PKI
STAFF = ("alice", "bob")
BMC_USER = "admin"
BMC_PASSWORD = "secret"
NOTICE_USER = "bascule"
NOTICE_PASSWORD = "lab-only"
MAIL_TO = "ops@example.org"
SMS_TO = "+33123456789"

# What a minimal system needs of this computer's /etc; everything else stays invisible to the machines.
ETC_COPIES = ("alternatives", "group", "host.conf", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
              "localtime", "netconfig", "nsswitch.conf", "passwd", "protocols", "sasl2", "services", "ssl", "timezone")


def _tls(name):
    return (f'[tls]\nca = "/etc/bascule/ca.pem"\ncertificate = "/etc/bascule/{name}.pem"\n'
            f'key = "/etc/bascule/{name}.key"\n')


def _secret(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(text + "\n")


def _install_certificate(instance, owner, role, etc, name):
    shutil.copy(instance.pki / "ca.pem", etc / "ca.pem")
    for suffix in (".pem", ".key"):
        shutil.copy(instance.pki / f"{owner}-{role}{suffix}", etc / f"{name}{suffix}")


def write_base_system(instance, machine):
    """etc, var and run of a machine, without anything of Bascule yet."""
    top = instance.machine_dir(machine)
    for directory in ("etc/bascule", "run", "var/cache", "var/tmp", "var/log/libvirt/qemu", "var/lib/bascule",
                      "var/lib/libvirt/qemu", "var/lib/libvirt/images", "var/lib/libvirt/boot"):
        (top / directory).mkdir(parents=True, exist_ok=True)
    for link, target in (("var/run", "/run"), ("var/lock", "/run/lock")):
        (top / link).symlink_to(target)
    for name in ETC_COPIES:
        _copy_etc(name, top / "etc")
    (top / "etc/hostname").write_text(f"{machine}\n")
    (top / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")


def _copy_etc(name, etc):
    """Copy /etc/<name> as it is, links included; unreadable parts (private keys) are left out."""
    source = Path("/etc") / name
    if source.is_symlink() or source.is_file():
        shutil.copy2(source, etc / name, follow_symlinks=False)
    elif source.is_dir():
        shutil.copytree(source, etc / name, symlinks=True, ignore=shutil.ignore_patterns("private"))


def write_libvirt(instance, host):
    etc = instance.machine_dir(host) / "etc/libvirt"
    (etc / "qemu").mkdir(parents=True, exist_ok=True)
    (etc / "libvirtd.conf").write_text(
        f'host_uuid = "{host_uuid(host)}"\nunix_sock_group = "root"\nauth_unix_ro = "none"\n'
        'auth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\nlisten_tls = 0\nlisten_tcp = 0\nmax_clients = 200\n'
        "log_level = 3\n")
    # Without "cpu": each switch between a guest's threads would be accounted at two more levels, which costs writes.
    (etc / "qemu.conf").write_text(
        'cgroup_controllers = [ "devices", "memory", "blkio", "cpuset", "cpuacct" ]\n'
        'security_driver = "none"\nuser = "root"\ngroup = "root"\nnamespaces = [ ]\ndynamic_ownership = 0\n'
        f'remember_owner = 0\nmigration_address = "{instance.address(host)}"\n'
        f'migration_host = "{instance.address(host)}"\n')
    (etc / "virtlogd.conf").write_text("log_level = 3\n")


def host_uuid(host):
    """Also the GUID of the host's BMC."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.bascule-lab"))


def _rbd_pool(host):
    """The pool "gold": a Ceph pool at each site, that follow each other."""
    sites = {"local": site_of(host), "remote": SITES[1 - SITES.index(site_of(host))]}
    return '\n[[pool]]\nname = "gold"\nkind = "rbd"\nsnapshot_every_s = 5\n' + "".join(
        f'[pool.{which}]\nconf = "/etc/ceph/{site}.conf"\nuser = "bascule"\n'
        f'keyring = "/etc/ceph/{site}.client.bascule.keyring"\npool = "vms"\n' for which, site in sites.items())


def write_host(instance, host, storage="dir"):
    """hostd.toml and guard.toml."""
    etc = instance.machine_dir(host) / "etc/bascule"
    _install_certificate(instance, host, "host", etc, "host")
    _install_certificate(instance, host, "guard", etc, "guard")
    for name in OFFICERS:
        shutil.copy(instance.pki / f"{name}.pub", etc / f"{name}.pub")
    manager = instance.address(WITNESS)
    (etc / "hostd.toml").write_text(
        f'cluster = "{instance.name}"\nhost = "{host}"\nstate_dir = "/var/lib/bascule"\nrun_dir = "/run/bascule"\n'
        f'manager = ["{manager}:7444"]\nprobe_address = "{instance.address(host)}"\n'
        'libvirt_uri = "qemu:///system"\ndomain_type = "qemu"\nofficer = "/etc/bascule/officer.pub"\n'
        'break_glass = ["/etc/bascule/glass-a.pub", "/etc/bascule/glass-b.pub"]\nbreak_glass_wait_s = 5\n\n'
        f'{_tls("host")}\n'
        '[capacity]\nmemory_mib = 4096\nvcpus = 16\n\n'
        '[[pool]]\nname = "metro"\nkind = "dir"\npath = "/srv/bascule/metro"\n\n'
        f'[[pool]]\nname = "san"\nkind = "nbd"\nurl = "nbd://{instance.address("san")}:{SAN_PORT}"\n' + (_rbd_pool(host) if storage == "rbd" else ""))
    (etc / "guard.toml").write_text(
        f'cluster = "{instance.name}"\nhost = "{host}"\nrun_dir = "/run/bascule"\nmanager = ["{manager}:7445"]\n\n'
        f'{_tls("guard")}\n[watchdog]\ndevice = "/dev/watchdog"\ntimeout_s = {WATCHDOG_TIMEOUT_S}\n'
        'emulated = true\n')


def _offer(instance):
    """What tenants may make machines of: the image of cloud_image.py, once a test has installed it."""
    return (f'[offer]\npool = "metro"\n\n[offer.network]\nbridge = "br0"\nrange = "{instance.net}.96.0/20"\n'
            f'prefix = 16\n\n[[offer.image]]\nname = "{cloud_image.NAME}"\ndescription = "Debian 12, with cloud-init"\n'
            f'least_mib = {cloud_image.DISK_MIB}\n\n[offer.image.kernel]\npool = "metro"\nkernel = "{guest.KERNEL}"\n'
            f'initrd = "{cloud_image.INITRD}"\ncommand_line = "{cloud_image.COMMAND_LINE}"\n')


def _pages(instance):
    """What browsers get of the manager and the portal, where the build made it."""
    built, etc = instance.bin_dir.parent / "pages", instance.machine_dir(WITNESS) / "etc/bascule"
    if not (built / "index.html").exists():
        return ""
    shutil.copytree(built, etc / "pages", dirs_exist_ok=True)
    return 'pages = "/etc/bascule/pages"\n'


def write_manager(instance, policy):
    """manager.toml and its secrets. `policy` is a list of "key = value" lines for [policy]."""
    etc = instance.machine_dir(WITNESS) / "etc/bascule"
    _install_certificate(instance, "manager", "manager", etc, "manager")
    for name in OFFICERS[1:]:
        shutil.copy(instance.pki / f"{name}.pub", etc / f"{name}.pub")
    sinks = instance.address("sinks")
    parts = [f'cluster = "{instance.name}"\nstate_dir = "/var/lib/bascule"\nlanguage = "en"\n{_pages(instance)}'
             'break_glass = ["/etc/bascule/glass-a.pub", "/etc/bascule/glass-b.pub"]\n',
             f'[listen]\naddress = "{instance.address(WITNESS)}"\napi_port = {API_PORT}\nhost_port = 7444\n'
             'lease_port = 7445\n',
             _tls("manager"),
             "[policy]\n" + "".join(f"{line}\n" for line in policy)]
    for site in SITES:
        parts.append(f'[[site]]\nname = "{site}"\n' + ("primary = true\n" if site == SITES[0] else ""))
    for host in HOSTS:
        _secret(etc / "bmc" / host, BMC_PASSWORD)
        parts.append(f'[[host]]\nname = "{host}"\nsite = "{site_of(host)}"\naddress = "{instance.address(host)}"\n'
                     f'[host.bmc]\nagent = "ipmitool"\naddress = "{instance.address("bmc:" + host)}"\nport = 623\n'
                     f'user = "{BMC_USER}"\npassword_file = "/etc/bascule/bmc/{host}"\n')
    parts.append(_offer(instance))
    for person in STAFF:
        parts.append(f'[[staff]]\nname = "{person}"\nroles = ["administrator", "security_officer"]\n')
    _secret(etc / "smtp.password", NOTICE_PASSWORD)
    _secret(etc / "sms.password", NOTICE_PASSWORD)
    parts.append(f'[[mail]]\nurl = "smtp://{sinks}:{SMTP_PORT}"\nfrom = "bascule@example.org"\nto = ["{MAIL_TO}"]\n'
                 f'user = "{NOTICE_USER}"\npassword_file = "/etc/bascule/smtp.password"\n'
                 'ca = "/etc/bascule/ca.pem"\n')
    parts.append(f'[[sms]]\nurl = "http://{sinks}:{SMS_PORT}/cgi-bin/sendsms?username={{user}}&password={{password}}'
                 f'&to={{to}}&text={{text}}"\nto = ["{SMS_TO}"]\nuser = "{NOTICE_USER}"\n'
                 'password_file = "/etc/bascule/sms.password"\n')
    (etc / "manager.toml").write_text("\n".join(parts))


def write_portal(instance):
    """portal.toml: what tenants talk to. In the lab it runs on the witness, beside the manager."""
    etc = instance.machine_dir(WITNESS) / "etc/bascule"
    _install_certificate(instance, "portal-1", "portal", etc, "portal")
    _install_certificate(instance, "portal", "public", etc, "public")
    address = instance.address(WITNESS)
    (etc / "portal.toml").write_text(
        f"{_pages(instance)}\n"
        f'[listen]\naddress = "{address}"\nport = {PORTAL_PORT}\ncertificate = "/etc/bascule/public.pem"\n'
        f'key = "/etc/bascule/public.key"\n\n[manager]\naddress = "{address}:7447"\n\n{_tls("portal")}')


def write_tenant_client(instance, user):
    """The configuration of a tenant's user, for the CLI on this computer; its path."""
    path = instance.client_config.parent / f"{user.replace('/', '-')}.toml"
    path.write_text(f'portal = "{instance.address(WITNESS)}:{PORTAL_PORT}"\nca = "{instance.pki}/ca.pem"\n')
    return path


def write_client(instance):
    """client.toml of the operator alice, for the CLI on this computer."""
    directory = instance.client_config.parent
    directory.mkdir(parents=True, exist_ok=True)
    instance.client_config.write_text(
        f'manager = "{instance.address(WITNESS)}:{API_PORT}"\n\n[tls]\nca = "{instance.pki}/ca.pem"\n'
        f'certificate = "{instance.pki}/{OPERATOR}.pem"\nkey = "{instance.pki}/{OPERATOR}.key"\n')
