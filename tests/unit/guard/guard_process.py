#!/usr/bin/env python3
"""The real bascule-guard against a lease plane, a watchdog and guests that are all stand-ins.

    guard_process.py BASCULE_GUARD     must be PID 1 of its own PID namespace: guard kills what it finds there

A guest is a shell named qemu-system-x86_64 that waits. Waits are for conditions, with generous bounds.
"""
import contextlib
import http.server
import json
import os
import select
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time

TTL, STOP_AFTER, KILL_BUDGET = 5.0, 4.0, 1.0
BOUND = 60

PKI = r"""set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca
make() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj "/CN=$2/OU=$3"
  printf 'subjectAltName=IP:127.0.0.1\n' > $1.ext
  openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -set_serial $4 -extfile $1.ext -out $1.pem
}
make manager manager-1 manager 2
make guard paris-1 guard 3
"""


class LeasePlane:
    """Answers POST /lease with `verdict`, or not at all while `silent`."""

    def __init__(self):
        self.verdict, self.silent, self.last_request, self.last_answered = "granted", False, {}, 0.0
        plane = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                arrived = time.monotonic()
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if plane.silent:
                    self.close_connection = True
                    return
                reply = json.dumps({
                    "verdict": plane.verdict, "epoch": {"id": "e", "number": 1}, "term": 1, "mode": "stop",
                    "sequence": request["sequence"], "ttl_ms": int(TTL * 1000),
                    "stop_after_ms": int(STOP_AFTER * 1000), "kill_budget_ms": int(KILL_BUDGET * 1000)}).encode()
                plane.last_request, plane.last_answered = request, arrived
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain("manager.pem", "manager.key")
        tls.load_verify_locations("ca.pem")
        tls.verify_mode = ssl.CERT_REQUIRED
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Host:
    def __init__(self, program, folder):
        self.program, self.folder, self.guard = program, folder, None
        self.stops = 0  # that guard should have told of
        self.plane = LeasePlane()
        os.mkfifo("watchdog")
        self.dog = os.open("watchdog", os.O_RDWR | os.O_NONBLOCK)
        shutil.copy("/bin/bash", "qemu-system-x86_64")
        with open("guard.toml", "w") as config:
            config.write(f'cluster = "demo"\nhost = "paris-1"\nrun_dir = "{folder}/run"\n'
                         f'manager = ["127.0.0.1:{self.plane.server.server_address[1]}"]\n'
                         '[tls]\nca = "ca.pem"\ncertificate = "guard.pem"\nkey = "guard.key"\n'
                         f'[watchdog]\ndevice = "{folder}/watchdog"\ntimeout_s = 5\nemulated = true\n')

    def start_guard(self):
        self.guard = subprocess.Popen([self.program, "--config", "guard.toml"], stderr=open("guard.log", "a"))

    def kill_guard(self):
        self.guard.kill()
        self.guard.wait()

    def start_guest(self, name="guest=bascule-web-1,debug-threads=on"):
        return subprocess.Popen([f"{self.folder}/qemu-system-x86_64", "-c", "read line", "-name", name],
                                stdin=subprocess.PIPE)

    def pets(self):
        """What was written to the watchdog since the last call."""
        written = b""
        while select.select([self.dog], [], [], 0)[0]:
            written += os.read(self.dog, 4096)
        return written.decode()

    def lease(self):
        with contextlib.suppress(FileNotFoundError), open("run/lease.json") as file:
            return json.load(file)
        return {"held": False, "watchdog_armed": False, "stops": 0}

    def ready(self):
        lease = self.lease()
        return lease["held"] and lease["watchdog_armed"] and lease["stops"] == self.stops

    def wait_killed(self, guest, what):
        wait(lambda: guest.poll() is not None, what)
        self.stops += 1

    def wait_ready(self):
        wait(self.ready, "the lease is held and the watchdog armed")


def wait(condition, what):
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > BOUND:
            sys.exit(f"{what}: not within {BOUND} s\n" + open("guard.log").read())
        time.sleep(0.005)
    print(f"{what}: {time.monotonic() - began:.2f} s", flush=True)


def expect(condition, what):
    if not condition:
        sys.exit(f"expected: {what}\n" + open("guard.log").read())


def stays_alive(guest, seconds, what):
    time.sleep(seconds)
    expect(guest.poll() is None, what)


def at_the_deadline(host):
    guest = host.start_guest()
    stays_alive(guest, STOP_AFTER + 1, "renewals keep the guest alive past the first deadline")
    expect(host.plane.last_request["echo_mode"] == "stop", "the grant is echoed")
    expect(host.plane.last_request["watchdog_armed"], "the watchdog is told as armed")
    host.plane.silent = True
    host.wait_killed(guest, "no answers: the guest is killed")
    lived = time.monotonic() - host.plane.last_answered
    expect(STOP_AFTER - 0.5 < lived, f"not before the deadline, but {lived:.2f} s after the last answered request")
    wait(lambda: host.lease()["stops"] == 1 and not host.lease()["held"], "lease.json says so")
    late = host.start_guest()
    host.wait_killed(late, "a guest that was just being started is killed too")
    host.pets()
    wait(lambda: host.pets() != "", "the watchdog is petted on")
    host.plane.silent = False
    host.wait_ready()


def when_revoked(host):
    guest = host.start_guest()
    stays_alive(guest, 1, "held")
    host.plane.verdict = "revoked"
    host.wait_killed(guest, "revoked: the guest is killed")
    host.plane.verdict = "granted"
    host.wait_ready()


def after_a_freeze(host):
    guest = host.start_guest()
    stays_alive(guest, 1, "held")
    host.guard.send_signal(signal.SIGSTOP)
    wait(lambda: host.pets() == "", "frozen")
    stays_alive(guest, STOP_AFTER + 1, "nobody kills while guard is frozen")
    expect(host.pets() == "", "nobody else pets the watchdog")
    host.guard.send_signal(signal.SIGCONT)
    host.wait_killed(guest, "woken past the deadline: the guest is killed, although grants are to be had")
    host.wait_ready()


def after_a_crash(host):
    guest = host.start_guest()
    host.kill_guard()
    host.start_guard()
    stays_alive(guest, 1, "restarted in time: the guest lives")
    host.wait_ready()
    host.kill_guard()
    stays_alive(guest, STOP_AFTER + 1, "nobody kills while guard is away")
    host.start_guard()
    host.wait_killed(guest, "restarted late: the guest is killed")
    host.wait_ready()


def at_an_orderly_exit(host):
    guest = host.start_guest()
    host.pets()
    host.guard.terminate()
    expect(host.guard.wait(BOUND) == 0, "exit code 0")
    expect("V" not in host.pets(), "the watchdog stays armed while a guest depends on it")
    host.start_guard()
    host.wait_ready()
    guest.kill()
    guest.wait()
    host.guard.terminate()
    expect(host.guard.wait(BOUND) == 0, "exit code 0")
    expect(host.pets().endswith("V"), "the watchdog is stopped when no guest depends on it")


def main():
    expect(os.getpid() == 1, "to be PID 1 of an own PID namespace, with its /proc")
    program = os.path.abspath(sys.argv[1])
    folder = tempfile.mkdtemp(prefix="guard-process-")
    os.chdir(folder)
    open("guard.log", "w").close()
    subprocess.run(["bash", "-c", PKI], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    host = Host(program, folder)
    subprocess.run([program, "--check-config", "--config", "guard.toml"], check=True)
    host.start_guard()
    host.wait_ready()
    stranger = host.start_guest("guest=someone-elses")
    second = subprocess.run([program, "--config", "guard.toml"], stderr=subprocess.DEVNULL)
    expect(second.returncode == 1, "a second guard refuses to start")
    for part in (at_the_deadline, when_revoked, after_a_freeze, after_a_crash, at_an_orderly_exit):
        part(host)
    expect(stranger.poll() is None, "a guest that isn't ours lives")
    os.chdir("/")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
