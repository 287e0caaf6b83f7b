"""The observer itself: a test that can't fail proves nothing."""
import os
import signal
import subprocess

from bascule_lab import guest, machine
from harness import expect

DOMAIN = """<domain type='qemu'><name>twin</name><uuid>6f1c2b1e-0d5a-4f5e-9a43-000000000001</uuid>
<memory unit='MiB'>96</memory><os><type arch='x86_64' machine='q35'>hvm</type>
<kernel>/srv/bascule/metro/boot/{kernel}</kernel><initrd>/srv/bascule/metro/boot/{initrd}</initrd>
<cmdline>{command_line}</cmdline></os><features><acpi/></features>
<cpu mode='custom' match='exact'><model>qemu64</model></cpu>
<devices><controller type='usb' model='none'/><interface type='bridge'><source bridge='br0'/><model type='virtio'/>
</interface><memballoon model='none'/></devices></domain>"""


def test_observer_sees_a_second_copy(lab):
    """Two copies of one VM on two hosts: seen as processes and by their reports."""
    xml = DOMAIN.format(kernel=guest.KERNEL, initrd=guest.INITRD,
                        command_line=guest.command_line(lab.instance, "twin", 150))
    for host in ("paris-1", "lyon-1"):
        for service in ("hostd", "guard"):
            machine.hold(lab.instance, host, service, True)
            for pid in machine.programs(lab.instance, host, service):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["virsh", "-q", "-c", machine.libvirt_uri(lab.instance, host), "create", "/dev/stdin"],
                       input=xml, text=True, check=True, capture_output=True)
    lab.wait(lambda: any("two QEMU processes" in f for f in lab.observer.faults), 5, "the second process is seen")
    lab.wait(lambda: any("twin: boot" in f for f in lab.observer.faults), 40, "the second boot's reports are seen")
    expect(lab.observer.samples > 20, "samples are taken")
    for host in ("paris-1", "lyon-1"):
        lab.verb("crash", host)
    lab.observer.faults.clear()
