"""A kubelet for one machine: runs a patched pod's containers as the pod describes them, without root or images.

Strict where it matters: a container gets the environment, command, hooks and order of its description and nothing
else. An image is a folder of programs by the path at which the container calls them.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What an image's paths are on this machine, and the environment that it brings."""

    programs: Mapping[str, Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict)


class HookFailedError(Exception):
    """A postStart hook ended with another code than 0: the kubelet kills the container. Carries its last words."""


class Kubelet:
    """Runs one pod. The termination message of each container is a file in `folder`."""

    def __init__(self, *, folder: Path, images: Mapping[str, Image]) -> None:
        self._folder = folder
        self._images = images
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self.stop(name)

    def start_init_containers(self, pod: Mapping[str, Any]) -> None:
        """In order: a native sidecar has started when its postStart hook is through, any other when it ended well."""
        for container in pod["spec"].get("initContainers") or ():
            process = self._start(container)
            if container.get("restartPolicy") == "Always":
                self._running[container["name"]] = process
                self._post_start(container)
            elif process.wait(timeout=120):
                raise HookFailedError(self.termination_message(container["name"]))

    def start_containers(self, pod: Mapping[str, Any], *, but: Sequence[str] = ()) -> None:
        """Start the ordinary containers that the caller does not run itself."""
        for container in pod["spec"]["containers"]:
            if container["name"] not in but:
                self._running[container["name"]] = self._start(container)

    def run(self, container: Mapping[str, Any], *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run a container to its end and give what it printed; its exit code is not looked at."""
        command = [*self._command(container, container["command"]), *arguments]
        line = {**self._environment(container), **(env or {})}
        return subprocess.run(command, env=line, capture_output=True, text=True, timeout=120, check=False).stdout

    def stop(self, name: str) -> float:
        """End a container as the kubelet does; gives the seconds it took."""
        process = self._running.pop(name)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return time.monotonic() - started

    def is_running(self, name: str) -> bool:
        """Whether a container that was started has not ended."""
        return name in self._running and self._running[name].poll() is None

    def termination_message(self, name: str) -> str:
        """What the container left in its terminationMessagePath."""
        path = self._termination_log(name)
        return path.read_text() if path.exists() else ""

    def _termination_log(self, name: str) -> Path:
        return self._folder / f"{name}.termination"

    def _post_start(self, container: Mapping[str, Any]) -> None:
        hook = container.get("lifecycle", {}).get("postStart", {}).get("exec", {}).get("command")
        if not hook:
            return
        command = self._command(container, hook)
        finished = subprocess.run(
            command, env=self._environment(container), capture_output=True, timeout=180, check=False
        )
        if finished.returncode:
            self.stop(container["name"])
            raise HookFailedError(self.termination_message(container["name"]))

    def _start(self, container: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        # Each start of a container has a termination log of its own.
        self._termination_log(container["name"]).unlink(missing_ok=True)
        with (self._folder / f"{container['name']}.log").open("ab") as log:
            return subprocess.Popen(
                self._command(container, container["command"]),
                env=self._environment(container),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _command(self, container: Mapping[str, Any], command: Sequence[str]) -> list[str]:
        """A program that the image does not have is an error, as in a container."""
        programs = self._images[container["image"]].programs
        for path, program in programs.items():
            length = len(path.split())
            if " ".join(command[:length]) == path:
                return [*program, *command[length:]]
        raise FileNotFoundError(f"image {container['image']} has no program {command[0]}")

    def _environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        message = self._termination_log(container["name"])
        written = {entry["name"]: entry["value"] for entry in container.get("env") or ()}
        return {
            "PATH": os.defpath,
            **self._images[container["image"]].env,
            **written,
            "TOKEN_INJECTOR_TERMINATION_LOG": str(message),
        }
