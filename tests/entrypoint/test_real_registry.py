"""Look-ups against Debian's docker-registry: passwords, tokens, TLS, platforms."""

from pathlib import Path
from typing import Any

import pytest

from tests.entrypoint.asking import failed, found, lookup, offering, password
from tests.entrypoint.conftest import WithTokens
from tests.entrypoint.images import Image, digest_of, index
from tests.entrypoint.registries import PASSWORD, USER, Served
from tests.entrypoint.token_server import REFRESH_TOKEN
from webhook.entrypoint.credential import Credential
from webhook.entrypoint.manifest import Entrypoint

pytestmark = pytest.mark.slow

SCRATCH = Image(entrypoint=["/app"])
MUSL = Image(entrypoint=["/lib/ld-musl-x86_64.so.1", "/usr/bin/web"], cmd=["--port", "80"], docker=True)
SHELL_FORM = Image(cmd=["/bin/sh", "-c", "exec web --name 'a b'"])
ARM = Image(entrypoint=["/app"], architecture="arm64")
OTHER_ARM = Image(entrypoint=["/app-arm"], architecture="arm64")


@pytest.mark.parametrize(
    ("tag", "image", "entrypoint", "cmd"),
    [
        ("scratch", SCRATCH, ("/app",), ()),
        ("musl", MUSL, ("/lib/ld-musl-x86_64.so.1", "/usr/bin/web"), ("--port", "80")),
        ("shell", SHELL_FORM, (), ("/bin/sh", "-c", "exec web --name 'a b'")),
        ("neither", Image(), (), ()),
    ],
)
def test_one_platform(
    open_registry: Served, tag: str, image: Image, entrypoint: tuple[str, ...], cmd: tuple[str, ...]
) -> None:
    """By tag and by digest, of OCI's and Docker's media types, ENTRYPOINT and CMD apart."""
    digest = open_registry.pusher.push("shop/web", tag, image)
    asked = lookup(insecure=[open_registry.host])

    assert found(asked, f"{open_registry.host}/shop/web:{tag}") == Entrypoint(entrypoint, cmd)
    assert found(asked, f"{open_registry.host}/shop/web@{digest}") == Entrypoint(entrypoint, cmd)
    assert found(asked, f"{open_registry.host}/shop/web:other@{digest}") == Entrypoint(entrypoint, cmd)


@pytest.mark.parametrize("docker", [False, True])
def test_platforms_that_agree(open_registry: Served, *, docker: bool) -> None:
    """An index of OCI or a manifest list of Docker, attestations left out, for a pod that may run anywhere."""
    images = [Image(entrypoint=["/app"], architecture=each, docker=docker) for each in ("amd64", "arm64", "s390x")]
    body = index(*images, docker=docker, attested=True)
    open_registry.pusher.push("shop/many", f"agree-{docker}", *images, index_body=body)
    asked = lookup(insecure=[open_registry.host])

    assert found(asked, f"{open_registry.host}/shop/many:agree-{docker}") == Entrypoint(("/app",), ())


def test_platforms_that_disagree(open_registry: Served) -> None:
    """Only a pod that selects an architecture has an answer; the others are told which platforms differ."""
    open_registry.pusher.push("shop/many", "differ", SCRATCH, OTHER_ARM, index_body=index(SCRATCH, OTHER_ARM))
    image = f"{open_registry.host}/shop/many:differ"
    asked = lookup(insecure=[open_registry.host])

    assert found(asked, image, architecture="arm64") == Entrypoint(("/app-arm",), ())
    assert found(asked, image, architecture="amd64") == Entrypoint(("/app",), ())
    assert failed(asked, image).endswith(
        "its platforms start different programs (linux/amd64 and linux/arm64): select kubernetes.io/arch in the pod"
    )
    assert "it has no image for linux/riscv64; its platforms: linux/amd64, linux/arm64" in failed(
        asked, image, architecture="riscv64"
    )


def test_plain_http_is_refused(open_registry: Served) -> None:
    """A registry without TLS is not spoken to unless the operator names it."""
    open_registry.pusher.push("shop/web", "plain", SCRATCH)

    message = failed(lookup(local=[open_registry.host]), f"{open_registry.host}/shop/web:plain")

    assert "TLS: " in message


def test_passwords_in_turn(password_registry: Served, ca: Path) -> None:
    """The first credential is refused, the second works; an anonymous reader is told what is missing."""
    password_registry.pusher.push("shop/web", "1", SCRATCH)
    image = f"{password_registry.host}/shop/web:1"
    trusting: dict[str, Any] = {"local": [password_registry.host], "registry_ca": ((password_registry.host, str(ca)),)}
    wrong, right = password("nobody", "nothing"), password(USER, PASSWORD)

    assert found(lookup(offering(wrong), offering(right), **trusting), image) == Entrypoint(("/app",), ())
    message = failed(lookup(offering(wrong), **trusting), image)
    assert f"{password_registry.host} with secret of nobody: {password_registry.host} answers 401" in message
    assert f"with no credentials: {password_registry.host} wants a user name and a password" in message
    assert not {"nothing", PASSWORD} & set(message.split())


def test_tls_is_verified(password_registry: Served) -> None:
    """Without its CA a registry is not believed; a CA's file that is not there is said."""
    image = f"{password_registry.host}/shop/web:1"

    message = failed(lookup(local=[password_registry.host]), image)

    assert "CERTIFICATE_VERIFY_FAILED" in message
    assert "give its CA with --registry-ca" in message
    missing = failed(
        lookup(local=[password_registry.host], registry_ca=((password_registry.host, "/nowhere/ca.crt"),)), image
    )
    assert "--registry-ca: /nowhere/ca.crt: No such file or directory: expected PEM certificates" in missing


def trusted(served: WithTokens, ca: Path) -> dict[str, Any]:
    """The settings for the registry with tokens."""
    hosts = [served.host, served.tokens.host]
    return {"local": hosts, "registry_ca": tuple((host, str(ca)) for host in hosts)}


def test_tokens(token_registry: WithTokens, ca: Path) -> None:
    """Anonymous where that is enough, else with the password; never more is asked for than to pull."""
    token_registry.pusher_of("public/web").push("public/web", "1", SCRATCH)
    token_registry.pusher_of("private/web").push("private/web", "1", MUSL)
    settings = trusted(token_registry, ca)
    token_registry.tokens.asked.clear()

    assert found(lookup(**settings), f"{token_registry.host}/public/web:1") == Entrypoint(("/app",), ())
    asked = lookup(offering(password(USER, PASSWORD)), **settings)
    assert found(asked, f"{token_registry.host}/private/web:1").cmd == ("--port", "80")
    message = failed(lookup(**settings), f"{token_registry.host}/private/web:1")
    assert f"with no credentials: {token_registry.host} answers 401 to HEAD private/web manifests/1" in message

    scopes = {parameters["scope"][0] for _, parameters in token_registry.tokens.asked}
    assert scopes == {"repository:public/web:pull", "repository:private/web:pull"}


def test_refresh_token(token_registry: WithTokens, ca: Path) -> None:
    """An identity token goes to the realm by POST, as Azure wants it."""
    token_registry.pusher_of("private/web").push("private/web", "2", SCRATCH)
    credential = Credential(origin="az acr login", identity_token=REFRESH_TOKEN)

    asked = lookup(offering(credential), **trusted(token_registry, ca))

    assert found(asked, f"{token_registry.host}/private/web:2") == Entrypoint(("/app",), ())
    assert token_registry.tokens.asked[-1][0] == "POST"


def test_a_refused_password_at_the_realm(token_registry: WithTokens, ca: Path) -> None:
    """The token server's 401 is the credential's failure: the next is tried."""
    token_registry.pusher_of("private/web").push("private/web", "3", SCRATCH)
    wrong, right = password(USER, "wrong"), password(USER, PASSWORD)

    asked = lookup(offering(wrong, right), **trusted(token_registry, ca))

    assert found(asked, f"{token_registry.host}/private/web:3") == Entrypoint(("/app",), ())


def test_the_realm_is_guarded(token_registry: WithTokens, ca: Path) -> None:
    """A realm goes through the same settings as the registry: addresses, and the registries that are allowed."""
    host, realm = token_registry.host, token_registry.tokens.host
    image = f"{host}/public/web:1"
    only: dict[str, Any] = {"local": [host], "registry_ca": ((host, str(ca)),)}

    assert f"{realm} is at 127.0.0.1, which is loopback: give --registry-local" in failed(lookup(**only), image)
    allowing = trusted(token_registry, ca) | {"registry_allow": (host,)}
    assert f"{realm} is not among the registries that --registry-allow names" in failed(lookup(**allowing), image)


def test_mirrors(open_registry: Served) -> None:
    """A mirror is asked first, under its prefix; the registry itself when the mirror has not got it."""
    open_registry.pusher.push("proxied/library/nginx", "1", SCRATCH)
    open_registry.pusher.push("library/redis", "1", MUSL)
    host = open_registry.host
    hub = (("docker.io", f"{host}/proxied"), ("docker.io", host))
    asked = lookup(insecure=[host], registry_mirror=hub, registry_allow=(host,))

    assert found(asked, "nginx:1") == Entrypoint(("/app",), ())
    assert found(asked, "redis:1").cmd == ("--port", "80")
    message = failed(asked, "absent:1")
    assert message.count("404") == 2
    assert "docker.io with no credentials: registry-1.docker.io is not among the registries" in message


def test_a_tag_that_moves(open_registry: Served) -> None:
    """With imagePullPolicy Always the tag's new image counts at once, otherwise a moment later, as on the node."""
    image = f"{open_registry.host}/shop/moves:1"
    open_registry.pusher.push("shop/moves", "1", SCRATCH)
    asked = lookup(insecure=[open_registry.host])
    assert found(asked, image).entrypoint == ("/app",)

    open_registry.pusher.push("shop/moves", "1", MUSL)

    assert found(asked, image, pull_policy="IfNotPresent").entrypoint == ("/app",)
    assert found(asked, image, pull_policy="Always").entrypoint == tuple(MUSL.entrypoint or ())


def test_no_such_image(open_registry: Served) -> None:
    """The message names image, registry, and its answer."""
    image = f"{open_registry.host}/shop/none:1"

    message = failed(lookup(insecure=[open_registry.host]), image)

    assert message == (
        f"image {image!r}: its registry does not tell what it starts: {open_registry.host} with no credentials: "
        f"{open_registry.host} answers 404 to HEAD shop/none manifests/1 (is the tag right?)"
    )


def test_digests_are_of_what_was_pushed() -> None:
    """The test's own arithmetic: an image's digest is that of its manifest."""
    assert SCRATCH.digest == digest_of(SCRATCH.manifest)
