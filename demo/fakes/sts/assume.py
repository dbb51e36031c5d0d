"""AssumeRoleWithWebIdentity from the form to the XML: parameters, token, trust policy, duration, then moto.

The order and the errors are those of the real STS.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from demo.fakes import trust
from demo.fakes.sts.errors import NAMESPACE, RefusedError, access_denied
from demo.fakes.sts.parameters import ACTION, VERSION, AssumeRole, parsed
from demo.fakes.sts.registry import Account, Session
from demo.fakes.sts.tokens import Identity, verified

Forward = Callable[[Mapping[str, str]], str]
"""Sends a form to moto's STS and gives the XML of its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """New credentials and the XML that tells them."""

    access_key_id: str
    session: Session
    xml: str = field(repr=False)


def trusted(form: Mapping[str, str], account: Account, *, now: float) -> tuple[AssumeRole, Identity]:
    """Decide; raise RefusedError for everything that STS refuses."""
    asked = parsed(form)
    identity = verified(asked.unverified_token, account, account_id=asked.account_id, now=now)
    role = account.roles.get(asked.role_arn)
    if role is None or not trust.allows(
        role.trust_policy,
        issuer=identity.issuer,
        claims=identity.claims,
        session_name=asked.session_name,
        provider_arn=identity.provider_arn,
    ):
        raise access_denied()
    if asked.duration > role.max_session_duration:
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise RefusedError("ValidationError", message)
    return asked, identity


def issue(
    asked: AssumeRole, identity: Identity, forward: Forward, *, session_scale: float, now: float, request_id: str
) -> Issued:
    """Let moto make the credentials, so that all its services know them; the token itself stays here."""
    answer = ET.fromstring(
        forward(
            {
                "Action": ACTION,
                "Version": VERSION,
                "RoleArn": asked.role_arn,
                "RoleSessionName": asked.session_name,
                "DurationSeconds": str(asked.duration),
                "WebIdentityToken": "verified by the strict STS",
            }
        )
    )
    session = Session(
        role_arn=asked.role_arn,
        session_name=asked.session_name,
        subject=str(identity.claims["sub"]),
        expires_at=now + asked.duration * session_scale,
        secret_access_key=_text(answer, "SecretAccessKey"),
        session_token=_text(answer, "SessionToken"),
    )
    access_key_id = _text(answer, "AccessKeyId")
    xml = _xml(asked, identity, access_key_id, session, arn=_text(answer, "Arn"), request_id=request_id)
    return Issued(access_key_id=access_key_id, session=session, xml=xml)


def _xml(
    asked: AssumeRole, identity: Identity, access_key_id: str, session: Session, *, arn: str, request_id: str
) -> str:
    role_id = "AROA" + hashlib.sha256(asked.role_arn.encode()).hexdigest()[:17].upper()
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(session.expires_at))
    packed = "<PackedPolicySize>6</PackedPolicySize>" if asked.policy is not None else ""
    return f"""\
<AssumeRoleWithWebIdentityResponse xmlns="{NAMESPACE}">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>{escape(session.subject)}</SubjectFromWebIdentityToken>
    <Audience>{escape(identity.audience)}</Audience>
    <AssumedRoleUser>
      <Arn>{arn}</Arn>
      <AssumedRoleId>{role_id}:{asked.session_name}</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <SessionToken>{session.session_token}</SessionToken>
      <SecretAccessKey>{session.secret_access_key}</SecretAccessKey>
      <Expiration>{expiration}</Expiration>
      <AccessKeyId>{access_key_id}</AccessKeyId>
    </Credentials>
    <Provider>{identity.provider_arn or "accounts.google.com"}</Provider>{packed}
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata>
    <RequestId>{request_id}</RequestId>
  </ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>
"""


def _text(answer: ET.Element, name: str) -> str:
    found: Any = answer.find(f".//{{{NAMESPACE}}}{name}")
    if found is None:
        raise LookupError(f"moto's answer has no {name}; is this moto 5?")
    return str(found.text)
