#!/usr/bin/python3
"""A mail relay (one port with STARTTLS and AUTH, one without either) and an SMS gateway that really receive.

usage: notify_sink.py FOLDER    with cert.pem and key.pem in it

Prints one line of JSON with its ports when it listens. What it receives becomes FOLDER/mail-N.json and
FOLDER/sms-N.json. What it answers is read from FOLDER: data-reply ("451 later"), refused (an address or
a number), http-status ("503"). Ends when its standard input does.
"""
import email
import email.policy
import http.server
import json
import os
import socket
import ssl
import sys
import threading
import urllib.parse

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

folder = sys.argv[1]
lock = threading.Lock()
counts = {"mail": 0, "sms": 0}


def control(name):
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def keep(kind, record):
    with lock:
        counts[kind] += 1
        path = os.path.join(folder, f"{kind}-{counts[kind]}.json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(record, file)
    os.rename(path + ".new", path)


class Relay:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == control("refused"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        reply = control("data-reply")
        if reply:
            return reply
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        keep("mail", {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "authenticated": bool(session.authenticated),
            "subject": message["Subject"],
            "message_id": message["Message-ID"],
            "headers": message.keys(),
            "text": message.get_content().replace("\r\n", "\n"),
            "raw": envelope.content.decode("ascii"),
        })
        return "250 accepted"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"bascule", b"p:@ss word%")
    return AuthResult(success=good, handled=good)


class Gateway(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        fields = {key: values[0] for key, values in query.items()}
        status = 500 if fields["to"] == control("refused") else int(control("http-status") or 202)
        if status < 300:
            keep("sms", fields)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"0: Accepted for delivery")

    def log_message(self, *words):
        pass


class FreePort(Controller):
    def _trigger_server(self):  # the base class dials the port it was asked for, here 0
        with socket.create_connection(("127.0.0.1", port_of(self)), 30) as connection:
            connection.recv(1)


def port_of(controller):
    return controller.server.sockets[0].getsockname()[1]


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
secure = FreePort(Relay(), hostname="127.0.0.1", port=0, tls_context=context, require_starttls=True,
                  auth_required=True, authenticator=authenticate)
plain = FreePort(Relay(), hostname="127.0.0.1", port=0)
secure.start()
plain.start()
gateway = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
threading.Thread(target=gateway.serve_forever, daemon=True).start()
print(json.dumps({"secure": port_of(secure), "plain": port_of(plain), "sms": gateway.server_port}), flush=True)
sys.stdin.read()
os._exit(0)
