"""The STS's wire: the good answer, what needs credentials, and that no token is written down."""

import re
import urllib.error
import urllib.request
from xml.etree import ElementTree as ET

import pytest

from demo.fakes.google import GoogleSigner
from demo.fakes.sts import Role, StsServer
from demo.fakes.trust import PolicyError
from tests.fakes.conftest import NS, Ask


def test_answer(ask: Ask, google_signer: GoogleSigner, role_arn: str) -> None:
    """The answer has AWS's elements; Google's audience is azp, as CloudTrail shows it."""
    status, _, xml = ask()
    assert status == 200
    result = xml.find(f"{NS}AssumeRoleWithWebIdentityResult")
    assert result is not None
    assert result.findtext(f"{NS}SubjectFromWebIdentityToken") == google_signer.unique_id
    assert result.findtext(f"{NS}Audience") == google_signer.unique_id
    assert result.findtext(f"{NS}Provider") == "accounts.google.com"
    user = f"{NS}AssumedRoleUser/{NS}"
    assert result.findtext(f"{user}Arn") == "arn:aws:sts::123456789012:assumed-role/reader/ns.app"
    assert re.fullmatch(r"AROA[0-9A-Z]{17}:ns\.app", result.findtext(f"{user}AssumedRoleId", ""))
    assert result.findtext(f"{NS}Credentials/{NS}AccessKeyId", "").startswith("ASIA")
    assert result.findtext(f"{NS}PackedPolicySize") is None
    assert role_arn.endswith("role/reader")


def test_get_works_as_post(ask: Ask) -> None:
    """The query API takes its parameters from the URL too."""
    assert ask(method="GET")[:2] == (200, "ok")


def test_session_policy_has_a_packed_size(ask: Ask) -> None:
    """PackedPolicySize is there when a session policy was passed."""
    assert ask(Policy="{}")[2].findtext(f".//{NS}PackedPolicySize") == "6"


def test_unsigned_calls_elsewhere_are_refused(sts: StsServer) -> None:
    """Only AssumeRoleWithWebIdentity needs no credentials."""
    for path in ("/?Action=GetCallerIdentity&Version=2011-06-15", "/bucket/key", "/moto-api/data.json"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(sts.url + path, timeout=10)
        with caught.value as answer:
            assert answer.code == 403
            assert b"MissingAuthenticationToken" in answer.read()


def test_no_token_and_no_key_is_written_down(
    ask: Ask, sts: StsServer, google_signer: GoogleSigner, audience: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither records, reprs, errors nor output hold a token or a secret key."""
    good, wrong = google_signer.id_token(audience), google_signer.id_token("other")
    texts = [ET.tostring(ask(WebIdentityToken=token)[2]).decode() for token in (wrong, good + "\n", "abc")]
    ask(WebIdentityToken=good)
    (session,) = sts.sessions.values()
    seen = "".join([*texts, repr(sts.calls), repr(sts.sessions), *capfd.readouterr()])
    for secret in (good, wrong, "abc'", session.secret_access_key, session.session_token):
        assert secret not in seen


def test_malformed_trust_policy_is_refused_at_once() -> None:
    """A role with a policy that IAM would not store cannot be made."""
    with pytest.raises(PolicyError, match="StringEqual"):
        Role(
            trust_policy={
                "Statement": [
                    {"Effect": "Allow", "Principal": "*", "Action": "*", "Condition": {"StringEqual": {"a": "b"}}}
                ]
            }
        )
