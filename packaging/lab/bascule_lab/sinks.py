"""The SMTP relay and the SMS gateway (Kannel's sendsms) of the lab. They accept as real ones do, and keep everything.

    python3 -m bascule_lab.sinks LAB

A message is a JSON file <arrival in ns>.json in <state>/mail or <state>/sms. The file <state>/{mail,sms}.mode says
"ok", "reject" (an answer that refuses) or "hang" (no answer), and is read for every message.
"""
import json
import ssl
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .config import NOTICE_PASSWORD, NOTICE_USER
from .instance import SMS_PORT, SMTP_PORT, make_instance

HANG_S = 120
KINDS = ("mail", "sms")


def mode(instance, kind):
    try:
        return (instance.state / f"{kind}.mode").read_text().strip()
    except FileNotFoundError:
        return "ok"


def keep(instance, kind, message):
    now = time.time_ns()
    path = instance.state / kind / f"{now}.json"
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".new").write_text(json.dumps({"arrived": now / 1e9, **message}))
    path.with_suffix(".new").rename(path)


def received(instance, kind):
    """Every message so far, oldest first."""
    return [json.loads(path.read_text()) for path in sorted((instance.state / kind).glob("*.json"))]


def serve_mail(instance):
    import asyncio

    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP, AuthResult

    class Relay:
        async def handle_DATA(self, server, session, envelope):
            how = mode(instance, "mail")
            if how == "reject":
                return "451 refused by order of the lab"
            if how == "hang":
                await asyncio.sleep(HANG_S)
            keep(instance, "mail", {"from": envelope.mail_from, "to": envelope.rcpt_tos,
                                    "data": envelope.content.decode(errors="replace")})
            return "250 kept"

    def check(server, session, envelope, mechanism, credentials):
        wanted = (NOTICE_USER.encode(), NOTICE_PASSWORD.encode())
        return AuthResult(success=(credentials.login, credentials.password) == wanted, handled=False)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(instance.pki / "relay-relay.pem", instance.pki / "relay-relay.key")

    class TlsController(Controller):
        def factory(self):
            return SMTP(self.handler, hostname="relay", tls_context=context, require_starttls=True,
                        auth_required=True, authenticator=check)

    controller = TlsController(Relay(), hostname=instance.address("sinks"), port=SMTP_PORT)
    controller.start()
    return controller


def serve_sms(instance):
    """Also the authority's revocation list, which certificates name."""
    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            how = mode(instance, "sms")
            if how == "hang":
                time.sleep(HANG_S)
            if url.path == "/ca.crl":
                self.answer(200, (instance.pki / "ca.crl").read_bytes(), "application/pkix-crl")
            elif url.path != "/cgi-bin/sendsms":
                self.answer(404, "Not found")
            elif (query.get("username"), query.get("password")) != (NOTICE_USER, NOTICE_PASSWORD):
                self.answer(403, "Authorization failed for sendsms")
            elif not query.get("to") or not query.get("text"):
                self.answer(400, "Missing receiver number or text, rejected")
            elif how == "reject":
                self.answer(503, "Temporal failure, try again later.")
            else:
                keep(instance, "sms", {"to": query["to"], "text": query["text"]})
                self.answer(202, "0: Accepted for delivery")

        def answer(self, status, text, kind="text/plain"):
            body = text.encode() if isinstance(text, str) else text
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    ThreadingHTTPServer((instance.address("sinks"), SMS_PORT), Gateway).serve_forever()


if __name__ == "__main__":
    lab = make_instance(sys.argv[1])
    relay = serve_mail(lab)
    threading.Thread(target=serve_sms, args=(lab,), daemon=True).start()
    threading.Event().wait()
