"""`python -m demo.fakes.cloud`: both clouds in one process, steered over HTTP, for a cluster whose pods share them.

The metadata server is every pod's, so every pod has the same Google service account. The control port has no
authentication: it belongs in a test cluster.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from threading import Thread
from typing import TYPE_CHECKING, Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from demo.fakes.google import GoogleSigner
from demo.fakes.listener import address
from demo.fakes.metadata import MetadataServer, faults
from demo.fakes.metadata.faults import Fault
from demo.fakes.owner import Owner
from demo.fakes.sts.registry import Provider, Role
from demo.fakes.sts.server import QUIET_HANDLER, StsServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

EXAMPLE = """example:
  python -m demo.fakes.cloud --metadata 0.0.0.0:8080 --aws 0.0.0.0:4566 --control 0.0.0.0:9000
  curl 127.0.0.1:9000/seen
  curl 127.0.0.1:9000/metadata -d '{"lifetime": 60, "standing": {"fault": "Status", "code": 503}}'
  curl 127.0.0.1:9000/aws -d '{"roles": {"arn:aws:iam::123456789012:role/reader": {"trust_policy": {...}}}}'
  curl 127.0.0.1:9000/aws -d '{"secrets": {"prod/db": {"json": {"user": "orders"}}}, "away": 60}'
"""
_FAULTS: Mapping[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (faults.Status, faults.Slow, faults.Truncated, faults.NearExpiry, faults.WrongAudience, faults.NoFlavor)
}


class Cloud:
    """The fakes, and what may be asked of them and changed in them; everything as JSON."""

    def __init__(self, metadata: MetadataServer, aws: StsServer) -> None:
        self._metadata = metadata
        self._aws = aws
        self._owner = Owner(aws.url)

    def seen(self) -> dict[str, Any]:
        """Count and list what came: identity requests, faults that were met, calls to AWS."""
        return {
            "identity_requests": len(self._metadata.identity_requests()),
            "faults_met": self._metadata.faults_met,
            "calls": [asdict(call) for call in self._aws.calls],
        }

    def change_metadata(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Take `lifetime`, `bound`, `caching`, `up`, `skew` (seconds), `script` and `standing` faults."""
        for name, value in wanted.items():
            match name:
                case "lifetime" | "bound" | "caching":
                    setattr(self._metadata, name, value)
                case "up":
                    (self._metadata.up if value else self._metadata.down)()
                case "skew":
                    self._metadata.signer.clock = _shifted(float(value))
                case "script":
                    self._metadata.script(*(_fault(each) for each in value))
                case "standing":
                    self._metadata.standing = None if value is None else _fault(value)
                case _:
                    raise ValueError(f"{name}: the metadata server has no such property")
        return {}

    def change_aws(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Take `roles` (by ARN), `providers` (issuer to JWKS), `session_scale`, `forget_calls`.

        And what the account holds: `secrets`, `parameters`, `items` (demo.fakes.owner). And how it is: `away` (seconds
        from now), `throttles` (every second call).
        """
        for name, value in wanted.items():
            match name:
                case "secrets" | "parameters" | "items":
                    self._owner.put(name, value)
                case "away":
                    self._aws.away_until = time.time() + float(value)
                case "throttles":
                    self._aws.throttles = bool(value)
                case "roles":
                    self._aws.roles.update({arn: Role(**role) for arn, role in value.items()})
                case "providers":
                    self._aws.providers.update({issuer: Provider(jwks=_fixed(jwks)) for issuer, jwks in value.items()})
                case "session_scale":
                    self._aws.session_scale = float(value)
                case "forget_calls":
                    self._aws.calls.clear()
                case _:
                    raise ValueError(f"{name}: AWS has no such property")
        return {}


def _shifted(seconds: float) -> Callable[[], float]:
    return lambda: time.time() + seconds


def _fixed(jwks: Mapping[str, Any]) -> Callable[[], Mapping[str, Any]]:
    return lambda: jwks


def _fault(described: Mapping[str, Any]) -> Fault:
    fields = dict(described)
    kind = fields.pop("fault", None)
    if kind not in _FAULTS:
        raise ValueError(f"{kind!r} is no fault; expected one of {', '.join(_FAULTS)}")
    return _FAULTS[kind](**fields)


def control_app(cloud: Cloud) -> "WSGIApplication":
    """Map HTTP to the three verbs; a wrong request is answered 400 with the reason."""
    changes = {"/metadata": cloud.change_metadata, "/aws": cloud.change_aws}

    @Request.application
    def answer(request: Request) -> Response:
        if request.method == "GET":
            # Any other path is for readiness probes.
            return _json(200, cloud.seen() if request.path == "/seen" else {})
        try:
            return _json(200, changes[request.path](json.loads(request.get_data())))
        except (ValueError, TypeError, KeyError) as exc:
            return _json(400, {"error": f"{request.path}: {exc}"})

    return answer


def _json(code: int, body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body), code, content_type="application/json")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(
        prog="python -m demo.fakes.cloud",
        description="Strict fakes of GKE's metadata server and of AWS, with a control port.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, port in (("metadata", 8080), ("aws", 4566), ("control", 9000)):
        made.add_argument(
            f"--{name}",
            type=address,
            default=f"127.0.0.1:{port}",
            metavar="HOST:PORT",
            help=f"where the {name} port is (default %(default)s)",
        )
    return made


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; the first line on stdout has the three addresses."""
    chosen = parser().parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    signer = GoogleSigner()
    with (
        MetadataServer(host=chosen.metadata[0], port=chosen.metadata[1], signer=signer) as metadata,
        StsServer(google_jwks=signer.jwks, host=chosen.aws[0], port=chosen.aws[1]) as aws,
    ):
        host, port = chosen.control
        control = make_server(
            host, port, control_app(Cloud(metadata, aws)), threaded=True, request_handler=QUIET_HANDLER
        )
        Thread(target=control.serve_forever, daemon=True).start()
        listening = f"{control.host}:{control.port}"
        print(json.dumps({"metadata": metadata.host, "aws": aws.url, "control": listening}), flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        control.shutdown()
        control.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
