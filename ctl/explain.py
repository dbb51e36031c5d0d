"""`explain`: what is injected into these pods, and why; who reads which secret, and with which permissions?"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from contract import exit_codes
from ctl import gather
from ctl.errors import UsageError
from ctl.explanation import ContainerFacts, Facts, Target, explain
from ctl.output import to_json
from ctl.render import Rendering, render
from ctl.streams import Streams

DESCRIPTION = """\
Says of each pod what the webhook injects and why: how each container gets its variables, from which secret, parameter
or item each comes, who reads it, as which role and with which permissions, and who can see the values. Offline, by the
webhook's own decision; with --live the cluster's service accounts, ConfigMaps and kubelets count.

exit codes: 0 explained, 1 a pod would be denied, 2 a file or a flag can't be used
"""
EPILOG = f"""\
{gather.SETTINGS_NOTE}

examples:
  kubectl token-injector explain -f deployment.yaml --service-accounts service-accounts.yaml
  kubectl token-injector explain -f deployment.yaml --live -o json
  kubectl token-injector explain -f deployment.yaml --live -o policy > policy.json

next: aws iam put-role-policy --role-name ROLE --policy-name secrets --policy-document file://policy.json gives the role
what it needs; secrets that are encrypted with a key of your own also need kms:Decrypt on that key
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files, form, and the webhook's settings."""
    forms = "lines for people, an array for programs, or the role's permission policy (default: text)"
    parser.add_argument("-o", "--output", choices=("text", "json", "policy"), default="text", help=forms)
    gather.add_arguments(parser)


def run(arguments: argparse.Namespace, environ: Mapping[str, str], streams: Streams) -> int:
    """Read, decide, write; returns the exit code. Raises `UsageError`."""
    found = gather.gather(arguments, environ, streams)
    renderings = render(
        found.documents,
        found.accounts,
        found.settings,
        found.config_maps,
        namespace=found.namespace,
        registries="assumed",
    )
    explained = [(one, explain(one, found.settings)) for one in renderings]
    for one in renderings:
        for warning in one.warnings:
            print(f"{one.subject.display_name}: warning: {warning}", file=streams.stderr)
    gather.tell_of_settings(renderings, streams)
    match arguments.output:
        case "json":
            streams.stdout.write(to_json([_entry(one, facts) for one, facts in explained]))
        case "policy":
            denied = next((one for one in renderings if one.denial), None)
            streams.stdout.write(to_json(_policy([facts for _, facts in explained], denied)))
        case _:
            streams.stdout.write("\n".join(_text(one, facts) for one, facts in explained))
    return exit_codes.DENIED if any(one.denial for one in renderings) else exit_codes.OK


def _policy(explained: Sequence[Facts], denied: Rendering | None) -> Mapping[str, Any]:
    """The one role's. Raises `UsageError` where there is none, or more than one; a denied pod may be why."""
    reading = [facts for facts in explained if facts.permissions]
    roles = {facts.role for facts in reading}
    if not roles and denied:
        raise UsageError(f"-o policy: {denied.subject.display_name} is denied: {denied.denial}")
    if len(roles) != 1:
        told = (
            f"these pods read with {len(roles)} roles: give the files of one" if roles else "no pod here reads secrets"
        )
        raise UsageError(f"-o policy: {told}; -o json has each pod's permissions")
    statements: list[Any] = []
    for facts in reading:
        statements += [each for each in (facts.permissions or {})["Statement"] if each not in statements]
    return {**(reading[0].permissions or {}), "Statement": statements}


def _entry(one: Rendering, facts: Facts) -> dict[str, Any]:
    subject = one.subject
    named = {"apiVersion": subject.api_version, "kind": subject.kind}
    return {**named, "namespace": subject.namespace, "name": subject.name, **asdict(facts)}


def _text(one: Rendering, facts: Facts) -> str:
    lines = [f"{one.subject.display_name}: {facts.outcome}: {facts.because}"]
    rows = (
        ("application's role", facts.application_role),
        ("injected container", facts.container),
        ("volumes", ", ".join(facts.volumes)),
        ("secrets are read by", facts.reader),
        ("as the role", facts.role),
        ("in the region", facts.region),
        ("rotation", facts.rotation),
        ("what can't be resolved", facts.unresolved),
    )
    lines += [f"  {name:<22}  {value}" for name, value in rows if value]
    lines += [line for container in facts.containers for line in _container(container)]
    if facts.files:
        lines += [f"  files in {facts.files_path}", *_targets(facts.files)]
    if facts.permissions:
        lines += ["  permissions of the role", *(f"    {line}" for line in to_json(facts.permissions).splitlines())]
    return "\n".join(lines) + "\n"


def _container(facts: ContainerFacts) -> Iterator[str]:
    yield f"  container {facts.name}: {facts.delivery}"
    yield f"    because   {facts.because}"
    yield f"    seen by   {facts.readers}"
    if facts.command:
        yield f"    runs      {' '.join(facts.command)}"
    if facts.when_it_starts:
        yield "    more      references in variables from Secrets, and from ConfigMaps that are not known here"
    yield from _targets(facts.variables)


def _targets(targets: Sequence[Target]) -> Iterator[str]:
    for target in targets:
        yield f"    {target.name}"
        for read in target.reads:
            region = f" in {read.region}" if read.region else ""
            yield f"      {read.reference}: {read.store}{region}, {read.name}, {read.takes}"
