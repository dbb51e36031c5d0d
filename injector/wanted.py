"""What does each container want, variable by variable, and what each file? Pure: plan and texts in, templates out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from injector.record import Record
from secretenv.references import MalformedReferenceError, Template, parse
from secretenv.stores import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from secretenv.plan import ContainerPlan, FilePlan, Plan
    from secretenv.references import Reference, Syntax

    Prepare = Callable[[Template], Template]
    Result = str | bytes | Refusal | None
    """Text, bytes (a file's), why there is none, or None: it refers to nothing and stays as it was written."""


class Wanted(Record):
    """One variable of a container, or one file."""

    taker: str
    """`container NAME` or `file NAME`: what is written, served and rotated as one."""
    name: str
    text: str
    """As the author wrote it; of a variable from a Secret it may hold more than references."""
    template: Template | Refusal | None
    """None: it refers to nothing; a refusal: it is meant as a reference and is none."""

    @property
    def key(self) -> str:
        """Its name among all that are wanted."""
        return f"{self.taker}\n{self.name}"

    @property
    def where(self) -> str:
        """What a person calls it."""
        return self.taker if self.is_file else f"{self.name} in {self.taker}"

    @property
    def is_file(self) -> bool:
        """A file can hold bytes, a variable cannot."""
        return self.taker == file_taker(self.name)

    @property
    def references(self) -> tuple[Reference, ...]:
        """Its references, in order."""
        return self.template.references if isinstance(self.template, Template) else ()


def container_taker(name: str) -> str:
    """The taker of a container's variables."""
    return f"container {name}"


def file_taker(name: str) -> str:
    """The taker of a file."""
    return f"file {name}"


def takers(plan: Plan) -> tuple[str, ...]:
    """All of them, those that refer to nothing too."""
    return (
        *(container_taker(container.name) for container in plan.containers),
        *(file_taker(file.name) for file in plan.files),
    )


def of_plan(plan: Plan, environ: Mapping[str, str], prepare: Prepare) -> tuple[Wanted, ...]:
    """Everything that is known before a launcher asks."""
    containers = [wanted for container in plan.containers for wanted in of_container(container, plan, environ, prepare)]
    return (*containers, *(of_file(file, plan, prepare) for file in plan.files))


def of_container(
    container: ContainerPlan, plan: Plan, environ: Mapping[str, str], prepare: Prepare
) -> tuple[Wanted, ...]:
    """The listed variables, and those that the kubelet alone knows and that refer to something."""
    listed = {variable.name: variable.text for variable in container.variables}
    found = _unlisted(container, _copied(container, environ), plan.syntax, prepare)
    return (*_of_texts(container, listed, plan.syntax, prepare), *found)


def of_request(container: ContainerPlan, plan: Plan, sent: Mapping[str, str], prepare: Prepare) -> tuple[Wanted, ...]:
    """The references in the variables that a container's launcher sent; where its plan allows none, nothing."""
    if not container.own_environment:
        return ()
    return _unlisted(container, sent, plan.syntax, prepare)


def of_file(file: FilePlan, plan: Plan, prepare: Prepare) -> Wanted:
    """One file."""
    taker = file_taker(file.name)
    return Wanted(taker=taker, name=file.name, text=file.text, template=_template(file.text, plan.syntax, prepare))


def _of_texts(container: ContainerPlan, texts: Mapping[str, str], syntax: Syntax, prepare: Prepare) -> Iterable[Wanted]:
    taker = container_taker(container.name)
    return [
        Wanted(taker=taker, name=name, text=text, template=_template(text, syntax, prepare))
        for name, text in texts.items()
    ]


def _unlisted(
    container: ContainerPlan, sent: Mapping[str, str], syntax: Syntax, prepare: Prepare
) -> tuple[Wanted, ...]:
    """What refers to something of a container's variables that its plan does not list."""
    known = {variable.name for variable in container.variables}
    texts = {name: text for name, text in sent.items() if name not in known}
    found = {one.name: one for one in _of_texts(container, texts, syntax, prepare) if one.template is not None}
    parts = {one.name: one.of for one in container.joined}
    return tuple(
        _unless_changed(one, [found[name] for name in parts.get(one.name, ()) if name in found])
        for one in found.values()
    )


def _unless_changed(one: Wanted, parts: Iterable[Wanted]) -> Wanted:
    """A variable is refused where a text that is a reference has become another one in it: nobody meant that secret."""
    own = {replace(reference, filters=()) for reference in one.references}
    for part in parts:
        if part.text in one.text and any(replace(each, filters=()) not in own for each in part.references):
            reason = (
                f"$({part.name}) is a reference, and the text around it makes another one of it: let the application "
                f"read {part.name}, or write ${{…}} with each reference in it"
            )
            return one.replace(template=Refusal(reason="invalid", message=reason))
    return one


def _copied(container: ContainerPlan, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The container's variables, as the kubelet made them here; what it did not find has kept our name for it."""
    prefix = container.copied
    if not prefix:
        return {}
    return {
        name.removeprefix(prefix): text.replace(f"$({prefix}", "$(")
        for name, text in environ.items()
        if name.startswith(prefix)
    }


def _template(text: str, syntax: Syntax, prepare: Prepare) -> Template | Refusal | None:
    try:
        template = parse(text, syntax)
    except MalformedReferenceError as exc:
        return Refusal(reason="invalid", message=str(exc))
    return template and prepare(template)
