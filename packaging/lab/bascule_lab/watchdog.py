"""The watchdog hardware of one host: a process outside its namespaces that reads the FIFO which is its /dev/watchdog.

    python3 -m bascule_lab.watchdog LAB HOST

Armed by the first byte; any byte pets it; a last byte of "V" disarms it. Not petted for the timeout, it cuts the
host's power (the BMC goes on saying "on"). It lives as long as that boot of the host.
"""
import os
import select
import sys
import time

from . import machine
from .instance import WATCHDOG_TIMEOUT_S, make_instance


def say(message):
    print(f"{time.time():.3f} {message}", flush=True)


def is_broken(instance, host):
    return (instance.machine_dir(host) / "watchdog.broken").exists()


def watch(instance, host):
    fifo = os.open(instance.machine_dir(host) / "watchdog", os.O_RDWR | os.O_NONBLOCK)
    deadline = None
    while True:
        wait = 1.0 if deadline is None else max(0.0, deadline - time.monotonic())
        if select.select([fifo], [], [], wait)[0]:
            petted = os.read(fifo, 4096)
            if petted.endswith((b"V", b"V\n")):
                say("disarmed")
                deadline = None
                continue
            if deadline is None:
                say("armed")
            deadline = time.monotonic() + WATCHDOG_TIMEOUT_S
        elif deadline is not None and time.monotonic() >= deadline:
            if is_broken(instance, host):
                say("not petted, but broken by order: nothing happens")
                deadline = None
                continue
            say(f"not petted for {WATCHDOG_TIMEOUT_S} s: power cut")
            machine.power_cut(instance, host)
            return


if __name__ == "__main__":
    watch(make_instance(sys.argv[1]), sys.argv[2])
