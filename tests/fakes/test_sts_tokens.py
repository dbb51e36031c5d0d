"""The token of AssumeRoleWithWebIdentity: forgeries, missing claims, rotation and expiry."""

from collections.abc import Callable

import jwt
import pytest

from demo.fakes.google import GoogleSigner, new_key
from demo.fakes.sts import Provider, StsServer
from tests.fakes.conftest import Ask, message


def forged(signer: GoogleSigner, audience: str) -> str:
    """Sign good claims with a key of one's own under Google's kid."""
    kid = signer.keys[-1].kid
    return jwt.encode(signer.claims(audience), new_key().private, algorithm="RS256", headers={"kid": kid})


def hmac_with_public_key(signer: GoogleSigner, audience: str) -> str:
    """Sign with HS256 and something public, the old algorithm confusion."""
    kid = signer.keys[-1].kid
    return jwt.encode(signer.claims(audience), kid.encode() * 2, algorithm="HS256", headers={"kid": kid})


NO_KEY = "Couldn't retrieve verification key from your identity provider"


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (forged, NO_KEY),
        (hmac_with_public_key, NO_KEY),
        (lambda signer, audience: jwt.encode(signer.claims(audience), "", algorithm="none"), "not a valid JWT"),
        (lambda signer, audience: signer.sign(signer.claims(audience), key=new_key()), NO_KEY),
        (lambda signer, audience: signer.id_token(audience, iat=None), "Missing a required claim: iat"),
        (lambda signer, audience: signer.id_token(audience, exp=None), "Missing a required claim: exp"),
        (lambda signer, audience: signer.id_token(audience, sub=None), "Missing a required claim: sub"),
        (lambda signer, _: signer.id_token("x", aud=None), "Missing a required claim: aud"),
        (lambda signer, audience: signer.id_token(audience, iss="https://example.com"), "for https://example.com"),
        (lambda signer, audience: signer.id_token(audience, exp="soon"), "not a valid JWT"),
        (lambda signer, audience: signer.id_token(audience, nbf=99999999999), "not valid yet"),
    ],
    ids=["forged", "hs256", "none", "kid", "iat", "exp", "sub", "aud", "iss", "exp-text", "nbf"],
)
def test_tokens(
    ask: Ask,
    google_signer: GoogleSigner,
    audience: str,
    token: Callable[[GoogleSigner, str], str],
    text: str,
) -> None:
    """A token that is not genuine is InvalidIdentityToken, whatever it claims."""
    _, code, xml = ask(WebIdentityToken=token(google_signer, audience))
    assert code == "InvalidIdentityToken"
    assert text in message(xml)


def test_google_must_not_be_registered(ask: Ask, sts: StsServer, google_signer: GoogleSigner) -> None:
    """Google is built in; an account that registers it as a provider gets InvalidIdentityToken."""
    sts.providers[google_signer.url] = Provider(jwks=google_signer.jwks)
    assert ask()[1] == "InvalidIdentityToken"


def test_rotation(ask: Ask, google_signer: GoogleSigner, audience: str) -> None:
    """Old and new tokens pass while both keys are published; a retired key's tokens do not."""
    old = google_signer.id_token(audience)
    google_signer.rotate()
    new = google_signer.id_token(audience)
    assert ask(WebIdentityToken=old)[1] == "ok"
    assert ask(WebIdentityToken=new)[1] == "ok"
    google_signer.retire()
    assert ask(WebIdentityToken=old)[1] == "InvalidIdentityToken"
    assert ask(WebIdentityToken=new)[1] == "ok"


def test_expiry_is_checked_by_the_clock(
    ask: Ask, sts: StsServer, google_signer: GoogleSigner, audience: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is good until its last second and expired at exp."""
    token = google_signer.id_token(audience)
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    monkeypatch.setattr(sts, "clock", lambda: expires - 0.5)
    assert ask(WebIdentityToken=token)[1] == "ok"
    monkeypatch.setattr(sts, "clock", lambda: float(expires))
    assert ask(WebIdentityToken=token)[1] == "ExpiredTokenException"
