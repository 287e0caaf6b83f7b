"""Rules that nothing may bend: commit before acting, and no way home without an approved plan."""
import contextlib
import sqlite3

from harness import LabError, expect


@contextlib.contextmanager
def stalled_store(lab):
    """Nobody can write to the manager's database meanwhile."""
    database = sqlite3.connect(lab.instance.machine_dir("witness") / "var/lib/bascule/manager.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        database.execute("ROLLBACK")
        database.close()


def test_nothing_is_done_that_is_not_stored(lab):
    """The store takes no decision for a while: nobody is powered off or started; then the failover completes."""
    lab.ready("san")
    # Of an operator's decision the power off follows in the same step: nothing else in flight can hold it up.
    spare = lab.instance.bmc_dir("lyon-2") / "power"
    with stalled_store(lab):
        with contextlib.suppress(LabError):  # it is still under way, and done once it is stored
            lab.bascule("--wait", "1", "host", "power", "off", "lyon-2", "--reason", "a spare host")
        lab.stays(lambda: spare.read_text().strip() == "1", 6, "lyon-2 is not powered off")
    lab.wait(lambda: spare.read_text().strip() == "0", 20, "lyon-2 is off")
    host, old = lab.where("web-1"), lab.boot("web-1")
    power = lab.instance.bmc_dir(host) / "power"
    with stalled_store(lab):
        lab.verb("crash", host)
        lab.stays(lambda: power.read_text().strip() == "1", 12, f"{host} is not powered off")
        expect(lab.where("web-1") is None, "web-1 should not be started")
    lab.wait_for_new_boot("web-1", old, 90)
    expect(lab.site("web-1") == "lyon", "web-1 should run at lyon")


def test_nothing_goes_home_alone(lab):
    """Away, and then its host at lyon dies too while paris is well: another host at lyon, else it waits."""
    lab.ready("san")
    host, old = lab.where("web-1"), lab.boot("web-1")
    lab.verb("crash", host)
    lab.wait_for_new_boot("web-1", old)
    lab.verb("heal", host)
    lab.wait(lambda: lab.hosts()[host]["session"], 30, f"{host} is back")
    lab.bascule("host", "clear", host, "--reason", "repaired and tested again")
    lab.verb("poweroff", "lyon")
    lab.wait(lambda: all(h["phase"] == "down" for h in lab.hosts().values() if h["site"] == "lyon"), 60, "lyon is proved down")
    lab.stays(lambda: lab.where("web-1") is None, 15, "web-1 waits for a plan")
    expect(lab.boot("web-2"), "web-2 runs on at home")


for each in (test_nothing_is_done_that_is_not_stored, test_nothing_goes_home_alone):
    each.policy = ("brake_window_ms = 5000",)
