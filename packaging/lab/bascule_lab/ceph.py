"""A small Ceph cluster at each site, and rbd-mirror daemons that copy between them: the pool "gold".

One monitor and one OSD a site, no manager daemon: Bascule needs one only where hosts carry the cluster, see carry().
All of a site's daemons are one unit of the lab, in a namespace on the site's bridge, so that a cut of the site cuts its
storage too.
"""
import contextlib
import json
import os
import shutil
import signal
import uuid

from . import network, process
from .instance import SITES, LabError

POOL = "vms"
OSD_BYTES = 10 << 30
USER = "bascule"
NEEDED = {"ceph-mon": "ceph-mon", "ceph-osd": "ceph-osd", "rbd-mirror": "rbd-mirror", "rbd": "ceph-common"}

# Small enough for a test machine, and quick to notice what happens to it. The read lease (its ratio is to the heartbeat's
# grace) outlasts any freeze: once it has lapsed only another OSD's word renews it, and there is none.
DAEMON_OPTIONS = """
ms_bind_port_min = 6800
ms_bind_port_max = 6900
ms_bind_msgr1 = false
ms_bind_ipv6 = false
log_to_stderr = true
log_file =
log_max_recent = 500
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_warn_on_pool_no_redundancy = false
mon_warn_on_osd_down_out_interval_zero = false
mon_osd_down_out_interval = 0
mon_data_avail_warn = 2
mon_data_avail_crit = 1
bluestore_cache_autotune = false
bluestore_cache_size = 33554432
osd_memory_target = 939524096
osd_op_num_shards = 1
osd_op_num_threads_per_shard = 2
osd_max_backfills = 1
ms_async_op_threads = 1
[mon]
mon_initial_members = a
mon_cpu_threads = 1
paxos_propose_interval = 0.1
paxos_min_wait = 0.01
mon_tick_interval = 1
[osd]
osd_objectstore = bluestore
bluestore_block_create = true
osd_heartbeat_grace = 6
osd_heartbeat_interval = 2
osd_pool_default_read_lease_ratio = 20
debug_bluestore = 0
debug_rocksdb = 0
[client]
rbd_default_features = 61
objecter_tick_interval = 1
objecter_timeout = 2
ms_max_backoff = 1
[client.rbd-mirror]
rbd_mirror_pool_replayers_refresh_interval = 3
rbd_mirror_image_state_check_interval = 2
rbd_mirror_leader_heartbeat_interval = 1
[client.rbd-mirror-peer]
rados_osd_op_timeout = 5
rados_mon_op_timeout = 5
"""


def other_site(site):
    return SITES[1 - SITES.index(site)]


def unit(site):
    return f"ceph-{site}"


def directory(instance, site):
    return instance.state / "ceph" / site


def config_file(instance, site):
    return directory(instance, site) / f"{site}.conf"


def is_wanted(instance):
    return (instance.state / "ceph").exists()


def _keyring(instance, site, name):
    return directory(instance, site) / "keys" / f"{name}.keyring"


def _enter(instance, site):
    return network.enter(instance, unit(site))


def command(instance, site, program, *argv, timeout=60):
    """`ceph` or `rbd` as that site's administrator; its output."""
    return process.run(*_enter(instance, site), program, "-c", config_file(instance, site), *argv, timeout=timeout)


def mon_host(instance, site):
    return f"v2:{instance.address('ceph:' + site)}:3300/0"


def _write_config(instance, site):
    top = directory(instance, site)
    for name in ("run", "mon", "osd", "keys"):
        (top / name).mkdir(parents=True, exist_ok=True)
    address = instance.address("ceph:" + site)
    fsid = uuid.uuid5(uuid.NAMESPACE_DNS, f"{instance.name}.{site}.ceph.bascule-lab")
    config_file(instance, site).write_text(
        f"[global]\nfsid = {fsid}\nmon_host = {mon_host(instance, site)}\npublic_addr = {address}\n"
        f"cluster_addr = {address}\nauth_cluster_required = cephx\nauth_service_required = cephx\n"
        f"auth_client_required = cephx\nauth_allow_insecure_global_id_reclaim = false\nrun_dir = {top}/run\n"
        f"crash_dir = {top}/run\nadmin_socket = {top}/run/$name.asok\nkeyring = {top}/keys/$name.keyring\n"
        f"mon_data = {top}/mon\nosd_data = {top}/osd/$id\nmgr_data = {top}/mgr\nbluestore_block_size = {OSD_BYTES}\n"
        f"{DAEMON_OPTIONS}")
    return str(fsid)


def _make_keys(instance, site):
    """Every key of a new cluster, and the file that the monitor takes them from."""
    per_vm = f'with entity prefix "client.{USER}."'
    caps = {
        "mon.": {"mon": "allow *"},
        "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
        "client.rbd-mirror": {"mon": "profile rbd-mirror", "osd": "profile rbd"},
        # What docs/install.md tells administrators to grant.
        f"client.{USER}": {
            "mon": f'profile rbd, allow command "osd blocklist", allow command "osd blocklist ls", '
                   f'allow command "auth get-or-create" {per_vm} caps_mon="profile rbd" '
                   f'caps_osd="profile rbd pool={POOL}", allow command "auth rm" {per_vm}, '
                   f'allow command "osd set-group", allow command "osd unset-group"',
            "osd": f"profile rbd pool={POOL}"},
    }
    seed = ""
    for name, allowed in caps.items():
        key = process.run("ceph-authtool", "--gen-print-key").strip()
        own = _keyring(instance, site, "mon.a" if name == "mon." else name)
        own.touch(0o600)
        own.write_text(f"[{name}]\n\tkey = {key}\n")
        seed += f"[{name}]\n\tkey = {key}\n"
        seed += "".join("\tcaps {} = \"{}\"\n".format(who, what.replace('"', '\\"')) for who, what in allowed.items())
    path = directory(instance, site) / "keys/seed"
    path.touch(0o600)
    path.write_text(seed)
    return path


def _spawn(instance, site, name, *argv, **options):
    top = directory(instance, site)
    pid_file = top / "run" / f"{name}.pid"
    if process.read_pid(pid_file):
        return
    pid = process.spawn(instance, unit(site), _enter(instance, site) + list(argv), top / f"{name}.log", **options)
    process.write_pid(pid_file, pid)


def _create(instance, site):
    top, conf = directory(instance, site), config_file(instance, site)
    fsid = _write_config(instance, site)
    seed = _make_keys(instance, site)
    process.run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a",
                f"[v2:{instance.address('ceph:' + site)}:3300/0]", top / "monmap")
    process.run("ceph-mon", "-c", conf, "-i", "a", "--mkfs", "--monmap", top / "monmap", "--keyring", seed)
    seed.unlink()
    _spawn(instance, site, "mon.a", "ceph-mon", "-f", "-c", conf, "-i", "a")
    _make_osd(instance, site, 0)


def _make_osd(instance, site, number):
    top = directory(instance, site)
    key = process.run("ceph-authtool", "--gen-print-key").strip()
    own = _keyring(instance, site, f"osd.{number}")
    own.touch(0o600)
    own.write_text(f"[osd.{number}]\n\tkey = {key}\n")
    osd = str(uuid.uuid4())
    secret = top / "keys/osd.secret"
    secret.touch(0o600)
    secret.write_text(json.dumps({"cephx_secret": key}))
    command(instance, site, "ceph", "osd", "new", osd, str(number), "-i", secret)
    secret.unlink()
    data = top / f"osd/{number}"
    data.mkdir()
    process.run("ceph-osd", "-c", config_file(instance, site), "-i", str(number), "--mkfs", "--osd-uuid", osd, timeout=60)


def _start_osds(instance, site):
    for data in sorted((directory(instance, site) / "osd").iterdir()):
        _spawn(instance, site, f"osd.{data.name}", "ceph-osd", "-f", "-c", config_file(instance, site), "-i", data.name)


def _start_daemons(instance, site):
    conf = config_file(instance, site)
    _spawn(instance, site, "mon.a", "ceph-mon", "-f", "-c", conf, "-i", "a")
    _start_osds(instance, site)
    if _keyring(instance, site, "mgr.a").exists():
        _spawn(instance, site, "mgr.a", "ceph-mgr", "-f", "-c", conf, "-i", "a")
    _spawn(instance, site, "rbd-mirror", "rbd-mirror", "-f", "-c", conf, "-n", "client.rbd-mirror",
           env=dict(os.environ, CEPH_CONF=str(conf)))


def _pair(instance):
    """Both clusters follow each other's images, those for which it is switched on."""
    for site in SITES:
        command(instance, site, "rbd", "mirror", "pool", "enable", POOL, "image", "--site-name", site)
    first, second = SITES
    token = directory(instance, first) / "keys/token"
    token.touch(0o600)
    token.write_text(command(instance, first, "rbd", "mirror", "pool", "peer", "bootstrap", "create", POOL))
    command(instance, second, "rbd", "mirror", "pool", "peer", "bootstrap", "import", "--direction", "rx-tx", POOL,
            token)
    token.unlink()


def create(instance):
    """Both clusters, their pool and their pairing. The network is there."""
    missing = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if missing:
        raise LabError(f"missing packages: apt-get install {' '.join(missing)}")
    for site in SITES:
        network.attach(instance, unit(site), site)
        process.run("ip", "-n", instance.namespace(unit(site)), "addr", "add",
                    f"{instance.address('ceph:' + site)}/16", "dev", "eth0")
        _create(instance, site)
    for site in SITES:
        _start_osds(instance, site)
        command(instance, site, "ceph", "osd", "pool", "create", POOL, "8")
        command(instance, site, "ceph", "osd", "pool", "application", "enable", POOL, "rbd")
    _pair(instance)
    for site in SITES:
        _start_daemons(instance, site)


def carry(instance, site, hosts):
    """From now on these two hosts carry the site's cluster, an OSD each: every object is on both. (The daemons don't die
    with their hosts: kill() them.) What can stop is known to a manager daemon."""
    command(instance, site, "ceph", "config", "set", "mgr", "mgr/devicehealth/enable_monitoring", "false", "--force")
    own = _keyring(instance, site, "mgr.a")
    own.touch(0o600)
    own.write_text(command(instance, site, "ceph", "auth", "get-or-create", "mgr.a", "mon", "allow profile mgr", "osd",
                           "allow *"))
    (directory(instance, site) / "mgr").mkdir()
    _make_osd(instance, site, 1)
    for number, host in enumerate(hosts):
        command(instance, site, "ceph", "config", "set", f"osd.{number}", "crush_location", f"root=default host={host}")
    # Their weights alike, else no rule finds a second place for most objects.
    command(instance, site, "ceph", "osd", "crush", "set", "osd.0", "1.0", "root=default", f"host={hosts[0]}")
    command(instance, site, "ceph", "osd", "crush", "add", "osd.1", "1.0", "root=default", f"host={hosts[1]}")
    _start_daemons(instance, site)
    command(instance, site, "ceph", "osd", "pool", "set", POOL, "size", "2")


def write_client_files(instance, etc):
    """What a host needs to reach both clusters, in its /etc/ceph."""
    (etc / "ceph").mkdir(exist_ok=True)
    for site in SITES:
        fsid = config_file(instance, site).read_text().split("fsid = ")[1].split()[0]
        (etc / "ceph" / f"{site}.conf").write_text(
            f"[global]\nfsid = {fsid}\nmon_host = {mon_host(instance, site)}\nlog_file =\n"
            "[client]\nobjecter_tick_interval = 1\nobjecter_timeout = 2\nms_max_backoff = 1\n")
        target = etc / "ceph" / f"{site}.client.{USER}.keyring"
        target.touch(0o600)
        target.write_text(_keyring(instance, site, f"client.{USER}").read_text())


def start(instance, site):
    """Starts whatever of the site's cluster doesn't run."""
    _start_daemons(instance, site)


def kill(instance, site, daemon=None):
    """SIGKILL to one daemon (mon.a, osd.0, rbd-mirror), or to all, unseen by the others: the link goes first."""
    if daemon:
        process.kill_recorded(directory(instance, site) / "run" / f"{daemon}.pid")
        return
    network.unplug(instance, unit(site))
    process.kill_all(instance, unit(site))
    network.plug(instance, unit(site))


def limit_link(instance, site, mbit):
    """What the site's cluster sends goes at most so fast; 0: no limit."""
    device = ("ip", "netns", "exec", instance.namespace(unit(site)), "tc", "qdisc")
    if mbit:
        process.run(*device, "replace", "dev", "eth0", "root", "tbf", "rate", f"{mbit}mbit", "burst", "64k", "latency",
                    "200ms")
    else:
        process.run(*device, "del", "dev", "eth0", "root")


def freeze(instance, site, frozen, daemon=None):
    """SIGSTOP or SIGCONT of one daemon or of all."""
    running = (directory(instance, site) / "run").glob("*.pid")
    names = [daemon] if daemon else sorted(path.stem for path in running)
    for name in names:
        pid = process.read_pid(directory(instance, site) / "run" / f"{name}.pid")
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)
