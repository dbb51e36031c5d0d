"""Our own references: every store, every place where a variable can come from, every shape of what is injected."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from demo.cluster import cloud
from demo.cluster.kubectl import apply, get, kubectl, until
from demo.cluster.release import Images, Release
from demo.cluster.reveal import fingerprint
from demo.cluster.workload import ROLE_ARN, job, pod, revealing, service_account, unlabelled
from tests.e2e import vault
from tests.e2e.conftest import ROLE
from tests.e2e.pods import PATIENCE, ended, first_pod, lines, told
from tests.e2e.silence import silent_namespace

PREFIX = "admission.token-injector/"
ASKS = {PREFIX + "secrets": "true"}
LAUNCHER = ASKS | {PREFIX + "secret-delivery": "launcher"}
SHAPES = {
    "native": {},
    "pair": {PREFIX + "refresher": "sidecar"},
    "init": {PREFIX + "refresher": "none"},
    "cluster": {PREFIX + "mode": "cluster"},
}
CLUSTER_ROLE = "arn:aws:iam::123456789012:role/secrets-of-the-cluster"
USER, PASSWORD = vault.DATABASE["user"], vault.DATABASE["password"]
# What the variable says, and what the application must see.
REFERENCES: Mapping[str, tuple[str, str]] = {
    "KEY": ("sm://shop/db#user", USER),
    "WHOLE": ("sm://shop/text", vault.SECRETS["shop/text"]),
    "NUMBER": ("sm://shop/db#/port", "5432"),
    "LINES": ("sm://shop/db#lines", vault.DATABASE["lines"]),
    "PARAMETER": ("ssm:///shop/api/key", vault.PARAMETERS["/shop/api/key"]),
    "BELOW": ("ssm-path:///shop/api#url", vault.PARAMETERS["/shop/api/url"]),
    "ITEM": ("ddb://shop/db/user", vault.ITEMS["shop"]["db/user"]),
    "EMBEDDED": (
        "postgres://${sm://shop/db#user}:${sm://shop/db#password|urlencode}@db/${sm://shop/db#port}",
        f"postgres://{USER}:p%40ss%2F{vault.CANARY}%20%24x@db/5432",
    ),
    "LITERAL": ("as $${sm://it} is", "as ${sm://it} is"),
}
WRITTEN = {name: text for name, (text, _) in REFERENCES.items()}
SEEN = vault.revealed({name: value for name, (_, value) in REFERENCES.items()})
ONE = {"USER_NAME": "sm://shop/db#user"}
ONE_SEEN = vault.revealed({"USER_NAME": USER})
FILES = "/var/run/secrets/token-injector"
LAUNCHES = ["/var/run/token-injector/launcher", "exec", "--"]


@pytest.fixture(scope="module")
def place(secrets_release: Release, images: Images) -> Iterator[str]:
    """A restricted namespace with every pod of this module, side by side."""
    with silent_namespace("secrets") as name:
        cloud.cluster_role(CLUSTER_ROLE, issuer=cloud.trust_cluster(), namespace=name, account="in-cluster")
        apply(
            service_account(name, "app", {ROLE_ARN: ROLE}),
            service_account(name, "in-cluster", {ROLE_ARN: CLUSTER_ROLE}),
        )
        data = {"FROM_MAP": WRITTEN["KEY"]}
        config = {"kind": "ConfigMap", "metadata": {"name": "config", "namespace": name}, "data": data}
        secret = {
            "kind": "Secret",
            "metadata": {"name": "secret", "namespace": name},
            "stringData": {"HIDDEN": ONE["USER_NAME"]},
        }
        apply(*({"apiVersion": "v1", **each} for each in (config, secret)))
        apply(*_pods(name, images.application))
        yield name


def _pods(place: str, image: str) -> list[dict[str, Any]]:
    several = [revealing(image, ONE, name=name) for name in ("app", "other")]
    prepares = revealing(image, ONE, name="prepares")
    from_map, from_secret = (
        revealing(image, {}, watched=["KEY", "FROM_MAP"]),
        revealing(image, {}, watched=["KEY", "HIDDEN"]),
    )
    for container, kind, source in ((from_map, "configMap", "config"), (from_secret, "secret", "secret")):
        key = {"configMap": "FROM_MAP", "secret": "HIDDEN"}[kind]
        container["envFrom"] = [{f"{kind}Ref": {"name": source}}]
        container["env"] = [{"name": "KEY", "valueFrom": {f"{kind}KeyRef": {"name": source, "key": key}}}]
    files = {
        f"{PREFIX}secret-file.db.txt": "user=${sm://shop/db#user}\n",
        f"{PREFIX}secret-file.quoted": "sm://shop/db#quoted",
    }
    watching = revealing(image, {}, options=[f"--files={FILES}/db.txt,{FILES}/quoted"])
    made = [
        pod(place, "all", [revealing(image, WRITTEN, "$(KEY)", "literal")], annotations=ASKS),
        pod(place, "all-launcher", [revealing(image, WRITTEN, "literal")], annotations=LAUNCHER),
        pod(place, "files", [watching], annotations=ASKS | files),
        pod(place, "several", several, annotations=ASKS, initContainers=[prepares]),
        pod(place, "several-launcher", several, annotations=LAUNCHER, initContainers=[prepares]),
        pod(place, "map", [from_map], annotations=ASKS),
        pod(place, "secret", [from_secret], annotations=ASKS),
        pod(place, "secret-init", [from_secret], annotations=ASKS | SHAPES["init"]),
        pod(place, "stays", [revealing(image, ONE, options=["--stay"])], annotations=ASKS),
        pod(place, "stays-launcher", [revealing(image, ONE, options=["--stay"])], annotations=LAUNCHER),
    ]
    for shape, annotations in SHAPES.items():
        account = "in-cluster" if shape == "cluster" else "app"
        for delivery, asks in (("envfile", ASKS), ("launcher", LAUNCHER)):
            shaped = pod(
                place, f"{shape}-{delivery}", [revealing(image, ONE)], account=account, annotations=asks | annotations
            )
            made.append(shaped if shape == "pair" else job(shaped))
    made.append(unlabelled(pod(place, "alone", [revealing(image, ONE)], annotations=ASKS)))
    return made


@pytest.mark.parametrize("name", ["all", "all-launcher"])
def test_every_reference_is_what_it_refers_to(name: str, place: str) -> None:
    """Secrets, parameters, items, longer texts and filters, in one pod; the value reaches arguments by $(NAME)."""
    ended(place, name)
    (said,) = lines(place, name)

    assert said["variables"] == SEEN
    assert said["pid"] == 1
    in_arguments = {"all": [USER, "literal"], "all-launcher": ["literal"]}[name]
    assert said["arguments"] == [fingerprint(argument) for argument in in_arguments]


def test_the_application_of_an_env_file_sees_nothing_else(place: str) -> None:
    """No volume of ours, no variable that it did not have."""
    ended(place, "alone")
    (said,) = lines(place, "alone")

    assert said["variables"] == ONE_SEEN
    assert [path for path in said["mounts"] if "token-injector" in path or "aws" in path] == []
    assert [name for name in said["names"] if name.startswith(("AWS", "TOKEN_INJECTOR"))] == []


@pytest.mark.parametrize("name", ["several", "several-launcher"])
def test_every_container_and_the_authors_init_container_have_theirs(name: str, place: str) -> None:
    """Each of three sees the value."""
    ended(place, name)
    for container in ("prepares", "app", "other"):
        (said,) = lines(place, name, container)
        assert said["variables"] == ONE_SEEN


@pytest.mark.parametrize(("name", "second"), [("map", "FROM_MAP"), ("secret", "HIDDEN"), ("secret-init", "HIDDEN")])
def test_references_in_config_maps_and_secrets_are_resolved(name: str, second: str, place: str) -> None:
    """By key and whole; what a Secret holds the webhook never reads, so that the launcher looks."""
    ended(place, name)
    (said,) = lines(place, name)

    assert said["variables"] == vault.revealed({"KEY": USER, second: USER})
    (container,) = get("pod", name, place)["spec"]["containers"]
    assert (container["command"][0] == "/var/run/token-injector/launcher") is (second == "HIDDEN")


def test_files_are_made_of_references(place: str) -> None:
    """A template, and a value that no env file could hold."""
    ended(place, "files")
    (said,) = lines(place, "files")

    expected = {f"{FILES}/db.txt": f"user={USER}\n", f"{FILES}/quoted": vault.DATABASE["quoted"]}
    assert said["files"] == vault.revealed(expected)


@pytest.mark.parametrize("delivery", ["envfile", "launcher"])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_works_with_every_shape_of_the_federation(shape: str, delivery: str, place: str) -> None:
    """Native sidecar, pair, init container alone, no Google at all; and a Job completes where there is no pair."""
    name = f"{shape}-{delivery}"
    (line,) = told(place, name if shape == "pair" else first_pod(place, f"job-name={name}"))
    assert line["variables"] == ONE_SEEN
    if shape != "pair":
        until(
            f"the Job {name}",
            lambda: get("job", name, place)["status"].get("succeeded"),
            seconds=PATIENCE,
        )


@pytest.mark.parametrize(("name", "before"), [("stays", []), ("stays-launcher", LAUNCHES)])
def test_exec_sees_the_value(name: str, before: list[str], place: str) -> None:
    """With an env file as it is; with the launcher where it is asked to start the command."""
    told(place, name)
    command = [*before, "python3", "-m", "demo.cluster.reveal", "--variables=USER_NAME"]

    (said,) = map(json.loads, kubectl("exec", "-n", place, name, "-c", "app", "--", *command).splitlines())
    assert said["variables"] == ONE_SEEN
