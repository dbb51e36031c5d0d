"""`python -m demo.fakes.sts`: the STS with moto behind it as a process of its own, for e2e."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.fakes.listener import address
from demo.fakes.sts.registry import Jwks, Provider, Role
from demo.fakes.sts.server import StsServer

EXAMPLE = """roles file:
  {"arn:aws:iam::123456789012:role/reader": {"trust_policy": {...}, "max_session_duration": 3600}}

example:
  python -m demo.fakes.sts --listen 127.0.0.1:4566 --google-jwks google-jwks.json --roles roles.json
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 aws sts get-caller-identity
"""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(
        prog="python -m demo.fakes.sts",
        description="A strict fake of AWS STS with moto behind it.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--listen", type=address, default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 chooses a free one"
    )
    made.add_argument(
        "--google-jwks", type=Path, required=True, help="JWKS of accounts.google.com, read again at every call"
    )
    made.add_argument("--roles", type=Path, required=True, help="JSON: ARN to trust policy, see below")
    made.add_argument(
        "--oidc-provider",
        action="append",
        default=[],
        metavar="ISSUER=JWKS_FILE",
        help="an IAM OIDC provider with the client ID sts.amazonaws.com; may be given again",
    )
    made.add_argument(
        "--session-scale", type=float, default=1.0, help="sessions live DurationSeconds times this (default 1)"
    )
    return made


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; the first line on stdout is the URL."""
    chosen = parser().parse_args(arguments)
    host, port = chosen.listen
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with StsServer(google_jwks=_read(chosen.google_jwks), host=host, port=port) as sts:
        sts.session_scale = chosen.session_scale
        sts.roles.update({arn: Role(**role) for arn, role in json.loads(chosen.roles.read_text()).items()})
        for provider in chosen.oidc_provider:
            issuer, _, jwks_file = provider.rpartition("=")
            sts.providers[issuer] = Provider(jwks=_read(Path(jwks_file)))
        print(sts.url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def _read(jwks_file: Path) -> Jwks:
    def read() -> dict[str, Any]:
        return dict(json.loads(jwks_file.read_text()))

    return read


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
