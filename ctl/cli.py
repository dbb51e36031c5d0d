"""What did the operator ask for?

The only module that reads the process: arguments, environment, streams and clock.
"""

import argparse
import contextlib
import importlib.metadata
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TextIO

from contract import exit_codes
from ctl.errors import UsageError
from ctl.streams import Streams

try:
    from ctl import check, convert, doctor, entrypoint, explain, inject, trust_policy
except ModuleNotFoundError as missing:
    # Of the extra: the distribution itself needs the standard library alone.
    print(f"kubectl token-injector: no module {missing.name}: pip install 'token-injector[ctl]'", file=sys.stderr)
    sys.exit(exit_codes.USAGE)

PROG = "kubectl token-injector"
_EPILOG = """\
examples:
  kubectl token-injector inject -f deployment.yaml --service-accounts service-accounts.yaml -o diff
  kubectl token-injector doctor --token token --role-trust-policy role.json
  kubectl token-injector trust-policy --service-account-id 112233445566778899001
  kubectl token-injector check -f deployment.yaml --service-accounts service-accounts.yaml
  kubectl token-injector convert -f deployment.yaml -o diff
  kubectl token-injector entrypoint registry.example/shop/web:1.0 --container web
  kubectl token-injector COMMAND --help    says more
"""


class _Parser(argparse.ArgumentParser):
    """Repeats no token that was given in place of a file's name."""

    def error(self, message: str) -> NoReturn:
        super().error(re.sub(r"(eyJ[\w-]*\.|ya29\.)[\w.=-]*", "(a token, not repeated)", message))


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    clock: Callable[[], float] = time.time,
) -> int:
    """Run one command; returns the exit code (contract/exit_codes.py). `clock` gives seconds since 1970."""
    streams = Streams(stdin=stdin or sys.stdin, stdout=stdout or sys.stdout, stderr=stderr or sys.stderr)
    environ = os.environ if environ is None else environ
    try:
        with contextlib.redirect_stdout(streams.stdout), contextlib.redirect_stderr(streams.stderr):
            arguments = build_parser().parse_args(sys.argv[1:] if argv is None else argv)
    except SystemExit as exc:
        return int(exc.code or exit_codes.OK)
    try:
        code = _run(arguments, environ, streams, clock)
        streams.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough; the interpreter must not flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), streams.stdout.fileno())
        return exit_codes.OK
    except UsageError as exc:
        print(f"{PROG}: {exc}", file=streams.stderr)
        return exit_codes.USAGE
    return code


def build_parser() -> argparse.ArgumentParser:
    """The command line: one command per module."""
    parser = _Parser(
        prog=PROG,
        description="Shows what the token-injector webhook does and what AWS answers, without a cluster or a cloud.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = importlib.metadata.version("token-injector")
    parser.add_argument("-v", "--version", action="version", version=f"{PROG} {version}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    about: dict[str, tuple[Any, str]] = {
        "inject": (inject, "show what the webhook would do to manifests"),
        "doctor": (doctor, "say whether AWS would let a token assume a role, and if not, why"),
        "check": (check, "say whether pods will start with their secrets"),
        "convert": (convert, "write piggy's manifests in our own words"),
        "explain": (explain, "say what is injected into pods, and why"),
        "entrypoint": (entrypoint, "write the annotation that says what an image starts"),
        "trust-policy": (trust_policy, "write the trust policy that lets one workload in"),
    }
    for name, (module, summary) in about.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=module.DESCRIPTION,
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
    return parser


def _run(
    arguments: argparse.Namespace, environ: Mapping[str, str], streams: Streams, clock: Callable[[], float]
) -> int:
    match arguments.command:
        case "inject":
            return inject.run(arguments, environ, streams)
        case "doctor":
            return doctor.run(arguments, streams, now=clock())
        case "check":
            return check.run(arguments, environ, streams)
        case "convert":
            return convert.run(arguments, environ, streams)
        case "explain":
            return explain.run(arguments, environ, streams)
        case "entrypoint":
            return entrypoint.run(arguments, environ, streams)
        case _:
            return trust_policy.run(arguments, streams)
