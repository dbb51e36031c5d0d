"""A pod with secrets, for tests: plans, a store whose state a test changes, and a clock that only sleeps move."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from injector.backend import Backend
from injector.first_token import FirstToken
from injector.once import World
from injector.report import Next
from injector.secrets import deliver
from injector.secrets_settings import Secrets
from injector.settings import Shared
from secretenv.plan import ContainerPlan, Delivery, FilePlan, Plan, Variable, to_json
from secretenv.references import Secret, Source, Syntax
from secretenv.stores import Fetched, Refusal

CANARY = "canary-4f1e"
OURS = Syntax(ours=True, arns=False, piggy=None)


class FakeStore:
    """Secrets by name; a refusal in a value's place is given as it is. Remembers what it was asked."""

    def __init__(self, **secrets: str | bytes | Refusal) -> None:
        self.secrets = dict(secrets)
        self.versions_of: dict[str, int] = {}
        self.asked: list[str] = []
        self.polled: list[str] = []
        self.down = False
        self.tries_until_back = 0

    def change(self, name: str, value: str | bytes | Refusal) -> None:
        """Put a new version."""
        self.secrets[name] = value
        self.versions_of[name] = self.versions_of.get(name, 0) + 1

    def fetch(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, Fetched | Refusal]:
        """As `Store` says."""
        assert timeout > 0
        self.asked += [_name(source) for source in sources]
        return {source: self._outcome(_name(source)) for source in sources}

    def versions(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, str | Refusal]:
        """As `Versions` says."""
        assert timeout > 0
        self.polled += [_name(source) for source in sources]
        outcomes = {source: self._outcome(_name(source)) for source in sources}
        return {source: found.version if isinstance(found, Fetched) else found for source, found in outcomes.items()}

    def _outcome(self, name: str) -> Fetched | Refusal:
        if self.down or self.tries_until_back > 0:
            self.tries_until_back -= 1
            return UNAVAILABLE
        value = self.secrets.get(name, Refusal(reason="not_found", message=f"secret {name}: it does not exist"))
        return value if isinstance(value, Refusal) else Fetched(value=value, version=str(self.versions_of.get(name, 0)))


UNAVAILABLE = Refusal(reason="unavailable", message="AWS did not answer")
DENIED = Refusal(reason="access_denied", message="secret db: the role reader lacks secretsmanager:GetSecretValue")


def _name(source: Source) -> str:
    assert isinstance(source, Secret)
    return source.name


@dataclass(slots=True)
class Pod:
    """One pod: its folders, its store, its time, the events that were logged."""

    folder: Path
    store: FakeStore
    environ: dict[str, str] = field(default_factory=dict)
    now: float = 1000.0
    sleeps: list[float] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    warmed: list[set[str]] = field(default_factory=list)
    """What the reader was to make ready for."""

    is_warm: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        for name in ("state", "files"):
            (self.folder / name).mkdir()
        (self.folder / "launcher").write_bytes(b"a launcher")

    def world(self) -> World:
        """Clocks that move only when somebody sleeps; the dice are in the middle."""

        def sleep(seconds: float) -> None:
            self.sleeps.append(seconds)
            self.now += seconds

        def log(level: str, event: str, **fields: object) -> None:
            self.events.append({"level": level, "event": event, **fields})

        return World(now=lambda: self.now, monotonic=lambda: self.now, sleep=sleep, dice=lambda: 0.5, log=log)

    def container(self, name: str, delivery: Delivery = "envfile", **variables: str) -> ContainerPlan:
        """A container whose volume is a folder of its name."""
        directory = self.folder / name
        directory.mkdir(exist_ok=True)
        listed = tuple(Variable(name=name, text=text) for name, text in variables.items())
        return ContainerPlan(name=name, delivery=delivery, directory=str(directory), variables=listed)

    def plan(self, *containers: ContainerPlan, files: Mapping[str, str] | None = None, **more: Any) -> Plan:
        """A plan for these containers and files."""
        wanted = tuple(FilePlan(name=name, text=text) for name, text in (files or {}).items())
        usual: dict[str, Any] = {"syntax": OURS, "files_directory": str(self.folder / "files")}
        return Plan(**usual | more, containers=containers, files=wanted)

    def asked(self, plan: Plan, /, *, launched: bool = True, **more: Any) -> Secrets:
        """What the command is told."""
        shared = Shared(termination_log="/nowhere", create_termination_log=False, time_divisor=1)
        settings = {
            "plan": to_json(plan),
            "report_fd": 3 if launched else None,
            "sockets": 0,
            "deadline": 30,
            "log_level": "debug",
            "state": str(self.folder / "state"),
            "launcher": str(self.folder / "launcher"),
            "has_metrics": False,
            "shared": shared,
        }
        return Secrets(**settings | more)

    def deliver(self, plan: Plan, /, *, launched: bool = True, token: FirstToken | None = None, **more: Any) -> Next:
        """Run the command once, without sockets."""
        reader = Backend(store=self.store, prepare=lambda template: template, warm=self._warm)
        asked = self.asked(plan, launched=launched, **more)
        return deliver(asked, self.environ, self.world(), token=token, choose=lambda *_: reader)

    def _warm(self, sources: Collection[Source]) -> None:
        self.warmed.append({_name(source) for source in sources})
        self.is_warm.set()

    def written(self) -> dict[str, str]:
        """Every file that is there now, but for the launcher's source, by its path."""
        paths = [path for path in sorted(self.folder.rglob("*")) if path.is_file() and path.parent != self.folder]
        return {str(path.relative_to(self.folder)): path.read_text() for path in paths}

    def said(self) -> str:
        """Everything that was logged."""
        return repr(self.events)
