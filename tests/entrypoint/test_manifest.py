"""What manifests, indexes and configs say, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.entrypoint.images import DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Image, index
from webhook.entrypoint.errors import UnusableImageError
from webhook.entrypoint.manifest import (
    Entry,
    Entrypoint,
    Index,
    Manifest,
    agreed,
    candidates,
    is_digest,
    parse_config,
    parse_manifest,
    verified,
)

AMD = Image(entrypoint=["/app"])
ARM = Image(entrypoint=["/app"], architecture="arm64")
DIGEST = "sha256:" + "0" * 64
HELM = "application/vnd.cncf.helm.config.v1+json"
KEYS = st.sampled_from(
    ["mediaType", "manifests", "config", "digest", "platform", "os", "architecture", "schemaVersion"]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


def manifest(**changes: Any) -> bytes:
    """A good one, changed."""
    return json.dumps({**json.loads(AMD.manifest), **changes}).encode()


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_media_types(media_type: str, *, said: bool) -> None:
    """The media type is the document's own, or else the header's, with parameters or without."""
    body = manifest(mediaType=media_type if said else None)

    parsed = parse_manifest(body, "text/plain" if said else f"{media_type}; charset=utf-8")

    assert isinstance(parsed, Manifest)


@pytest.mark.parametrize(
    ("body", "media_type", "message"),
    [
        (b"", OCI_MANIFEST, "the manifest is no JSON object"),
        (b"[]", OCI_MANIFEST, "the manifest is no JSON object"),
        (b"[" * 100_000, OCI_MANIFEST, "the manifest is no JSON object"),
        (b'{"schemaVersion": 1}', OCI_MANIFEST, "schema 1, which names no config: push it again"),
        (b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        (b"{}", "text/html", "neither OCI's nor Docker's schema 2"),
        (manifest(manifests=[]), OCI_MANIFEST, "an index and an image at once"),
        (manifest(config=None), OCI_MANIFEST, "no container image"),
        (
            manifest(config={"mediaType": HELM}),
            OCI_MANIFEST,
            "no container image",
        ),
        (manifest(config={"mediaType": OCI_CONFIG}), OCI_MANIFEST, "expected a digest sha256:…"),
        (manifest(config={"mediaType": OCI_CONFIG, "digest": "../../x"}), OCI_MANIFEST, "expected a digest"),
        (b'{"manifests": {}}', OCI_INDEX, "manifests is no list"),
        (b'{"manifests": [1]}', OCI_INDEX, "a manifest is no object"),
        (b'{"manifests": [{"digest": "x"}]}', OCI_INDEX, "expected a digest"),
    ],
)
def test_what_is_refused(body: bytes, media_type: str, message: str) -> None:
    """Each with its reason."""
    with pytest.raises(UnusableImageError, match=message):
        parse_manifest(body, media_type)


@pytest.mark.parametrize("docker", [True, False])
def test_an_index(*, docker: bool) -> None:
    """Its images with their platforms, without attestations."""
    parsed = parse_manifest(index(AMD, ARM, docker=docker, attested=True), DOCKER_LIST if docker else OCI_INDEX)

    assert isinstance(parsed, Index)
    assert [entry.platform for entry in parsed.entries] == ["linux/amd64", "linux/arm64"]


def entries(*platforms: str) -> Index:
    """An index of these."""
    return Index(entries=tuple(Entry(digest=DIGEST, platform=platform) for platform in platforms))


@pytest.mark.parametrize(
    ("platforms", "architecture", "expected"),
    [
        (("linux/amd64", "linux/arm64"), None, ("linux/amd64", "linux/arm64")),
        (("linux/amd64", "linux/arm64"), "arm64", ("linux/arm64",)),
        (("linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"), "arm", ("linux/arm/v6", "linux/arm/v7")),
        (("linux/amd64", "windows/amd64"), None, ("linux/amd64",)),
        (("", "linux/amd64"), None, ("linux/amd64",)),
        (("",), "arm64", ("",)),
    ],
)
def test_candidates(platforms: tuple[str, ...], architecture: str | None, expected: tuple[str, ...]) -> None:
    """Linux images of the pod's architecture, all of them where it has none; what says no platform is for any."""
    assert tuple(entry.platform for entry in candidates(entries(*platforms), architecture)) == expected


@pytest.mark.parametrize(
    ("platforms", "architecture", "message"),
    [
        (("windows/amd64",), None, "no image for Linux; its platforms: windows/amd64"),
        (("linux/amd64",), "arm64", "no image for linux/arm64; its platforms: linux/amd64"),
        ((), None, "no image for Linux; its platforms: none"),
        (("linux/amd64",) * 33, None, "33 platforms, more than 32: select kubernetes.io/arch"),
    ],
)
def test_no_candidates(platforms: tuple[str, ...], architecture: str | None, message: str) -> None:
    """What there is, is said."""
    with pytest.raises(UnusableImageError, match=message):
        candidates(entries(*platforms), architecture)


def test_agreement() -> None:
    """ENTRYPOINT and CMD are equal on every platform, or nobody knows which program would start."""
    amd, arm = entries("linux/amd64", "linux/arm64").entries
    one, two = Entrypoint(("/app",), ("a",)), Entrypoint(("/app",), ("b",))

    assert agreed([(amd, one), (arm, one)]) == one
    with pytest.raises(UnusableImageError, match=r"different programs \(linux/amd64 and linux/arm64\)"):
        agreed([(amd, one), (arm, two)])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"config": {"Entrypoint": ["/a"], "Cmd": ["b", ""]}}, Entrypoint(("/a",), ("b", ""))),
        ({"config": {"Entrypoint": None, "Cmd": ["/bin/sh", "-c", "x"]}}, Entrypoint((), ("/bin/sh", "-c", "x"))),
        ({"config": {"Entrypoint": []}}, Entrypoint((), ())),
        ({"config": None}, Entrypoint((), ())),
        ({}, Entrypoint((), ())),
    ],
)
def test_configs(config: dict[str, Any], expected: Entrypoint) -> None:
    """What is absent, null or empty is empty; nothing is invented."""
    assert parse_config(json.dumps(config).encode()) == expected
    assert expected.is_empty is (expected == Entrypoint((), ()))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"config": []}, None),
        ({"config": [1]}, "config is no object"),
        ({"config": {"Entrypoint": "/app --x"}}, "Entrypoint is no list of texts"),
        ({"config": {"Cmd": ["a", 1]}}, "Cmd is no list of texts"),
        ({"config": {"Cmd": ["a\0b"]}}, "Cmd is no list of texts"),
        ({"config": {"Cmd": ["a" * (1 << 21)]}}, "Cmd is longer than any process's arguments"),
    ],
)
def test_malformed_configs(config: dict[str, Any], message: str | None) -> None:
    """What no runtime could start is refused."""
    body = json.dumps(config).encode()
    if message is None:
        assert parse_config(body).is_empty
        return
    with pytest.raises(UnusableImageError, match=message):
        parse_config(body)


def test_digests() -> None:
    """sha256 and sha512 are verified; other algorithms are no digests."""
    assert verified(AMD.manifest, AMD.digest) == AMD.manifest
    with pytest.raises(UnusableImageError, match="what was fetched is not sha256:000000000000…"):
        verified(AMD.manifest, DIGEST)
    assert not is_digest("md5:" + "0" * 32)
    assert not is_digest("sha256:" + "G" * 64)
    assert is_digest("sha512:" + "0" * 128)


@given(ANY_JSON)
def test_any_json(document: object) -> None:
    """An answer or its refusal, whatever a registry sends."""
    for media_type in (OCI_MANIFEST, OCI_INDEX):
        try:
            parsed = parse_manifest(json.dumps(document).encode(), media_type)
        except UnusableImageError:
            continue
        assert isinstance(parsed, Manifest | Index)
