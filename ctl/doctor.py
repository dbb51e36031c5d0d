"""`doctor`: why does AWS refuse this token?

Reads two files and a clock, and asks nobody. Neither the token nor its signature is ever printed.
"""

import argparse

from contract import exit_codes
from contract.annotations import ENABLED_LABEL
from contract.environ import AWS_ROLE_SESSION_NAME, AWS_WEB_IDENTITY_TOKEN_FILE
from contract.pod import CLUSTER_AUDIENCE, PYTHON_REFRESHER, TOKEN_FILE, UPDATE_CONTAINER, VOLUME_PATH
from contract.secrets import SECRETS_CONTAINER
from ctl.diagnosis import diagnose, read_role_trust
from ctl.errors import UsageError
from ctl.report import as_json, as_text
from ctl.streams import STDIN, Streams
from ctl.token import MalformedTokenError
from policy.trust import PolicyError

_TOKEN = f"{VOLUME_PATH}/{TOKEN_FILE}"
# The injected image has an interpreter, and no other program that prints a file.
_PYTHON = " ".join(PYTHON_REFRESHER[:-1])
_PRINT = f'print(open("{_TOKEN}").read(), end="")'

DESCRIPTION = """\
Says whether AWS would let a web identity token assume a role: allowed, or which condition of the trust policy fails,
what it wants and what the token has, and the corrected policy. The token's signature is not checked.

exit codes: 0 allowed, 1 refused, or it depends on more than the token, 2 a file or a flag can't be used
"""
EPILOG = f"""\
get the two files:
  kubectl exec POD --container APP -- cat {_TOKEN} > token
  aws iam get-role --role-name ROLE > role.json

A pod without our label has the token in the injected container alone, where there is no cat. It is {UPDATE_CONTAINER},
or {SECRETS_CONTAINER} in mode cluster:
  kubectl exec POD --container {UPDATE_CONTAINER} -- {_PYTHON} -c '{_PRINT}' > token

A pod that does not come up can hardly be asked. In mode cluster the API server makes the same token:
  kubectl create token ACCOUNT --audience {CLUSTER_AUDIENCE} > token
In mode google any pod of this service account has it that carries the label {ENABLED_LABEL} and has
no references: cat reads it there.

example:
  kubectl token-injector doctor --token token --role-trust-policy role.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The token, the policy, and the session name."""
    add = parser.add_argument
    add("--token", required=True, metavar="FILE", help="the web identity token, - is standard input")
    policy = "the role's trust policy, or what aws iam get-role prints; - is standard input"
    add("--role-trust-policy", required=True, metavar="FILE", help=policy)
    name = f"the pod's {AWS_ROLE_SESSION_NAME}, where the policy has a condition on it (default: one in our form)"
    add("--session-name", metavar="NAME", help=name)
    add("-o", "--output", choices=("text", "json"), default="text", help="default: text")


def run(arguments: argparse.Namespace, streams: Streams, *, now: float) -> int:
    """Read, diagnose, print; returns the exit code. Raises `UsageError`."""
    if arguments.token == arguments.role_trust_policy == STDIN:
        raise UsageError("--token - and --role-trust-policy -: standard input can be read once: give a file for one")
    raw = streams.read(arguments.token, "--token")
    try:
        role = read_role_trust(streams.read(arguments.role_trust_policy, "--role-trust-policy"))
        diagnosis = diagnose(raw.strip(), role, given_session_name=arguments.session_name, now=now)
    except MalformedTokenError as exc:
        raise UsageError(f"--token: this is no web identity token: {exc}") from exc
    except PolicyError as exc:
        raise UsageError(f"--role-trust-policy: {exc}; IAM takes no such policy, or it can't be judged here") from exc
    if raw != raw.rstrip() and arguments.token != STDIN:
        print(
            f"{arguments.token} ends in white space, which SDKs hand on and STS answers with InvalidIdentityToken: "
            f"write it without a newline if {AWS_WEB_IDENTITY_TOKEN_FILE} is to name it",
            file=streams.stderr,
        )
    write = as_json if arguments.output == "json" else as_text
    streams.stdout.write(write(diagnosis, now))
    return exit_codes.OK if diagnosis.outcome == "allowed" else exit_codes.DENIED
