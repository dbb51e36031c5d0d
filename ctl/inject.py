"""`inject`: what would the webhook do to these manifests? Offline, for GitOps, review and CI; or as the cluster is now.

All or nothing: where one pod would be denied, standard output stays empty.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence

from contract import exit_codes
from contract.annotations import ENABLED_LABEL, SECRETS
from ctl import gather
from ctl.gather import IMAGE, PLACEHOLDER_IMAGE
from ctl.manifest import Document
from ctl.output import as_diff, as_json, as_patch, as_yaml
from ctl.render import Rendering, render
from ctl.streams import Streams
from webhook.decision import Injection

DESCRIPTION = """\
Shows what the webhook would do to Pods, Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs, and to
Lists of them, without a cluster. Other objects pass through as they are. Service accounts may stand in the same files;
with --live those that stand in none, and the oldest kubelet, are read from the cluster.
Warnings and denials go to standard error; a denial leaves standard output empty.

exit codes: 0 rendered, 1 a pod would be denied, 2 a file or a flag can't be used
"""
EPILOG = f"""\
{gather.SETTINGS_NOTE}

Without --image the injected container gets a placeholder, and a warning says so.

examples:
  kubectl token-injector inject -f deployment.yaml --service-accounts service-accounts.yaml -o diff
  kubectl token-injector inject -f deployment.yaml --live -o diff
  helm template my-release ./chart | kubectl token-injector inject -f - --image registry.example/token-injector:1.0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files, form, and the webhook's settings."""
    gather.add_arguments(parser)
    forms = "the mutated objects, each object's JSON Patch, or what differs (default: yaml)"
    parser.add_argument("-o", "--output", choices=("yaml", "json", "patch", "diff"), default="yaml", help=forms)


def run(arguments: argparse.Namespace, environ: Mapping[str, str], streams: Streams) -> int:
    """Read, render, write; returns the exit code. Raises `UsageError`."""
    found = gather.gather(arguments, environ, streams)
    renderings = render(found.documents, found.accounts, found.settings, found.config_maps, namespace=found.namespace)
    if _denied(renderings, streams):
        gather.tell_of_settings(renderings, streams)
        return exit_codes.DENIED
    _warn_of_placeholders(renderings, found.settings.image, streams)
    _write(arguments.output, found.documents, renderings, environ, streams)
    return exit_codes.OK


def _denied(renderings: Sequence[Rendering], streams: Streams) -> bool:
    """Tell warnings and denials; whether there was a denial."""
    for one in renderings:
        for warning in one.warnings:
            print(f"{one.subject.display_name}: warning: {warning}", file=streams.stderr)
    denied = [(one.subject.display_name, one.denial) for one in renderings if one.denial]
    for name, denial in denied:
        print(f"{name}: denied: {denial.message}", file=streams.stderr)
    if denied:
        print(f"nothing was written: {len(denied)} of {len(renderings)} would be denied", file=streams.stderr)
    return bool(denied)


def _warn_of_placeholders(renderings: Iterable[Rendering], image: str, streams: Streams) -> None:
    """What the webhook knows and nobody here: a pod with a stand-in for it must not be applied."""
    decisions = [one.mutation.decision for one in renderings if isinstance(one.mutation.decision, Injection)]
    if image == PLACEHOLDER_IMAGE and any(decision.has_container for decision in decisions):
        print(
            f"warning: the injected image is a placeholder: give the webhook's own with --image or {IMAGE.variable} "
            "before this is applied",
            file=streams.stderr,
        )
    brokers = [decision.secrets.plan.broker for decision in decisions if decision.secrets]
    if any(broker and not broker.ca for broker in brokers):
        print(
            "warning: the CA of the broker's certificate is not known here: give it with --broker-ca-file before this "
            "is applied",
            file=streams.stderr,
        )


def _write(
    form: str, documents: list[Document], renderings: list[Rendering], environ: Mapping[str, str], streams: Streams
) -> None:
    match form:
        case "json":
            text = as_json(documents, renderings)
        case "patch":
            text = as_patch(renderings)
        case "diff":
            # https://no-color.org
            text = as_diff(renderings, colour=streams.stdout.isatty() and not environ.get("NO_COLOR"))
        case _:
            text = as_yaml(documents, renderings)
    streams.stdout.write(text)
    if all(one.unlabelled and not one.warnings for one in renderings):
        print(
            f"nothing was injected: no pod here carries the label {ENABLED_LABEL} with the value 'true', the "
            f"annotation {SECRETS} or one of piggy's; a Deployment's pods take theirs from spec.template.metadata",
            file=streams.stderr,
        )
