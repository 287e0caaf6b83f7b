"""PID 1 of a machine of the lab: makes its root file system, then keeps its services running as systemd would.

Runs as `python3 machine_init.py DIR/init.json`, alone in its namespaces; stdlib only, no sibling imports. DIR holds
the machine's etc, var and run; init.json has
  name, metro, bin, watchdog (FIFO), boot_id (file), services [{name, argv}], unified (cgroup v2).
A service named in /run/lab/hold is not started again. Nothing of the real machine's /etc, /var or /run is visible.
"""
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd")
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
RESTART_DELAY_S = 0.2
ROOT = Path(sys.argv[1]).parent / "root"  # covered by a tmpfs of this mount namespace, the machine's root later


def mount(*argv):
    subprocess.run(["mount", *map(str, argv)], check=True)


def bind(source, target, *, read_only=False):
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.touch()
    mount("--bind", source, target)
    if read_only:
        mount("-o", "remount,bind,ro", target)


def make_devices():
    dev = ROOT / "dev"
    dev.mkdir()
    mount("-t", "tmpfs", "-o", "mode=755", "dev", dev)
    for name, number in DEVICES.items():
        os.mknod(dev / name, 0o020666, os.makedev(*number))
        os.chmod(dev / name, 0o666)
    for directory in ("pts", "shm", "net", "hugepages"):
        (dev / directory).mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620", "devpts", dev / "pts")
    mount("-t", "tmpfs", "shm", dev / "shm")
    os.symlink("pts/ptmx", dev / "ptmx")
    os.symlink("/proc/self/fd", dev / "fd")
    os.mknod(dev / "net/tun", 0o020666, os.makedev(10, 200))


def enable(groups, controller):
    """Busy as long as the program that started us is still in our group: the lab moves it out right now."""
    for _ in range(100):
        try:
            (groups / "cgroup.subtree_control").write_text(f"+{controller}")
            return
        except OSError:
            time.sleep(0.05)


def mount_cgroups(unified):
    groups = ROOT / "sys/fs/cgroup"
    if unified:
        mount("-t", "cgroup2", "cgroup2", groups)
        (groups / "init").mkdir(exist_ok=True)
        (groups / "init/cgroup.procs").write_text("1")
        for controller in (groups / "cgroup.controllers").read_text().split():
            enable(groups, controller)
        return
    mount("-t", "tmpfs", "-o", "mode=755", "cgroup", groups)
    for controller in CONTROLLERS:
        (groups / controller).mkdir()
        options = "none,name=systemd" if controller == "systemd" else controller
        subprocess.run(["mount", "-t", "cgroup", "-o", options, "cgroup", groups / controller], check=False)


def make_root(config):
    """Compose the machine's root from /usr, its own directories and fresh pseudo file systems; then live in it."""
    own = ROOT.parent
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "-o", "mode=755", "root", ROOT)
    for link in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if os.path.islink(f"/{link}"):
            os.symlink(os.readlink(f"/{link}"), ROOT / link)
        elif os.path.isdir(f"/{link}"):
            bind(f"/{link}", ROOT / link, read_only=True)
    bind("/usr", ROOT / "usr", read_only=True)
    for name in ("etc", "var", "run"):
        bind(own / name, ROOT / name)
    for name in ("tmp", "root", "proc", "sys", "old"):
        (ROOT / name).mkdir()
    bind(config["bin"], ROOT / "opt/bascule/bin", read_only=True)
    bind(config["metro"], ROOT / "srv/bascule/metro")
    make_devices()
    bind(config["watchdog"], ROOT / "dev/watchdog")
    mount("-t", "proc", "proc", ROOT / "proc")
    mount("--bind", config["boot_id"], ROOT / "proc/sys/kernel/random/boot_id")
    mount("-t", "sysfs", "sys", ROOT / "sys")
    mount_cgroups(config["unified"])
    os.chdir(ROOT)
    subprocess.run(["pivot_root", ".", "old"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "-l", "/old"], check=True)
    os.rmdir("/old")


class Service:
    """A program that is started again whenever it ends, as systemd does with Restart=always."""

    def __init__(self, name, argv):
        self.name = name
        self.argv = argv
        self.pid = 0
        self.start_at = 0.0

    def held(self):
        return os.path.exists(f"/run/lab/hold/{self.name}")

    def start(self):
        if not os.path.exists(self.argv[0]):
            self.start_at = time.monotonic() + 1
            return
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            log = os.open(f"/var/log/{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            os.dup2(log, 1)
            os.dup2(log, 2)
            try:
                os.execv(self.argv[0], self.argv)
            finally:
                os._exit(127)
        Path(f"/run/lab/{self.name}.pid").write_text(f"{self.pid}\n")
        say(f"{self.name} started as {self.pid}")

    def ended(self, status):
        say(f"{self.name} ({self.pid}) ended: {describe(status)}")
        self.pid = 0
        self.start_at = time.monotonic() + RESTART_DELAY_S


def describe(status):
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit status {os.waitstatus_to_exitcode(status)}"


def say(message):
    print(f"{time.time():.3f} {message}", flush=True)


def supervise(services):
    """Never returns. Also reaps the orphans of the machine, as PID 1 must."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        now = time.monotonic()
        for service in services:
            if not service.pid and now >= service.start_at and not service.held():
                service.start()
        signal.sigtimedwait({signal.SIGCHLD}, 0.1)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            for service in services:
                if service.pid == pid:
                    service.ended(status)


def main():
    config = json.loads(Path(sys.argv[1]).read_text())
    make_root(config)
    libc = ctypes.CDLL(None, use_errno=True)
    name = config["name"].encode()
    libc.sethostname(name, len(name))
    os.environ.clear()
    os.environ.update(PATH="/opt/bascule/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME="/root", LANG="C.UTF-8")
    for directory in ("/run/lab/hold", "/run/lock", "/run/bascule", "/run/libvirt"):
        os.makedirs(directory, exist_ok=True)
    say(f"{config['name']} boots")
    supervise([Service(s["name"], s["argv"]) for s in config["services"]])


main()
