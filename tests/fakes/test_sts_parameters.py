"""The parameters of AssumeRoleWithWebIdentity: AWS's constraints, codes and words."""

import pytest

from demo.fakes.sts import Role, StsServer
from tests.fakes.conftest import NS, Ask, message


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"Version": None}, "InvalidAction", "for version NO_VERSION_SPECIFIED"),
        ({"Version": "2010-05-08"}, "InvalidAction", "for version 2010-05-08"),
        ({"RoleArn": None}, "ValidationError", "Value null at 'roleArn' failed to satisfy constraint"),
        ({"RoleArn": "arn:aws:iam"}, "ValidationError", "length greater than or equal to 20"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/" + "a" * 2048}, "ValidationError", "length less than or equal"),
        ({"RoleArn": "arn:aws:iam::12345678901:role/short-account"}, "ValidationError", "Request ARN is invalid"),
        ({"RoleArn": "arn:aws:iam::123456789012:user/somebody"}, "ValidationError", "Request ARN is invalid"),
        ({"RoleSessionName": "a"}, "ValidationError", "length greater than or equal to 2"),
        ({"RoleSessionName": "a" * 65}, "ValidationError", "length less than or equal to 64"),
        ({"RoleSessionName": "ns/app"}, "ValidationError", r"regular expression pattern: [\w+=,.@-]*"),
        ({"RoleSessionName": "ns/app" * 20}, "ValidationError", "2 validation errors detected: "),
        ({"RoleSessionName": "süß"}, "ValidationError", "regular expression pattern"),
        ({"WebIdentityToken": None}, "ValidationError", "Value null at 'webIdentityToken'"),
        ({"WebIdentityToken": "abc"}, "ValidationError", "length greater than or equal to 4"),
        ({"WebIdentityToken": "a" * 20001}, "ValidationError", "length less than or equal to 20000"),
        ({"DurationSeconds": "899"}, "ValidationError", "value greater than or equal to 900"),
        ({"DurationSeconds": "43201"}, "ValidationError", "value less than or equal to 43200"),
        ({"DurationSeconds": "an hour"}, "ValidationError", "durationSeconds"),
        ({"DurationSeconds": "3601"}, "ValidationError", "exceeds the MaxSessionDuration set for this role"),
        ({"WebIdentityToken": "abcd"}, "InvalidIdentityToken", "not a valid JWT"),
        ({"WebIdentityToken": "YQ.YQ.YQ"}, "InvalidIdentityToken", "not a valid JWT"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/unknown"}, "AccessDenied", "Not authorized to perform"),
    ],
)
def test_parameters(ask: Ask, change: dict[str, str | None], code: str, text: str) -> None:
    """A parameter that breaks its constraint is refused with the code and the words of AWS."""
    status, answered, xml = ask(**change)
    assert (status, answered) == (403 if code == "AccessDenied" else 400, code)
    assert text in message(xml)
    assert xml.findtext(f"{NS}Error/{NS}Type") == "Sender"
    assert xml.findtext(f"{NS}RequestId")


@pytest.mark.parametrize("duration", ["900", "7200"])
def test_duration(ask: Ask, sts: StsServer, role_arn: str, duration: str) -> None:
    """The session lives as long as asked, up to the role's maximum."""
    sts.roles[role_arn] = Role(trust_policy=sts.roles[role_arn].trust_policy, max_session_duration=7200)
    assert ask(DurationSeconds=duration)[1] == "ok"
    (session,) = sts.sessions.values()
    assert abs(session.expires_at - sts.clock() - int(duration)) < 60


def test_several_violations_are_one_error(ask: Ask) -> None:
    """AWS lists every violation in one ValidationError."""
    _, _, xml = ask(RoleArn=None, RoleSessionName="a", WebIdentityToken="abc")
    assert message(xml).startswith("3 validation errors detected: ")
