"""A token server as registries name it in their realm: strict about the question, signs with PyJWT."""

import base64
import datetime as dt
import json
import ssl
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.entrypoint.registries import PASSWORD, USER

SERVICE, ISSUER = "tests-registry", "tests-issuer"
REFRESH_TOKEN = "tests-refresh-token"
PUBLIC = "public/"
"""What everybody may pull."""


class TokenServer:
    """Gives tokens over TLS, or over plain HTTP where there is no context."""

    def __init__(self, directory: Path, context: ssl.SSLContext | None = None, *, name: str = "127.0.0.1") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _self_signed(self._key)
        self._bundle = directory / "token.crt"
        self._bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self.asked: list[tuple[str, Mapping[str, list[str]]]] = []
        """Method and parameters."""
        handler = type("Handler", (_Handler,), {"tokens": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"{name}:{self._server.server_address[1]}"
        self.realm = f"{'https' if context else 'http'}://{self.host}/token"

    @property
    def auth(self) -> dict[str, Any]:
        """For a registry's configuration."""
        token = {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(self._bundle)}
        return {"token": token}

    def sign(self, repository: str, *actions: str) -> str:
        """A token for these actions."""
        now = int(time.time())
        access = [{"type": "repository", "name": repository, "actions": list(actions)}] if actions else []
        claims = {"iss": ISSUER, "sub": USER, "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now}
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        headers = {"x5c": [base64.b64encode(der).decode()]}
        return jwt.encode({**claims, "jti": "1", "access": access}, self._key, algorithm="ES256", headers=headers)

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    tokens: TokenServer

    def do_GET(self) -> None:
        """A password or nobody."""
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        given = self.headers.get("Authorization")
        self._answer(
            parse_qs(urlsplit(self.path).query), is_known=given == expected, is_refused=given not in (None, expected)
        )

    def do_POST(self) -> None:
        """A refresh token."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        is_known = form.get("refresh_token") == [REFRESH_TOKEN] and form.get("grant_type") == ["refresh_token"]
        self._answer(form, is_known=is_known, is_refused=not is_known)

    def _answer(self, asked: Mapping[str, list[str]], *, is_known: bool, is_refused: bool) -> None:
        self.tokens.asked.append((self.command, asked))
        kind, repository, action = asked["scope"][0].split(":")
        if kind != "repository" or action != "pull" or asked["service"] != [SERVICE]:
            return self._send(400, {"error": "unexpected scope or service"})
        if is_refused:
            return self._send(401, {"errors": [{"code": "UNAUTHORIZED", "message": "no"}]})
        is_granted = is_known or repository.startswith(PUBLIC)
        token = self.tokens.sign(repository, *(["pull"] if is_granted else []))
        return self._send(200, {"access_token" if self.command == "POST" else "token": token})

    def _send(self, status: int, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
        """Say nothing."""


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests-tokens")])
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
    return builder.sign(key, hashes.SHA256())
