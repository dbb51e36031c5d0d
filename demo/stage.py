"""Everything that the demo needs around the pod: fakes, certificate, webhook. Ends it all and leaves nothing behind."""

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, Self

import boto3
import jsonpatch
import yaml

from contract import environ, pod
from demo.fakes.google import GoogleSigner
from demo.fakes.metadata import MetadataServer
from demo.fakes.sts import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, Role, StsServer
from demo.kubelet import Image

HERE = Path(__file__).parent
ROOT = HERE.parent
ROLE = "arn:aws:iam::123456789012:role/orders"
IMAGE = "registry.example/token-injector:1"
# A second here is two and a half minutes of a cluster: Google's hour lasts 24 s, and the refresher's child has 0.4 s.
TIME_DIVISOR = 150
TOKEN_LIFETIME = 3600 / TIME_DIVISOR
SERVER_NAME = "admission-webhook-svc.webhook.svc"
# No library in any process of the demo looks for a cloud.
QUIET = {"NO_GCE_CHECK": "true", "AWS_EC2_METADATA_DISABLED": "true"}


class StageError(Exception):
    """A part of the stage did not start; the message has its last words."""


class Stage:
    """A context manager; `folder` is the demo's only place on disk."""

    def __init__(self) -> None:
        self._exits = contextlib.ExitStack()
        self.google = GoogleSigner()
        self.webhook: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        with self._exits:
            self.folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="token-injector-demo-")))
            self.metadata = self._exits.enter_context(MetadataServer(signer=self.google))
            self.metadata.lifetime = TOKEN_LIFETIME
            self.aws = self._exits.enter_context(StsServer(google_jwks=self.google.jwks))
            self.aws.session_scale = 1 / TIME_DIVISOR
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def volume(self) -> Path:
        """What stands for the token's memory volume."""
        return self.folder / "volume"

    @property
    def images(self) -> dict[str, Image]:
        """The injected container's image, and the application's."""
        machine = os.uname().machine
        refresher = [sys.executable, "-I", "-m", "injector"]
        return {
            IMAGE: Image(
                programs={
                    pod.LAUNCHER: [str(ROOT / f"build/launcher/token-injector.{machine}")],
                    " ".join(pod.PYTHON_REFRESHER): refresher,
                },
                env={environ.REFRESHER_COMMAND: " ".join(refresher), **QUIET},
            ),
            "registry.example/orders:1": Image(
                programs={"python /app/application.py": [sys.executable, str(HERE / "application.py")]},
                env=self.aws_endpoint(),
            ),
        }

    def aws_endpoint(self) -> dict[str, str]:
        """Where AWS is on this machine, for processes that would otherwise call the real one."""
        return {**QUIET, "AWS_ENDPOINT_URL": self.aws.url}

    def trust(self, policy: dict[str, Any]) -> None:
        """Create the role with this trust policy, and the bucket."""
        self.aws.roles[ROLE] = Role(trust_policy=policy)
        root = boto3.client(
            "s3",
            endpoint_url=self.aws.url,
            region_name="eu-west-1",
            aws_access_key_id=ROOT_ACCESS_KEY_ID,
            aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
        )
        root.create_bucket(Bucket="orders", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    def certify(self) -> str:
        """Make the webhook's certificate; gives what the command says."""
        line = [sys.executable, "-m", "certjob", "certify", "--output-dir", str(self.folder / "certs")]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT).stdout

    def start_webhook(self, program: str) -> None:
        """Start the real server and wait until it listens."""
        certs = self.folder / "certs"
        line = [
            *(sys.executable, "-m", "webhook", "--json", "server", "--listen-address=127.0.0.1:0"),
            *(f"--tls-cert-file={certs / 'tls.crt'}", f"--tls-private-key-file={certs / 'tls.key'}"),
            *(f"--service-accounts={HERE / 'service-accounts.yaml'}", f"--image={IMAGE}", "--workers=1"),
            *(f"--volume-path={self.volume}", f"--refresher-program={program}"),
            *(f"--injector-env={environ.TIME_DIVISOR}={TIME_DIVISOR}", "--token-wait=3600"),
        ]
        env = {"PATH": os.defpath, "HOME": str(self.folder), "TMPDIR": str(self.folder), **QUIET}
        env[environ.GCE_METADATA_HOST] = self.metadata.host
        log = self._exits.enter_context((self.folder / "webhook.log").open("w+"))
        self.webhook = subprocess.Popen(line, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        self._exits.callback(self._stop_webhook)
        self.port = self._listening(log)

    def _listening(self, log: IO[str]) -> int:
        assert self.webhook is not None
        assert self.webhook.stdout is not None
        for text in self.webhook.stdout:
            event = json.loads(text)
            if event["event"] == "listening":
                return int(event["address"].rpartition(":")[2])
        log.seek(0)
        raise StageError(f"the webhook did not start: {log.read()}")

    def _stop_webhook(self) -> None:
        assert self.webhook is not None
        self.webhook.terminate()
        try:
            self.webhook.wait(timeout=30)
        finally:
            self.webhook.kill()
            if self.webhook.stdout:
                self.webhook.stdout.close()

    def tls(self, *, trusting: bool = True) -> ssl.SSLContext:
        """An API server's side of the connection: it trusts the caBundle, or (the twin) the system's CAs only."""
        return ssl.create_default_context(cafile=str(self.folder / "certs/ca.crt") if trusting else None)

    def review(self, manifest: dict[str, Any], *, trusting: bool = True) -> dict[str, Any]:
        """Send the AdmissionReview of a pod's creation, as the API server does; gives the response."""
        body = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "7b1f2c3d-0000-4000-8000-000000000001",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "namespace": manifest["metadata"]["namespace"],
                "operation": "CREATE",
                "object": manifest,
                "dryRun": False,
            },
        }
        connection = _ToLoopback(SERVER_NAME, self.port, context=self.tls(trusting=trusting), timeout=10)
        try:
            connection.request("POST", "/pods", json.dumps(body), {"Content-Type": "application/json"})
            answer: dict[str, Any] = json.loads(connection.getresponse().read())["response"]
        finally:
            connection.close()
        return answer


class _ToLoopback(http.client.HTTPSConnection):
    """Connects to this machine and asks for the Service's name, as the API server does with its ClusterIP."""

    def connect(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._tls.wrap_socket(connection, server_hostname=self.host)

    def __init__(self, host: str, port: int, *, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self._tls = context


def patched(manifest: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """The pod as the API server would store it."""
    operations = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
    result: dict[str, Any] = jsonpatch.apply_patch(manifest, operations)
    return result


def manifest() -> dict[str, Any]:
    """demo/pod.yaml."""
    loaded: dict[str, Any] = yaml.safe_load((HERE / "pod.yaml").read_text())
    return loaded
