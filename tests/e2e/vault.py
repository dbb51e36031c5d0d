"""What the account holds for the tests, and what an application must see of it.

Every value has this run's canary in it, which no log, event or message may ever show.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from demo.cluster import cloud
from demo.cluster.reveal import fingerprint

CANARY = f"canary{uuid.uuid4().hex}"
DATABASE: Mapping[str, Any] = {
    "user": f"orders-{CANARY}",
    "password": f"p@ss/{CANARY} $x",
    "port": 5432,
    "quoted": f"it's {CANARY}",
    "lines": f"first {CANARY}\nsecond {CANARY}\n",
    "empty": "",
}
SECRETS: Mapping[str, Any] = {
    "shop/db": {"json": DATABASE},
    "shop/text": f"plain {CANARY}",
    "shop/a": {"json": {"key": f"of a {CANARY}"}},
    "shop/b": {"json": {"key": f"of b {CANARY}"}},
}
PARAMETERS = {"/shop/api/key": f"parameter {CANARY}", "/shop/api/url": f"https://{CANARY}.example"}
ITEMS = {"shop": {"db/user": f"item {CANARY}"}}


def fill() -> None:
    """Put everything there."""
    cloud.aws(secrets=SECRETS, parameters=PARAMETERS, items=ITEMS)


def revealed(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """The fingerprints of these values, as the application tells them."""
    return {name: None if value is None else fingerprint(value) for name, value in values.items()}


def bare_hash(value: str) -> str:
    """As bare.c has it: FNV-1a of 64 bits."""
    found = 0xCBF29CE484222325
    for byte in value.encode():
        found = (found ^ byte) * 0x100000001B3 % 2**64
    return f"{found:016x}"
