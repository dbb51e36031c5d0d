"""What a web identity token proves without STS."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.fakes.google import GOOGLE, ClusterSigner, GoogleSigner, new_key
from secretenv.broker.proofs import Proofs
from tests.broker.test_reading_once import Clock

AUDIENCE = "sts"


class Issuer:
    """Google with keys to be had, a clock, and how often it was asked."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.now = 1_800_000_000.0
        self.signer = GoogleSigner(clock=self.clock)
        self.fetched = 0
        self.broken: Exception | bytes | None = None
        self.proofs = Proofs({GOOGLE: "https://keys"}, fetch=self._fetch, clock=self.clock)

    def _fetch(self, url: str) -> bytes:
        assert url == "https://keys"
        self.fetched += 1
        if isinstance(self.broken, Exception):
            raise self.broken
        return self.broken if self.broken is not None else json.dumps(self.signer.jwks()).encode()

    def claims(self, **other: Any) -> str | None:
        """What a token with these claims proves."""
        return self.proofs.claims(self.signer.id_token(AUDIENCE, **other))


@pytest.fixture(scope="module")
def shared_issuer() -> Issuer:
    """An RSA key takes time."""
    return Issuer()


def test_tokens_of_one_subject_prove_the_same(shared_issuer: Issuer) -> None:
    """What differs between them is of the token, not of the subject; what a trust policy can ask for is all there."""
    first = shared_issuer.claims(jti="1")
    assert first == shared_issuer.claims(jti="2", iat=5)
    assert first is not None
    assert set(json.loads(first)) == {"aud", "azp", "iss", "sub"}
    for claim in ("sub", "aud", "azp", "email", "amr"):
        assert shared_issuer.claims(**{claim: "another"}) not in {None, first}


def test_another_algorithm_or_key_proves_nothing(shared_issuer: Issuer) -> None:
    """None of the ways in which tokens are forged."""
    signer = shared_issuer.signer
    claims = signer.claims(AUDIENCE)
    good = signer.sign(claims)
    header, payload, signature = good.split(".")
    for bad in (
        signer.sign(claims, key=new_key()),
        jwt.encode(claims, "secret-of-32-bytes-at-least-it-is", algorithm="HS256", headers={"kid": signer.keys[0].kid}),
        jwt.encode(claims, "", algorithm="none", headers={"kid": signer.keys[0].kid}),
        f"{header}.{payload}.",
        f"{header}.{_part({**claims, 'sub': '1'})}.{signature}",
        f"{_part({'alg': 'none', 'kid': signer.keys[0].kid})}.{payload}.",
        f"{good}=",
        f"{good}.",
        f" {good}",
        "",
        "a.b.c",
        "..",
    ):
        assert shared_issuer.proofs.claims(bad) is None
    assert shared_issuer.proofs.claims(good)


def _part(data: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


@given(st.text() | st.from_regex(r"[\w-]+\.[\w-]+\.[\w-]+", fullmatch=True))
def test_any_text_is_no_proof(shared_issuer: Issuer, text: str) -> None:
    """And no crash."""
    assert shared_issuer.proofs.claims(text) is None


@pytest.mark.parametrize(
    "claims", [{"exp": 1_700_000_000}, {"exp": None}, {"exp": "soon"}, {"nbf": 1_900_000_000}, {"iss": "https://evil"}]
)
def test_out_of_time_or_of_another_issuer(shared_issuer: Issuer, claims: dict[str, Any]) -> None:
    """As STS would say."""
    assert shared_issuer.claims(**claims) is None


def test_clusters_tokens_differ_in_their_pod_only(shared_issuer: Issuer) -> None:
    """Pods of one account have tokens that name each pod: they prove the same."""
    signer = ClusterSigner(clock=shared_issuer.clock)
    proofs = Proofs(
        {signer.url: "https://keys"}, fetch=lambda _: json.dumps(signer.jwks()).encode(), clock=shared_issuer.clock
    )
    pods: list[dict[str, Any]] = [{"kubernetes.io": {"pod": {"name": name}}} for name in "ab"]
    tokens = [signer.token("ns", "sa", **pod) for pod in pods]
    assert proofs.claims(tokens[0]) == proofs.claims(tokens[1]) is not None
    assert proofs.claims(tokens[0]) != proofs.claims(signer.token("ns", "other"))


def test_keys_are_fetched_once_an_hour_and_for_a_new_one() -> None:
    """A token with a key that is not known yet asks for it, once a minute at most."""
    issuer = Issuer()
    for _ in range(5):
        assert issuer.claims()
    assert issuer.fetched == 1
    issuer.signer.rotate()
    assert issuer.claims() is None
    issuer.clock.now += 61
    assert issuer.claims()
    assert issuer.fetched == 2
    forger = GoogleSigner(clock=issuer.clock)
    for _ in range(5):
        assert issuer.proofs.claims(forger.id_token(AUDIENCE)) is None
    assert issuer.fetched == 2
    issuer.clock.now += 3601
    assert issuer.claims()
    assert issuer.fetched == 3


@pytest.mark.parametrize(
    "broken",
    [
        OSError("away"),
        b"",
        b"[]",
        b"{}",
        b'{"keys": 5}',
        b'{"keys": [{"kty": "RSA", "kid": "x", "n": "!", "e": "AQAB"}]}',
    ],
)
def test_keys_that_cannot_be_had_prove_nothing(broken: Exception | bytes) -> None:
    """And are asked for again after a minute, not by each token; old ones are not taken for ever."""
    issuer = Issuer()
    assert issuer.claims()
    issuer.clock.now += 3601
    issuer.broken = broken
    assert issuer.claims() is not None
    issuer.clock.now += 61
    assert issuer.claims() is None
    fetched = issuer.fetched
    assert issuer.claims() is None
    assert issuer.fetched == fetched
    issuer.broken = None
    issuer.clock.now += 61
    assert issuer.claims()


def test_a_short_key_proves_nothing() -> None:
    """An issuer that publishes one is asked through STS."""
    issuer = Issuer()
    issuer.broken = (
        b'{"keys": [{"kty": "RSA", "kid": "%s", "n": "AQAB", "e": "AQAB"}]}' % issuer.signer.keys[0].kid.encode()
    )
    assert issuer.claims() is None
