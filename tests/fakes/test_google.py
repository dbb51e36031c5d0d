"""The issuers sign what Google and a GKE cluster sign, and publish the keys."""

import stat
from pathlib import Path

import jwt
import pytest

from demo.fakes.google import ClusterSigner, GoogleSigner, key_of_file, new_key


def test_claims_of_the_metadata_server(google_signer: GoogleSigner) -> None:
    """The numeric unique ID is azp and sub, the audience is the one asked for, and the life is an hour."""
    claims = jwt.decode(google_signer.id_token("a"), options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "azp", "sub", "iat", "exp"}
    assert claims["iss"] == "https://accounts.google.com"
    assert claims["azp"] == claims["sub"] == google_signer.unique_id
    assert len(google_signer.unique_id) == 21
    assert google_signer.unique_id.isdigit()
    assert claims["aud"] == "a"
    assert claims["exp"] - claims["iat"] == 3600


def test_email_with_format_full_only(google_signer: GoogleSigner) -> None:
    """format=full adds the e-mail and nothing else does."""
    assert "email" not in google_signer.claims("a")
    assert google_signer.claims("a", full=True)["email_verified"] is True


def test_jwks_verifies_the_signature(google_signer: GoogleSigner) -> None:
    """The published key, found by its kid, verifies the token."""
    token = google_signer.id_token("a")
    (key,) = jwt.PyJWKSet.from_dict(google_signer.jwks()).keys
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": key.key_id}
    assert jwt.decode(token, key.key, algorithms=["RS256"], audience="a")["aud"] == "a"


def test_rotation_publishes_both_keys_until_retired() -> None:
    """After a rotation the new key signs; the old one stays in the JWKS until it is retired."""
    signer = GoogleSigner()
    old = jwt.get_unverified_header(signer.id_token("a"))["kid"]
    signer.rotate()
    new = jwt.get_unverified_header(signer.id_token("a"))["kid"]
    assert new != old
    assert [key["kid"] for key in signer.jwks()["keys"]] == [old, new]
    signer.retire()
    assert [key["kid"] for key in signer.jwks()["keys"]] == [new]


def test_private_halves_stay_private() -> None:
    """Neither the JWKS nor a repr shows a private number."""
    signer = GoogleSigner()
    assert set(signer.jwks()["keys"][0]) == {"kty", "alg", "use", "kid", "n", "e"}
    assert "private" not in repr(signer.keys)


def test_cluster_token(cluster_signer: ClusterSigner) -> None:
    """A projected token names the service account in sub and has a list of audiences and no azp."""
    claims = jwt.decode(cluster_signer.token("ns", "app"), options={"verify_signature": False})
    assert claims["iss"] == cluster_signer.url
    assert claims["sub"] == "system:serviceaccount:ns:app"
    assert claims["aud"] == ["sts.amazonaws.com"]
    assert "azp" not in claims


def test_claims_can_be_replaced_and_removed(google_signer: GoogleSigner) -> None:
    """A test can sign a token that is wrong in one claim."""
    claims = jwt.decode(google_signer.id_token("a", iat=None, azp="x"), options={"verify_signature": False})
    assert "iat" not in claims
    assert claims["azp"] == "x"


def test_key_file_is_made_once_and_shared(tmp_path: Path) -> None:
    """Two processes with one key file have the same key and kid; nobody else may read the file."""
    first = key_of_file(tmp_path / "key.pem")
    second = key_of_file(tmp_path / "key.pem")
    assert first.kid == second.kid
    assert first.jwk() == second.jwk()
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_key_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A file that holds no private key says so."""
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(ValueError, match=r"(?i)pem"):
        key_of_file(tmp_path / "key.pem")


def test_keys_differ() -> None:
    """Every new key has a kid of its own."""
    assert new_key().kid != new_key().kid
