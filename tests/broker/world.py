"""A cluster and an AWS account with what the broker needs of them, and its application between the two.

The API server is the strict fake (tokens are reviewed as the real one reviews them), AWS is moto behind the strict STS.
"""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3

from contract.secrets import BROKER_AUDIENCE
from demo.fakes.api_server import ApiServer
from demo.fakes.api_server.reviews import API_AUDIENCE
from demo.fakes.google import ClusterSigner, GoogleSigner
from demo.fakes.listener import Listener
from demo.fakes.sts import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, Role
from tests.stores.faulty import FaultyAws

AUDIENCE = "token-injector/sts/assume-role-with-web-identity"
REGION = "eu-west-1"
ACCOUNT = "123456789012"


def role_arn(name: str) -> str:
    """A role of the account."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


class Keys:
    """Where an issuer publishes its keys; `up` and `down` as the network wants it."""

    def __init__(self, signer: GoogleSigner) -> None:
        self.fetched = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """Say nothing."""

            def do_GET(self) -> None:
                """The keys."""
                outer.fetched += 1
                body = json.dumps(signer.jwks()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.listener = Listener("127.0.0.1", 0, Handler)
        self.listener.up()

    @property
    def url(self) -> str:
        """Where."""
        return f"http://{self.listener.host}/certs"


class World:
    """Pods with their tokens, roles with their secrets."""

    def __init__(self, cluster: ClusterSigner, aws: FaultyAws, api: ApiServer) -> None:
        self.cluster = cluster
        self.aws = aws
        self.api = api
        self.keys = Keys(aws.signer)
        api.accept_tokens_of(cluster)
        self._lock = threading.Lock()

    def close(self) -> None:
        """End what was started."""
        self.keys.listener.close()
        self.api.close()

    # ------------------------------------------------------------------ the cluster

    def pod(
        self,
        name: str,
        account: str = "shop:api",
        *,
        annotations: Mapping[str, str] | None = None,
        uid: str | None = None,
        phase: str = "Pending",
    ) -> None:
        """A pod that starts."""
        namespace, _, service_account = account.partition(":")
        fields = {"spec": {"serviceAccountName": service_account}, "status": {"phase": phase}}
        self.api.put(namespace, name, annotations or {}, "pods", fields=fields)
        if uid is not None:
            self.of_pod(name, namespace)["metadata"]["uid"] = uid

    def of_pod(self, name: str, namespace: str = "shop") -> dict[str, Any]:
        """The object, to be changed."""
        found = self.api.find("pods", namespace, name)
        assert found is not None
        return found

    def token(
        self,
        pod: str | None,
        account: str = "shop:api",
        *,
        audience: str = BROKER_AUDIENCE,
        lifetime: float = 3600,
        uid: str | None = None,
    ) -> str:
        """What the kubelet projects into a pod: bound to it."""
        namespace, _, service_account = account.partition(":")
        private: dict[str, Any] = {"namespace": namespace, "serviceaccount": {"name": service_account, "uid": "u"}}
        if pod is not None:
            private["pod"] = {"name": pod, "uid": uid or f"{namespace}/{pod}-uid"}
        return self.cluster.token(
            namespace, service_account, audiences=[audience], lifetime=lifetime, **{"kubernetes.io": private}
        )

    def api_token(self, pod: str, account: str = "shop:api") -> str:
        """What every pod has for the API server, which piggy-env sends."""
        return self.token(pod, account, audience=API_AUDIENCE)

    # ------------------------------------------------------------------ the account

    def role(self, name: str, subject: str | None = None) -> str:
        """A role that Google's service account with this unique ID may assume."""
        condition = {"accounts.google.com:oaud": AUDIENCE}
        condition["accounts.google.com:sub"] = subject or self.aws.signer.unique_id
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": "accounts.google.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": condition},
        }
        self.aws.roles[role_arn(name)] = Role(trust_policy={"Version": "2012-10-17", "Statement": [statement]})
        return role_arn(name)

    def web_identity(self, subject: str | None = None, **claims: Any) -> str:
        """A web identity token of a Google service account."""
        subject = subject or self.aws.signer.unique_id
        return self.aws.signer.id_token(AUDIENCE, **{"sub": subject, "azp": subject, **claims})

    def owner(self, service: str, region: str = REGION) -> Any:
        """A client of the account's owner, who fills it."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.aws.url,
            aws_access_key_id=ROOT_ACCESS_KEY_ID,
            aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
        )

    def secret(self, name: str, value: str | Mapping[str, Any]) -> None:
        """A secret."""
        text = value if isinstance(value, str) else json.dumps(value)
        self.owner("secretsmanager").create_secret(Name=name, SecretString=text)

    def asked(self, api: str) -> int:
        """How many requests for this API came to AWS."""
        return self.aws.asked[api]

    def kubeconfig(self, folder: Path) -> Path:
        """A way to the API server."""
        path = folder / "kubeconfig"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "x",
                    "clusters": [{"name": "c", "cluster": {"server": self.api.url}}],
                    "users": [{"name": "u", "user": {"token": "the-broker"}}],
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                }
            )
        )
        return path
