"""What the webhook writes, the token tool reads as it was meant; and the injected container is a restricted one."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonpatch
import pytest

from contract import pod as names
from contract.annotations import AUDIENCE, REFRESHER, ROLE_ARN, TOKEN_FILE, VOLUME_PATH
from injector import settings as injector_settings
from tests.webhook.cases import golden_cases
from webhook.mutate import mutate
from webhook.pod import CONTAINER_LISTS, INJECTED_CONTAINERS
from webhook.settings import Settings, parse_settings

ROLE = "arn:aws:iam::123456789012:role/orders"
POD = {
    "metadata": {"labels": {"admission.token-injector/enabled": "true"}},
    "spec": {"containers": [{"name": "app", "image": "registry.example/orders:1"}]},
}
AUDIENCES = (names.GOOGLE_AUDIENCE, "sts.amazonaws.com", "--file=/etc/passwd", "a=b", "$(HOME)$$x$", "'\"\\")
PROGRAMS = {"launcher": [names.LAUNCHER], "python": list(names.PYTHON_REFRESHER)}


def injected(settings: Settings, **annotations: str) -> list[dict[str, Any]]:
    """The containers that a pod gets."""
    keys = {"audience": AUDIENCE, "refresher": REFRESHER, "volume_path": VOLUME_PATH, "token_file": TOKEN_FILE}
    account = {ROLE_ARN: ROLE} | {keys[name]: value for name, value in annotations.items()}
    mutation = mutate(POD, "shop", account, settings, seed="uid")
    assert mutation.patch, mutation.decision
    spec = jsonpatch.apply_patch(POD, mutation.patch)["spec"]
    return [
        container
        for which in CONTAINER_LISTS
        for container in spec.get(which) or ()
        if container["name"] in INJECTED_CONTAINERS
    ]


def as_executed(command: list[str], container: dict[str, Any]) -> list[str]:
    """The command after the kubelet has expanded it.

    https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container: $(NAME) is replaced by a
    variable of the container, an unknown one stays, and $$ is a $.
    """
    variables = {entry["name"]: entry["value"] for entry in container.get("env") or ()}

    def expanded(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return [re.sub(r"\$\$|\$\(([^)]*)\)", expanded, word) for word in command]


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize(("program", "shape"), list(itertools.product(PROGRAMS, ("native", "sidecar", "none"))))
def test_commands_mean_what_was_meant(
    program: str, shape: str, audience: str, make_settings: Callable[..., Settings]
) -> None:
    """File, refresh and audience as the token tool reads them, and which of the containers refreshes."""
    settings = make_settings(refresher_program=program, injector_env="HOME=/nonexistent")
    containers = injected(settings, audience=audience, refresher=shape, volume_path="/aws", token_file="jwt")

    refreshes = {}
    for container in containers:
        command = as_executed(container["command"], container)
        assert command[: len(PROGRAMS[program])] == PROGRAMS[program]
        meant = injector_settings.parse(command[len(PROGRAMS[program]) :], {})
        assert isinstance(meant, injector_settings.Settings)
        assert (meant.file, meant.audience) == ("/aws/jwt", audience)
        assert not meant.print_token
        refreshes[container["name"]] = meant.refresh

    assert (
        refreshes
        == {
            "native": {names.UPDATE_CONTAINER: True},
            "sidecar": {names.GENERATE_CONTAINER: False, names.UPDATE_CONTAINER: True},
            "none": {names.GENERATE_CONTAINER: False},
        }[shape]
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_post_start_awaits_the_same_file(program: str, make_settings: Callable[..., Settings]) -> None:
    """The hook of the native sidecar waits for the file that the sidecar writes, as long as the setting says."""
    [sidecar] = injected(
        make_settings(refresher_program=program, token_wait="30"), volume_path="/aws", token_file="jwt"
    )

    command = as_executed(sidecar["lifecycle"]["postStart"]["exec"]["command"], sidecar)
    assert command[: len(PROGRAMS[program])] == PROGRAMS[program]
    meant = injector_settings.parse(command[len(PROGRAMS[program]) :], {})

    assert isinstance(meant, injector_settings.Await)
    assert (meant.files, meant.timeout) == (("/aws/jwt",), 30)


def test_the_token_is_where_the_application_looks(make_settings: Callable[..., Settings]) -> None:
    """The mount, the file and the variable of three containers name one path."""
    settings = make_settings()
    mutation = mutate(POD, "shop", {ROLE_ARN: ROLE}, settings, seed="uid")
    spec = jsonpatch.apply_patch(POD, mutation.patch)["spec"]
    [application], [sidecar] = spec["containers"], spec["initContainers"]

    variable = next(entry["value"] for entry in application["env"] if entry["name"] == "AWS_WEB_IDENTITY_TOKEN_FILE")
    meant = injector_settings.parse(sidecar["command"][1:], {})

    assert isinstance(meant, injector_settings.Settings)
    assert meant.file == variable == f"{names.VOLUME_PATH}/{names.TOKEN_FILE}"
    [application_mount], [mount] = application["volumeMounts"], sidecar["volumeMounts"]
    assert application_mount == {**mount, "readOnly": True}


def test_injected_containers_carry_nothing_of_the_applications(make_settings: Callable[..., Settings]) -> None:
    """Their environment is the operator's alone: an AWS variable would be read by what runs beside the token."""
    for shape in ("native", "sidecar", "none"):
        for container in injected(make_settings(region="eu-west-1", injector_env="A=1"), refresher=shape):
            assert container["env"] == [{"name": "A", "value": "1"}]


def all_injected() -> Iterator[Any]:
    """The injected containers of every golden case."""
    for case in golden_cases():
        if case.old is not None:  # what runs in a running pod was injected when it was created
            continue
        mutation = case.mutate()
        if not mutation.patch:
            continue
        spec = jsonpatch.apply_patch(case.pod, mutation.patch)["spec"]
        for which in CONTAINER_LISTS:
            for container in spec.get(which) or ():
                if container["name"] in INJECTED_CONTAINERS:
                    yield pytest.param(container, id=f"{case.folder.name}-{container['name']}")


@pytest.mark.parametrize("container", list(all_injected()))
def test_injected_containers_are_restricted(container: dict[str, Any]) -> None:
    """Each rule of the restricted Pod Security Standard holds by the container's own fields.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and of #baseline above it. None of
    them may rely on the pod's security context, which is its author's.
    """
    context = container["securityContext"]

    # Baseline: privileged containers, host ports, /proc mount type, SELinux, AppArmor, sysctls, HostProcess.
    assert context["privileged"] is False
    assert not any("hostPort" in port for port in container.get("ports", ()))
    assert not {"procMount", "seLinuxOptions", "appArmorProfile", "windowsOptions"} & context.keys()
    # Restricted: privilege escalation, running as non-root, non-root user, seccomp, capabilities.
    assert context["allowPrivilegeEscalation"] is False
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] != 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["capabilities"] == {"drop": ["ALL"]}
    # Not asked for by the standard: nothing of the image can be changed.
    assert context["readOnlyRootFilesystem"] is True


def test_volumes_are_restricted() -> None:
    """The restricted standard takes emptyDir and projected volumes, and no hostPath."""
    for mode, source in (("google", "emptyDir"), ("cluster", "projected")):
        settings, _ = parse_settings({"image": ["i"], "mode": [mode]}, {})
        mutation = mutate(POD, "shop", {ROLE_ARN: ROLE}, settings, seed="uid")

        [volume] = jsonpatch.apply_patch(POD, mutation.patch)["spec"]["volumes"]

        assert set(volume) == {"name", source}
