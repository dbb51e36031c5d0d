"""What cannot be resolved: the application never starts, and `kubectl describe pod` says why; what may stay, stays."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from contract.secrets import EXEC_USAGE
from demo.cluster import cloud
from demo.cluster.kubectl import apply, create_refused, get, kubectl, until
from demo.cluster.release import Images, Release
from demo.cluster.workload import ROLE_ARN, pod, revealing, service_account, unlabelled
from tests.e2e import vault
from tests.e2e.conftest import ROLE
from tests.e2e.pods import PATIENCE, ended, lines
from tests.e2e.silence import silent_namespace

PREFIX = "admission.token-injector/"
ASKS = {PREFIX + "secrets": "true"}
LAUNCHER = ASKS | {PREFIX + "secret-delivery": "launcher"}
PIGGY = {"piggysec.com/aws-secret-name": "shop/db"}
NARROW = "arn:aws:iam::123456789012:role/narrow"
# By pod: its annotations, its variable, its service account, and what `kubectl describe` must say.
REFUSED: Mapping[str, tuple[dict[str, str], str, str, tuple[str, ...]]] = {
    "no-secret": (ASKS, "sm://shop/nowhere#user", "app", ("shop/nowhere", "FOO")),
    "no-key": (ASKS, "sm://shop/db#nobody", "app", ("nobody", "FOO")),
    "no-key-launcher": (LAUNCHER, "sm://shop/db#nobody", "app", ("nobody", "FOO")),
    "no-key-init": (ASKS | {PREFIX + "refresher": "none"}, "sm://shop/db#nobody", "app", ("nobody", "FOO")),
    "no-key-piggy": (PIGGY, "piggy:nobody", "app", ("nobody", "FOO")),
    "not-allowed": (ASKS, "sm://shop/db#user", "narrow", ("shop/db", "narrow", "secretsmanager:GetSecretValue")),
    "quoted": (ASKS | {PREFIX + "secret-delivery": "envfile"}, "sm://shop/db#quoted", "app", ("FOO", "launcher")),
    "empty": (ASKS, "sm://shop/db#empty", "app", ("FOO", "launcher")),
}
KEPT: Mapping[str, dict[str, str]] = {
    "kept-piggy": PIGGY | {"piggysec.com/piggy-ignore-no-env": "true"},
    "kept-piggy-launcher": PIGGY | {"piggysec.com/piggy-ignore-no-env": "true", PREFIX + "secret-delivery": "launcher"},
    "kept-ours": ASKS | {PREFIX + "secret-unresolved": "keep"},
}


@pytest.fixture(scope="module")
def place(secrets_release: Release, images: Images) -> Iterator[str]:
    """A restricted namespace with every pod of this module, side by side."""
    with silent_namespace("refused") as name:
        cloud.google_role(NARROW, reads=["shop/other"])
        apply(service_account(name, "app", {ROLE_ARN: ROLE}), service_account(name, "narrow", {ROLE_ARN: NARROW}))
        pods = [
            pod(name, each, [revealing(images.application, {"FOO": text})], account=account, annotations=annotations)
            for each, (annotations, text, account, _) in REFUSED.items()
        ]
        for each, annotations in KEPT.items():
            nobody, user = (
                ("piggy:nobody", "piggy:user") if "piggy" in each else ("sm://shop/db#nobody", "sm://shop/db#user")
            )
            container = revealing(images.application, {"FOO": nobody, "USER_NAME": user})
            pods.append(pod(name, each, [container], annotations=annotations))
        apply(*(unlabelled(each) for each in pods))
        yield name


@pytest.mark.parametrize("name", REFUSED)
def test_the_application_never_starts_and_the_pod_says_why(name: str, place: str) -> None:
    """The variable, what is missing, and who can mend it, in the pod's own status and events."""
    *_, words = REFUSED[name]
    described = until(f"the reason of {name}", lambda: _described(place, name, words), seconds=PATIENCE)

    assert vault.CANARY not in described
    (status,) = get("pod", name, place)["status"]["containerStatuses"]
    assert "waiting" in status["state"]
    assert status["restartCount"] == 0
    assert "lastState" not in status or status["lastState"] == {}


def _described(place: str, name: str, words: tuple[str, ...]) -> str | None:
    described = kubectl("describe", "pod", "-n", place, name)
    told = described.partition("Status:")[2]
    # What its author and the webhook wrote is there too; the reason is in a message or an event.
    written = ("FOO:", "TOKEN_INJECTOR_SECRETS:")
    told = "".join(line for line in told.splitlines(keepends=True) if not line.strip().startswith(written))
    return described if all(word in told for word in words) else None


@pytest.mark.parametrize("name", KEPT)
def test_what_may_stay_stays_and_the_others_are_set(name: str, place: str) -> None:
    """Variable by variable."""
    ended(place, name)
    (said,) = lines(place, name)

    nobody = "piggy:nobody" if "piggy" in name else "sm://shop/db#nobody"
    assert said["variables"] == vault.revealed({"FOO": nobody, "USER_NAME": vault.DATABASE["user"]})


def test_a_reference_from_a_secret_that_the_kubelet_expanded_is_not_started(place: str, images: Images) -> None:
    """Nobody sees the Secret at admission; the container ends and names the variable."""
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "expanded", "namespace": place}}
    container = revealing(images.application, {}, "--user=$(FOO)")
    container["env"] = [{"name": "FOO", "valueFrom": {"secretKeyRef": {"name": "expanded", "key": "user"}}}]
    made = pod(place, "expanded", [container], annotations=ASKS)
    apply(manifest | {"stringData": {"user": "sm://shop/db#user"}}, unlabelled(made))

    def over() -> dict[str, Any] | None:
        statuses = get("pod", "expanded", place)["status"].get("containerStatuses") or ()
        found: dict[str, Any] | None = next((each["state"].get("terminated") for each in statuses), None)
        return found

    ended_so = until("the end of the launcher", over, seconds=PATIENCE)
    assert ended_so["exitCode"] == EXEC_USAGE
    assert "FOO: it came as a reference, and $(...) put its text where nobody resolves it" in ended_so["message"]
    assert "sm:" not in ended_so["message"]


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("sm://shop/db#a#b", ("variable FOO", "character 15", "expected ?, # and |")),
        ("${sm://shop/db#user|shout}", ("variable FOO", "character 21", "urlencode")),
    ],
)
def test_a_malformed_reference_denies_the_pod(
    variable: str, words: tuple[str, ...], place: str, images: Images
) -> None:
    """Who creates the pod reads the variable and the accepted form at once."""
    made = pod(place, "malformed", [revealing(images.application, {"FOO": variable})], annotations=ASKS)
    said = create_refused(unlabelled(made))
    assert all(word in said for word in words), said


def test_an_image_that_no_registry_has_is_denied_with_the_remedies(place: str) -> None:
    """With the launcher and without a command; nothing starts with literal references."""
    container: dict[str, Any] = {"name": "app", "image": "registry.invalid/nobody/nothing:1"}
    container["env"] = [{"name": "FOO", "value": "sm://shop/db#user"}]
    said = create_refused(unlabelled(pod(place, "unknown", [container], annotations=LAUNCHER)))

    assert "container 'app' has no command, and what its image 'registry.invalid/nobody/nothing:1' starts" in said
    assert f"{PREFIX}entrypoint.app" in said
