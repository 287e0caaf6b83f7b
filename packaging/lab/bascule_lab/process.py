"""Commands, background processes, and the control groups that let `down` find every one of them.

Each process of a lab is in <hierarchy>/bascule-lab/<name>/<unit> before it executes anything, so whatever an
interrupted `up` left behind is found there. On cgroup v1 each mounted controller is such a hierarchy.
"""
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from .instance import HOSTS, LabError

CGROUP_ROOT = Path("/sys/fs/cgroup")
# Microseconds of each second that real-time threads may use, of the parent's: a group begins with none.
REAL_TIME_SHARES = (920_000, 440_000, 110_000)  # all labs, this one, each of its four hosts
V1_CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd")


def run(*argv, check=True, **options):
    """Run to the end and return its standard output; LabError with its error output if it fails."""
    options.setdefault("timeout", 60)
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, **options)
    if check and done.returncode != 0:
        detail = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise LabError(f"{' '.join(str(a) for a in argv)}: {detail}")
    return done.stdout


def wait_until(condition, timeout_s, what, interval_s=0.02):
    """The first true value of condition(); LabError naming `what` after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {timeout_s:g} s")
        time.sleep(interval_s)


def is_unified():
    return (CGROUP_ROOT / "cgroup.controllers").exists()


def hierarchies():
    """The roots of the cgroup trees that the lab uses, the one to look for processes in first."""
    if is_unified():
        return [CGROUP_ROOT]
    found = [CGROUP_ROOT / c for c in reversed(V1_CONTROLLERS) if (CGROUP_ROOT / c / "cgroup.procs").exists()]
    if not found:
        raise LabError(f"no control groups at {CGROUP_ROOT}: mount cgroup2 there")
    return found


def _enable_controllers(group):
    """cgroup v2: let the children of `group` use whatever it has."""
    for controller in (group / "cgroup.controllers").read_text().split():
        try:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            pass  # such as cpu with real-time processes about: the lab works without


def make_cgroup(instance, unit):
    """The directories of the unit's control group, one per hierarchy."""
    groups = []
    for root in hierarchies():
        path = root
        for part in ("bascule-lab", instance.name, unit):
            if is_unified():
                _enable_controllers(path)
            parent, path = path, path / part
            path.mkdir(parents=True, exist_ok=True)  # the last of the other labs may just have gone
            for setting in ("cpuset.cpus", "cpuset.mems"):
                if root.name == "cpuset" and not (path / setting).read_text().strip():
                    (path / setting).write_text((parent / setting).read_text())
        if root.name == "cpu" and unit in HOSTS:
            _allow_real_time(path)
        groups.append(path)
    return groups


def _allow_real_time(group):
    for path, share in zip((group.parent.parent, group.parent, group), REAL_TIME_SHARES):
        runtime = path / "cpu.rt_runtime_us"
        if runtime.exists() and runtime.read_text().strip() == "0":
            with contextlib.suppress(OSError):  # others took it all: the product logs that it does without
                runtime.write_text(str(share))


def move(instance, unit, pid):
    """Put a running process into another unit's control group."""
    for group in make_cgroup(instance, unit):
        (group / "cgroup.procs").write_text(str(pid))


def spawn(instance, unit, argv, log, **options):
    """Start a background process in the unit's control group; its output is appended to `log`. Returns its pid."""
    groups = make_cgroup(instance, unit)

    def enter():
        for group in groups:
            (group / "cgroup.procs").write_text("0")

    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                 start_new_session=True, preexec_fn=enter, **options)
    return child.pid


def start_time(pid):
    """The kernel's start time of a process in ticks, or None when it is gone (zombies count as gone)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def write_pid(path, pid):
    """Record a process so that a reused pid is not mistaken for it."""
    path.write_text(f"{pid} {start_time(pid)}\n")


def read_pid(path):
    """The recorded process if it still lives, else None."""
    try:
        pid, started = path.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(pid) == started else None


def kill_recorded(path):
    """SIGKILL the recorded process and wait until it is gone."""
    pid = read_pid(path)
    if pid:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: start_time(pid) is None, 10, f"end of process {pid} ({path.name})")
    path.unlink(missing_ok=True)


def children_of(pid):
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _groups(instance, unit, root):
    top = root / "bascule-lab" / instance.name
    top = top / unit if unit else top
    return sorted((p.parent for p in top.rglob("cgroup.procs")), key=lambda p: -len(p.parts)) if top.exists() else []


def pids_in(instance, unit=None):
    """Every process of the lab, or of one unit."""
    pids = set()
    for root in hierarchies()[:2]:
        for group in _groups(instance, unit, root):
            try:
                pids.update(int(p) for p in (group / "cgroup.procs").read_text().split())
            except OSError:
                pass  # the group went away meanwhile
    return pids


def kill_all(instance, unit=None):
    """SIGKILL every process of the lab or of one unit, and return when none is left."""
    me = os.getpid()

    def none_left():
        left = {p for p in pids_in(instance, unit) if p not in (0, me) and start_time(p)}
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not left

    wait_until(none_left, 20, f"end of all processes of lab {instance.name}")


def remove_cgroups(instance, unit=None):
    """The control groups of the lab, or of one unit, whose processes have ended."""
    def gone():
        left = False
        for root in hierarchies():
            for group in _groups(instance, unit, root):
                try:
                    group.rmdir()
                except OSError:
                    left = True
            with contextlib.suppress(OSError):  # another lab is there, or none ever was
                (root / "bascule-lab").rmdir()
        return not left

    wait_until(gone, 10, f"removal of the control groups of lab {instance.name}")
