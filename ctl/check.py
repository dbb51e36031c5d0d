"""`check`: will these pods start with their secrets? Offline, for CI.

The webhook's own decision about each pod; nobody in AWS is asked, and no registry.
"""

import argparse
from collections.abc import Mapping, Sequence

from contract import exit_codes
from ctl import gather
from ctl.findings import Finding, KnownTexts, findings
from ctl.output import to_json
from ctl.render import Rendering, render
from ctl.secret_texts import secrets_in
from ctl.streams import Streams
from webhook.decision import Injection, Skip
from webhook.settings import Settings

DESCRIPTION = """\
Says whether the webhook would let pods in, and whether they would start with their secrets: every reference parses,
each can be delivered by kubelets of the given floor, it is known who reads and what a container starts, rotation is
possible, nothing is too long. With --kubelet-version-floor (1.33 where nothing else is said) or --live it is the
cluster's answer. Whether a secret exists and the role may read it, only AWS can tell: kubectl token-injector explain
writes the permissions that the role needs.

exit codes: 0 no findings, 1 findings (with --strict also warnings), 2 a file or a flag can't be used
"""
EPILOG = f"""\
{gather.SETTINGS_NOTE}

examples:
  kubectl token-injector check -f deployment.yaml --service-accounts service-accounts.yaml
  helm template my-release ./chart | kubectl token-injector check -f - --kubelet-version-floor 1.35 --strict
  kubectl token-injector check -f deployment.yaml --live -o json

next: mend the errors; kubectl token-injector explain -f FILE says what is injected, and why
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files, form, and the webhook's settings."""
    parser.add_argument("--strict", action="store_true", help="warnings are findings too")
    forms = "lines for people, one object for programs (default: text)"
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help=forms)
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
    texts: KnownTexts = {"ConfigMap": found.config_maps, "Secret": secrets_in(found.documents, found.namespace)}
    checked = [(one, findings(one, texts)) for one in renderings]
    counted = {
        severity: sum(each.severity == severity for _, those in checked for each in those)
        for severity in ("error", "warning", "note")
    }
    if arguments.output == "json":
        streams.stdout.write(_json(checked, counted))
    else:
        streams.stdout.write("".join(f"{line}\n" for one, those in checked for line in _lines(one, those)))
        print(_summary(len(checked), counted, found.settings), file=streams.stderr)
    gather.tell_of_settings(renderings, streams)
    failed = counted["error"] or (arguments.strict and counted["warning"])
    return exit_codes.DENIED if failed else exit_codes.OK


def _lines(one: Rendering, those: Sequence[Finding]) -> list[str]:
    """A line for each finding, and one that says what becomes of the pod."""
    lines = [f"{one.subject.display_name}: {each.severity}: {each.text}" for each in those]
    return lines if one.denial else [*lines, f"{one.subject.display_name}: {_outcome(one)}"]


def _outcome(one: Rendering) -> str:
    decision = one.mutation.decision
    if not isinstance(decision, Injection):
        return "left as it is"
    identity = decision.web_identity
    parts = [f"web identity of {identity.role_arn}"] if identity and decision.for_application else []
    delivered = decision.secrets
    if delivered:
        parts += [
            f"{each.name}: {_count(len(each.variables))} by {each.delivery}" for each in delivered.plan.containers
        ]
        parts += [f"file {each.name}" for each in delivered.plan.files]
    return f"ok: {'; '.join(parts)}"


def _count(number: int) -> str:
    return f"{number} reference{'' if number == 1 else 's'}"


def _summary(pods: int, counted: Mapping[str, int], settings: Settings) -> str:
    told = ", ".join(f"{number} {severity}{'' if number == 1 else 's'}" for severity, number in counted.items())
    floor = settings.kubelet_version_floor
    kubelets = f"; for kubelets of {floor[0]}.{floor[1]} or newer" if floor else ""
    return f"{pods} object{'' if pods == 1 else 's'} with pods: {told}{kubelets}"


def _json(checked: Sequence[tuple[Rendering, Sequence[Finding]]], counted: Mapping[str, int]) -> str:
    return to_json(
        {
            "objects": [
                {
                    "apiVersion": one.subject.api_version,
                    "kind": one.subject.kind,
                    "namespace": one.subject.namespace,
                    "name": one.subject.name,
                    "outcome": _word(one),
                    "reason": _reason(one),
                    "findings": [{"severity": each.severity, "text": each.text} for each in those],
                }
                for one, those in checked
            ],
            **{f"{severity}s": number for severity, number in counted.items()},
        }
    )


def _word(one: Rendering) -> str:
    if one.denial:
        return "denied"
    return "injected" if isinstance(one.mutation.decision, Injection) else "unchanged"


def _reason(one: Rendering) -> str:
    decision = one.mutation.decision
    return one.denial.reason if one.denial else decision.reason if isinstance(decision, Skip) else ""
