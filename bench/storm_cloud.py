"""The storm's surroundings: pods and their tokens, issuers, and an AWS that throttles half of all requests.

The API server is the strict fake, AWS is moto behind the strict STS. What AWS answered well is counted by identity.
"""

import io
import json
import random
import threading
from collections import Counter
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
from werkzeug.wrappers import Request, Response

from contract.secrets import BROKER_AUDIENCE
from demo.fakes.api_server import ApiServer
from demo.fakes.google import ClusterSigner, GoogleSigner
from demo.fakes.listener import Listener
from demo.fakes.sts import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, Role, StsServer, gate

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

AUDIENCE = "token-injector/sts/assume-role-with-web-identity"
REGION = "eu-west-1"
NAMESPACE = "storm"
_STS_ERROR = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"


class ThrottlingAws(StsServer):
    """Every second request, by a fixed dice, is told to come later."""

    def __init__(self, signer: GoogleSigner) -> None:
        super().__init__(google_jwks=signer.jwks)
        self._dice = random.Random(1)
        self._lock = threading.Lock()
        self.throttled = 0
        self.is_throttling = False
        self.reads: Counter[tuple[str, str]] = Counter()
        """By role and secret: how often AWS gave the value."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request (WSGI)."""
        request = Request(environ)
        target = request.headers.get("X-Amz-Target", "")
        body = request.get_data(cache=True)
        environ["wsgi.input"] = io.BytesIO(body)
        with self._lock:
            is_unlucky = self.is_throttling and self._dice.random() < 0.5
            self.throttled += is_unlucky
        if is_unlucky:
            served: Iterable[bytes] = _throttled(target)(environ, start_response)
            return served
        if target.endswith(("GetSecretValue", "BatchGetSecretValue")):
            self._count(request, json.loads(body))
        return super().__call__(environ, start_response)

    def _count(self, request: Request, asked: dict[str, Any]) -> None:
        signer = gate.signer_of(request)
        session = self.sessions.get(signer.access_key_id) if signer else None
        names = asked.get("SecretIdList") or [asked["SecretId"]]
        with self._lock:
            self.reads.update((session.role_arn if session else "nobody", name) for name in names)

    def exchanges(self) -> Counter[str]:
        """By role: how often STS gave credentials."""
        calls = list(self.calls)
        return Counter(
            str(call.role_arn) for call in calls if call.action == "AssumeRoleWithWebIdentity" and call.outcome == "ok"
        )


def _throttled(target: str) -> Response:
    if target:
        return Response(
            json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}),
            400,
            content_type="application/x-amz-json-1.1",
        )
    return Response(_STS_ERROR, 400, content_type="text/xml")


class Cloud:
    """So many pods of so many identities, each of which may read every secret."""

    def __init__(self, *, pods: int, identities: int, secrets: int) -> None:
        self._google, self._cluster = GoogleSigner(), ClusterSigner(key=None)
        self.aws = ThrottlingAws(self._google)
        self.api = ApiServer()
        self.api.accept_tokens_of(self._cluster)
        self._keys = Listener("127.0.0.1", 0, _keys_handler(self._google))
        self._keys.up()
        self.secrets = [f"shared/{number}" for number in range(secrets)]
        self._numbers = range(pods)
        self._identities = identities

    def __enter__(self) -> Self:
        self.aws.__enter__()
        self.aws.reset()
        for number in range(self._identities):
            self.aws.roles[_role_arn(number)] = _role(_subject(number))
        owner = boto3.client(
            "secretsmanager",
            region_name=REGION,
            endpoint_url=self.aws.url,
            aws_access_key_id=ROOT_ACCESS_KEY_ID,
            aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
        )
        for name in self.secrets:
            owner.create_secret(Name=name, SecretString=json.dumps({"password": f"of {name}"}))
        for number in self._numbers:
            account = {"spec": {"serviceAccountName": self._account(number)}, "status": {"phase": "Pending"}}
            self.api.put(NAMESPACE, f"pod-{number}", {}, "pods", fields=account)
        self.aws.calls.clear()
        self.aws.is_throttling = True
        return self

    def __exit__(self, *_: object) -> None:
        self._keys.close()
        self.api.close()
        self.aws.__exit__()

    def flags(self, folder: Path) -> list[str]:
        """How the broker finds the API server and Google's keys."""
        kubeconfig = folder / "kubeconfig"
        entries = {
            "clusters": [{"name": "c", "cluster": {"server": self.api.url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
        kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "x", **entries}))
        return [
            f"--kubeconfig={kubeconfig}",
            f"--web-identity-keys=https://accounts.google.com=http://{self._keys.host}/",
        ]

    def questions(self) -> list[dict[str, Any]]:
        """What each pod shows and asks; every token is the pod's own."""
        asked = [f"sm://{name}#password" for name in self.secrets]
        return [
            {
                "token": self._pod_token(number),
                "question": {
                    "references": asked,
                    "role_arn": _role_arn(number % self._identities),
                    "web_identity_token": self._google.id_token(
                        AUDIENCE,
                        sub=_subject(number % self._identities),
                        azp=_subject(number % self._identities),
                        jti=str(number),
                    ),
                    "session_name": "storm",
                    "region": REGION,
                },
            }
            for number in self._numbers
        ]

    def _account(self, number: int) -> str:
        return f"account-{number % self._identities}"

    def _pod_token(self, number: int) -> str:
        pod = {"name": f"pod-{number}", "uid": f"{NAMESPACE}/pod-{number}-uid"}
        account = self._account(number)
        private = {"namespace": NAMESPACE, "serviceaccount": {"name": account}, "pod": pod}
        claims: dict[str, Any] = {"kubernetes.io": private}
        return self._cluster.token(NAMESPACE, account, audiences=[BROKER_AUDIENCE], **claims)


def _subject(number: int) -> str:
    return f"1122334455667788{number:05}"


def _role_arn(number: int) -> str:
    return f"arn:aws:iam::123456789012:role/storm-{number}"


def _role(subject: str) -> Role:
    condition = {"accounts.google.com:oaud": AUDIENCE, "accounts.google.com:sub": subject}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": "accounts.google.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": condition},
    }
    return Role(trust_policy={"Version": "2012-10-17", "Statement": [statement]})


def _keys_handler(signer: GoogleSigner) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

        def do_GET(self) -> None:
            """The keys."""
            body = json.dumps(signer.jwks()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
