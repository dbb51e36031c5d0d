"""How is one reference written? SCHEME://TARGET[?OPTION][#FRAGMENT][|FILTER…], or a full ARN in front of the same.

Pure. docs/secrets.md has the grammar. A word's `# ? | } %` and blanks are percent-encoded UTF-8, so that a reference
means the same as a whole value and inside ${…}.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, get_args
from urllib.parse import unquote_to_bytes

from secretenv.sources import Filter, Item, Key, Parameter, ParameterPath, Pointer, Reference, Secret, Source, expected

KEY_ATTRIBUTE: Final = "secretName"
ATTRIBUTE: Final = "secretValue"
SCHEMES: Final = ("sm://", "ssm://", "ssm-path://", "ddb://")
_EXAMPLES: Final = {
    "sm://": "for example sm://prod/db#user",
    "ssm://": "for example ssm:///prod/db/user",
    "ssm-path://": "for example ssm-path:///prod/db#user",
    "ddb://": "for example ddb://prod-secrets/db/user",
}
_OPTIONS: Final = {
    "sm://": "stage=LABEL or version=ID, for example sm://prod/db?stage=AWSPREVIOUS#user",
    "ssm://": "version=NUMBER or version=LABEL, for example ssm:///prod/db/user?version=3",
    "ddb://": "key=ATTRIBUTE, for example ddb://prod-secrets/db/user?key=id",
}
_WORD = re.compile(r"(?:[^\x00-\x20\x7f\s#?|}%]|%[0-9A-Fa-f]{2})*+")
_ARN = r"arn:aws[a-z-]*:{}:[a-z0-9-]+:[0-9]{{12}}:"
SECRET_ARN = re.compile(_ARN.format("secretsmanager") + "secret:.+")
PARAMETER_ARN = re.compile(_ARN.format("ssm") + "parameter/.+")
ITEM_ARN = re.compile("(" + _ARN.format("dynamodb") + "table/[^/]+)/(.+)")
# What an ARN is about. A table's indexes, streams, backups, exports and imports have ARNs that look like items'.
_KIND = re.compile(
    r"arn:[^:]*:(?:(?P<sm>secretsmanager):[^:]*:[^:]*:secret:|(?P<ssm>ssm):[^:]*:[^:]*:parameter/"
    r"|(?P<ddb>dynamodb):[^:]*:[^:]*:table/[^/]*/(?!(?:index|stream|backup|export|import)/))"
)


@dataclass(frozen=True, slots=True)
class _Word:
    """A part of a reference, as it was written."""

    raw: str
    at: int

    def decoded(self) -> str:
        return _decode(self.raw, self.at)


_Reader = Callable[[_Word, _Word | None, _Word | None], tuple[Source, Key | Pointer | None]]


def arn_scheme(text: str, at: int = 0) -> str | None:
    """The scheme whose alias the ARN at this index is; None: it is the ARN of something else."""
    kind = _KIND.match(text, at)
    return f"{kind.lastgroup}://" if kind else None


def read_reference(text: str, at: int, closing: str) -> tuple[Reference, int]:
    """The reference at this index, and the index behind `closing` ("}", or "" for the text's end), which must follow.

    Raises `MalformedReferenceError`.
    """
    scheme = next((scheme for scheme in SCHEMES if text.startswith(scheme, at)), "")
    start = at + len(scheme)
    scheme = scheme or arn_scheme(text, at) or ""
    if not scheme:
        raise expected(
            at,
            "the ARN of a secret, of a parameter or of an item, for example "
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-a1B2c3",
        )
    target, end = _word(text, start)
    option, end = _word_behind("?", text, end)
    fragment, end = _word_behind("#", text, end)
    filters: list[Filter] = []
    word, end = _word_behind("|", text, end)
    while word:
        filters.append(_filter(word))
        word, end = _word_behind("|", text, end)
    _expect_closing(text, end, closing)
    source, select = _READERS[scheme](target, option, fragment)
    return Reference(source, select, tuple(filters)), end + len(closing)


def decodable(text: str, at: int) -> str:
    """The text, if it can be written as UTF-8. Raises `MalformedReferenceError`."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise expected(at + exc.start, "UTF-8") from None
    return text


def _word(text: str, at: int) -> tuple[_Word, int]:
    found = _WORD.match(text, at)
    raw = found[0] if found else ""
    return _Word(raw, at), at + len(raw)


def _word_behind(mark: str, text: str, at: int) -> tuple[_Word | None, int]:
    return _word(text, at + 1) if text.startswith(mark, at) else (None, at)


def _decode(raw: str, at: int) -> str:
    if "%" not in raw:
        return decodable(raw, at)
    try:
        return unquote_to_bytes(decodable(raw, at)).decode()
    except UnicodeDecodeError:
        raise expected(at, "percent-encoded UTF-8, for example %C3%A9 for é") from None


def _expect_closing(text: str, at: int, closing: str) -> None:
    if closing and at == len(text):
        raise expected(at, "} at the reference's end, for example ${sm://prod/db#user}")
    if closing != text[at : at + 1]:
        raise expected(
            at,
            f"?, # and |, in this order, or {closing or 'the end'}; in names and keys # ? | }} % and blanks are "
            "percent-encoded, a blank as %20",
        )


def _filter(word: _Word) -> Filter:
    for name in get_args(Filter):
        if word.raw == name:
            found: Filter = name
            return found
    raise expected(word.at, f"a filter: {', '.join(get_args(Filter))}")


def _read_secret(target: _Word, option: _Word | None, fragment: _Word | None) -> tuple[Source, Key | Pointer | None]:
    name = _name(target, SECRET_ARN, "sm://", "the name or the ARN of a secret")
    kind, value = _read_option(option, ("stage", "version"), "sm://")
    stage = value if kind == "stage" and value != "AWSCURRENT" else None
    return Secret(name, stage, value if kind == "version" else None), _read_fragment(fragment, "sm://")


def _read_parameter(target: _Word, option: _Word | None, fragment: _Word | None) -> tuple[Source, Key | Pointer | None]:
    name = _name(target, PARAMETER_ARN, "ssm://", "the name or the ARN of a parameter")
    if not target.raw.startswith("arn:") and (":" in name or ("/" in name[1:] and name[0] != "/")):
        raise expected(
            target.at,
            "the name of a parameter: with a / in it, it begins with one, as in ssm:///prod/db/user; "
            "a version or a label follows as ?version=3",
        )
    _, version = _read_option(option, ("version",), "ssm://")
    return Parameter(name, version), _read_fragment(fragment, "ssm://")


def _read_path(target: _Word, option: _Word | None, fragment: _Word | None) -> tuple[Source, Key | Pointer | None]:
    decoded = target.decoded()
    path = decoded.rstrip("/")
    if not decoded.startswith("/") and not PARAMETER_ARN.fullmatch(path):
        raise expected(target.at, f"a path that begins with /, or the ARN of one, {_EXAMPLES['ssm-path://']}")
    if option:
        raise expected(option.at - 1, f"no ?, {_EXAMPLES['ssm-path://']}")
    if fragment and fragment.raw.startswith("/"):
        raise expected(fragment.at, f"a parameter's name below the path, without a /, {_EXAMPLES['ssm-path://']}")
    return ParameterPath(path or "/"), _read_fragment(fragment, "ssm-path://")


def _read_item(target: _Word, option: _Word | None, fragment: _Word | None) -> tuple[Source, Key | Pointer | None]:
    if target.raw.startswith("arn:"):
        arn = ITEM_ARN.fullmatch(target.raw)
        table, key = arn.groups() if arn else ("", "")
    else:
        table, _, key = target.raw.partition("/")
    if not table or not key:
        raise expected(target.at, f"a table's name or ARN, / and an item's key, {_EXAMPLES['ddb://']}")
    _, key_attribute = _read_option(option, ("key",), "ddb://")
    attribute, slash, pointer = (fragment.raw if fragment else ATTRIBUTE).partition("/")
    at = fragment.at if fragment else 0
    if not attribute:
        raise expected(at, "an attribute, for example ddb://prod-secrets/db#password")
    select = _pointer(_Word(slash + pointer, at + len(attribute))) if slash else None
    source = Item(
        _decode(table, target.at),
        _decode(key, target.at + len(target.raw) - len(key)),
        key_attribute or KEY_ATTRIBUTE,
        _decode(attribute, at),
    )
    return source, select


_READERS: Mapping[str, _Reader] = {
    "sm://": _read_secret,
    "ssm://": _read_parameter,
    "ssm-path://": _read_path,
    "ddb://": _read_item,
}


def _name(target: _Word, arn: re.Pattern[str], scheme: str, form: str) -> str:
    if not target.raw or (target.raw.startswith("arn:") and not arn.fullmatch(target.raw)):
        raise expected(target.at, f"{form}, {_EXAMPLES[scheme]}")
    return target.decoded()


def _read_option(option: _Word | None, names: tuple[str, ...], scheme: str) -> tuple[str, str | None]:
    if option is None:
        return "", None
    name, _, value = option.raw.partition("=")
    if name not in names or not value or "&" in value:
        raise expected(option.at, _OPTIONS[scheme])
    return name, _decode(value, option.at + len(name) + 1)


def _read_fragment(fragment: _Word | None, scheme: str) -> Key | Pointer | None:
    if fragment is None:
        return None
    if not fragment.raw:
        raise expected(fragment.at, f"a key or a JSON pointer, {_EXAMPLES[scheme]}")
    return _pointer(fragment) if fragment.raw.startswith("/") else Key(fragment.decoded())


def _pointer(word: _Word) -> Pointer:
    text = word.decoded()
    if re.search(r"~(?![01])", text):
        raise expected(word.at, "a JSON pointer, in which ~ is written ~0 and a key's / is written ~1")
    return Pointer(text)
