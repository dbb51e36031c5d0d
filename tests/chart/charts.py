"""What the chart's tests share: helm, the golden cases as data, and what a kubelet makes of arguments."""

import functools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/token-injector"
GOLDEN = Path(__file__).parent / "golden"
KUBERNETES = "1.36"
LABEL = "admission.token-injector/enabled"
Manifest = dict[str, Any]

_COMMAND = re.compile(r"# helm template (.*?): ")
_VARIABLE = re.compile(r"\$\$|\$\(([^()]*)\)")


def helm(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run helm, which must neither find a cluster nor read this user's files. Skips where there is none."""
    found = shutil.which("helm")
    if found is None:
        pytest.skip("helm is not on PATH")
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": os.devnull}
    return subprocess.run(
        [found, *arguments], input=stdin, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def with_values(values: Mapping[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm with values beyond the defaults."""
    return helm(*arguments, "--values", "-", stdin=yaml.safe_dump(dict(values)))


def template(values: Mapping[str, Any], *arguments: str) -> list[Manifest]:
    """The objects that these values give."""
    command = ("template", "token-injector", str(CHART), "--namespace", "token-injector", "--kube-version", KUBERNETES)
    finished = with_values(values, *command, *arguments)
    assert finished.returncode == 0, finished.stderr
    return objects(finished.stdout)


def objects(text: str) -> list[Manifest]:
    """The documents that are not empty."""
    return [dict(document) for document in yaml.safe_load_all(text) if document]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartCase:
    """A folder: values.yaml, whose first line says how helm is called and why, in; expected.yaml out."""

    folder: Path

    @property
    def command(self) -> list[str]:
        """The helm command of the first line, whole."""
        found = _COMMAND.match((self.folder / "values.yaml").read_text())
        assert found, f"{self.folder.name}/values.yaml does not begin with '# helm template NAME …: why'"
        release, *flags = shlex.split(found[1])
        version = [] if "--kube-version" in flags else ["--kube-version", KUBERNETES]
        return ["template", release, str(CHART), *flags, *version, "--values", str(self.folder / "values.yaml")]

    @property
    def expected(self) -> list[Manifest]:
        """The objects that the case holds."""
        return objects((self.folder / "expected.yaml").read_text())


@functools.cache
def chart_cases() -> tuple[ChartCase, ...]:
    """Every folder is a case."""
    return tuple(ChartCase(folder=folder) for folder in sorted(GOLDEN.iterdir()))


def case(name: str) -> ChartCase:
    """One of them."""
    return ChartCase(folder=GOLDEN / name)


CASES = [pytest.param(one, id=one.folder.name) for one in chart_cases()]


def of_kind(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    """The objects of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def of_component(manifests: Sequence[Manifest], component: str) -> list[Manifest]:
    """The objects of webhook, broker or certs."""
    label = "app.kubernetes.io/component"
    return [manifest for manifest in manifests if manifest["metadata"].get("labels", {}).get(label) == component]


def pod_templates(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Each pod or pod template, with the kind of its object."""
    for manifest in manifests:
        match manifest["kind"]:
            case "Pod":
                yield "Pod", manifest
            case "Deployment" | "Job":
                yield manifest["kind"], manifest["spec"]["template"]
            case "CronJob":
                yield "CronJob", manifest["spec"]["jobTemplate"]["spec"]["template"]


def arguments_of(pod: Manifest) -> list[str]:
    """The only container's arguments as its process gets them: the kubelet expands $(NAME) and turns $$ into $."""
    (container,) = pod["spec"]["containers"]
    environ = {entry["name"]: entry["value"] for entry in container.get("env", [])}

    def expanded(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environ.get(found[1], found[0])

    return [_VARIABLE.sub(expanded, argument) for argument in container["args"]]
