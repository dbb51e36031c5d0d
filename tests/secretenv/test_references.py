"""Which texts refer to what."""

import re
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.secrets import MARKERS
from secretenv.piggy import PiggySource
from secretenv.references import (
    Item,
    Key,
    MalformedReferenceError,
    Parameter,
    ParameterPath,
    Pointer,
    Reference,
    Secret,
    Source,
    Syntax,
    Template,
    canonical,
    parse,
)
from tests.secretenv.strategies import REFERENCES, SYNTAXES

OURS = Syntax(ours=True, arns=False, piggy=None)
EVERYTHING = Syntax(ours=True, arns=True, piggy=PiggySource(secret_name="shop/orders"))
SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-a1B2c3"
PARAMETER_ARN = "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/prod/db/user"
TABLE_ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/prod-secrets"


def item(table: str, key: str, key_attribute: str = "secretName", attribute: str = "secretValue") -> Item:
    """An item as kees' table has it."""
    return Item(table, key, key_attribute, attribute)


WHOLE: dict[str, tuple[Source, Key | Pointer | None]] = {
    "sm://db": (Secret("db"), None),
    "sm://prod/db#user": (Secret("prod/db"), Key("user")),
    "sm://prod/db#/replicas/0/host": (Secret("prod/db"), Pointer("/replicas/0/host")),
    "sm://db?stage=AWSPREVIOUS": (Secret("db", stage="AWSPREVIOUS"), None),
    "sm://db?stage=AWSCURRENT#user": (Secret("db"), Key("user")),
    "sm://db?version=0a1b2c3d-0000-1111-2222-333344445555#u": (
        Secret("db", version="0a1b2c3d-0000-1111-2222-333344445555"),
        Key("u"),
    ),
    "sm://rds!db-1": (Secret("rds!db-1"), None),
    "sm://a%23b%3Fc%7Cd%7De%25f%20g#%2Fh": (Secret("a#b?c|d}e%f g"), Key("/h")),
    "sm://caf%C3%A9#é": (Secret("café"), Key("é")),
    f"sm://{SECRET_ARN}?stage=AWSPENDING#user": (Secret(SECRET_ARN, stage="AWSPENDING"), Key("user")),
    "ssm://user": (Parameter("user"), None),
    "ssm:///prod/db/user": (Parameter("/prod/db/user"), None),
    "ssm:///prod/db?version=3#user": (Parameter("/prod/db", version="3"), Key("user")),
    "ssm:///prod/db?version=blue": (Parameter("/prod/db", version="blue"), None),
    f"ssm://{PARAMETER_ARN}": (Parameter(PARAMETER_ARN), None),
    "ssm-path:///prod/db#user": (ParameterPath("/prod/db"), Key("user")),
    "ssm-path:///prod/#db/user": (ParameterPath("/prod"), Key("db/user")),
    "ssm-path:///prod": (ParameterPath("/prod"), None),
    "ssm-path:///#user": (ParameterPath("/"), Key("user")),
    f"ssm-path://{PARAMETER_ARN}/#a/b": (ParameterPath(PARAMETER_ARN), Key("a/b")),
    "ddb://prod-secrets/db/user": (item("prod-secrets", "db/user"), None),
    "ddb://prod-secrets//db/user": (item("prod-secrets", "/db/user"), None),
    "ddb://prod-secrets/db?key=id#password": (item("prod-secrets", "db", "id", "password"), None),
    "ddb://prod-secrets/db#settings/db/user": (
        item("prod-secrets", "db", attribute="settings"),
        Pointer("/db/user"),
    ),
    "ddb://prod-secrets/db#a%2Fb": (item("prod-secrets", "db", attribute="a/b"), None),
    f"ddb://{TABLE_ARN}/stream/user": (item(TABLE_ARN, "stream/user"), None),
}


@pytest.mark.parametrize("text", WHOLE)
def test_whole_values(text: str) -> None:
    """A reference alone means the same as a value of its own and inside ${…}, with and without filters."""
    reference = Reference(*WHOLE[text])

    assert parse(text, OURS) == Template((reference,))
    assert parse(f"${{{text}}}", OURS) == Template((reference,))
    assert parse(f"{text}|trim|urlencode", OURS) == Template((Reference(*WHOLE[text], ("trim", "urlencode")),))


@pytest.mark.parametrize(
    ("arn", "reference"),
    [
        (SECRET_ARN, Reference(Secret(SECRET_ARN))),
        (f"{SECRET_ARN}?stage=AWSPREVIOUS#user", Reference(Secret(SECRET_ARN, stage="AWSPREVIOUS"), Key("user"))),
        (f"{PARAMETER_ARN}?version=3", Reference(Parameter(PARAMETER_ARN, version="3"))),
        (f"{TABLE_ARN}/db/user", Reference(item(TABLE_ARN, "db/user"))),
        (f"{TABLE_ARN}//db#password", Reference(item(TABLE_ARN, "/db", attribute="password"))),
    ],
)
def test_arns(arn: str, reference: Reference) -> None:
    """A bare ARN is a reference inside ${…}; as a whole value only where the pod asks for it: it may be a setting."""
    assert parse(arn, OURS) is None
    assert parse(arn, EVERYTHING) == Template((reference,))
    assert parse(arn, Syntax(ours=False, arns=True, piggy=None)) == Template((reference,))
    assert parse(f"${{{arn}}}", OURS) == Template((reference,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "postgres://db/orders",
        "${HOME}/$(NAME)/$sm://",
        "at sm://db",
        "SM://db",
        "s3://bucket",
        "Piggy: a story",
        " piggy:db",
        "arn:aws:iam::123456789012:role/reader",
        TABLE_ARN,
        f"{TABLE_ARN}/stream/2026-01-01T00:00:00.000",
        f"{TABLE_ARN}/index/by-name",
        "arn:aws:ssm:eu-west-1:123456789012:document/d",
    ],
)
def test_literal_texts(text: str) -> None:
    """What only looks alike is no reference, and no error."""
    assert parse(text, EVERYTHING) is None


@pytest.mark.parametrize("text", ["sm://db", "${sm://db}", "$${sm://db", "piggy:db", SECRET_ARN, "sm://", "piggy:"])
def test_no_syntax_no_reference(text: str) -> None:
    """A pod that takes no part keeps every text."""
    assert parse(text, Syntax(ours=False, arns=False, piggy=None)) is None


USER, PASSWORD = Reference(Secret("db"), Key("user")), Reference(Secret("db"), Key("password"), ("urlencode",))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "postgres://${sm://db#user}:${sm://db#password|urlencode}@db/${DATABASE}",
            ("postgres://", USER, ":", PASSWORD, "@db/${DATABASE}"),
        ),
        ("${sm://db#user}${sm://db#user}", (USER, USER)),
        ("$${sm://db#user}", ("${sm://db#user}",)),
        ("$$${sm://db#user}", ("$", USER)),
        ("$$$${sm://db#user}", ("$${sm://db#user}",)),
        ("$$ $${OTHER} ${sm://db#user}", ("$$ $${OTHER} ", USER)),
        ("$${arn:aws:iam}${sm://db#user}$", ("${arn:aws:iam}", USER, "$")),
        ("\udcff${sm://db#user}\n", ("\udcff", USER, "\n")),
    ],
)
def test_embedded(text: str, parts: tuple[str | Reference, ...]) -> None:
    """In longer text: two dollars stand for one directly before { and one of our schemes, and nowhere else."""
    assert parse(text, OURS) == Template(parts)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("piggy:db_password", "db_password"),
        ("piggy:A B", "A B"),
        ("piggy: A ", " A "),
        ("piggy:piggy:X", "piggy:X"),
        ("piggy:${sm://db}#/a?|b", "${sm://db}#/a?|b"),
        ("piggy:A\n", "A"),
        ("piggy:A\n\n \t\r\n", "A"),
        ("piggy:A\r\n", "A\r"),
    ],
)
def test_piggy(text: str, key: str) -> None:
    """The whole rest of the first line is the key, as piggy reads it; blank lines may follow."""
    assert parse(text, EVERYTHING) == Template((Reference(Secret("shop/orders"), Key(key)),))


@pytest.mark.parametrize(
    ("source", "read"),
    [
        (PiggySource(secret_name="db"), Secret("db")),
        (PiggySource(secret_name="db", stage="AWSPREVIOUS"), Secret("db", stage="AWSPREVIOUS")),
        (PiggySource(secret_name="db", version="0a1b"), Secret("db", version="0a1b")),
        (PiggySource(parameter_path="/prod"), ParameterPath("/prod")),
        (PiggySource(secret_name="db", parameter_path="/prod", stage="AWSPREVIOUS"), ParameterPath("/prod")),
    ],
)
def test_piggy_sources(source: PiggySource, read: Source) -> None:
    """A path replaces the secret."""
    template = parse("piggy:user", Syntax(ours=False, arns=False, piggy=source))

    assert template == Template((Reference(read, Key("user")),))


@pytest.mark.parametrize(
    ("text", "position", "form"),
    [
        ("sm://", 6, "the name or the ARN of a secret, for example sm://"),
        ("sm://#user", 6, "the name or the ARN of a secret"),
        ("sm://arn:aws:s3:::bucket", 6, "the name or the ARN of a secret"),
        (f"ssm://{SECRET_ARN}", 7, "the name or the ARN of a parameter"),
        ("sm://db?versoin=1", 9, "stage=LABEL or version=ID, for example sm://"),
        ("sm://db?stage=", 9, "stage=LABEL or version=ID"),
        ("sm://db?stage=a&version=b", 9, "stage=LABEL or version=ID"),
        ("ssm:///db?stage=a", 11, "version=NUMBER or version=LABEL, for example ssm://"),
        ("ddb://t/k?version=1", 11, "key=ATTRIBUTE, for example ddb://"),
        ("sm://db#", 9, "a key or a JSON pointer"),
        ("sm://db#/a~2", 9, "a JSON pointer, in which ~ is written ~0"),
        ("sm://db#user|upper", 14, "a filter: urlencode, base64decode, trim"),
        ("sm://db#user|", 14, "a filter"),
        (
            "sm://db#a#b",
            10,
            "?, # and |, in this order, or the end; in names and keys # ? | } % and blanks are percent",
        ),
        ("sm://my db", 8, "a blank as %20"),
        ("sm://db\n", 8, "a blank as %20"),
        ("sm://db%2", 8, "a blank as %20"),
        ("sm://db}", 8, "a blank as %20"),
        ("sm://db%ff", 6, "percent-encoded UTF-8"),
        ("sm://d\udcffb", 7, "UTF-8"),
        ("ssm://prod/db", 7, "with a / in it, it begins with one, as in ssm:///prod/db/user"),
        ("ssm:///prod/db:3", 7, "a version or a label follows as ?version=3"),
        ("ssm-path://prod#user", 12, "a path that begins with /, or the ARN of one, for example ssm-path://"),
        ("ssm-path://arn:aws:ssm:eu-west-1:123456789012:parameter/", 12, "a path that begins with /"),
        (f"ssm-path://{SECRET_ARN}", 12, "a path that begins with /"),
        (f"ssm-path://{PARAMETER_ARN}?version=1", 73, "no ?"),
        ("ssm-path:///prod?version=1#user", 17, "no ?"),
        ("ssm-path:///prod#/prod/user", 18, "a parameter's name below the path, without a /"),
        ("ssm-path:///prod#", 18, "a key"),
        ("ddb://table", 7, "a table's name or ARN, / and an item's key, for example ddb://"),
        ("ddb:///key", 7, "a table's name"),
        ("ddb://table/", 7, "a table's name"),
        (f"ddb://{TABLE_ARN}", 7, "a table's name"),
        ("ddb://t/k#", 11, "an attribute, for example ddb://"),
        ("ddb://t/k#/a", 11, "an attribute"),
        ("ddb://t/k#a/b~", 12, "a JSON pointer"),
        ("arn:aws:secretsmanager:eu-west-1:12345:secret:db", 1, "the name or the ARN of a secret"),
        ("at ${sm://db", 13, "} at the reference's end"),
        ("at ${sm://db#user }", 18, "or };"),
        ("${ssm:///a} ${ddb://t}", 21, "a table's name"),
        (
            "${arn:aws:iam::123456789012:role/r}",
            3,
            "the ARN of a secret, of a parameter or of an item, for example arn:",
        ),
        ("piggy:", 7, "a key, for example piggy:db_password"),
        ("piggy:\nA", 7, "a key"),
        ("piggy:A\n\n  B", 12, "no second line"),
        ("piggy:A\npiggy:B", 9, "no second line"),
        ("piggy:A\udcff", 8, "UTF-8"),
    ],
)
def test_what_is_wrong_where(text: str, position: int, form: str) -> None:
    """What begins like a reference is one or an error, which names the character and the accepted form."""
    with pytest.raises(
        MalformedReferenceError, match=re.escape(f"character {position}: expected ") + ".*" + re.escape(form)
    ):
        parse(text, EVERYTHING)


@given(reference=REFERENCES)
@example(Reference(Secret("arn:aws:s3")))
@example(Reference(Item("arn:aws:dynamodb:eu-west-1:123456789012:table/a/b", "k", "id", "x")))
def test_canonical_round_trip(reference: Reference) -> None:
    """`canonical` writes what `parse` reads back as the same; inside ${…} too."""
    text = canonical(reference)

    assert parse(text, OURS) == Template((reference,))
    assert parse(f"${{{text}}}", OURS) == Template((reference,))
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


WORDS = [*MARKERS, "${", "$", "{", "}", "#", "?", "|", "%", "/", "~", "stage=", "trim", "a", "%zz", "%20", "%ff", "é"]
PIECES = st.sampled_from([*WORDS, "\n", " ", "\udcff", SECRET_ARN, PARAMETER_ARN, TABLE_ARN])
TEXTS = st.text() | st.lists(PIECES, max_size=12).map("".join)


@given(text=TEXTS, syntax=SYNTAXES)
def test_any_text(text: str, syntax: Syntax) -> None:
    """Whatever the text: a template, none or that one error; what refers to something has a marker in it."""
    template = None
    with suppress(MalformedReferenceError):
        template = parse(text, syntax)
    if template is None:
        return
    assert any(marker in text for marker in MARKERS)
    assert all(parse(canonical(reference), OURS) == Template((reference,)) for reference in template.references)
    assert "" not in template.parts


@given(text=st.text(alphabet="ab$ {}", max_size=20), password=st.just("hunter2"))
def test_errors_quote_nothing(text: str, password: str) -> None:
    """A text may hold a password beside its reference."""
    for broken in (f"{text}{password}${{sm://{password}", f"sm://{password}{text} ", f"piggy:{password}\n{password}"):
        with pytest.raises(MalformedReferenceError) as error:
            parse(broken, EVERYTHING)
        assert password not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["", "sm://a", "${sm://a", "arn:", "piggy:"])
@pytest.mark.parametrize(
    "piece", ["$", "${", "$${sm://", "${sm://a}", "a", "%41", "arn:", "|trim", ":", "/", "~", "\n"]
)
def test_large_texts(piece: str, start: str) -> None:
    """A MiB of anything comes to an end, which a search that is quadratic in the text's length would not."""
    text = start + piece * ((1 << 20) // len(piece))

    with suppress(MalformedReferenceError):
        parse(text, EVERYTHING)
