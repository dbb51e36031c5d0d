"""What did the operator ask for?

The only module that reads the process: arguments and environment. Every flag comes from one table (`flags.py`).
"""

import argparse
import importlib.metadata
import os
import resource
import sys
from collections.abc import Mapping, Sequence

from contract import exit_codes
from secretenv.broker.flags import BROKER_SETTINGS, GLOBAL_SETTINGS, SETTINGS
from secretenv.broker.settings import parse_settings
from serving.command import add_settings, given_settings, with_switch_values
from serving.settings import SettingError

PROGRAM = "token-injector-broker"
_EXAMPLE = f"""\
example:
  {PROGRAM} --log-level=info --json broker \\
      --tls-cert-file=/etc/webhook/certs/tls.crt --tls-private-key-file=/etc/webhook/certs/tls.key
  {PROGRAM} broker --help    lists every setting
"""
_BROKER_EXAMPLE = f"""\
Every flag is an environment variable too; a flag wins over its variable.

example, from outside the cluster:
  token-injector-certs certify --output-dir=certs
  {PROGRAM} broker --kubeconfig=$HOME/.kube/config --listen-address=127.0.0.1:8443 \\
      --tls-cert-file=certs/tls.crt --tls-private-key-file=certs/tls.key
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the broker; returns the exit code (contract/exit_codes.py)."""
    parser = build_parser()
    arguments = parser.parse_args(with_switch_values(sys.argv[1:] if argv is None else argv, SETTINGS))
    environ = os.environ if environ is None else environ
    try:
        settings = parse_settings(given_settings(arguments, SETTINGS), environ)
    except SettingError as exc:
        print(f"{PROGRAM}: {exc}", file=sys.stderr)
        return exit_codes.USAGE
    _leave_no_core()
    from secretenv.broker.server import serve  # noqa: PLC0415 - Flask, gunicorn and botocore cost --help a second

    return serve(settings, environ)


def _leave_no_core() -> None:
    """Values of secrets are in this process's memory: see leave_no_core in injector/launcher/sidecar.c."""
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def build_parser() -> argparse.ArgumentParser:
    """The command line, from the table of settings."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Reads secrets from AWS for pods, each with the pod's own identity.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = importlib.metadata.version("token-injector")
    parser.add_argument("-v", "--version", action="version", version=f"{PROGRAM} {version}")
    add_settings(parser, GLOBAL_SETTINGS)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    broker = commands.add_parser(
        "broker",
        help="take requests for secrets over HTTPS",
        description="Takes pods' requests for secrets over HTTPS at /v1/secrets.",
        epilog=_BROKER_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for title, settings in BROKER_SETTINGS.items():
        add_settings(broker.add_argument_group(title), settings)
    return parser


if __name__ == "__main__":
    sys.exit(main())
