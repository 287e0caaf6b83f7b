"""What a new lab may take over from an earlier one of its name, so as to be there sooner: what libvirt learned about
QEMU, and the manager's store, in which the hosts are commissioned."""
import contextlib
import shutil
import sqlite3

from .instance import HOSTS, WITNESS

STORE = "var/lib/bascule/manager.db"
CAPABILITIES = "var/cache/libvirt/qemu/capabilities"


def keep(instance, directory):
    """Of a lab whose manager runs. The directory appears when all is in it."""
    part = directory.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(instance.machine_dir(HOSTS[0]) / CAPABILITIES, part / "capabilities")
    with contextlib.closing(sqlite3.connect(instance.machine_dir(WITNESS) / STORE)) as store, \
            contextlib.closing(sqlite3.connect(part / "manager.db")) as copy:
        store.backup(copy)
    part.rename(directory)


def put(instance, directory):
    """Before any machine boots, and after their directories were made."""
    for host in HOSTS:
        shutil.copytree(directory / "capabilities", instance.machine_dir(host) / CAPABILITIES)
    store = instance.machine_dir(WITNESS) / STORE
    store.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(directory / "manager.db", store)
    store.chmod(0o600)
