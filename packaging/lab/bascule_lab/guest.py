"""The lab's guest image: Debian's cloud kernel and a small initramfs, built once per project directory.

Packages are downloaded and unpacked, never installed.
"""
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .instance import PROJECT_DIR, REPORT_PORT, LabError
from .process import run

SOURCES = Path(__file__).resolve().parent.parent / "guest"
IMAGE_DIR = PROJECT_DIR / "build" / "lab-guest"
DISK_MIB = 16
KERNEL = "lab-vmlinuz"
INITRD = "lab-initrd.gz"
# What the guests need, without their dependencies; those built into the kernel are skipped.
MODULES = ("virtio_pci", "virtio_net", "virtio_blk", "virtio_balloon", "button", "evdev")
FAST_BOOT = "console=ttyS0 quiet mitigations=off nopti nokaslr tsc=reliable no_timer_check panic=1"


def _unpack(package, work):
    run("apt-get", "-qq", "download", package, cwd=work, timeout=300)
    deb = next(work.glob(f"{package}_*.deb"))
    run("dpkg-deb", "-x", deb, work / package)
    return work / package


def _kernel_package():
    depends = run("apt-cache", "depends", "linux-image-cloud-amd64").split()
    real = [word for word in depends if word.startswith("linux-image-") and word != "linux-image-cloud-amd64"]
    if not real:
        raise LabError("apt knows no linux-image-cloud-amd64: run apt-get update")
    return real[0]


def _load_order(modules, wanted):
    """The files of the wanted modules and all that they depend on, each after its dependencies."""
    files = {path.stem.replace("-", "_"): path for path in modules.rglob("*.ko")}
    order = []

    def add(name):
        path = files.get(name)
        if path is None or path in order:
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for other in depends.group(1).decode().split(",") if depends else ():
            add(other.replace("-", "_"))
        order.append(path)

    for name in wanted:
        add(name)
    return order


def make_initramfs(work, init, modules, target, add=lambda root: None):
    """An initramfs with busybox, these modules and this script as its init; `add` may put more into it. Returns the
    unpacked kernel package."""
    kernel = _unpack(_kernel_package(), work)
    busybox = _unpack("busybox-static", work) / "bin/busybox"
    root = work / "root"
    for directory in ("bin", "sbin", "mod", "dev"):
        (root / directory).mkdir(parents=True)
    shutil.copy2(busybox, root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    order = _load_order(next(kernel.glob("lib/modules/*")) / "kernel", modules)
    for path in order:
        shutil.copy2(path, root / "mod")
    (root / "mod/order").write_text(" ".join(path.stem for path in order) + "\n")
    shutil.copy2(init, root / "init")
    (root / "init").chmod(0o755)
    add(root)
    archive = subprocess.run("find . | cpio -o -H newc --quiet | gzip -9", shell=True, cwd=root, check=True,
                             capture_output=True).stdout
    target.with_suffix(".new").write_bytes(archive)
    os.replace(target.with_suffix(".new"), target)
    return kernel


def _add_programs(root):
    (root / "etc/acpi/PWRF").mkdir(parents=True)
    power_button = root / "etc/acpi/PWRF/00000080"
    power_button.write_text("#!/bin/sh\nsync\nexec /bin/poweroff -f\n")
    power_button.chmod(0o755)
    for program in ("heartbeat", "iops"):
        run("cc", "-static", "-O2", "-Wall", "-Werror", "-o", root / "bin" / program, SOURCES / f"{program}.c")
        run("strip", root / "bin" / program)


@contextlib.contextmanager
def only_builder():
    """Hold IMAGE_DIR's lock: two labs that start at once may want an image that isn't there yet."""
    IMAGE_DIR.mkdir(parents=True, exist_ok=True)
    with open(IMAGE_DIR / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_image():
    """Build the image unless the one there is newer than its sources. Returns whether it was built."""
    with only_builder():
        return _build_if_older()


def _build_if_older():
    newest = max(p.stat().st_mtime for p in (*SOURCES.iterdir(), Path(__file__)))
    # The kernel is written last.
    if (IMAGE_DIR / KERNEL).exists() and (IMAGE_DIR / KERNEL).stat().st_mtime >= newest:
        return False
    with tempfile.TemporaryDirectory(prefix="lab-guest-") as scratch:
        work = Path(scratch)
        work.chmod(0o755)
        kernel = make_initramfs(work, SOURCES / "init", MODULES, IMAGE_DIR / INITRD, _add_programs)
        shutil.copy(next(kernel.glob("boot/vmlinuz-*")), IMAGE_DIR / KERNEL)
    return True


def install_image(instance):
    """Put the kernel and the initramfs into the pool "metro", where it keeps what guests boot."""
    (instance.metro / "boot").mkdir(exist_ok=True)
    for name in (KERNEL, INITRD):
        shutil.copy(IMAGE_DIR / name, instance.metro / "boot" / name)


def command_line(instance, name, number):
    """The kernel arguments of the guest `name` at guest_address(number)."""
    return (f"{FAST_BOOT} lab.name={name} lab.ip={instance.guest_address(number)}/16 "
            f"lab.report={instance.address('outside')}:{REPORT_PORT}")


def vm_spec(instance, name, number, pool="metro", **changes):
    """The specification of a lab VM, as `bascule vm create --file` takes it (VmSpec of base/model.h). In the pool
    "san" there are volumes for the guests of san.VOLUMES only."""
    spec = {
        "name": name, "home": "paris", "memory_mib": 96, "vcpus": 1,
        "disks": [{"pool": pool, "volume": name if pool == "san" else f"{name}.raw", "size_mib": DISK_MIB}],
        "nics": [{"bridge": "br0", "addresses": [str(instance.guest_address(number))]}],
        "kernel": {"pool": "metro", "kernel": KERNEL, "initrd": INITRD,
                   "command_line": command_line(instance, name, number)},
    }
    return spec | changes
