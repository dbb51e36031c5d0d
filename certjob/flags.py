"""Which commands and flags are there? Files where a folder is given, else a cluster.

Pure: builds a parser and checks what it has read; reads nothing itself.
"""

import argparse
import importlib.metadata
import re
from datetime import timedelta
from pathlib import Path

from contract.server import CONFIGURATION, NAMESPACE, SECRET, SERVICE

_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LIFE_UNITS = {"m": _UNITS["m"], "h": _UNITS["h"], "d": _UNITS["d"], "y": timedelta(days=365)}
_LONGEST = timedelta(days=365 * 100)

_EXAMPLE = """\
examples:
  token-injector-certs certify --output-dir=certs --san=127.0.0.1
  token-injector-certs certify --service=admission-webhook-svc --namespace=webhook --kubeconfig=$HOME/.kube/config
  token-injector-certs check --dir=certs
"""
_CERTIFY_EXAMPLE = """\
Run it as often as you like: what is good is kept, and a run that changes nothing says so. The serving certificate is
renewed, and the CA rotated, when two thirds of its life are over or something is wrong with it.

With --output-dir it writes files: all change at once; keys are readable for their owner only.

Else it writes into the cluster: the serving Secret, the CA Secret, and the caBundle of each webhook of the
configuration that calls the Service. Step by step: a run that was stopped at any point is finished by the next, and two
runs at the same time end well. A CA is forgotten only when every replica serves a certificate of the new one, which a
TLS handshake with each of them tells. What is not ours is left alone. In a pod no --kubeconfig is needed.

examples:
  token-injector-certs certify --output-dir=certs --service=admission-webhook-svc --namespace=webhook --san=127.0.0.1
  token-injector-certs certify -s admission-webhook-svc -n webhook -t webhook-certs -k ~/.kube/config

exit codes: 0 done or nothing to do; 2 a flag, folder, file, object or permission is wrong; 12 a Secret or configuration
is somebody else's and was left alone; 32 the API server did not answer within --timeout; 33 replicas did not serve the
new certificate within --timeout. After 32 and 33 run again: it goes on where it stopped
"""
_CHECK_EXAMPLE = """\
With --dir it looks at files; with --service or --namespace beside it, whether they are for the name by which the API
server calls that Service. Else it looks at the cluster: what the Secret holds, what the configuration trusts, and what
each replica serves, by a TLS handshake.

examples:
  token-injector-certs check --dir=/etc/webhook/certs --warn-days=30 -o json
  token-injector-certs check --dir=certs --service=admission-webhook-svc --namespace=webhook
  token-injector-certs check -s admission-webhook-svc -n webhook -t webhook-certs -k ~/.kube/config

exit codes: 0 good; 1 something is wrong or ends within --warn-days; 2 a flag, folder, file, object or permission is
wrong, or the API server does not answer
"""


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


def misplaced(arguments: argparse.Namespace) -> str | None:
    """What is wrong with a command line whose flags are right one by one."""
    given = arguments.directory is not None
    cluster = ("kubeconfig", "ca_secret", "webhook_configuration", "adopt", "timeout")
    for name in cluster if given else ():
        if getattr(arguments, name, None):
            return f"--{name.replace('_', '-')} is for a cluster, {arguments.directory} for files: give one of them"
    if arguments.command == "certify" and arguments.lifetime > arguments.ca_lifetime:
        return "--lifetime is longer than --ca-lifetime: a certificate cannot outlive its CA"
    return None


def _add_certify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _add_command(
        commands,
        "certify",
        "make, renew or rotate what is needed",
        "Writes tls.crt, tls.key, ca.crt and ca.key: as files, or into the cluster.",
        _CERTIFY_EXAMPLE,
    )
    command.add_argument(
        "--output-dir", type=Path, metavar="DIR", dest="directory", help="the folder of the files; made if need be"
    )
    _add_names(command)
    command.add_argument(
        "--san",
        action="append",
        default=[],
        metavar="NAME",
        help="a DNS name or IP address beside SERVICE.NAMESPACE.svc and its short and long forms; may be given again",
    )
    form = "a number with m, h, d or y (365 days)"
    command.add_argument(
        "--lifetime", type=_lifetime, default="1y", help=f"of the serving certificate, {form} (default %(default)s)"
    )
    command.add_argument("--ca-lifetime", type=_lifetime, default="10y", help="of the CA (default %(default)s)")
    command.add_argument("--renew", action="store_true", help="renew the serving certificate even if it is good")
    command.add_argument("--rotate-ca", action="store_true", help="make a new CA even if the one there is good")
    command.add_argument(
        "--adopt",
        action="store_true",
        help="take over a Secret and a caBundle that are not ours, such as those of an earlier system; never "
        "cert-manager's",
    )
    command.add_argument(
        "--timeout",
        type=_timeout,
        metavar="TIME",
        help="for how long to wait for replicas and for the API server, a number with s, m, h or d (default 5m)",
    )
    _add_output(command)


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _add_command(
        commands,
        "check",
        "say what is served, what is trusted and how long",
        "Looks, and changes nothing.",
        _CHECK_EXAMPLE,
    )
    command.add_argument(
        "--dir", "--output-dir", dest="directory", type=Path, metavar="DIR", help="the folder of the files"
    )
    _add_names(command)
    command.add_argument(
        "--warn-days", type=int, default=30, metavar="N", help="warn when fewer days are left (default %(default)s)"
    )
    _add_output(command)


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, short: str, long: str, epilog: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=short,
        description=long,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(parser=command)
    return command


def _add_names(command: argparse.ArgumentParser) -> None:
    """Which objects are meant; the short forms are the seed's."""
    command.add_argument("-s", "--service", help=f"the webhook's Service (default {SERVICE})")
    command.add_argument(
        "--also-service",
        action="append",
        default=[],
        metavar="NAME",
        help="another Service of the namespace that serves with this certificate, as the broker's; may be given again",
    )
    command.add_argument("-n", "--namespace", help=f"its namespace (default {NAMESPACE})")
    command.add_argument("-t", "--secret", default=SECRET, help="the serving Secret (default %(default)s)")
    command.add_argument(
        "--ca-secret", metavar="NAME", help="the Secret of the CA and its key; check never reads it (default SECRET-ca)"
    )
    command.add_argument(
        "--webhook-configuration",
        metavar="NAME",
        help=f"the MutatingWebhookConfiguration that calls the Service (default {CONFIGURATION})",
    )
    command.add_argument("-k", "--kubeconfig", metavar="FILE", help="the cluster; in a pod its own, if not given")


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(default %(default)s)")


def _lifetime(text: str) -> timedelta:
    return _duration(text, _LIFE_UNITS, "90d")


def _timeout(text: str) -> timedelta:
    return _duration(text, _UNITS, "5m")


def _duration(text: str, units: dict[str, timedelta], example: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([a-z])", text)
    duration = int(match[1]) * units.get(match[2], timedelta(0)) if match else timedelta(0)
    if not timedelta(0) < duration <= _LONGEST:
        *most, last = units
        raise argparse.ArgumentTypeError(
            f"{text!r} is not valid; expected a number with {', '.join(most)} or {last}, for example {example}"
        )
    return duration
