"""What did the operator ask for?

The only module that reads the process: arguments and environment. The seed's globals and its `server` command, with
every flag of its own and ours from one table (`flags.py`).
"""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Mapping, Sequence

from contract import exit_codes
from serving.command import add_settings, given_settings, with_switch_values
from serving.settings import SettingError
from webhook.flags import GLOBAL_SETTINGS, SERVER_SETTINGS, SETTINGS
from webhook.settings import check_server, parse_settings

_EXAMPLE = """\
example:
  token-injector-webhook --log-level=info --json server --image=registry.example/token-injector:1.0 \\
      --tls-cert-file=/etc/webhook/certs/tls.crt --tls-private-key-file=/etc/webhook/certs/tls.key
  token-injector-webhook server --help    lists every setting of the server
"""
_SERVER_EXAMPLE = """\
Every flag is an environment variable too; a flag wins over its variable.

example, without a cluster:
  token-injector-certs certify --output-dir=certs
  token-injector-webhook server --image=registry.example/token-injector:1.0 --service-accounts=service-accounts.yaml \\
      --tls-cert-file=certs/tls.crt --tls-private-key-file=certs/tls.key --listen-address=127.0.0.1:8443
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the webhook; returns the exit code (contract/exit_codes.py)."""
    parser = build_parser()
    arguments = parser.parse_args(with_switch_values(sys.argv[1:] if argv is None else argv, SETTINGS))
    given = given_settings(arguments, SETTINGS)
    environ = os.environ if environ is None else environ
    try:
        settings, server = parse_settings(given, environ)
        check_server(settings, server)
    except SettingError as exc:
        print(f"token-injector-webhook: {exc}", file=sys.stderr)
        return exit_codes.USAGE
    from webhook.server import serve  # noqa: PLC0415 - Flask and gunicorn cost --help and a wrong flag a second

    return serve(settings, server, environ)


def build_parser() -> argparse.ArgumentParser:
    """The command line, from the table of settings."""
    parser = argparse.ArgumentParser(
        prog="token-injector-webhook",
        description="Mutating admission webhook: gives labelled pods a web identity token for AWS.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = importlib.metadata.version("token-injector")
    parser.add_argument("-v", "--version", action="version", version=f"token-injector-webhook {version}")
    add_settings(parser, GLOBAL_SETTINGS)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    server = commands.add_parser(
        "server",
        help="take AdmissionReviews over HTTPS",
        description="Takes AdmissionReviews over HTTPS at /pods.",
        epilog=_SERVER_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for title, settings in SERVER_SETTINGS.items():
        add_settings(server.add_argument_group(title), settings)
    return parser
