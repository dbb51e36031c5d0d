"""What the account's owner puts into AWS: secrets, parameters and items, over the API that everybody uses.

Putting the same name again makes a new version of it.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Literal

from demo.fakes.sts.gate import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY

REGION = "eu-west-1"
# What an item's key and attribute are called where a reference says nothing else.
_KEY, _ATTRIBUTE = "secretName", "secretValue"


class Owner:
    """Puts what it is told; a value is text, `{"json": …}`, or for secrets `{"base64": …}`."""

    def __init__(self, url: str) -> None:
        # Everywhere is no address to connect to.
        self._url = url.replace("0.0.0.0", "127.0.0.1")

    def put(self, kind: Literal["secrets", "parameters", "items"], wanted: Mapping[str, Any]) -> None:
        """By name, items by table and then by key; None deletes a secret. Raises ValueError for another form."""
        {"secrets": self._put_secrets, "parameters": self._put_parameters, "items": self._put_items}[kind](wanted)

    def _put_secrets(self, wanted: Mapping[str, Any]) -> None:
        client = self._client("secretsmanager")
        known = {secret["Name"] for secret in client.list_secrets(MaxResults=100)["SecretList"]}
        for name, value in wanted.items():
            if value is None:
                client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
            elif name in known:
                client.put_secret_value(SecretId=name, **_content(value))
            else:
                client.create_secret(Name=name, **_content(value))

    def _put_parameters(self, wanted: Mapping[str, Any]) -> None:
        client = self._client("ssm")
        for name, value in wanted.items():
            client.put_parameter(Name=name, Value=_text(value), Type="SecureString", Overwrite=True)

    def _put_items(self, wanted: Mapping[str, Mapping[str, Any]]) -> None:
        client = self._client("dynamodb")
        known = client.list_tables()["TableNames"]
        for table, items in wanted.items():
            if table not in known:
                client.create_table(
                    TableName=table,
                    KeySchema=[{"AttributeName": _KEY, "KeyType": "HASH"}],
                    AttributeDefinitions=[{"AttributeName": _KEY, "AttributeType": "S"}],
                    BillingMode="PAY_PER_REQUEST",
                )
            for key, value in items.items():
                client.put_item(TableName=table, Item={_KEY: {"S": key}, _ATTRIBUTE: {"S": _text(value)}})

    def _client(self, service: str) -> Any:
        import boto3  # noqa: PLC0415 - half a second, and most who start the fakes put nothing into them

        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self._url,
            aws_access_key_id=ROOT_ACCESS_KEY_ID,
            aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
        )


def _content(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and "base64" in value:
        return {"SecretBinary": base64.b64decode(value["base64"])}
    return {"SecretString": _text(value)}


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case {"json": content}:
            return json.dumps(content)
    raise ValueError('a value is no text and has neither "json" nor "base64"')
