"""A GKE metadata server: the identity endpoint, what google-auth asks besides, and scripted faults.

`with MetadataServer() as metadata: environ["GCE_METADATA_HOST"] = metadata.host`
"""

from demo.fakes.metadata.answers import FORBIDDEN_BODY, UNBOUND_BODY, Asked
from demo.fakes.metadata.faults import (
    Fault,
    Garbage,
    NearExpiry,
    NoFlavor,
    NotHttp,
    Redirect,
    Slow,
    Status,
    Truncated,
    WrongAudience,
)
from demo.fakes.metadata.server import MetadataServer

__all__ = [
    "FORBIDDEN_BODY",
    "UNBOUND_BODY",
    "Asked",
    "Fault",
    "Garbage",
    "MetadataServer",
    "NearExpiry",
    "NoFlavor",
    "NotHttp",
    "Redirect",
    "Slow",
    "Status",
    "Truncated",
    "WrongAudience",
]
