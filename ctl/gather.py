"""What do the files, the flags and, with --live, the cluster say? For the commands that show what the webhook would do.

The settings are the webhook's own, from its own table.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ctl.accounts import Accounts, accounts_in
from ctl.errors import UsageError
from ctl.look_ups import KnownConfigMaps, config_maps_in
from ctl.manifest import Document, read_documents
from ctl.piggy_env import piggy_environ
from ctl.render import Rendering, accounts_of, config_maps_of
from ctl.streams import STDIN, Streams
from serving.flags import Setting
from serving.settings import SettingError
from webhook.account_cache import account_key
from webhook.broker_ca import BrokerCaError, load_broker_ca
from webhook.flags import SERVER_SETTINGS
from webhook.role_policy_file import RolePolicyFileError, load_role_policy
from webhook.settings import ServerSettings, Settings, parse_settings

if TYPE_CHECKING:
    from ctl.cluster import Cluster

_GROUPS = ("what is injected", "what holds where no annotation says otherwise", "secrets")
SETTINGS: tuple[Setting, ...] = tuple(setting for group in _GROUPS for setting in SERVER_SETTINGS[group])
IMAGE = next(setting for setting in SETTINGS if setting.flag == "image")
# The webhook's image is not known here. This name resolves nowhere (RFC 2606): it never pulls somebody else's image.
PLACEHOLDER_IMAGE = "registry.example/token-injector:placeholder"

# For the help of each command that takes them.
SETTINGS_NOTE = """\
The settings are the webhook's own flags and variables: give them as it has them. A flag wins over its variable. They
are never read from a cluster, with --live neither: --broker-address for pods whose secrets a broker reads, --piggy-env
where the webhook has variables of piggy's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Everything of which a rendering is made."""

    documents: list[Document]
    accounts: Accounts
    config_maps: KnownConfigMaps
    settings: Settings
    namespace: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files and cluster, then the webhook's settings."""
    add = parser.add_argument
    add_manifests(parser)
    accounts = "manifests of service accounts; may be given again"
    add("--service-accounts", action="append", default=[], metavar="FILE", help=accounts)
    live = "read the service accounts and ConfigMaps that no file has, and the kubelets, from a cluster"
    add("--live", action="store_true", help=live)
    kubeconfig = "with --live: the cluster (default: KUBECONFIG, else ~/.kube/config)"
    add("--kubeconfig", metavar="FILE", help=kubeconfig)
    add("--context", metavar="NAME", help="with --live: of the kubeconfig (default: its current one)")
    for title in _GROUPS:
        group = parser.add_argument_group(title)
        for setting in SERVER_SETTINGS[title]:
            group.add_argument(
                f"--{setting.flag}", dest=setting.flag, action="append", metavar=setting.metavar, help=setting.help
            )
    add_piggy_env(group)


def add_manifests(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The manifests, and what holds for those that name no namespace."""
    files = "manifests, - is standard input; may be given again"
    parser.add_argument("-f", "--filename", action="append", required=required, metavar="FILE", help=files)
    parser.add_argument("-n", "--namespace", metavar="NS", help="of objects that name none (default: default)")


def add_piggy_env(parser: argparse._ActionsContainer) -> None:
    """The variables that the webhook has of piggy's: this machine's own are not meant, AWS_REGION least of all."""
    text = "a variable of piggy's on the webhook, as PIGGY_ADDRESS=https://…; may be given again"
    parser.add_argument("--piggy-env", action="append", default=[], metavar="NAME=VALUE", help=text)


def gather(arguments: argparse.Namespace, environ: Mapping[str, str], streams: Streams) -> Gathered:
    """Read everything. Raises `UsageError`."""
    settings, server = _settings(arguments, environ)
    once = [*arguments.filename, *arguments.service_accounts, server.role_policy_file, server.broker_ca_file]
    if once.count(STDIN) > 1:
        raise UsageError(
            "-f -, --service-accounts -, --role-policy -, --broker-ca-file -: standard input can be read once: give a "
            "file for the others"
        )
    settings = _with_files(settings, server, streams)
    documents = read_manifests(arguments.filename, "-f", streams)
    more = read_manifests(arguments.service_accounts, "--service-accounts", streams)
    found = Gathered(
        documents=documents,
        accounts=accounts_in([*more, *documents], arguments.namespace),
        config_maps=config_maps_in(documents, arguments.namespace),
        settings=settings,
        namespace=arguments.namespace,
    )
    if arguments.live:
        return _live(found, server, arguments, environ)
    if arguments.kubeconfig or arguments.context:
        raise UsageError("--kubeconfig and --context name a cluster, which is asked only with --live: add it")
    return found


def read_manifests(names: Sequence[str], flag: str, streams: Streams) -> list[Document]:
    """The documents of these files, each of which is an object or empty. Raises `UsageError`."""
    documents = []
    for name in names:
        for document in read_documents(streams.read(name, flag), _origin(name)):
            if document.content is not None and not isinstance(document.content, dict):
                raise UsageError(f"{document.origin}: it is no Kubernetes object: expected apiVersion, kind, metadata")
            documents.append(document)
    return documents


def tell_of_settings(renderings: Sequence[Rendering], streams: Streams) -> None:
    """A pod that is denied only here, as nobody gave the settings by which the webhook would let it in."""
    if any(one.denial and one.denial.reason == "no_broker" for one in renderings):
        print(
            "hint: the webhook's flags are not read from a cluster: where it knows a broker, give --broker-address "
            "here as the webhook has it, and --piggy-env for its variables of piggy's",
            file=streams.stderr,
        )


def _settings(arguments: argparse.Namespace, environ: Mapping[str, str]) -> tuple[Settings, ServerSettings]:
    """What holds for every review, and what a server would find out by itself.

    Of the environment only these settings count: the webhook's GCE_METADATA_HOST is not this machine's.
    """
    given = vars(arguments)
    flags = {setting.flag: list(value) for setting in SETTINGS if (value := given.get(setting.flag)) is not None}
    known = {setting.variable: environ[setting.variable] for setting in SETTINGS if setting.variable in environ}
    try:
        settings, server = parse_settings(flags, {**known, **piggy_environ(arguments.piggy_env)})
    except SettingError as exc:
        raise UsageError(str(exc)) from exc
    return replace(settings, image=settings.image or PLACEHOLDER_IMAGE), server


def _with_files(settings: Settings, server: ServerSettings, streams: Streams) -> Settings:
    """The settings with what stands in files of their own."""
    if name := server.role_policy_file:
        try:
            policy = load_role_policy(streams.read(name, "--role-policy"), _origin(name))
        except RolePolicyFileError as exc:
            raise UsageError(f"--role-policy: {exc}") from exc
        settings = replace(settings, role_policy=policy)
    if name := server.broker_ca_file:
        try:
            ca = load_broker_ca(streams.read(name, "--broker-ca-file"), _origin(name))
        except BrokerCaError as exc:
            raise UsageError(f"--broker-ca-file: {exc}") from exc
        settings = replace(settings, secrets=replace(settings.secrets, broker_ca=ca))
    return settings


def _live(
    found: Gathered, server: ServerSettings, arguments: argparse.Namespace, environ: Mapping[str, str]
) -> Gathered:
    """With what the cluster tells: a file's object wins, as it may be what is about to be applied."""
    pods = (found.documents, found.settings, found.namespace)
    accounts = [each for each in accounts_of(*pods) if account_key(*each) not in found.accounts]
    config_maps = [each for each in config_maps_of(*pods) if account_key(*each) not in found.config_maps]
    cluster = _cluster(arguments, environ)
    try:
        floor = cluster.kubelet_version_floor() if server.follows_kubelet_versions else None
        return replace(
            found,
            accounts={**cluster.accounts(accounts), **found.accounts},
            config_maps={**cluster.config_maps(config_maps), **found.config_maps},
            settings=replace(found.settings, kubelet_version_floor=floor) if floor else found.settings,
        )
    finally:
        cluster.close()


def _cluster(arguments: argparse.Namespace, environ: Mapping[str, str]) -> "Cluster":
    from ctl.cluster import Cluster  # noqa: PLC0415 - urllib3 and the kubeconfig's reader cost the offline use a second

    return Cluster(arguments.kubeconfig or environ.get("KUBECONFIG") or "~/.kube/config", arguments.context)


def _origin(name: str) -> str:
    return "standard input" if name == STDIN else name
