"""A SAN that locks nothing: NBD exports that both sites can write to at once.

QEMU locks image files, and all hosts of the lab share one kernel, so on the pool "metro" a second copy would fail to
start. Tests of double starts use this pool, "san", where nothing but Bascule prevents a second writer.
"""
import os

from . import network, process
from .guest import DISK_MIB
from .instance import SAN_PORT

VOLUMES = ("web-1", "web-2")


def start(instance):
    """Serve the volumes, if that is not done yet."""
    pid_file = instance.state / "san.pid"
    if process.read_pid(pid_file):
        return
    instance.san.mkdir(exist_ok=True)
    argv = ["qemu-storage-daemon", "--nbd-server",
            f"addr.type=inet,addr.host={instance.address('san')},addr.port={SAN_PORT},max-connections=0"]
    for volume in VOLUMES:
        path = instance.san / f"{volume}.raw"
        path.touch()
        os.truncate(path, DISK_MIB << 20)
        argv += ["--blockdev", f"file,node-name={volume},filename={path},cache.direct=on",
                 "--export", f"nbd,id={volume},node-name={volume},name={volume},writable=on"]
    pid = process.spawn(instance, "san", network.enter(instance, "san") + argv, instance.state / "san.log")
    process.write_pid(pid_file, pid)
