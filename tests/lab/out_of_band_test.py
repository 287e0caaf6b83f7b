"""Somebody works on a host behind Bascule's back: noticed, stopped, told."""
import subprocess

from bascule_lab import guest, machine
from harness import Failure, expect

USB_GUEST = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
<name>stranger</name><memory unit='MiB'>96</memory><os><type arch='x86_64' machine='q35'>hvm</type>
<kernel>/srv/bascule/metro/boot/{kernel}</kernel></os>
<devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='qemu-xhci,addr=0x1c'/></qemu:commandline></domain>"""


def virsh(lab, host, *argv, xml=None):
    done = subprocess.run(["virsh", "-q", "-c", machine.libvirt_uri(lab.instance, host), *argv], input=xml, text=True,
                          check=False, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise Failure(f"virsh {' '.join(argv)} on {host}: {done.stderr.strip()}")
    return done.stdout


def create_by_hand(lab, host, xml, *options):
    """It may be gone before virsh is done: that Bascule did it is told by notice and audit."""
    try:
        virsh(lab, host, "create", "/dev/stdin", *options, xml=xml)
    except Failure as stopped_already:
        lab.note(str(stopped_already))


def reasons(lab):
    return [entry["reason"] for entry in lab.bascule("events")["items"]]


def test_away_vm_started_by_hand_on_the_returned_host(lab):
    """`virsh create` of a VM that is away, on its old host: stopped within seconds, and operations are told."""
    lab.ready("san")
    host, old = lab.where("web-1"), lab.boot("web-1")
    xml = virsh(lab, host, "dumpxml", "bascule-web-1")
    lab.verb("crash", host)
    away = lab.wait_for_new_boot("web-1", old)
    lab.verb("heal", host)
    lab.wait(lambda: "evidence_host_word" in reasons(lab), 30, f"{host} is back and forbids the old generation")
    told = len(lab.texts())
    create_by_hand(lab, host, xml, "--paused")
    lab.wait(lambda: not lab.service_pids(host, "qemu"), 10, "the copy on the old host is stopped")
    lab.wait(lambda: len(lab.texts()) > told, 15, "operations are told")
    expect(lab.boot("web-1") == away, "the copy at lyon should run on untouched")
    # The double start is our own here; a paused copy writes nothing, which the observer goes on checking.
    lab.observer.faults = [fault for fault in lab.observer.faults if "two QEMU processes" not in fault]


def test_domain_with_usb_behind_a_lying_definition(lab):
    """USB by an appended QEMU command line, which the devices of the XML don't show: a fault, and stopped."""
    lab.wait_for_hosts()
    create_by_hand(lab, "lyon-1", USB_GUEST.format(kernel=guest.KERNEL))
    lab.wait(lambda: not lab.service_pids("lyon-1", "qemu"), 10, "the domain is stopped")
    lab.wait(lambda: "device_policy" in reasons(lab), 10, "it is in the audit")
    lab.wait(lambda: any("stranger" in text["text"] for text in lab.texts()), 15, "operations are told")
