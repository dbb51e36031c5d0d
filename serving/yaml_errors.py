"""What is wrong with a YAML text, for whoever wrote it: the line, and nothing of the text, as a Secret may stand there.

PyYAML's safe loader raises more than its own errors: Python's, where a value is none of its type. A date of a
thirteenth month is a ValueError, a `!!bool maybe` a KeyError.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import yaml


class YamlError(Exception):
    """Not YAML, or YAML with a value that can't be meant."""


@contextmanager
def yaml_errors() -> Iterator[None]:
    """Whatever the loader raises in this context is a `YamlError`."""
    try:
        yield
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise YamlError(f"{line}{getattr(exc, 'problem', None) or 'not YAML'}") from None
    except RecursionError:
        raise YamlError("nested too deeply") from None
    except (ValueError, TypeError, AttributeError, LookupError):
        raise YamlError("a value is none of its type, such as a date in a thirteenth month: put it in quotes") from None
