"""What does the cluster say of the service accounts, ConfigMaps and kubelets that no file tells? For --live.

Reads only: service accounts and ConfigMaps by name, the nodes' versions. No pod is sent anywhere.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ctl.accounts import Accounts
from ctl.errors import UsageError
from ctl.look_ups import texts
from kube.client import Client
from kube.config import from_kubeconfig
from kube.errors import ForbiddenError, KubeError, NotFoundError
from webhook.account_cache import account_key, keep_account
from webhook.kubelet_version import NodeVersions, Version, keep_node, oldest_beside, server_version
from webhook.secrets.look_ups import Missing

_SECONDS = 10.0


class Cluster:
    """One API server, as this kubeconfig names it. Raises `UsageError` for what it does not answer."""

    def __init__(self, kubeconfig: str, context: str | None) -> None:
        self._named = f"kubeconfig {kubeconfig}"
        try:
            self._client = Client(from_kubeconfig(kubeconfig, context=context))
        except KubeError as exc:
            raise UsageError(f"--live: {exc}") from exc

    def accounts(self, wanted: Iterable[tuple[str, str]]) -> Accounts:
        """Those of the wanted (namespace, name) that exist."""
        found = {}
        for namespace, name in sorted(set(wanted)):
            try:
                account = keep_account(self._get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"))
            except NotFoundError:
                continue
            except KubeError as exc:
                raise self._refused(exc) from exc
            found[account_key(namespace, name)] = account.annotations
        return found

    def config_maps(self, wanted: Iterable[tuple[str, str]]) -> dict[str, Mapping[str, str] | Missing]:
        """Those of the wanted (namespace, name) that may be read; none where there is none."""
        found: dict[str, Mapping[str, str] | Missing] = {}
        for namespace, name in sorted(set(wanted)):
            key = account_key(namespace, name)
            try:
                found[key] = texts(self._get(f"/api/v1/namespaces/{namespace}/configmaps/{name}").get("data"))
            except NotFoundError:
                found[key] = "absent"
            except ForbiddenError:
                continue  # nobody here knows it, as if there were no --live
            except KubeError as exc:
                raise self._refused(exc) from exc
        return found

    def kubelet_version_floor(self) -> Version:
        """The lowest kubelet, or the oldest that the API server supports where nodes may not be read."""
        nodes = NodeVersions()
        try:
            listing = self._client.list("/api/v1/nodes", keep=keep_node, timeout=_SECONDS)
            nodes.replace(listing.items, listing.resource_version)
        except ForbiddenError:
            pass  # an ordinary user's answer: the skew rule holds, as for the webhook
        except KubeError as exc:
            raise self._refused(exc) from exc
        try:
            return nodes.lowest or oldest_beside(server_version(self._get("/version")))
        except KubeError as exc:
            raise self._refused(exc) from exc

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _get(self, path: str) -> dict[str, Any]:
        return self._client.get(path, timeout=_SECONDS)

    def _refused(self, exc: KubeError) -> UsageError:
        return UsageError(f"--live: {self._named}: {exc}; or give files with --service-accounts instead of --live")
