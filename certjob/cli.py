"""What did the operator ask for? The only module that reads the process: arguments, clock and randomness."""

import argparse
import importlib.metadata
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from certjob.certificates import new_private_key
from certjob.certify import Request, Source, certify, inspect
from certjob.decide import Wanted
from certjob.errors import CertjobError
from certjob.names import common_name, serving_names
from certjob.report import inspection_json, inspection_text, outcome_json, outcome_text
from contract import exit_codes
from contract.server import NAMESPACE, SECRET, SERVICE

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "y": timedelta(days=365)}
_LONGEST = timedelta(days=365 * 100)
_IN_CLUSTER = "writing into a cluster is not built yet; give --output-dir DIR to write files"

_EXAMPLE = """\
examples:
  token-injector-certs certify --output-dir=certs --san=127.0.0.1
  token-injector-certs check --dir=certs
"""
_CERTIFY_EXAMPLE = """\
Run it as often as you like: what is good is kept, and a run that changes nothing says so. The serving certificate is
renewed, and the CA rotated, when two thirds of its life are over or something is wrong with it. All files change at
once; keys are readable for their owner only.

example:
  token-injector-certs certify --output-dir=certs --service=admission-webhook-svc --namespace=webhook --san=127.0.0.1

exit codes: 0 done or nothing to do; 2 a flag, folder or file is wrong
"""
_CHECK_EXAMPLE = """\
example:
  token-injector-certs check --dir=/etc/webhook/certs --warn-days=30 -o json

exit codes: 0 good; 1 something is wrong or ends within --warn-days; 2 a flag, folder or file cannot be read
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (contract/exit_codes.py)."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        return _certify(arguments, now) if arguments.command == "certify" else _check(arguments, now)
    except CertjobError as exc:
        print(f"token-injector-certs: {exc}", file=sys.stderr)
        return exit_codes.USAGE


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="token-injector-certs",
        description="Makes, renews and checks the webhook's CA and serving certificate.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = importlib.metadata.version("token-injector")
    parser.add_argument("-v", "--version", action="version", version=f"%(prog)s {version}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    _add_certify(commands)
    _add_check(commands)
    return parser


def _add_certify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "certify",
        help="make, renew or rotate what is needed",
        description="Writes tls.crt, tls.key, ca.crt and ca.key.",
        epilog=_CERTIFY_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("--output-dir", type=Path, metavar="DIR", help="the folder of the files; made if need be")
    command.add_argument("-s", "--service", default=SERVICE, help="the webhook's Service (default %(default)s)")
    command.add_argument("-n", "--namespace", default=NAMESPACE, help="its namespace (default %(default)s)")
    command.add_argument("-t", "--secret", default=SECRET, help="the Secret; not used for files (default %(default)s)")
    command.add_argument("-k", "--kubeconfig", metavar="FILE", help="not built yet: the cluster to write into")
    command.add_argument(
        "--san",
        action="append",
        default=[],
        metavar="NAME",
        help="a DNS name or IP address beside SERVICE.NAMESPACE.svc and its short and long forms; may be given again",
    )
    form = "a number with m, h, d or y (365 days)"
    command.add_argument(
        "--lifetime", type=_duration, default="1y", help=f"of the serving certificate, {form} (default %(default)s)"
    )
    command.add_argument("--ca-lifetime", type=_duration, default="10y", help="of the CA (default %(default)s)")
    command.add_argument("--renew", action="store_true", help="renew the serving certificate even if it is good")
    command.add_argument("--rotate-ca", action="store_true", help="make a new CA even if the one there is good")
    _add_output(command)
    command.set_defaults(parser=command)


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "check",
        help="say what is served, what is trusted and how long",
        description="Looks at tls.crt, tls.key and ca.crt, and changes nothing.",
        epilog=_CHECK_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument(
        "--dir", "--output-dir", dest="dir", type=Path, required=True, metavar="DIR", help="the folder of the files"
    )
    command.add_argument(
        "--warn-days", type=int, default=30, metavar="N", help="warn when fewer days are left (default %(default)s)"
    )
    _add_output(command)


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(default %(default)s)")


def _certify(arguments: argparse.Namespace, now: datetime) -> int:
    if arguments.output_dir is None or arguments.kubeconfig is not None:
        arguments.parser.error(_IN_CLUSTER)
    if arguments.lifetime > arguments.ca_lifetime:
        arguments.parser.error("--lifetime is longer than --ca-lifetime: a certificate cannot outlive its CA")
    service, namespace = arguments.service, arguments.namespace
    names = serving_names(service=service, namespace=namespace, sans=arguments.san)
    request = Request(
        directory=arguments.output_dir,
        common_name=common_name(service=service, namespace=namespace),
        wanted=Wanted(names=names, renew=arguments.renew, rotate_ca=arguments.rotate_ca),
        lifetime=arguments.lifetime,
        ca_lifetime=arguments.ca_lifetime,
    )
    source = Source(new_key=new_private_key, new_serial=x509.random_serial_number)
    outcome = certify(request, now=now, source=source)
    if arguments.output == "json":
        print(json.dumps(outcome_json(outcome, directory=request.directory, now=now), indent=2))
    else:
        print(outcome_text(outcome, directory=request.directory, now=now), end="")
    return exit_codes.OK


def _check(arguments: argparse.Namespace, now: datetime) -> int:
    inspection = inspect(arguments.dir, now=now, warn_days=arguments.warn_days)
    if arguments.output == "json":
        print(json.dumps(inspection_json(inspection, now=now), indent=2))
    else:
        print(inspection_text(inspection, directory=arguments.dir, now=now), end="")
    return exit_codes.DENIED if inspection.findings else exit_codes.OK


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([mhdy])", text)
    duration = int(match[1]) * _UNITS[match[2]] if match else timedelta(0)
    if not timedelta(0) < duration <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; expected a number with m, h, d or y, for example 90d")
    return duration
