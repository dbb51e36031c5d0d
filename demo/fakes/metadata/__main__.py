"""`python -m demo.fakes.metadata`: the metadata server as a process of its own, for e2e."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from demo.fakes.google import GoogleSigner, key_of_file
from demo.fakes.listener import address
from demo.fakes.metadata.server import MetadataServer

EXAMPLE = """example:
  python -m demo.fakes.metadata --listen 127.0.0.1:8080 --key-file google.pem --jwks-file google-jwks.json
  GCE_METADATA_HOST=127.0.0.1:8080 python -m injector --file=token
"""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(
        prog="python -m demo.fakes.metadata",
        description="A strict fake of GKE's metadata server.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--listen", type=address, default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 chooses a free one"
    )
    made.add_argument("--key-file", type=Path, help="PEM of the signing key; made where absent")
    made.add_argument("--jwks-file", type=Path, help="where to write the JWKS that the STS reads")
    made.add_argument("--unique-id", default="112233445566778899001", help="the Google service account's number")
    made.add_argument("--email", default="reader@fake-project.iam.gserviceaccount.com", help="its e-mail")
    made.add_argument("--project", default="fake-project", help="the Google Cloud project")
    made.add_argument("--pod-service-account", default="default/default", metavar="NAMESPACE/NAME", help="who asks")
    made.add_argument("--lifetime", type=float, default=3600, metavar="SECONDS", help="the tokens' life")
    made.add_argument("--unbound", action="store_true", help="no Google service account is bound: 404")
    made.add_argument("--caching", action="store_true", help="hand out a token again until near its end")
    return made


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; the first line on stdout is the address."""
    chosen = parser().parse_args(arguments)
    host, port = chosen.listen
    key = key_of_file(chosen.key_file) if chosen.key_file else None
    signer = GoogleSigner(unique_id=chosen.unique_id, email=chosen.email, key=key)
    if chosen.jwks_file:
        chosen.jwks_file.write_text(json.dumps(signer.jwks()))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        server = MetadataServer(
            host=host,
            port=port,
            signer=signer,
            lifetime=chosen.lifetime,
            project=chosen.project,
            pod_service_account=chosen.pod_service_account,
        )
    except OSError as exc:
        parser().error(f"--listen {host}:{port}: {exc.strerror}")
    with server as metadata:
        metadata.bound = not chosen.unbound
        metadata.caching = chosen.caching
        print(metadata.host, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
