"""Another mutating webhook, as service meshes have them: adds one container to each pod, behind ours in the order.

`python -m demo.cluster.second_webhook` in the cluster, with a certificate at /certs. The API server then calls ours
again (reinvocationPolicy IfNeeded), and the new container must get what the others have.
"""

import base64
import json
import ssl
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONTAINER = "added-by-the-second"


def response(review: Mapping[str, Any]) -> dict[str, Any]:
    """The review's answer: the application's container once more, under another name. Pure."""
    request = review["request"]
    containers = request["object"]["spec"]["containers"]
    answer: dict[str, Any] = {"uid": request["uid"], "allowed": True}
    if CONTAINER not in {container["name"] for container in containers}:
        # As a mesh would write it: of what others have injected it knows nothing.
        added = {key: containers[0][key] for key in ("image", "command", "securityContext") if key in containers[0]}
        patch = [{"op": "add", "path": "/spec/containers/-", "value": {"name": CONTAINER, **added}}]
        answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    return {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": answer}


class Handler(BaseHTTPRequestHandler):
    """Answers reviews at any path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """For the readiness probe."""
        self._answer({})

    def do_POST(self) -> None:
        """One review."""
        self._answer(response(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

    def _answer(self, body: Mapping[str, Any]) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


def main() -> int:
    """Serve on 8443 until the process is ended."""
    server = ThreadingHTTPServer(("0.0.0.0", 8443), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/certs/tls.crt", "/certs/tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
