"""The lab's cloud image: Debian with the real cloud-init and sshd, as a tenant would make a machine of it. Built once per
project directory, by debootstrap; it boots Debian's cloud kernel, without a boot loader."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import guest
from .process import run

SOURCES = Path(__file__).resolve().parent.parent / "cloud-guest"
NAME = "debian-12"
DISK_MIB = 448
INITRD = "cloud-initrd.gz"
MODULES = guest.MODULES + ("ext4", "isofs", "virtio_input")
PACKAGES = "cloud-init,python3-cffi-backend,openssh-server,ifupdown,iproute2,busybox-static"
COMMAND_LINE = guest.FAST_BOOT
# Of what an image has by default, what the lab's guests need.
SETTINGS = """datasource_list: [NoCloud, None]
ssh_genkeytypes: [ed25519]
cloud_init_modules: [seed_random, write-files, set_hostname, users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
"""
CLEARED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info",
           "usr/lib/x86_64-linux-gnu/gconv")


def _make_root(root):
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root, timeout=900)
    for directory in CLEARED:
        shutil.rmtree(root / directory, ignore_errors=True)
    (root / "etc/cloud/cloud.cfg.d/99-lab.cfg").write_text(SETTINGS)
    (root / "etc/hostname").write_text("unnamed\n")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    power_button = root / "etc/acpi/PWRF/00000080"
    power_button.parent.mkdir(parents=True)
    power_button.write_text("#!/bin/sh\nsync\nexec busybox poweroff -f\n")
    power_button.chmod(0o755)
    (root / "sbin/init").unlink(missing_ok=True)
    shutil.copy2(SOURCES / "init", root / "sbin/init")
    (root / "sbin/init").chmod(0o755)


def ensure_image():
    """Build the image unless the one there is newer than its sources. Returns whether it was built."""
    with guest.only_builder():
        return _build_if_older(guest.IMAGE_DIR)


def _build_if_older(directory):
    newest = max(p.stat().st_mtime for p in (*SOURCES.iterdir(), Path(__file__)))
    if (directory / NAME).exists() and (directory / NAME).stat().st_mtime >= newest:
        return False
    with tempfile.TemporaryDirectory(prefix="lab-cloud-") as scratch:
        work = Path(scratch)
        work.chmod(0o755)
        guest.make_initramfs(work, SOURCES / "initrd-init", MODULES, directory / INITRD)
        root = work / "image"
        _make_root(root)
        image = work / NAME
        run("mke2fs", "-q", "-t", "ext4", "-d", root, image, f"{DISK_MIB}M", timeout=300)
        subprocess.run(["cp", "--sparse=always", image, directory / f"{NAME}.new"], check=True)
        os.replace(directory / f"{NAME}.new", directory / NAME)
    return True


def install_image(instance):
    """Offer it in the pool "metro": the image as a template, its initramfs beside the kernel."""
    ensure_image()
    templates = instance.metro / "templates"
    templates.mkdir(exist_ok=True)
    for source, target in ((NAME, templates / NAME), (INITRD, instance.metro / "boot" / INITRD)):
        part = target.with_name(f".{target.name}.part")
        subprocess.run(["cp", "--sparse=always", guest.IMAGE_DIR / source, part], check=True)
        part.rename(target)
