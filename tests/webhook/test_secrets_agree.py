"""What the webhook writes about secrets, the injected container, the kubelet and the launcher read as it was meant."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from contract import pod as names
from contract import secrets
from injector import settings as injector_settings
from injector.delivering import deliverable
from injector.wanted import of_plan
from secretenv.plan import Plan, from_json
from tests.webhook.cases import golden_cases
from webhook.env import INJECTED_VARIABLES
from webhook.pod import CONTAINER_LISTS, INJECTED_CONTAINERS

VALUE = "value"


def injected_pods() -> Iterator[Any]:
    """The golden pods to which secrets are delivered."""
    for case in golden_cases():
        path = case.folder / "expected.yaml"
        if path.exists() and secrets.PLAN in path.read_text():
            yield pytest.param(yaml.safe_load(path.read_text())["spec"], id=case.folder.name)


def delivering(spec: dict[str, Any]) -> dict[str, Any]:
    """The injected container that has the plan."""
    [found] = [
        container
        for which in CONTAINER_LISTS
        for container in spec.get(which) or ()
        if any(entry["name"] == secrets.PLAN for entry in container.get("env") or ())
    ]
    return dict(found)


def environment(container: dict[str, Any]) -> dict[str, str]:
    """What its process sees, as far as it stands in the pod: the kubelet reads $$ as $."""
    return {
        entry["name"]: entry["value"].replace("$$", "$") for entry in container.get("env") or () if "value" in entry
    }


def planned(spec: dict[str, Any]) -> Plan:
    """The plan of the injected container."""
    return from_json(environment(delivering(spec))[secrets.PLAN])


def authors(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The containers that are not injected."""
    for which in CONTAINER_LISTS:
        yield from (each for each in spec.get(which) or () if each["name"] not in INJECTED_CONTAINERS)


def mounted(container: dict[str, Any]) -> dict[str, str]:
    """Mount path by volume."""
    return {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts") or ()}


@pytest.mark.parametrize("spec", list(injected_pods()))
def test_the_injected_container_is_told_to_deliver(spec: dict[str, Any]) -> None:
    """It stands first; by its command it fetches a token and delivers, or delivers alone, for ever or once."""
    container = delivering(spec)
    program, *arguments = container["command"]
    is_native = container.get("restartPolicy") == "Always"
    # The launcher keeps this for itself, and tells its children what each has to do.
    handed_on = [argument for argument in arguments if argument != "--refresh=true"]

    assert spec["initContainers"][0] == container
    assert program == names.LAUNCHER
    if container["name"] == secrets.SECRETS_CONTAINER:
        assert arguments[0] == secrets.SECRETS_COMMAND
        assert ("--refresh=true" in arguments) is is_native
        assert set(arguments[1:]) <= {"--refresh=true", "--log-level=debug"}
        assert injector_settings.parse(handed_on, environment(container))
        return
    meant = injector_settings.parse(handed_on, environment(container))
    assert isinstance(meant, injector_settings.Settings)
    assert ("--refresh=true" in arguments) is is_native
    assert meant.has_plan
    # The reader assumes its role with the token that it fetches, or with its author's, which another volume brings.
    token_file = environment(container)["AWS_WEB_IDENTITY_TOKEN_FILE"]
    [volume] = [name for name, path in mounted(container).items() if token_file.startswith(f"{path}/")]
    assert (meant.file == token_file) is (volume == names.VOLUME_NAME)
    assert meant.file.startswith(f"{mounted(container)[names.VOLUME_NAME]}/")


@pytest.mark.parametrize("spec", list(injected_pods()))
def test_others_wait_for_the_token_and_for_the_secrets(spec: dict[str, Any]) -> None:
    """The hook of a native sidecar awaits the files that the container writes, in its own volumes."""
    container = delivering(spec)
    if container.get("restartPolicy") != "Always":
        assert "lifecycle" not in container
        return
    command = container["lifecycle"]["postStart"]["exec"]["command"]
    awaited = [word for word in command[2:] if not word.startswith("--")]

    words = (*container.get("command", ()), *container.get("args", ()))
    token = [word.removeprefix("--file=") for word in words if word.startswith("--file=")]
    assert command[:2] == [names.LAUNCHER, names.AWAIT_COMMAND]
    assert awaited == [*token, f"{mounted(container)[secrets.STATE_VOLUME]}/{secrets.READY_FILE}"]


@pytest.mark.parametrize("spec", list(injected_pods()))
def test_the_injector_writes_what_the_kubelet_reads(spec: dict[str, Any]) -> None:
    """Every fileKeyRef names a file that the injected container writes for this container, and no other stays over."""
    container, plan = delivering(spec), planned(spec)
    wants = of_plan(plan, {}, lambda template: template)
    written = {file.path for file in deliverable(plan, wants, {one.key: VALUE for one in wants})}
    places, read = mounted(container), set()
    for author in authors(spec):
        for entry in author.get("env") or ():
            reference = (entry.get("valueFrom") or {}).get("fileKeyRef")
            if reference:
                assert reference["key"] == entry["name"]
                assert reference["volumeName"] not in mounted(author)
                read.add(f"{places[reference['volumeName']]}/{reference['path']}")

    by_launcher = {f"{one.directory}/{secrets.ENV_FILE}" for one in plan.containers if one.delivery == "env"}
    files = {f"{plan.files_directory}/{file.name}" for file in plan.files}
    assert written == read | by_launcher | files


@pytest.mark.parametrize("spec", list(injected_pods()))
def test_the_launcher_asks_where_somebody_answers(spec: dict[str, Any]) -> None:
    """Its socket or file lies in the one volume that it shares with the injected container, and it starts a command."""
    container, plan = delivering(spec), planned(spec)
    planned_by_name = {one.name: one for one in plan.containers}
    sockets = environment(container).get(secrets.SOCKETS, "").split(":")
    for author in authors(spec):
        one = planned_by_name.get(author["name"])
        own = {name: path for name, path in mounted(author).items() if name.startswith(secrets.VOLUME_PREFIX)}
        if one is None or one.delivery == "envfile":
            assert own == {}
            assert (author.get("command") or [""])[0] != f"{secrets.APPLICATION_PATH}/{secrets.LAUNCHER_FILE}"
            continue
        [(volume, path)] = own.items()
        assert path == secrets.APPLICATION_PATH
        assert one.directory == mounted(container)[volume]
        launcher, word, source, timeout, *rest = author["command"]
        assert (launcher, word) == (f"{path}/{secrets.LAUNCHER_FILE}", secrets.EXEC_COMMAND)
        assert re.fullmatch(r"--timeout=[0-9]+", timeout)
        assert rest[rest.index("--") + 1 :]
        known = rf"--supervise=(restart|signal:[A-Z0-9]+)|--stop-signal=SIG[A-Z0-9+-]+|{secrets.EXPANDED_FLAG}=.+"
        known += rf"|{secrets.TERMINATION_LOG_FLAG}=/.+"
        assert all(re.fullmatch(known, word) for word in rest[: rest.index("--")])
        kind, _, file = source.removeprefix("--from=").partition(":")
        asked = f"{one.directory}/{file.removeprefix(path + '/')}"
        assert (kind, asked in sockets) == (("unix", True) if one.delivery == "socket" else ("file", False))


@pytest.mark.parametrize("spec", list(injected_pods()))
def test_what_is_copied_is_there(spec: dict[str, Any]) -> None:
    """The injected container has the application's variables under the plan's prefix, where it looks there."""
    container, plan = delivering(spec), planned(spec)
    application = {author["name"]: author for author in authors(spec)}
    for one in plan.containers:
        prefix, author = one.copied, application[one.name]
        sources = [each for each in container.get("envFrom") or () if prefix and each["prefix"].startswith(prefix)]
        copied = [each for each in container["env"] if prefix and each["name"].startswith(prefix)]
        written = [each for each in author.get("env") or () if each["name"] not in INJECTED_VARIABLES]
        assert [each["name"] for each in copied] == [prefix + each["name"] for each in written if prefix]
        assert [{**each, "prefix": each["prefix"].removeprefix(prefix)} for each in sources] == [
            {"prefix": "", **each} for each in author.get("envFrom") or () if prefix
        ]


@pytest.mark.parametrize("spec", list(injected_pods()))
def test_every_container_sees_its_own_secrets_alone(spec: dict[str, Any]) -> None:
    """Volumes of secrets are in memory and bounded; nobody mounts another's, the state or the broker's token."""
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    shared = {secrets.STATE_VOLUME, secrets.BROKER_TOKEN_VOLUME}
    seen: list[str] = []
    for author in authors(spec):
        assert not shared & mounted(author).keys()
        seen += [name for name in mounted(author) if name.startswith(secrets.VOLUME_PREFIX)]
    assert len(seen) == len(set(seen))
    for name, volume in volumes.items():
        if name.startswith(secrets.VOLUME_PREFIX) or name in {secrets.STATE_VOLUME, secrets.FILES_VOLUME}:
            assert volume["emptyDir"]["medium"] == "Memory"
            assert volume["emptyDir"]["sizeLimit"]
    if planned(spec).broker:
        [source] = volumes[secrets.BROKER_TOKEN_VOLUME]["projected"]["sources"]
        assert source["serviceAccountToken"]["audience"] == secrets.BROKER_AUDIENCE
