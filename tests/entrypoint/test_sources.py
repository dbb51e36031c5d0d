"""Where credentials come from: Secrets, a mounted file, Google's metadata server, ECR."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.fakes.api_server import ApiServer
from demo.fakes.fixtures import aws, google_signer, metadata, signing_key, sts
from demo.fakes.google import GoogleSigner
from demo.fakes.metadata import MetadataServer
from demo.fakes.sts import Role, StsServer
from kube.client import Client
from kube.config import Connection
from tests.fakes.conftest import AUDIENCE, ROLE_ARN, google_trust
from webhook.entrypoint.credential import Offers
from webhook.entrypoint.deadline import Deadline
from webhook.entrypoint.ecr import EcrCredentials
from webhook.entrypoint.google import GoogleCredentials
from webhook.entrypoint.image_name import parse_image_name
from webhook.entrypoint.pull_secrets import PodPullSecrets, from_file
from webhook.entrypoint.question import PullSecret, Wanted

__all__ = ["aws", "google_signer", "metadata", "signing_key", "sts"]

WEB = parse_image_name("registry.example/web")
ECR = parse_image_name("123456789012.dkr.ecr.eu-west-1.amazonaws.com/web")
PKG = parse_image_name("europe-docker.pkg.dev/project/repository/web")


def soon() -> Deadline:
    """Time enough."""
    return Deadline(5, clock=lambda: 0.0)


def users(offers: Offers) -> list[str]:
    """Who would ask."""
    return [credential.username for credential in offers.credentials]


def secret_fields(user: str, kind: str = "kubernetes.io/dockerconfigjson", key: str = ".dockerconfigjson") -> Any:
    """A Secret's type and data."""
    auths = {"registry.example": {"username": user, "password": "hunter2"}}
    text = json.dumps(auths if key == ".dockercfg" else {"auths": auths})
    return {"type": kind, "data": {key: base64.b64encode(text.encode()).decode()}}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """A namespace with pull secrets and a service account that names one."""
    server = ApiServer()
    server.put("shop", "pod-key", {}, "secrets", fields=secret_fields("pod"))
    server.put("shop", "account-key", {}, "secrets", fields=secret_fields("account"))
    server.put("shop", "old-key", {}, "secrets", fields=secret_fields("old", "kubernetes.io/dockercfg", ".dockercfg"))
    server.put("shop", "opaque", {}, "secrets", fields={"type": "Opaque", "data": {"x": "eA=="}})
    server.put("shop", "empty", {}, "secrets", fields={"type": "kubernetes.io/dockerconfigjson", "data": {}})
    broken = {".dockerconfigjson": base64.b64encode(b"hunter2").decode()}
    server.put("shop", "broken", {}, "secrets", fields={"type": "kubernetes.io/dockerconfigjson", "data": broken})
    server.put("shop", "web", {}, fields={"imagePullSecrets": [{"name": "account-key"}, {}, {"name": "pod-key"}]})
    yield server
    server.close()


def asked(api: ApiServer, *namespaces: str) -> PodPullSecrets:
    """Granted in these namespaces."""
    client = Client(Connection(server=api.url))
    return PodPullSecrets(lambda: client, namespaces)


def wanted(*names: str, **changes: Any) -> Wanted:
    """A pod of the namespace shop."""
    secrets = tuple(PullSecret(namespace="shop", name=name) for name in names)
    return replace(Wanted(image="x", namespace="shop", pull_secrets=secrets), **changes)


@pytest.mark.parametrize("granted", ["shop", "*"])
def test_the_pods_and_its_accounts(api: ApiServer, granted: str) -> None:
    """The pod's own first, then its service account's, each Secret once; both kinds of Secrets."""
    offers = asked(api, granted)(WEB, wanted("old-key", "pod-key", service_account="web"), soon())

    assert users(offers) == ["old", "pod", "account"]
    assert offers.credentials[0].origin == "pull secret shop/old-key, registry.example"
    assert offers.problems == []


def test_nothing_is_read_where_nothing_was_granted(api: ApiServer) -> None:
    """The API server is not asked; the pod's author learns who can change that."""
    offers = asked(api, "other")(WEB, wanted("pod-key", service_account="web"), soon())

    assert offers.credentials == []
    (problem,) = offers.problems
    assert problem == (
        "pull secret shop/pod-key: the webhook may not read it: its operator can grant that with "
        "--pull-secret-namespace=shop"
    )
    assert api.requests == []


def test_what_a_secret_lacks(api: ApiServer) -> None:
    """Each problem is told and the others are used; nothing of a Secret's data is repeated."""
    api.put("shop", "lost", {}, fields={"imagePullSecrets": [{"name": "gone"}]})

    offers = asked(api, "shop")(WEB, wanted("opaque", "empty", "broken", "pod-key", service_account="lost"), soon())

    assert users(offers) == ["pod"]
    assert [problem.partition(": ")[0] for problem in offers.problems] == [
        f"pull secret shop/{name}" for name in ("opaque", "empty", "broken", "gone")
    ]
    assert "there is none" in offers.problems[3]
    assert "hunter2" not in repr(offers)


def test_rbac_says_no(api: ApiServer) -> None:
    """A setting without its Role: the API server's answer says what to grant."""
    api.forbidden_resources.add("secrets")

    offers = asked(api, "shop")(WEB, wanted("pod-key"), soon())

    assert "403" in offers.problems[0]
    assert "grant get on it by RBAC" in offers.problems[0]


def test_a_secret_of_another_namespace(api: ApiServer) -> None:
    """What a pod's author names elsewhere needs the grant there, not here."""
    elsewhere = replace(wanted(), namespace="app", pull_secrets=(PullSecret(namespace="shop", name="pod-key"),))

    assert users(asked(api, "shop")(WEB, elsewhere, soon())) == ["pod"]
    assert users(asked(api, "app")(WEB, elsewhere, soon())) == []


def test_the_operators_file(tmp_path: Path) -> None:
    """Read at each look-up, as the kubelet replaces it; what is wrong with it is told."""
    path = tmp_path / "config.json"
    source = from_file(str(path))
    assert source(WEB, wanted(), soon()).problems == [
        f"--registry-pull-secret {path}: No such file or directory: mount the Secret there"
    ]

    path.write_text(json.dumps({"auths": {"registry.example": {"username": "operator", "password": "hunter2"}}}))
    assert users(source(WEB, wanted(), soon())) == ["operator"]
    assert users(source(PKG, wanted(), soon())) == []

    path.write_text("hunter2")
    (problem,) = source(WEB, wanted(), soon()).problems
    assert "as docker login writes it" in problem
    assert "hunter2" not in problem
    path.write_bytes(b"\xff")
    assert source(WEB, wanted(), soon()).problems == [f"--registry-pull-secret {path}: not UTF-8 text"]


def test_google(metadata: MetadataServer) -> None:
    """One GET for the token, kept until it is nearly over; for Google's registries alone."""
    now = [0.0]
    source = GoogleCredentials({"GCE_METADATA_HOST": metadata.host}, clock=lambda: now[0])

    assert source(WEB, wanted(), soon()) == Offers()
    assert source(parse_image_name("pkg.dev.example/web"), wanted(), soon()) == Offers()
    assert metadata.requests == []
    for image in (PKG, parse_image_name("gcr.io/p/web"), parse_image_name("eu.gcr.io/p/web")):
        (credential,) = source(image, wanted(), soon()).credentials
        assert (credential.username, credential.password) == ("oauth2accesstoken", "ya29.fake")
        assert "ya29" not in repr(credential)
    assert len(metadata.requests) == 1
    now[0] = 3599 - 239
    source(PKG, wanted(), soon())
    assert len(metadata.requests) == 2


def test_no_metadata_server(metadata: MetadataServer) -> None:
    """Where there is none, it is asked once a minute and said."""
    metadata.down()
    now = [0.0]
    source = GoogleCredentials({"GCE_METADATA_HOST": metadata.host}, clock=lambda: now[0])

    problem = f"Google's metadata server {metadata.host}: no answer"
    assert source(PKG, wanted(), soon()).problems == [problem]
    metadata.up()
    assert source(PKG, wanted(), soon()).problems == [problem]
    now[0] = 60
    assert users(source(PKG, wanted(), soon())) == ["oauth2accesstoken"]


def test_what_is_no_metadata_server(api: ApiServer) -> None:
    """An answer without the server's flavor is nobody's token."""
    source = GoogleCredentials({"GCE_METADATA_HOST": api.host}, clock=lambda: 0.0)

    (problem,) = source(PKG, wanted(), soon()).problems

    assert problem.endswith("it gives no token: bind the webhook's service account to a Google service account")


@pytest.fixture
def role(
    sts: StsServer, google_signer: GoogleSigner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The webhook's environment where it has a role, with a token that AWS believes."""
    for name, value in sts.environment().items():
        monkeypatch.setenv(name, value)
    sts.roles[ROLE_ARN] = Role(trust_policy=google_trust(google_signer.unique_id))
    (tmp_path / "token").write_text(google_signer.id_token(AUDIENCE))
    return {"AWS_ROLE_ARN": ROLE_ARN, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}


@pytest.mark.slow
def test_ecr(sts: StsServer, role: dict[str, str]) -> None:
    """One password for a region, by the webhook's role; no other registry is asked about."""
    now = [0.0]
    source = EcrCredentials(role, clock=lambda: now[0])

    assert source(WEB, wanted(), soon()) == Offers()
    assert source(parse_image_name("1.dkr.ecr.eu-west-1.amazonaws.com.example/x"), wanted(), soon()) == Offers()
    assert sts.calls == []
    for _ in range(2):
        (credential,) = source(ECR, wanted(), soon()).credentials
        assert credential.username == "AWS"
        assert credential.password
    assert [call.action.rpartition(".")[2] for call in sts.calls] == [
        "AssumeRoleWithWebIdentity",
        "GetAuthorizationToken",
    ]
    assert {call.session_name for call in sts.calls} == {"token-injector-webhook"}
    now[0] = 3000
    source(ECR, wanted(), soon())
    assert len(sts.calls) == 4


@pytest.mark.slow
def test_ecr_that_says_no(sts: StsServer, role: dict[str, str], tmp_path: Path) -> None:
    """Operation, region and AWS's code, and where to look; then for a moment it is not asked again."""
    sts.roles.clear()
    source = EcrCredentials(role, clock=lambda: 0.0)

    (problem,) = source(ECR, wanted(), soon()).problems
    source(ECR, wanted(), soon())

    assert problem.startswith(f"ECR by the webhook's role {ROLE_ARN}: AssumeRoleWithWebIdentity in eu-west-1: ")
    assert problem.endswith(": see its trust policy, and that it allows ecr:GetAuthorizationToken")
    assert len(sts.calls) == 1
    missing = {**role, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "missing")}
    (problem,) = EcrCredentials(missing, clock=lambda: 0.0)(ECR, wanted(), soon()).problems
    assert problem.endswith("missing: No such file or directory")


def test_ecr_without_a_role() -> None:
    """A webhook that has no web identity asks nobody, and does not even load botocore."""
    assert EcrCredentials({}, clock=lambda: 0.0)(ECR, wanted(), soon()) == Offers()
