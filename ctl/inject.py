"""`inject`: what would the webhook do to these manifests? Offline, for GitOps, review and CI; or as the cluster is now.

All or nothing: where one pod would be denied, standard output stays empty.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from contract import exit_codes
from contract.annotations import ENABLED_LABEL
from ctl.accounts import Accounts, accounts_in
from ctl.errors import UsageError
from ctl.manifest import Document, read_documents
from ctl.output import as_diff, as_json, as_patch, as_yaml
from ctl.render import Rendering, accounts_of, render
from ctl.streams import STDIN, Streams
from webhook.account_cache import account_key
from webhook.broker_ca import BrokerCaError, load_broker_ca
from webhook.decision import Injection
from webhook.flags import SERVER_SETTINGS, Setting
from webhook.role_policy import RolePolicy
from webhook.role_policy_file import RolePolicyFileError, load_role_policy
from webhook.settings import ServerSettings, SettingError, Settings, parse_settings

if TYPE_CHECKING:
    from ctl.cluster import Cluster

_GROUPS = ("what is injected", "what holds where no annotation says otherwise", "secrets")
_SETTINGS: tuple[Setting, ...] = tuple(setting for group in _GROUPS for setting in SERVER_SETTINGS[group])
_IMAGE = next(setting for setting in _SETTINGS if setting.flag == "image")
# The webhook's image is not known here. This name resolves nowhere (RFC 2606): it never pulls somebody else's image.
PLACEHOLDER_IMAGE = "registry.example/token-injector:placeholder"

DESCRIPTION = """\
Shows what the webhook would do to Pods, Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs, and to
Lists of them, without a cluster. Other objects pass through as they are. Service accounts may stand in the same files;
with --live those that stand in none, and the oldest kubelet, are read from the cluster.
Warnings and denials go to standard error; a denial leaves standard output empty.

exit codes: 0 rendered, 1 a pod would be denied, 2 a file or a flag can't be used
"""
EPILOG = """\
The settings are the webhook's own flags and variables: give them as it has them. A flag wins over its variable.

Without --image the injected container gets a placeholder, and a warning says so.

examples:
  kubectl token-injector inject -f deployment.yaml --service-accounts service-accounts.yaml -o diff
  kubectl token-injector inject -f deployment.yaml --live -o diff
  helm template my-release ./chart | kubectl token-injector inject -f - --image registry.example/token-injector:1.0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files and form, then the webhook's settings from its own table."""
    add = parser.add_argument
    files = "manifests, - is standard input; may be given again"
    add("-f", "--filename", action="append", required=True, metavar="FILE", help=files)
    accounts = "manifests of service accounts; may be given again"
    add("--service-accounts", action="append", default=[], metavar="FILE", help=accounts)
    add(
        "--live",
        action="store_true",
        help="read the service accounts that no file has, and the kubelets, from a cluster",
    )
    kubeconfig = "with --live: the cluster (default: KUBECONFIG, else ~/.kube/config)"
    add("--kubeconfig", metavar="FILE", help=kubeconfig)
    add("--context", metavar="NAME", help="with --live: of the kubeconfig (default: its current one)")
    add("-n", "--namespace", metavar="NS", help="of objects that name none (default: default)")
    forms = "the mutated objects, each object's JSON Patch, or what differs (default: yaml)"
    add("-o", "--output", choices=("yaml", "json", "patch", "diff"), default="yaml", help=forms)
    for title in _GROUPS:
        group = parser.add_argument_group(title)
        for setting in SERVER_SETTINGS[title]:
            group.add_argument(
                f"--{setting.flag}", dest=setting.flag, action="append", metavar=setting.metavar, help=setting.help
            )


def run(arguments: argparse.Namespace, environ: Mapping[str, str], streams: Streams) -> int:
    """Read, render, write; returns the exit code. Raises `UsageError`."""
    settings, server = _settings(vars(arguments), environ)
    policy_file = server.role_policy_file
    if [*arguments.filename, *arguments.service_accounts, policy_file, server.broker_ca_file].count(STDIN) > 1:
        raise UsageError(
            "-f -, --service-accounts -, --role-policy -, --broker-ca-file -: standard input can be read once: give a "
            "file for the others"
        )
    if policy_file:
        settings = replace(settings, role_policy=_role_policy(policy_file, streams))
    if server.broker_ca_file:
        settings = replace(settings, secrets=replace(settings.secrets, broker_ca=_broker_ca(server, streams)))
    documents = _read(arguments.filename, "-f", streams)
    accounts = accounts_in(
        [*_read(arguments.service_accounts, "--service-accounts", streams), *documents], arguments.namespace
    )
    if arguments.live:
        cluster = _cluster(arguments, environ)
        try:
            accounts = {**cluster.accounts(_unknown(documents, accounts, settings, arguments.namespace)), **accounts}
            if server.follows_kubelet_versions:
                settings = replace(settings, kubelet_version_floor=cluster.kubelet_version_floor())
        finally:
            cluster.close()
    elif arguments.kubeconfig or arguments.context:
        raise UsageError("--kubeconfig and --context name a cluster, which is asked only with --live: add it")
    renderings = render(documents, accounts, settings, namespace=arguments.namespace)
    if _denied(renderings, streams):
        return exit_codes.DENIED
    if settings.image == PLACEHOLDER_IMAGE and _injects_container(renderings):
        print(
            f"warning: the injected image is a placeholder: give the webhook's own with --image or {_IMAGE.variable} "
            "before this is applied",
            file=streams.stderr,
        )
    if _needs_broker_ca(renderings):
        print(
            "warning: the CA of the broker's certificate is not known here: give it with --broker-ca-file before this "
            "is applied",
            file=streams.stderr,
        )
    _write(arguments.output, documents, renderings, environ, streams)
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


def _cluster(arguments: argparse.Namespace, environ: Mapping[str, str]) -> "Cluster":
    from ctl.cluster import Cluster  # noqa: PLC0415 - urllib3 and the kubeconfig's reader cost the offline use a second

    return Cluster(arguments.kubeconfig or environ.get("KUBECONFIG") or "~/.kube/config", arguments.context)


def _unknown(
    documents: list[Document], accounts: Accounts, settings: Settings, namespace: str | None
) -> list[tuple[str, str]]:
    """The accounts that the pods name and no file has: a file's wins, as it may be what is about to be applied."""
    return [each for each in accounts_of(documents, settings, namespace) if account_key(*each) not in accounts]


def _settings(given: Mapping[str, Sequence[str] | None], environ: Mapping[str, str]) -> tuple[Settings, ServerSettings]:
    """What holds for every review, and what a server would find out by itself.

    Of the environment only these settings count: the webhook's GCE_METADATA_HOST is not this machine's.
    """
    flags = {setting.flag: list(value) for setting in _SETTINGS if (value := given.get(setting.flag)) is not None}
    known = {setting.variable: environ[setting.variable] for setting in _SETTINGS if setting.variable in environ}
    try:
        settings, server = parse_settings(flags, known)
    except SettingError as exc:
        raise UsageError(str(exc)) from exc
    image = settings.image or PLACEHOLDER_IMAGE
    return replace(settings, image=image), server


def _broker_ca(server: ServerSettings, streams: Streams) -> str:
    name = server.broker_ca_file
    try:
        return load_broker_ca(streams.read(name, "--broker-ca-file"), "standard input" if name == STDIN else name)
    except BrokerCaError as exc:
        raise UsageError(f"--broker-ca-file: {exc}") from exc


def _role_policy(name: str, streams: Streams) -> RolePolicy:
    try:
        return load_role_policy(streams.read(name, "--role-policy"), "standard input" if name == STDIN else name)
    except RolePolicyFileError as exc:
        raise UsageError(f"--role-policy: {exc}") from exc


def _injects_container(renderings: Iterable[Rendering]) -> bool:
    decisions = (one.mutation.decision for one in renderings)
    return any(isinstance(decision, Injection) and decision.has_container for decision in decisions)


def _needs_broker_ca(renderings: Iterable[Rendering]) -> bool:
    decisions = (one.mutation.decision for one in renderings)
    plans = [each.secrets.plan for each in decisions if isinstance(each, Injection) and each.secrets]
    return any(plan.broker is not None and not plan.broker.ca for plan in plans)


def _read(names: Sequence[str], flag: str, streams: Streams) -> list[Document]:
    documents = []
    for name in names:
        origin = "standard input" if name == STDIN else name
        for document in read_documents(streams.read(name, flag), origin):
            if document.content is not None and not isinstance(document.content, dict):
                raise UsageError(f"{document.origin}: it is no Kubernetes object: expected apiVersion, kind, metadata")
            documents.append(document)
    return documents


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
            f"nothing was injected: no pod here carries the label {ENABLED_LABEL} with the value 'true'; "
            "a Deployment's pods take theirs from spec.template.metadata.labels",
            file=streams.stderr,
        )
