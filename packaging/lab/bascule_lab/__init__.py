"""Two sites, a witness and their faults, on one machine and without systemd.

From the bottom up:
  instance      names, addresses and paths of one lab
  process       commands, background processes, control groups
  network       namespaces, site bridges, the links between them
  pki, config   throwaway certificates and the configuration files of every machine
  guest         the kernel and initramfs of the lab's VMs
  machine       one host: boot, crash, freeze; machine_init is its PID 1
  watchdog      the hardware watchdog of a host, outside its namespaces
  bmc           a BMC per host (ipmi_sim), with its faults
  san           NBD volumes without locks
  ceph          a Ceph cluster per site, mirrored
  sinks         the SMTP relay and SMS gateway that receive notices
  lifecycle     up, down, status
  product       Bascule through its CLI: commissioning, demo guests
  cli           the verbs
"""
