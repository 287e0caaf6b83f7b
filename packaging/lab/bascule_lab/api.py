"""Bascule's REST API, asked as the operator alice: where a test looks many times a second, the CLI's start would keep
the machine busier than what is tested."""
import http.client
import json
import ssl

from .config import API_PORT, OPERATOR
from .instance import WITNESS, LabError


def get(instance, path, timeout_s=30):
    """The document at /v1/<path>; LabError when there is no such answer."""
    trust = ssl.create_default_context(cafile=str(instance.pki / "ca.pem"))
    trust.load_cert_chain(instance.pki / f"{OPERATOR}.pem", instance.pki / f"{OPERATOR}.key")
    connection = http.client.HTTPSConnection(instance.address(WITNESS), API_PORT, timeout=timeout_s,
                                             context=trust)
    try:
        connection.request("GET", f"/v1/{path}")
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise LabError(f"GET /v1/{path}: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise LabError(f"GET /v1/{path}: {answer.status} {body}")
    return json.loads(body)
