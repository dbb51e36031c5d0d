"""The product as its users install it: the chart, by helm, with values that point at the fake clouds."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.cluster.cloud import AWS_URL, METADATA_HOST
from demo.cluster.kubectl import kubectl, listed, run, until

CHART = Path(__file__).parent.parent.parent / "charts/token-injector"
NAME = NAMESPACE = "token-injector"
DEPLOYMENT = f"{NAME}-webhook"
# An hour of Google's takes a minute, and every wait of the token tool is as much shorter.
TIME_DIVISOR = 60
TOKEN_LIFETIME = 3600 / TIME_DIVISOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Where the cluster pulls from, and which build."""

    prefix: str
    tag: str
    next_tag: str
    """The same contents under another tag: release N+1."""

    @classmethod
    def from_environ(cls) -> "Images":
        """IMAGES, TAG and NEXT_TAG, as `make images` names them."""
        tag = os.environ.get("TAG", "dev")
        prefix = os.environ.get("IMAGES", "ghcr.io/token-injector")
        return cls(prefix=prefix, tag=tag, next_tag=os.environ.get("NEXT_TAG", f"{tag}-next"))

    @property
    def application(self) -> str:
        """Fakes and applications."""
        return f"{self.prefix}/e2e:{self.tag}"


def injector_env(*, time_divisor: int = 1) -> list[str]:
    """What points an injected container at the fakes, and by how much its waits are shorter."""
    given = {
        "TOKEN_INJECTOR_TIME_DIVISOR": time_divisor,
        "GCE_METADATA_HOST": METADATA_HOST,
        "AWS_ENDPOINT_URL": AWS_URL,
    }
    return [f"{name}={value}" for name, value in given.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One helm release and how it is asked for."""

    images: Images
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the webhook, over those that point at the fakes."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Of the chart."""

    def install(self, *, tag: str = "", wait: bool = True) -> None:
        """Install, or upgrade to these values."""
        waiting = ["--wait", "--timeout=180s"] if wait else []
        command = ["helm", "upgrade", "--install", NAME, str(CHART), "-n", NAMESPACE, *waiting, "-f", "-"]
        run(command, given=json.dumps(self._values(tag or self.images.tag)), seconds=200)
        if wait:
            self._settle()

    def rollback(self) -> None:
        """Back to the revision before."""
        run(["helm", "rollback", NAME, "-n", NAMESPACE, "--wait", "--timeout=180s"], seconds=200)
        self._settle()

    def _settle(self) -> None:
        """Until no old replica answers: helm is content when the new ones are ready."""
        kubectl("rollout", "status", f"deployment/{DEPLOYMENT}", "-n", NAMESPACE, "--timeout=180s", seconds=190)
        until("the end of the old replicas", lambda: not [pod for pod in _pods() if _is_going(pod)], seconds=90)

    def uninstall(self) -> None:
        """Remove it; one that is gone already is as good."""
        run(["helm", "uninstall", NAME, "-n", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=120s"], seconds=150)

    def test(self) -> str:
        """`helm test`; what it printed."""
        return run(["helm", "test", NAME, "-n", NAMESPACE, "--logs", "--timeout=120s"], seconds=150).stdout

    def _values(self, tag: str) -> dict[str, Any]:
        settings = {"injector-env": injector_env(time_divisor=TIME_DIVISOR), "region": "eu-west-1", **self.settings}
        return {
            "image": {"repository": f"{self.images.prefix}/webhook", "tag": tag},
            "injector": {"image": {"repository": f"{self.images.prefix}/injector", "tag": tag}},
            "webhook": {"settings": settings},
            **self.values,
        }


def webhook_pods() -> list[dict[str, Any]]:
    """The replicas that are not being deleted."""
    return [pod for pod in _pods() if not _is_going(pod)]


def _pods() -> list[dict[str, Any]]:
    return listed("pods", NAMESPACE, "app.kubernetes.io/component=webhook")


def _is_going(pod: dict[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"]
