"""`trust-policy`: which trust policy lets exactly one workload assume the role?

The policy goes to standard output, what to do with it to standard error.
"""

import argparse
from typing import Any

from contract import exit_codes
from contract.annotations import ROLE_ARN
from contract.pod import CLUSTER_AUDIENCE, GOOGLE_AUDIENCE
from ctl.errors import UsageError
from ctl.streams import Streams
from policy.render import render_cloudformation, render_json, render_terraform
from policy.trust import TrustInputError, cluster_trust_policy, google_trust_policy

DESCRIPTION = """\
Writes the trust policy of an AWS role that one workload shall assume. Google mode pins the Google service account's
unique id and the audience; cluster mode pins the Kubernetes service account of one cluster and the audience.

exit codes: 0 written, 2 a value can't be used
"""
EPILOG = """\
find the values:
  gcloud iam service-accounts describe EMAIL --format='value(uniqueId)'   the service account id
  kubectl get --raw /.well-known/openid-configuration                     the cluster's issuer
  aws sts get-caller-identity --query Account                             the AWS account id

examples:
  kubectl token-injector trust-policy --service-account-id 112233445566778899001
  kubectl token-injector trust-policy --mode cluster --account-id 123456789012 \\
      --issuer https://container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c \\
      --namespace shop --service-account web -o terraform
"""
_OF_GOOGLE = ("service_account_id", "with_azp")
_OF_CLUSTER = ("issuer", "account_id", "namespace", "service_account")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom to let in, and in which form to write it."""
    add = parser.add_argument
    add("--mode", choices=("google", "cluster"), default="google", help="who issues the token (default: google)")
    audiences = f"of the token (default: {GOOGLE_AUDIENCE}, in cluster mode {CLUSTER_AUDIENCE})"
    add("--audience", metavar="AUDIENCE", help=audiences)
    session_name = "also require this session name, with * and ?; whoever has the token chooses it, so it only labels"
    add("--session-name-like", metavar="PATTERN", help=session_name)
    add("-o", "--output", choices=("json", "terraform", "cloudformation"), default="json", help="default: json")
    role_name = "the role's name in Terraform and CloudFormation (default: token-injector)"
    add("--role-name", metavar="NAME", default="token-injector", help=role_name)
    google = parser.add_argument_group("google mode")
    add = google.add_argument
    add("--service-account-id", metavar="NUMBER", help="the Google service account's numeric unique id")
    azp = "also require a numeric azp: only where every token comes from GKE's metadata server"
    add("--with-azp", action="store_true", default=None, help=azp)
    add = parser.add_argument_group("cluster mode").add_argument
    add("--issuer", metavar="URL", help="the cluster's OIDC issuer")
    add("--account-id", metavar="NUMBER", help="the AWS account that has the role and the issuer's IAM OIDC provider")
    add("--partition", metavar="NAME", default="aws", help="aws, aws-cn or aws-us-gov (default: aws)")
    add("--namespace", metavar="NS", help="the Kubernetes service account's namespace")
    add("--service-account", metavar="NAME", help="its name")


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Generate and write; returns the exit code. Raises `UsageError`."""
    try:
        policy = _google(arguments) if arguments.mode == "google" else _cluster(arguments)
        match arguments.output:
            case "terraform":
                text, advice = render_terraform(policy, role_name=arguments.role_name), "terraform plan shows the role"
            case "cloudformation":
                text = render_cloudformation(policy, role_name=arguments.role_name)
                advice = "aws cloudformation deploy takes it with --capabilities CAPABILITY_NAMED_IAM"
            case _:
                text = render_json(policy)
                advice = "aws iam update-assume-role-policy takes it with --policy-document file://FILE"
    except TrustInputError as exc:
        raise UsageError(f"trust-policy: {exc}") from exc
    streams.stdout.write(text)
    print(f"next: {advice}; annotate the service account with {ROLE_ARN}", file=streams.stderr)
    if arguments.mode == "cluster":
        print(
            f"      the AWS account needs an IAM OIDC provider for {arguments.issuer} "
            f"with the client ID {arguments.audience or CLUSTER_AUDIENCE}",
            file=streams.stderr,
        )
    return exit_codes.OK


def _google(arguments: argparse.Namespace) -> dict[str, Any]:
    _check_flags(arguments, needed=("service_account_id",), foreign=_OF_CLUSTER)
    return google_trust_policy(
        service_account_id=arguments.service_account_id,
        audience=arguments.audience if arguments.audience is not None else GOOGLE_AUDIENCE,
        numeric_azp=bool(arguments.with_azp),
        session_name=arguments.session_name_like,
    )


def _cluster(arguments: argparse.Namespace) -> dict[str, Any]:
    _check_flags(arguments, needed=_OF_CLUSTER, foreign=_OF_GOOGLE)
    return cluster_trust_policy(
        issuer=arguments.issuer,
        account_id=arguments.account_id,
        partition=arguments.partition,
        namespace=arguments.namespace,
        service_account=arguments.service_account,
        audience=arguments.audience if arguments.audience is not None else CLUSTER_AUDIENCE,
        session_name=arguments.session_name_like,
    )


def _check_flags(arguments: argparse.Namespace, *, needed: tuple[str, ...], foreign: tuple[str, ...]) -> None:
    """Every flag that the mode needs, none that is the other mode's."""
    missing = [_flag(name) for name in needed if getattr(arguments, name) is None]
    if missing:
        raise UsageError(
            f"trust-policy: {arguments.mode} mode needs {', '.join(missing)}: kubectl token-injector trust-policy "
            "--help says how to find the values"
        )
    others = [_flag(name) for name in foreign if getattr(arguments, name) is not None]
    if others:
        raise UsageError(
            f"trust-policy: {', '.join(others)} means nothing in {arguments.mode} mode: leave it out, or choose "
            f"--mode {'cluster' if arguments.mode == 'google' else 'google'}"
        )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
