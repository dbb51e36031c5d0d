"""What did the operator ask for? The only module that reads the process: arguments, environment, clock, randomness."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from certjob.certificates import Source, new_private_key
from certjob.certify import Request, certify, inspect
from certjob.cluster import report as cluster_report
from certjob.cluster import target as cluster_target
from certjob.cluster.converge import Job, Outcome, World, converge
from certjob.cluster.findings import findings
from certjob.cluster.handshake import ask
from certjob.cluster.look import look
from certjob.cluster.step import AwaitReplicas, Done, LeaveAlone
from certjob.cluster.write import Making
from certjob.decide import Wanted
from certjob.errors import CertjobError
from certjob.flags import build_parser, misplaced
from certjob.names import common_name, server_name, serving_names
from certjob.report import inspection_json, inspection_text, outcome_json, outcome_text
from contract import exit_codes
from contract.server import CONFIGURATION, NAMESPACE, SERVICE
from kube.client import Client
from kube.config import Connection, from_kubeconfig, in_cluster
from kube.errors import ConflictError, ConnectionConfigError, KubeError, UnavailableError

# The kubelet's minute for a mounted Secret, and a replica that starts in between, with time to spare.
_TIMEOUT = timedelta(minutes=5)
_EXIT_CODES = {
    Done: exit_codes.OK,
    LeaveAlone: exit_codes.NOT_OURS,
    AwaitReplicas: exit_codes.REPLICAS_STALE,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (contract/exit_codes.py)."""
    arguments = build_parser().parse_args(argv)
    wrong = misplaced(arguments)
    if wrong:
        arguments.parser.error(wrong)
    certifies, files = arguments.command == "certify", arguments.directory is not None
    try:
        if files:
            return _certify(arguments, _now()) if certifies else _check(arguments, _now())
        return _certify_cluster(arguments) if certifies else _check_cluster(arguments)
    except (CertjobError, KubeError) as exc:
        _tell(str(exc))
        late = certifies and isinstance(exc, UnavailableError | ConflictError)
        return exit_codes.CLUSTER_UNAVAILABLE if late else exit_codes.USAGE


def _certify(arguments: argparse.Namespace, now: datetime) -> int:
    making = _making(arguments)
    request = Request(
        directory=arguments.directory,
        common_name=making.common_name,
        wanted=Wanted(names=making.names, renew=arguments.renew, rotate_ca=arguments.rotate_ca),
        lifetime=making.lifetime,
        ca_lifetime=making.ca_lifetime,
    )
    outcome = certify(request, now=now, source=making.source)
    _print(
        arguments,
        outcome_json(outcome, directory=request.directory, now=now),
        outcome_text(outcome, directory=request.directory, now=now),
    )
    return exit_codes.OK


def _check(arguments: argparse.Namespace, now: datetime) -> int:
    asked = _server_names(arguments) if arguments.service or arguments.namespace else ()
    inspection = inspect(arguments.directory, now=now, warn_days=arguments.warn_days, server_names=asked)
    text = inspection_text(inspection, directory=arguments.directory, now=now)
    _print(arguments, inspection_json(inspection, now=now), text)
    return exit_codes.DENIED if inspection.findings else exit_codes.OK


def _certify_cluster(arguments: argparse.Namespace) -> int:
    job = Job(
        target=_target(arguments),
        making=_making(arguments),
        renew=arguments.renew,
        rotate_ca=arguments.rotate_ca,
        adopt=arguments.adopt,
        timeout=arguments.timeout or _TIMEOUT,
    )
    client = Client(_connection(arguments))
    world = World(api=client, ask=ask, now=_now, clock=time.monotonic, sleep=time.sleep, tell=_tell)
    try:
        outcome = converge(job, world)
    finally:
        client.close()
    _tell_problems(outcome)
    now = _now()
    _print(arguments, cluster_report.outcome_json(outcome, now=now), cluster_report.outcome_text(outcome, now=now))
    return _EXIT_CODES[type(outcome.end)]


def _check_cluster(arguments: argparse.Namespace) -> int:
    client = Client(_connection(arguments))
    try:
        observed = look(client, _target(arguments), ask, with_authority=False)
    finally:
        client.close()
    now = _now()
    found = findings(observed, now=now, warn_days=arguments.warn_days)
    _print(
        arguments,
        cluster_report.inspection_json(observed, found, now=now),
        cluster_report.inspection_text(observed, found, now=now),
    )
    return exit_codes.DENIED if found else exit_codes.OK


def _service(arguments: argparse.Namespace) -> tuple[str, str]:
    """Name and namespace. Raises NameFormError."""
    service, namespace = arguments.service or SERVICE, arguments.namespace or NAMESPACE
    serving_names(service=service, namespace=namespace, also=arguments.also_service)  # raises for what is no name
    return service, namespace


def _server_names(arguments: argparse.Namespace) -> tuple[str, ...]:
    service, namespace = _service(arguments)
    return tuple(server_name(service=name, namespace=namespace) for name in (service, *arguments.also_service))


def _target(arguments: argparse.Namespace) -> cluster_target.Target:
    service, namespace = _service(arguments)
    target = cluster_target.Target(
        service=service,
        namespace=namespace,
        secret=arguments.secret,
        ca_secret=arguments.ca_secret or f"{arguments.secret}-ca",
        configuration=arguments.webhook_configuration or CONFIGURATION,
        also=tuple(arguments.also_service),
    )
    cluster_target.check(target)
    return target


def _making(arguments: argparse.Namespace) -> Making:
    service, namespace = _service(arguments)
    return Making(
        names=serving_names(service=service, namespace=namespace, also=arguments.also_service, sans=arguments.san),
        common_name=common_name(service=service, namespace=namespace),
        lifetime=arguments.lifetime,
        ca_lifetime=arguments.ca_lifetime,
        source=Source(new_key=new_private_key, new_serial=x509.random_serial_number),
    )


def _connection(arguments: argparse.Namespace) -> Connection:
    if arguments.kubeconfig:
        return from_kubeconfig(arguments.kubeconfig)
    try:
        return in_cluster(os.environ, clock=time.monotonic)
    except ConnectionConfigError as exc:
        flag = "--output-dir DIR to write files" if arguments.command == "certify" else "--dir DIR to look at files"
        raise ConnectionConfigError(f"{exc}; give --kubeconfig FILE, or give {flag}") from exc


def _tell_problems(outcome: Outcome) -> None:
    for problem in cluster_report.problems(outcome):
        _tell(problem)


def _tell(line: str) -> None:
    print(f"token-injector-certs: {line}", file=sys.stderr, flush=True)


def _print(arguments: argparse.Namespace, for_programs: dict[str, Any], for_people: str) -> None:
    if arguments.output == "json":
        print(json.dumps(for_programs, indent=2))
    else:
        print(for_people, end="")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
