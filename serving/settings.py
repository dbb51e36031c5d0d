"""How is it served? What every server of ours needs to know. Pure data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a server listens, reads and logs."""

    listen_address: str
    telemetry_listen_address: str
    """Where empty, there is none."""
    tls_cert_file: str
    tls_private_key_file: str
    insecure_http: bool
    workers: int
    threads: int
    max_body_bytes: int
    read_timeout: float
    """Seconds for a whole request."""
    graceful_timeout: float
    """Seconds."""
