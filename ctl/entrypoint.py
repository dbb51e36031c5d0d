"""`entrypoint`: which annotation says what an image starts, where the webhook can't ask the image's registry?

For air-gapped clusters and for CI: the answer is of this moment. All or nothing, as `inject`.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence

from contract import exit_codes
from contract.annotations import PREFIX
from ctl.docker_login import DockerLogin
from ctl.errors import UsageError
from ctl.streams import Streams
from serving.flags import Setting
from serving.settings import SettingError
from webhook.entrypoint.image_name import ImageNameError, parse_image_name
from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted
from webhook.flags import ENTRYPOINT_GROUP, SERVER_SETTINGS
from webhook.settings import parse_settings

# The webhook's own settings, but for those that speak of a cluster or of the webhook's pod.
_ONLY_WEBHOOK = ("entrypoint-lookup", "registry-local", "registry-pull-secret", "pull-secret-namespace")
_SETTINGS: tuple[Setting, ...] = tuple(
    setting for setting in SERVER_SETTINGS[ENTRYPOINT_GROUP] if setting.flag not in _ONLY_WEBHOOK
)
_TIMEOUT = "entrypoint-timeout"
# A person can wait longer than an API server, and a credential helper may ask for a password.
_DEFAULT_SECONDS = "25"
_LABEL_LIMIT = 63

DESCRIPTION = """\
Asks registries what images start, and writes the annotation that says so to the webhook: for registries that the
webhook can't reach, or may not read. Credentials are those of docker login (DOCKER_CONFIG, else ~/.docker), its
helpers among them.

exit codes: 0 written, 1 a registry does not tell, 2 a flag or a file can't be used
"""
EPILOG = """\
A tag can be pushed again, and then the annotation is wrong: give a digest where you can.

examples:
  kubectl token-injector entrypoint registry.example/shop/web:1.0
  kubectl token-injector entrypoint registry.example/shop/web:1.0 --container web --architecture arm64
  kubectl token-injector entrypoint --registry-insecure localhost:5000 localhost:5000/web -o json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Images and form, then the webhook's settings from its own table."""
    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGE", help="as a container's image is written")
    container = "the container that runs it, once for each image in their order (default: the image's last name)"
    add("--container", action="append", default=[], metavar="NAME", help=container)
    architecture = "of an image for several: as in kubernetes.io/arch (default: all have to start the same)"
    add("--architecture", metavar="ARCH", help=architecture)
    add("-o", "--output", choices=("yaml", "json"), default="yaml", help="default: yaml")
    group = parser.add_argument_group("registries, as the webhook's settings")
    for setting in _SETTINGS:
        group.add_argument(
            f"--{setting.flag}", dest=setting.flag, action="append", metavar=setting.metavar, help=_help(setting)
        )


def run(arguments: argparse.Namespace, environ: Mapping[str, str], streams: Streams) -> int:
    """Ask and write; returns the exit code. Raises `UsageError`."""
    containers = _containers(arguments.images, arguments.container)
    given = {setting.flag: list(value) for setting in _SETTINGS if (value := vars(arguments)[setting.flag])}
    known = {setting.variable: environ[setting.variable] for setting in _SETTINGS if setting.variable in environ}
    if _TIMEOUT not in given:
        given[_TIMEOUT] = [_DEFAULT_SECONDS]
    try:
        _, server = parse_settings(given, known)
    except SettingError as exc:
        raise UsageError(str(exc)) from exc
    from webhook.entrypoint.assemble import local_lookup  # noqa: PLC0415 - its HTTP costs the other commands a second

    lookup = local_lookup(server.entrypoint, DockerLogin(environ), at_once=1)
    annotations: dict[str, str] = {}
    failures = 0
    for image, container in zip(arguments.images, containers, strict=True):
        print(f"{image}: asking its registry", file=streams.stderr)
        found = lookup.look_up(Wanted(image=image, architecture=arguments.architecture))
        if isinstance(found, Failure) or found.is_empty:
            failures += 1
            print(f"{image}: {_problem(found)}", file=streams.stderr)
            continue
        annotations[f"{PREFIX}entrypoint.{container}"] = _value(found)
    lookup.stop()
    if failures:
        print(f"nothing was written: {failures} of {len(containers)} are not known", file=streams.stderr)
        return exit_codes.DENIED
    streams.stdout.write(_written(annotations, arguments.output))
    print("next: put this under metadata.annotations of the pod, or of the workload's template", file=streams.stderr)
    return exit_codes.OK


def _help(setting: Setting) -> str:
    """The setting's, with this command's default."""
    if setting.flag != _TIMEOUT:
        return setting.help
    return f"for everything that one image needs (default: {_DEFAULT_SECONDS})"


def _problem(found: Entrypoint | Failure) -> str:
    if isinstance(found, Failure):
        return f"{found.message}: docker login to it, or give --registry-mirror, --registry-ca or --registry-insecure"
    return "it has neither ENTRYPOINT nor CMD: say command in the container"


def _containers(images: Sequence[str], names: Sequence[str]) -> list[str]:
    """A container for each image. Raises `UsageError`."""
    if names and len(names) != len(images):
        raise UsageError(f"--container: {len(names)} names for {len(images)} images: give one for each, in their order")
    containers = list(names) or [_last_name(image) for image in images]
    wrong = [name for name in containers if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)]
    if wrong:
        raise UsageError(f"--container: {wrong[0]!r} is no container's name: expected lower case letters, digits and -")
    twice = [name for name in containers if containers.count(name) > 1]
    if twice:
        raise UsageError(f"--container: two images for the container {twice[0]}: give a name for each, in their order")
    return containers


def _last_name(image: str) -> str:
    try:
        repository = parse_image_name(image).repository
    except ImageNameError as exc:
        raise UsageError(f"{image!r}: {exc}") from exc
    return re.sub(r"[._-]+", "-", repository.rpartition("/")[2])[:_LABEL_LIMIT].strip("-")


def _value(found: Entrypoint) -> str:
    """What the annotation holds: ENTRYPOINT and CMD apart, as the pod's args replace only the latter."""
    return json.dumps({"entrypoint": found.entrypoint, "cmd": found.cmd})


def _written(annotations: Mapping[str, str], form: str) -> str:
    if form == "json":
        return json.dumps(annotations, indent=2, ensure_ascii=False) + "\n"
    # In YAML's single quotes only the quote itself is doubled; JSON escapes line breaks and all that is not ASCII.
    return "".join("{}: '{}'\n".format(key, value.replace("'", "''")) for key, value in annotations.items())
