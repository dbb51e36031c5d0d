"""Registries that are wrong, hostile or broken: what is refused, and what a look-up says of it."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.entrypoint.asking import failed, found, lookup, offering, password
from tests.entrypoint.fake_registry import FakeRegistry, Reply
from tests.entrypoint.images import Image, digest_of
from tests.kube.certificates import Authority
from webhook.entrypoint.manifest import CONFIG_LIMIT, MANIFEST_LIMIT, Entrypoint

IMAGE = Image(entrypoint=["/app"])
TAG = "/v2/shop/web/manifests/1"
MANIFEST = f"/v2/shop/web/manifests/{IMAGE.digest}"
CONFIG = f"/v2/shop/web/blobs/{digest_of(IMAGE.config)}"
APP = Entrypoint(("/app",), ())


@pytest.fixture
def image(fake: FakeRegistry) -> str:
    """The name of an image that the fake serves well."""
    fake.serve("shop/web", "1", IMAGE)
    return f"{fake.host}/shop/web:1"


def redirect(url: str) -> Reply:
    """To there."""
    return Reply(status=307, headers={"Location": url})


def test_one_image_costs_three_requests(fake: FakeRegistry, image: str) -> None:
    """HEAD for the tag, then manifest and config by their digests, on one connection; nothing more."""
    assert found(lookup(insecure=[fake.host]), image) == APP
    assert [(seen.method, seen.path) for seen in fake.seen] == [("HEAD", TAG), ("GET", MANIFEST), ("GET", CONFIG)]
    assert fake.connections == 1


def test_credentials_stay_with_their_host(fake: FakeRegistry, image: str) -> None:
    """A blob's redirect to another host goes without Authorization; to the same host it keeps it."""
    basic = Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
    served = fake.routes[f"HEAD {TAG}"]
    fake.routes[f"HEAD {TAG}"] = basic

    def then_known() -> None:
        fake.routes[f"HEAD {TAG}"] = served

    basic.before = then_known
    fake.routes["GET /elsewhere"] = fake.routes[f"GET {CONFIG}"]
    fake.routes[f"GET {CONFIG}"] = redirect("/here?signed=1")
    fake.routes["GET /here"] = redirect(f"http://{fake.other_host}/elsewhere")

    asked = lookup(offering(password("me", "hunter2")), insecure=[fake.host, fake.other_host])

    assert found(asked, image) == APP
    sent = {seen.path: (seen.host, seen.authorization is not None) for seen in fake.seen}
    assert sent[CONFIG] == (fake.host, True)
    assert sent["/here?signed=1"] == (fake.host, True)
    assert sent["/elsewhere"] == (fake.other_host, False)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://169.254.169.254/computeMetadata/v1/", "169.254.169.254 would be asked over plain HTTP"),
        (
            "https://169.254.169.254/latest/",
            "169.254.169.254 is at 169.254.169.254, which is a cloud's metadata server",
        ),
        ("https://[fd00:ec2::254]/", "[fd00:ec2::254] is at fd00:ec2::254, which is a cloud's metadata server"),
        ("https://[::ffff:169.254.169.254]/", "which is a cloud's metadata server"),
        ("https://metadata.google.internal/", "metadata.google.internal is a cloud's metadata server, no registry"),
        ("https://127.0.0.1:9/", "127.0.0.1:9 is at 127.0.0.1, which is loopback: give --registry-local=HOST"),
        ("https://[::1]/", "[::1] is at ::1, which is loopback"),
        ("https://169.254.1.1/", "169.254.1.1 is at 169.254.1.1, which is link-local: give --registry-local=HOST"),
        ("https://0.0.0.0/", "0.0.0.0 is at 0.0.0.0, which is no host's address"),
        ("https://224.0.0.1/", "224.0.0.1 is at 224.0.0.1, which is no host's address"),
        ("http://registry.example/", "registry.example would be asked over plain HTTP: give --registry-insecure"),
        ("file:///etc/passwd", "it sends us to something that is no https:// address"),
        ("https://user@registry.example/", "it sends us to something that is no https:// address"),
        ("https://a\\@b/", "it sends us to something that is no https:// address"),
        ("https:///x", "it sends us to something that is no https:// address"),
        ("https://registry.example:99999/", "it sends us to something that is no https:// address"),
    ],
)
def test_where_a_redirect_may_not_lead(fake: FakeRegistry, image: str, location: str, message: str) -> None:
    """Every hop goes through the guard, as if the pod had named it."""
    fake.routes[f"GET {CONFIG}"] = redirect(location)

    assert message in failed(lookup(insecure=[fake.host]), image)


def test_a_realm_may_not_lead_there_either(fake: FakeRegistry, image: str) -> None:
    """A token's realm is the registry's word: no credentials go to a metadata server, or in plain text."""
    for realm in ("http://169.254.169.254/token", "http://registry.example/token"):
        headers = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}
        fake.routes[f"HEAD {TAG}"] = Reply(status=401, headers=headers)
        message = failed(lookup(offering(password("me", "hunter2")), insecure=[fake.host]), image)
        assert "would be asked over plain HTTP" in message


def test_endless_redirects(fake: FakeRegistry, image: str) -> None:
    """Five hops, then it is over."""
    fake.routes[f"GET {CONFIG}"] = redirect(CONFIG)

    assert f"{fake.host} redirects more than 5 times" in failed(lookup(insecure=[fake.host]), image)
    assert fake.paths("GET").count(CONFIG) == 6


def test_401_of_whom_we_were_sent_to(fake: FakeRegistry, image: str) -> None:
    """A host that a registry redirects to gets no credentials, however it asks."""
    headers = {"WWW-Authenticate": 'Basic realm="x"'}
    fake.routes["GET /elsewhere"] = Reply(status=401, headers=headers)
    fake.routes[f"GET {CONFIG}"] = redirect(f"http://{fake.other_host}/elsewhere")

    asked = lookup(offering(password("me", "hunter2")), insecure=[fake.host, fake.other_host])

    assert f"{fake.other_host} answers 401 to GET shop/web blobs/" in failed(asked, image)
    assert {seen.authorization for seen in fake.seen} == {None}


@pytest.mark.parametrize(("path", "what"), [(MANIFEST, IMAGE.manifest), (CONFIG, IMAGE.config)])
def test_a_lying_digest(fake: FakeRegistry, image: str, path: str, what: bytes) -> None:
    """What is fetched by its digest has that digest, or is not believed."""
    fake.routes[f"GET {path}"] = Reply(body=what.replace(b"linux", b"LINUX") + b" ")

    message = failed(lookup(insecure=[fake.host]), image)

    assert f"what was fetched is not {path.rpartition('/')[2][:19]}…: it was changed on its way, or at rest" in message


@pytest.mark.parametrize(("path", "limit"), [(MANIFEST, MANIFEST_LIMIT), (CONFIG, CONFIG_LIMIT)])
@pytest.mark.parametrize("says", [True, False])
def test_a_huge_answer(fake: FakeRegistry, image: str, path: str, limit: int, *, says: bool) -> None:
    """Neither a Content-Length beyond the limit nor a body without end is read."""
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: %d\r\n\r\n" % (limit + 1) if says else b"\r\n")
        for _ in range(16 * limit // 65536):
            sent += 65536
            yield b"x" * 65536

    fake.routes[f"GET {path}"] = Reply(raw=endless)

    assert f"answers more than {limit} bytes" in failed(lookup(insecure=[fake.host]), image)
    assert sent < 4 * limit


def test_compression_is_not_undone(fake: FakeRegistry, image: str) -> None:
    """A small body that would become a large one stays as it is, and so has not its digest."""
    fake.routes[f"GET {CONFIG}"] = Reply(body=b"\x1f\x8b" + bytes(20), headers={"Content-Encoding": "gzip"})

    assert "what was fetched is not" in failed(lookup(insecure=[fake.host]), image)


def test_a_dead_mirror(fake: FakeRegistry, image: str) -> None:
    """The registry itself is asked when its mirror does not answer; both are named when neither does."""
    with FakeRegistry() as dead:
        dead.down()
        settings: dict[str, Any] = {"insecure": [fake.host, dead.host], "registry_mirror": ((fake.host, dead.host),)}
        assert found(lookup(**settings), image) == APP
        fake.down()
        message = failed(lookup(**settings), image)
    assert f"{dead.host} with no credentials: {dead.host}: no connection: [Errno 111] Connection refused" in message
    assert f"{fake.host} with no credentials: {fake.host}: no connection: [Errno 111] Connection refused" in message


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("kind", ["silent", "drips its head", "drips its body"])
def test_slow(fake: FakeRegistry, image: str, kind: str) -> None:
    """Whatever it does, the answer is there at the end of the limit, and no request outlives it."""
    ended = []

    def silence() -> None:
        fake.closing.wait(10)

    def drip() -> Iterator[bytes]:
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" if kind == "drips its body" else b"HTTP/1.1 200 OK\r\n"
        )
        yield head
        try:
            for _ in itertools.count():
                fake.closing.wait(0.05)
                yield b"x: y\r\n"
        finally:
            ended.append(True)

    fake.routes[f"GET {CONFIG}"] = Reply(before=silence) if kind == "silent" else Reply(raw=drip)
    began = time.monotonic()

    message = failed(lookup(insecure=[fake.host], entrypoint_timeout=1.0), image)

    assert 0.9 < time.monotonic() - began < 8  # a silent one is silent for 10
    assert "no answer " in message or "broke" in message
    if kind != "silent":
        end = time.monotonic() + 5
        while not ended and time.monotonic() < end:
            time.sleep(0.02)
        assert ended == [True]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(status=429), "answers 429 to HEAD shop/web manifests/1: it limits how often it is asked"),
        (Reply(status=503), "answers 503 to HEAD"),
        (Reply(status=403), "answers 403 to HEAD"),
        (Reply(status=401), "answers 401 and asks for neither Basic nor Bearer"),
        (Reply(raw=lambda: iter([b"SSH-2.0-OpenSSH_9.2\r\n"])), "the connection broke, or it speaks no HTTP"),
        (Reply(raw=lambda: iter([])), "the connection broke, or it speaks no HTTP"),
    ],
)
def test_other_answers(fake: FakeRegistry, image: str, reply: Reply, message: str) -> None:
    """Each status and each kind of nonsense has its words."""
    fake.routes[f"HEAD {TAG}"] = reply

    assert message in failed(lookup(insecure=[fake.host]), image)


def test_only_the_specifications_codes_are_repeated(fake: FakeRegistry, image: str) -> None:
    """A body may be anybody's: of it nothing but error codes is told."""
    body = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "canary"}, {"code": "canary now"}, {"code": 7}]}'
    fake.routes[f"GET {MANIFEST}"] = Reply(status=404, body=body)

    message = failed(lookup(insecure=[fake.host]), image)

    assert "answers 404 MANIFEST_UNKNOWN to GET" in message
    assert "canary" not in message


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"canary", "gives no token"), (b'{"token": "a\\nb"}', "gives no token"), (b'{"token": 1}', "gives no token")],
)
def test_a_realm_without_a_token(fake: FakeRegistry, image: str, body: bytes, message: str) -> None:
    """JSON with a token of one line, or none; what came is not repeated."""
    challenge = f'Bearer realm="http://{fake.host}/token",service="x"'
    fake.routes[f"HEAD {TAG}"] = Reply(status=401, headers={"WWW-Authenticate": challenge})
    fake.routes["GET /token"] = Reply(body=body)

    said = failed(lookup(insecure=[fake.host]), image)

    assert message in said
    assert "canary" not in said


def test_a_registry_that_says_no_digest(fake: FakeRegistry, image: str) -> None:
    """Where HEAD has no Docker-Content-Digest, the tag's manifest is fetched and its digest reckoned."""
    fake.routes[f"HEAD {TAG}"] = Reply(headers={"Docker-Content-Digest": "md5:0"})

    assert found(lookup(insecure=[fake.host]), image) == APP
    assert fake.paths("GET") == [TAG, MANIFEST, CONFIG]


def test_a_certificate_of_another_name(authority: Authority, ca: Path) -> None:
    """A trusted CA is not enough: the certificate has to be the registry's."""
    files = authority.issue("another", address=None, dns="another.example")
    with FakeRegistry(authority.server_context(files)) as registry:
        registry.serve("shop/web", "1", IMAGE)
        asked = lookup(local=[registry.other_host], registry_ca=((registry.other_host, str(ca)),))

        message = failed(asked, f"{registry.other_host}/shop/web:1")

    assert "Hostname mismatch" in message
    assert registry.seen == []


def test_a_ca_that_is_replaced(authority: Authority, ca: Path, tmp_path: Path) -> None:
    """A CA's file counts as it is at each look-up; one that is no certificate is said."""
    with FakeRegistry(authority.server_context(authority.issue("replaced"))) as registry:
        registry.serve("shop/web", "1", IMAGE)
        path = tmp_path / "ca.crt"
        path.write_text("none")
        asked = lookup(local=[registry.host], registry_ca=((registry.host, str(path)),))
        image = f"{registry.host}/shop/web"

        assert "expected PEM certificates" in failed(asked, f"{image}:1")
        path.write_bytes(Authority(tmp_path, "stranger").file.read_bytes())
        assert "CERTIFICATE_VERIFY_FAILED" in failed(asked, f"{image}:1", namespace="a")
        path.write_bytes(ca.read_bytes())
        assert found(asked, f"{image}:1", namespace="b") == APP
