"""Which text of ours stands for this reference? The same one for the same reference.

Pure: the inverse of `secretenv.grammar`, whose reading of the text gives the reference back.
"""

from collections.abc import Mapping
from re import Pattern
from typing import Final
from urllib.parse import quote

from secretenv.grammar import ATTRIBUTE, ITEM_ARN, KEY_ATTRIBUTE, PARAMETER_ARN, SECRET_ARN
from secretenv.sources import Item, Key, Parameter, ParameterPath, Pointer, Reference, Secret, Source

# Left as they are, beside letters, digits and _ . - ~
_PLAIN: Final = "/:@+=!,"


def canonical(reference: Reference) -> str:
    """Our own form of a reference, which `parse` reads back as the same: what the broker is asked."""
    return _source(reference.source) + _fragment(reference) + "".join(f"|{name}" for name in reference.filters)


def _source(source: Source) -> str:
    match source:
        case Secret(name, stage, version):
            options = {"stage": stage, "version": version}
            return "sm://" + _written_name(name, SECRET_ARN) + _written_options(options)
        case Parameter(name, version):
            return "ssm://" + _written_name(name, PARAMETER_ARN) + _written_options({"version": version})
        case ParameterPath(path):
            return "ssm-path://" + quote(path, safe=_PLAIN)
        case Item(table, key, key_attribute, _):
            written_key = quote(key, safe=_PLAIN)
            arn = ITEM_ARN.fullmatch(f"{quote(table, safe=_PLAIN)}/{written_key}")
            written_table = quote(table, safe=_PLAIN) if arn and arn[2] == written_key else quote(table, safe="")
            option = {"key": None if key_attribute == KEY_ATTRIBUTE else key_attribute}
            return f"ddb://{written_table}/{written_key}" + _written_options(option)


def _written_name(name: str, arn: Pattern[str]) -> str:
    written = quote(name, safe=_PLAIN)
    return written if arn.fullmatch(written) else written.replace(":", "%3A")


def _written_options(options: Mapping[str, str | None]) -> str:
    return "".join(f"?{name}={quote(value, safe=_PLAIN)}" for name, value in options.items() if value is not None)


def _fragment(reference: Reference) -> str:
    pointer = reference.select.text if isinstance(reference.select, Pointer) else ""
    key = reference.select.name if isinstance(reference.select, Key) else ""
    if isinstance(reference.source, Item) and (pointer or reference.source.attribute != ATTRIBUTE):
        return "#" + quote(reference.source.attribute, safe="") + quote(pointer, safe=_PLAIN)
    if key.startswith("/"):
        return "#%2F" + quote(key[1:], safe=_PLAIN)
    return "#" + quote(key or pointer, safe=_PLAIN) if key or pointer else ""
