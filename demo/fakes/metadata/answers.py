"""What GKE's metadata server answers to everything but a good identity request. Pure: no socket, no clock.

Source: https://cloud.google.com/compute/docs/metadata/querying-metadata and, for the texts, answers seen on GKE.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

ROOT = "/computeMetadata/v1/"
ACCOUNTS = ROOT + "instance/service-accounts/"
FLAVOR = ("Metadata-Flavor", "Google")

UNBOUND_BODY = """\
Your Kubernetes service account ({namespace}/{service_account}) is not annotated with a target Google service account, \
which is a requirement for retrieving Identity Tokens using Workload Identity.
Please add the iam.gke.io/gcp-service-account=[GSA_NAME]@[PROJECT_ID] annotation to your Kubernetes service account.
Refer to https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
"""
"""The 404 for a service account without a Google service account."""

FORBIDDEN_BODY = """\
Unable to generate identity token; IAM returned 403 Forbidden: Permission 'iam.serviceAccounts.getOpenIdToken' denied \
on resource (or it may not exist).
This error could be caused by a missing IAM policy binding on the target IAM service account.
For more information, refer to the Workload Identity documentation:
\thttps://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#authenticating_to

"""
"""The 403 where the annotation is there and the workloadIdentityUser binding is not: `Status(403, FORBIDDEN_BODY)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer before a fault has its way with it."""

    code: int = HTTPStatus.OK
    body: bytes = field(default=b"", repr=False)
    content_type: str = "text/html"
    headers: tuple[tuple[str, str], ...] = (FLAVOR,)


def refusal(asked: Asked) -> Answer | None:
    """Refuse what the real server refuses whatever the path: a wrong method, no flavor, a forwarded request."""
    if asked.method != "GET":
        return text(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed\n")
    if asked.path == "/":
        return None  # what tells clients that they are on Google's cloud
    if asked.headers.get("metadata-flavor") != "Google":
        return text(HTTPStatus.FORBIDDEN, 'Missing required header "Metadata-Flavor": "Google"\n')
    if "x-forwarded-for" in asked.headers:
        return text(HTTPStatus.FORBIDDEN, "Request with X-Forwarded-For header is not allowed\n")
    return None


def of_instance(path: str, *, project: str) -> Answer:
    """Answer for a path outside the service accounts."""
    values = {
        "/": "computeMetadata/\n",
        ROOT: "instance/\nproject/\n",
        ROOT + "project/project-id": project,
        ROOT + "project/numeric-project-id": "123456789012",
        ROOT + "instance/attributes/cluster-name": "fake-cluster",
        ROOT + "instance/zone": "projects/123456789012/zones/europe-west1-b",
        ROOT + "universe/universe-domain": "googleapis.com",
    }
    return text(HTTPStatus.OK, values[path]) if path in values else not_found()


def of_account(account: str, entry: str, *, email: str) -> Answer:
    """Answer for an entry of a service account, or for their list where `account` is empty."""
    scope = "https://www.googleapis.com/auth/cloud-platform"
    info = {"aliases": ["default"], "email": email, "scopes": [scope]}
    values: dict[str, Any] = {
        "": info if account else {"default": info, email: info},
        "aliases": "default",
        "email": email,
        "scopes": scope,
        "token": {"access_token": "ya29.fake", "expires_in": 3599, "token_type": "Bearer"},
    }
    if entry not in values:
        return not_found()
    value = values[entry]
    if isinstance(value, str):
        return text(HTTPStatus.OK, value)
    return Answer(body=json.dumps(value).encode(), content_type="application/json")


def not_found() -> Answer:
    """Answer for what is not there."""
    return text(HTTPStatus.NOT_FOUND, "Not Found\n")


def text(code: int, body: str) -> Answer:
    """Answer with a value as GCE labels it, or with an error as Go's HTTP server labels it."""
    return Answer(
        code=code,
        body=body.encode(),
        content_type="text/html" if code == HTTPStatus.OK else "text/plain; charset=utf-8",
    )
