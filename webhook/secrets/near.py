"""Which values were surely meant as references and are none? `SM://db`, `sm:/db`, `smn://db`, `Piggy:user`, a bare ARN.

Pure. Only whole values, and only what is no ordinary text: each warning is about a mistake. What is said of a value is
how it begins, as far as its scheme; the rest may be a secret.
"""

import re
from collections.abc import Iterator

from contract import annotations as keys
from secretenv.grammar import SCHEMES
from secretenv.references import MalformedReferenceError, Syntax, parse
from webhook import values
from webhook.pod import Pod, application_containers
from webhook.precedence import Annotations

# Of all variables of a pod; the rest are counted.
_TOLD = 3
_NOBODY: frozenset[str] = frozenset()
_NAMES = tuple(scheme.removesuffix("://") for scheme in SCHEMES)
# Schemes of other people that look like a slip of ours. https://www.iana.org/assignments/uri-schemes
_WELL_KNOWN = frozenset(
    ("db", "ms", "s", "m", "sb", "smb", "sms", "smp", "smtp", "ss", "ssh", "s3", "dns", "dds", "asm")
)
# What lies beside a scheme's last letter on a keyboard.
_BESIDE = {"m": "njk", "b": "vghn", "h": "gjyn"}
_ARNS = Syntax(ours=True, arns=True, piggy=None)


def _slips(name: str) -> Iterator[str]:
    """The name with one letter twice, with one less, or with one more behind it."""
    for at, letter in enumerate(name):
        yield name[:at] + letter + name[at:]
        yield name[:at] + name[at + 1 :]
    yield from (name + letter for letter in _BESIDE[name[-1]])


_SLIPS = {slip: name for name in _NAMES for slip in _slips(name)}
_TYPOS = {slip: name for slip, name in _SLIPS.items() if slip not in _WELL_KNOWN and slip not in _NAMES}
_ANY_NAME = "|".join(sorted(_NAMES, key=len, reverse=True))
# (?ai:): capitals of ASCII alone; else Python takes letters of other alphabets for an i and an s.
_CASE = re.compile(rf"((?ai:{_ANY_NAME}))://\S+")
# One slash, no colon, or a colon too many.
_MARKS = re.compile(rf"((?ai:{_ANY_NAME}))(?:(?::/|//)(?![/\s])|:{{2,}}/{{1,3}}(?!/))\S+")
_TYPO = re.compile(r"([A-Za-z-]{1,9})://\S+")
_PIGGY = re.compile(r"\s*(?ai:piggy)(?:\s*:\s*|\s+)[\w./-]+\s*")
# How any of these begins; most values of most pods do not.
_LETTERS = "".join(sorted({name[0] for name in (*_NAMES, *_TYPOS)}))
_WORTH_A_LOOK = re.compile(rf"(?ai:arn:|[{_LETTERS}][a-z-]{{0,9}}[:/])|\s*(?ai:piggy)")


def warn_of_near(pod: Pod, texts: str, syntax: Syntax, gathered: Annotations, *, tells_of_arns: bool) -> None:
    """A warning for each such variable of the pod's containers; `syntax` is what the pod asks for.

    `texts` are all that its variables have, one in a line. Raises `AnnotationError`.
    """
    skipped = gathered.value(keys.SKIP_CONTAINERS, values.container_names, _NOBODY)
    if not (":" in texts or "//" in texts or (syntax.piggy is not None and "piggy" in texts.lower())):
        return  # what no slip is without; most pods have nothing of the kind
    found = [
        f"container {container['name']}: variable {entry.get('name')} {what}"
        for _, _, container in application_containers(pod, skipped)
        for entry in container.get("env") or ()
        if isinstance(text := entry.get("value"), str)
        and _WORTH_A_LOOK.match(text)
        and (what := near(text, syntax, tells_of_arns=tells_of_arns))
    ]
    for warning in found[:_TOLD]:
        gathered.warn(warning)
    if len(found) > _TOLD:
        gathered.warn(f"{len(found) - _TOLD} more variables that look like references, and are none")


def near(text: str, syntax: Syntax, *, tells_of_arns: bool) -> str | None:
    """What is wrong with the value; None: it is a reference, or nothing like one."""
    try:
        if parse(text, syntax) is not None:
            return None
    except MalformedReferenceError:
        return None  # it is told so
    if syntax.piggy and _PIGGY.fullmatch(text):
        return "begins almost as piggy's references do, and stays as it is: they begin with piggy:, in small letters"
    if not syntax.ours:
        return None
    seen = _seen(text)
    if seen:
        return f"begins with {seen[0]}, which is no reference, and stays as it is: write {seen[1]}://"
    if tells_of_arns and not syntax.arns and _is_arn(text):
        return (
            f"is an ARN and stays as it is: if it is meant as a reference, set {keys.SECRETS} to arns, or write ${{ }} "
            "around it"
        )
    return None


def _seen(text: str) -> tuple[str, str] | None:
    """How the value begins, and the scheme that was meant."""
    found = _CASE.fullmatch(text)
    if found:
        return f"{found[1]}://", found[1].lower()
    found = _MARKS.fullmatch(text)
    if found:
        marks = re.match("[:/]+", text[found.end(1) :])
        return found[1] + (marks[0] if marks else ""), found[1].lower()
    found = _TYPO.fullmatch(text)
    meant = _TYPOS.get(found[1].lower()) if found else None
    return (f"{found[1]}://", meant) if found and meant else None


def _is_arn(text: str) -> bool:
    try:
        return text.startswith("arn:") and parse(text, _ARNS) is not None
    except MalformedReferenceError:
        return False
