"""Which program do the arguments ask for? The entrypoint of the webhook's image takes the seed's commands.

The program runs in this process: it is PID 1, and the kubelet's signals are its own. For PID 1 Linux ignores what
it has no handler for, so SIGTERM gets one before the program begins; the webhook has its own once it has started.
"""

import importlib
import importlib.metadata
import signal
import sys
from collections.abc import Sequence

from contract import exit_codes

# As a shell tells that a signal has ended a program.
TERMINATED = 128 + signal.SIGTERM
PROGRAMS = {"server": "webhook.cli", "certify": "certjob.cli", "check": "certjob.cli", "broker": "secretenv.broker.cli"}

HELP = """\
usage: [--log-level=LEVEL] [--json] server [FLAGS]    the webhook; server --help lists its flags
       certify [FLAGS]                                make or renew its certificates; certify --help
       check [FLAGS]                                  what is served and trusted, and how long; check --help
       [--log-level=LEVEL] [--json] broker [FLAGS]    reads secrets for pods; broker --help lists its flags
       --help, --version

The image also has these as commands of their own, and kubectl-token_injector:
  token-injector-webhook    token-injector-certs    token-injector-broker

example:
  --json server --tls-cert-file=/etc/webhook/certs/tls.crt --tls-private-key-file=/etc/webhook/certs/tls.key \\
      --image=ghcr.io/token-injector/injector:1.0
"""


def program(arguments: Sequence[str]) -> str | None:
    """The module of the program that is asked for: the first command decides, as the seed's globals come before it."""
    return next((PROGRAMS[argument] for argument in arguments if argument in PROGRAMS), None)


def main(arguments: Sequence[str]) -> int:
    """Run the program that the arguments ask for, or say what there is; the exit code is the program's."""
    if module := program(arguments):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
        return int(importlib.import_module(module).main(arguments))
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(HELP)
        return exit_codes.OK
    if {"-v", "--version"} & set(arguments):
        sys.stdout.write(f"token-injector {importlib.metadata.version('token-injector')}\n")
        return exit_codes.OK
    sys.stderr.write(f"token-injector: no command; expected server, certify, check or broker\n\n{HELP}")
    return exit_codes.USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
