"""Docker configurations: which credentials they hold for an image."""

import base64
import json
from typing import Any

import pytest

from webhook.entrypoint.docker_config import DockerConfigError, credentials_for, read_docker_config
from webhook.entrypoint.image_name import parse_image_name


def entry(user: str, secret: str = "hunter2") -> dict[str, str]:
    """As docker login writes it."""
    return {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}


def users(auths: dict[str, Any], image: str) -> list[str]:
    """Who would ask for this image, in turn."""
    return [found.username for found in credentials_for(auths, parse_image_name(image), "o")]


@pytest.mark.parametrize(
    ("key", "image", "expected"),
    [
        ("https://index.docker.io/v1/", "nginx", True),
        ("docker.io", "nginx", True),
        ("index.docker.io", "nginx", True),
        ("registry.example", "registry.example/web", True),
        ("https://registry.example", "registry.example/web", True),
        ("https://registry.example/v2/", "registry.example/web", True),
        ("http://registry.example/v1/", "registry.example/web", True),
        ("registry.example/shop", "registry.example/shop/web", True),
        ("registry.example/shop", "registry.example/other/web", False),
        ("registry.example/v2/shop", "registry.example/shop/web", True),
        ("*.example", "registry.example/web", True),
        ("*.pkg.dev/project", "europe-docker.pkg.dev/project/web", True),
        ("registry.example:5000", "registry.example/web", False),
        ("registry.example", "nginx", False),
        ("https://[", "nginx", False),
    ],
)
def test_keys(key: str, image: str, *, expected: bool) -> None:
    """Docker's and Kubernetes' keys, wildcards and paths among them."""
    assert users({key: entry("me")}, image) == (["me"] if expected else [])


def test_the_longest_key_is_first() -> None:
    """As the kubelet tries them."""
    auths = {"registry.example": entry("all"), "registry.example/shop": entry("shop")}

    assert users(auths, "registry.example/shop/web") == ["shop", "all"]


def test_fields() -> None:
    """auth, or user and password, or a token; nothing of it stands in a repr."""
    auths = {
        "a.example": entry("me", "hunter2:with colon"),
        "b.example": {"username": "me", "password": "hunter2"},
        "c.example": {"auth": "", "identitytoken": "hunter2"},
        "d.example": {"registrytoken": "hunter2"},
        "e.example": {},
    }
    (a,) = credentials_for(auths, parse_image_name("a.example/x"), "o")
    (b,) = credentials_for(auths, parse_image_name("b.example/x"), "o")
    (c,) = credentials_for(auths, parse_image_name("c.example/x"), "o")
    (d,) = credentials_for(auths, parse_image_name("d.example/x"), "o")

    assert (a.username, a.password) == ("me", "hunter2:with colon")
    assert (b.username, b.password, b.origin) == ("me", "hunter2", "o, b.example")
    assert (c.identity_token, c.basic) == ("hunter2", None)
    assert d.registry_token == "hunter2"
    assert credentials_for(auths, parse_image_name("e.example/x"), "o") == []
    assert "hunter2" not in repr([a, b, c, d])


@pytest.mark.parametrize("text", ["", "[]", '{"auths": []}', '{"auths": {"a": "hunter2"}}', "hunter2", "[" * 100_000])
def test_what_is_no_configuration(text: str) -> None:
    """The form is said, and nothing of the text."""
    with pytest.raises(DockerConfigError, match="as docker login writes it") as caught:
        read_docker_config(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("auth", ["hunter2", base64.b64encode(b"hunter2").decode(), 7, "aMOkbGxv/"])
def test_a_malformed_entry(auth: object) -> None:
    """The key is named, the entry is not repeated."""
    with pytest.raises(DockerConfigError, match=r"o, a\.example: ") as caught:
        credentials_for({"a.example": {"auth": auth}}, parse_image_name("a.example/x"), "o")
    assert "hunter2" not in str(caught.value)


def test_legacy() -> None:
    """A .dockercfg has no `auths` around its entries."""
    text = json.dumps({"registry.example": entry("me")})

    assert users(read_docker_config(text, legacy=True), "registry.example/web") == ["me"]
    assert read_docker_config('{"credsStore": "desktop"}') == {}
