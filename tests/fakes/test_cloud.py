"""The fakes for a cluster: one process, three ports, steered over HTTP."""

import base64
import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.fakes.conftest import AUDIENCE, ROLE_ARN, google_trust

pytestmark = pytest.mark.slow

Ports = dict[str, str]


@pytest.fixture
def cloud() -> Iterator[Ports]:
    """A running process and its addresses."""
    ports = [f"--{name}=127.0.0.1:0" for name in ("metadata", "aws", "control")]
    line = [sys.executable, "-m", "demo.fakes.cloud", *ports]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(timeout=10) == 0


def control(cloud: Ports, path: str, body: dict[str, Any] | None = None) -> Any:
    """GET, or POST a body."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://{cloud['control']}{path}", data, timeout=10) as answer:
        return json.loads(answer.read())


def token(cloud: Ports) -> str:
    """What the metadata server gives a pod."""
    path = "/computeMetadata/v1/instance/service-accounts/default/identity"
    url = f"http://{cloud['metadata']}{path}?audience={AUDIENCE}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Metadata-Flavor": "Google"}), timeout=10) as said:
        return str(said.read().decode())


def client(cloud: Ports, service: str) -> Any:
    """One with the role's credentials, which asks once."""
    once = Config(retries={"total_max_attempts": 1}, region_name="eu-west-1")
    sts = boto3.client("sts", endpoint_url=cloud["aws"], aws_access_key_id="x", aws_secret_access_key="x", config=once)
    assumed = {"RoleArn": ROLE_ARN, "RoleSessionName": "shop", "WebIdentityToken": token(cloud)}
    keys = sts.assume_role_with_web_identity(**assumed)["Credentials"]
    return boto3.client(
        service,
        endpoint_url=cloud["aws"],
        config=once,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def test_a_role_that_was_posted_can_be_assumed(cloud: Ports) -> None:
    """Its trust policy is judged, and the call is seen with role and outcome, never with the token."""
    control(cloud, "/aws", {"roles": {ROLE_ARN: {"trust_policy": google_trust("112233445566778899001")}}})
    sts = boto3.client(
        "sts", endpoint_url=cloud["aws"], region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    identity = token(cloud)
    sts.assume_role_with_web_identity(RoleArn=ROLE_ARN, RoleSessionName="shop", WebIdentityToken=identity)

    seen = control(cloud, "/seen")
    assert seen["identity_requests"] == 1
    assert [(call["role_arn"], call["outcome"]) for call in seen["calls"]] == [(ROLE_ARN, "ok")]
    assert identity not in json.dumps(seen)


def test_what_was_put_is_read_with_the_roles_credentials(cloud: Ports) -> None:
    """Secrets, parameters and items; a second time the same name is a new version; a role reads what it may."""
    kept = {"json": {"user": "orders"}}
    role = {"trust_policy": google_trust("112233445566778899001"), "reads": ["prod/*", "/prod/*", "table"]}
    control(cloud, "/aws", {"roles": {ROLE_ARN: role}, "secrets": {"prod/db": "old", "test/db": "of another"}})
    control(cloud, "/aws", {"secrets": {"prod/db": kept, "prod/key": {"base64": "AAE="}}})
    control(cloud, "/aws", {"parameters": {"/prod/a": "parameter"}, "items": {"table": {"key": "item"}}})
    secrets, ssm, items = (client(cloud, name) for name in ("secretsmanager", "ssm", "dynamodb"))

    assert json.loads(secrets.get_secret_value(SecretId="prod/db")["SecretString"]) == kept["json"]
    assert secrets.get_secret_value(SecretId="prod/key")["SecretBinary"] == b"\0\1"
    assert ssm.get_parameter(Name="/prod/a", WithDecryption=True)["Parameter"]["Value"] == "parameter"
    found = items.get_item(TableName="table", Key={"secretName": {"S": "key"}})
    assert found["Item"]["secretValue"] == {"S": "item"}
    with pytest.raises(ClientError, match=r"AccessDenied.*secretsmanager:GetSecretValue on resource: test/db"):
        secrets.get_secret_value(SecretId="test/db")
    with pytest.raises(ClientError, match="AccessDenied"):
        secrets.batch_get_secret_value(SecretIdList=["prod/db", "test/db"])

    control(cloud, "/aws", {"secrets": {"prod/db": None}})
    with pytest.raises(ClientError, match="ResourceNotFound"):
        secrets.get_secret_value(SecretId="prod/db")


def test_aws_is_away_for_a_while_and_throttles_every_second_call(cloud: Ports) -> None:
    """STS and the others say so in their own words, and what they said is seen."""
    control(cloud, "/aws", {"roles": {ROLE_ARN: {"trust_policy": google_trust("112233445566778899001")}}})
    secrets = client(cloud, "secretsmanager")
    control(cloud, "/aws", {"throttles": True, "forget_calls": True})
    for _ in range(4):
        with suppress(ClientError):
            secrets.list_secrets()
    control(cloud, "/aws", {"throttles": False, "away": 60})
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        secrets.list_secrets()
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        client(cloud, "secretsmanager")

    outcomes = [call["outcome"] for call in control(cloud, "/seen")["calls"]]
    assert outcomes == ["ok", "Throttling", "ok", "Throttling", "ServiceUnavailable", "ServiceUnavailable"]
    control(cloud, "/aws", {"away": 0})
    assert secrets.list_secrets()["SecretList"] == []


def test_a_standing_fault_meets_every_request_until_it_is_taken_back(cloud: Ports) -> None:
    """It is counted, so that a test can prove that the fault really happened."""
    control(cloud, "/metadata", {"standing": {"fault": "Status", "code": 503}})
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError, match="503"):
            token(cloud)
    control(cloud, "/metadata", {"standing": None})

    assert token(cloud)
    assert control(cloud, "/seen")["faults_met"] == 2


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/metadata", {"colour": "red"}, "colour"),
        ("/metadata", {"standing": {"fault": "Fire"}}, "'Fire' is no fault"),
        ("/aws", {"buckets": {}}, "buckets"),
        ("/aws", {"secrets": {"a": {"yaml": 1}}}, "json"),
        ("/elsewhere", {}, "/elsewhere"),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(cloud: Ports, path: str, body: dict[str, Any], reason: str) -> None:
    """A typing mistake in a test must not look like a fault that changes nothing."""
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        control(cloud, path, body)
    assert reason in refused.value.read().decode()


def test_a_body_in_chunks_is_understood(cloud: Ports) -> None:
    """The API server's proxy passes bodies on without their length."""
    connection = http.client.HTTPConnection(cloud["control"], timeout=10)
    connection.request("POST", "/metadata", iter([b'{"life', b'time": 5}']), encode_chunked=True)

    assert connection.getresponse().status == 200
    connection.close()
    payload = token(cloud).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert claims["exp"] - claims["iat"] == 5
