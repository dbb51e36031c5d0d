"""Writes over real sockets: what keeps two writers apart, what is not repeated, and how strict the fake is."""

import base64
from typing import Any

import pytest

from demo.fakes.api_server import ApiServer
from demo.fakes.api_server.objects import Grant
from demo.fakes.api_server.script import Answer, Cut, Drop, Fault
from kube.client import Client
from kube.config import Connection
from kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    KubeError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)
from tests.kube.following import TOKEN

SECRETS = "/api/v1/namespaces/shop/secrets"
ONE = f"{SECRETS}/certs"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/hook"
# Must appear in no error.
KEY = base64.b64encode(b"a very private key").decode()


def secret(**changes: Any) -> dict[str, Any]:
    """A Secret of a certificate."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "certs"},
        "data": {"tls.crt": KEY, "tls.key": KEY},
    } | changes


def test_create_replace_and_patch(server: ApiServer, client: Client) -> None:
    """Each answers with the object as it is stored, under a version of its own; a write of nothing new keeps it."""
    created = client.create(SECRETS, secret())
    replaced = client.replace(ONE, created | {"data": {"tls.crt": KEY, "tls.key": KEY, "more": KEY}})
    merged = client.patch(ONE, {"metadata": {"labels": {"a": "b"}}, "data": {"more": None}})
    patched = client.patch(ONE, [{"op": "add", "path": "/metadata/labels/c", "value": "d"}])
    again = client.replace(ONE, patched)

    versions = [one["metadata"]["resourceVersion"] for one in (created, replaced, merged, patched)]
    assert len(set(versions)) == 4
    assert patched["data"].keys() == {"tls.crt", "tls.key"}
    assert client.get(ONE) == patched == again
    assert patched["metadata"]["labels"] == {"a": "b", "c": "d"}
    assert [seen.verb for seen in server.requests] == ["create", "update", "patch", "patch", "update", "get"]


def test_two_writers(client: Client) -> None:
    """The one that is late learns it: by AlreadyExists, or by Conflict whatever the kind of write."""
    first = client.create(SECRETS, secret())
    with pytest.raises(AlreadyExistsError, match="already exists"):
        client.create(SECRETS, secret())
    client.patch(ONE, {"metadata": {"labels": {"a": "b"}}})

    version = first["metadata"]["resourceVersion"]
    with pytest.raises(ConflictError, match="has been modified"):
        client.replace(ONE, first)
    with pytest.raises(ConflictError, match="has been modified"):
        client.patch(ONE, [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}])
    with pytest.raises(ConflictError, match="has been modified"):
        client.patch(ONE, {"metadata": {"resourceVersion": version}})


def test_replace_needs_a_version(server: ApiServer, client: Client) -> None:
    """Without one it would overwrite whatever there is: it's not even sent."""
    with pytest.raises(ValueError, match=r"no metadata\.resourceVersion"):
        client.replace(ONE, secret())
    assert server.requests == []


@pytest.mark.parametrize(("fault", "done"), [(Drop(), False), (Cut(at=0), True), (Cut(at=30), True)])
def test_a_broken_write_is_not_repeated(server: ApiServer, client: Client, fault: Fault, *, done: bool) -> None:
    """It may have been done or not, and only reading tells; a second one would meet the work of the first."""
    server.faults["create"].append(fault)
    with pytest.raises(UnavailableError, match=f"POST {SECRETS}: the connection broke"):
        client.create(SECRETS, secret())

    assert server.counts["create"] == 1
    assert (server.find("secrets", "shop", "certs") is not None) is done


def test_a_refused_token_is_renewed(server: ApiServer) -> None:
    """401 means that nothing was done: the write goes again with the new token."""
    server.tokens = {"new"}

    def authorization(*, refused: str | None) -> str:
        return "Bearer old" if refused is None else "Bearer new"

    client = Client(Connection(server=server.url, authorization=authorization))
    assert client.create(SECRETS, secret())["metadata"]["uid"]
    client.close()


@pytest.mark.parametrize(
    ("obj", "error", "said"),
    [
        (secret(data={"tls.crt": KEY}), RefusedError, r"data\[tls.key\]: Required value"),
        (secret(data={"tls.crt": "@", "tls.key": KEY}), RefusedError, "illegal base64"),
        (secret(kind="ConfigMap"), RefusedError, "is no Secret"),
        (secret(metadata={}), RefusedError, "name is required"),
        (secret(metadata={"name": "certs", "namespace": "other"}), RefusedError, "namespace"),
        (secret(metadata={"name": "certs", "resourceVersion": "1"}), UnavailableError, "should not be set"),
        (secret(metadata={"name": "certs", "ownerReferences": [{"kind": "Service"}]}), RefusedError, "must not be"),
    ],
)
def test_what_is_invalid_is_not_created(
    server: ApiServer, client: Client, obj: dict[str, Any], error: type[KubeError], said: str
) -> None:
    """As the real API server refuses it; no error repeats what was sent."""
    with pytest.raises(error, match=said) as caught:
        client.create(SECRETS, obj)
    assert KEY not in str(caught.value)
    assert server.find("secrets", "shop", "certs") is None


def test_what_cannot_change(client: Client) -> None:
    """Type, name and uid of an object, and the data of one that is immutable."""
    created = client.create(SECRETS, secret(immutable=True))
    metadata = created["metadata"]
    for change, error, said in (
        ({"type": "Opaque"}, RefusedError, "the object invalid"),
        ({"metadata": metadata | {"name": "other"}}, RefusedError, "does not match the name"),
        ({"metadata": metadata | {"uid": "other"}}, ConflictError, "modified"),
        ({"data": {"tls.crt": KEY, "tls.key": ""}}, RefusedError, "immutable"),
        ({"metadata": metadata | {"resourceVersion": "1"}}, ConflictError, "modified"),
    ):
        with pytest.raises(error, match=said):
            client.replace(ONE, created | change)
    assert client.get(ONE) == created


def test_a_patch_that_fails(server: ApiServer, client: Client) -> None:
    """A failed `test` reads as any wrong patch does: 422, never a conflict."""
    client.create(SECRETS, secret())
    for operation in (
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "replace", "path": "/none/such", "value": "1"},
    ):
        with pytest.raises(RefusedError, match="422: the server rejected our request"):
            client.patch(ONE, [operation])
    assert server.counts["patch"] == 2


def test_what_is_quoted_is_not_repeated(server: ApiServer, client: Client) -> None:
    """The API server quotes a whole object in a refusal: an error keeps what stands before it."""
    told = f'"" is invalid: patch: Invalid value: "{{\\"data\\":\\"{KEY}\\"}}": illegal base64'
    server.faults["patch"].append(Answer(status=422, message=told, reason="Invalid"))
    with pytest.raises(RefusedError, match="is invalid: patch: ") as caught:
        client.patch(ONE, [])
    assert KEY not in str(caught.value)


def test_rights_are_asked_by_verb_and_name(server: ApiServer, client: Client) -> None:
    """RBAC as the cert job has it: by name for what exists, without one for create."""
    server.grants = (
        Grant(verbs=frozenset({"get", "update"}), resource="secrets", names=frozenset({"certs"})),
        Grant(verbs=frozenset({"create"}), resource="secrets"),
    )
    created = client.create(SECRETS, secret())
    client.create(SECRETS, secret(metadata={"name": "other"}))
    assert client.replace(ONE, created | {"data": {"tls.crt": KEY, "tls.key": ""}})

    with pytest.raises(ForbiddenError, match="grant get on it"):
        client.get(f"{SECRETS}/other")
    with pytest.raises(ForbiddenError, match="grant patch on it"):
        client.patch(ONE, {})
    with pytest.raises(ForbiddenError, match="grant get on it"):
        client.get(CONFIGURATION)


def test_groups_have_their_own_paths(server: ApiServer, client: Client) -> None:
    """An object of a group is below /apis/GROUP/VERSION, cluster-wide or in its namespace, and nowhere else."""
    webhook = {"name": "a", "clientConfig": {"service": {"name": "s", "namespace": "n"}}}
    obj = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "hook"},
        "webhooks": [webhook],
    }
    server.load("mutatingwebhookconfigurations", obj)
    server.load(
        "endpointslices",
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "a", "namespace": "shop"}},
    )
    collection = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"

    added = client.patch(CONFIGURATION, [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "Cg=="}])
    assert added["webhooks"][0]["clientConfig"]["caBundle"] == "Cg=="
    listed = [
        client.list(collection.format(ns), keep=lambda item: item["metadata"]["name"]).items for ns in ("shop", "b")
    ]
    assert listed == [["a"], []]
    for path in ("/apis/apps/v1/mutatingwebhookconfigurations/hook", "/apis/discovery.k8s.io/v1/endpointslices/a"):
        with pytest.raises(NotFoundError, match="page not found"):
            client.get(path)


def test_without_a_token(server: ApiServer) -> None:
    """A write is refused as a read is, and no error holds the token or what was sent."""
    client = Client(Connection(server=server.url))
    with pytest.raises(UnauthorizedError) as caught:
        client.create(SECRETS, secret())
    assert KEY not in f"{caught.value!r}"
    assert TOKEN not in f"{caught.value!r}"
    client.close()
