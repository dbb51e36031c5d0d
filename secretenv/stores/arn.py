"""What does a name say of its region? Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from secretenv.references import Item, Parameter, ParameterPath, Secret, Source

# arn:partition:service:region:account:resource
_PARTS = 6
_REGION = 3


def region_of(source: Source) -> str | None:
    """The region of a full ARN; None for a plain name: the reader's own region."""
    match source:
        case Item(table=named) | ParameterPath(path=named) | Secret(name=named) | Parameter(name=named):
            parts = named.split(":", _PARTS - 1)
    return parts[_REGION] if len(parts) == _PARTS and parts[0] == "arn" else None


def is_of_another_account(arn: str, path: ParameterPath) -> bool:
    """Whether what was found below a path is not the account's that the path's ARN names. A plain path names none."""
    if region_of(path) is None:
        return False
    return arn.split(":", _PARTS - 1)[:-1] != path.path.split(":", _PARTS - 1)[:-1]


def path_of(path: ParameterPath) -> str:
    """The path itself, of `arn:…:parameter/app/` too; the root is a slash."""
    plain = path.path if region_of(path) is None else path.path.split(":", _PARTS - 1)[-1].removeprefix("parameter")
    return plain or "/"
