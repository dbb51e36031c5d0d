"""A value that was surely meant as a reference is told so; an ordinary one never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.annotations import ENABLED_LABEL, SKIP_CONTAINERS
from secretenv.references import PiggySource, Syntax
from webhook.decide import decide
from webhook.decision import Deny
from webhook.precedence import Annotations
from webhook.secrets.near import near, warn_of_near
from webhook.secrets.restore import texts_of_variables
from webhook.settings import parse_settings

OURS = Syntax(ours=True, arns=False, piggy=None)
PIGGY = Syntax(ours=False, arns=False, piggy=PiggySource(secret_name="shop"))
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-a1B2c3"
WELL_KNOWN = (
    *("http", "https", "ws", "wss", "ftp", "sftp", "ftps", "ssh", "smb", "smtp", "smtps", "s3", "s3a", "s3n", "gs"),
    *("sb", "ss", "sms", "sip", "sips", "ldap", "ldaps", "mysql", "postgres", "postgresql", "redis", "rediss"),
    *("mongodb", "mongodb+srv", "amqp", "amqps", "mqtt", "mqtts", "kafka", "nats", "nfs", "file", "tcp", "udp", "tls"),
    *("unix", "git", "git+ssh", "svn", "svn+ssh", "oci", "docker", "grpc", "memcached", "clickhouse", "sqlite", "dns"),
    *("sqlserver", "mssql", "mariadb", "cassandra", "neo4j", "bolt", "db", "ddp", "dynamodb", "sqs", "sns", "ses"),
    *("kms", "asm", "vault", "ms", "spm", "rtsp", "rtmp", "imap", "pop", "ipfs", "ipp", "vnc", "xmpp", "sim", "m", "s"),
)
ORDINARY = (
    "",
    "sm",
    "ssm:GetParameter",
    "ssm:*",
    "sm:latest",
    "ddb:shop",
    "SM",
    "small//x",
    "/var/lib/sm//x",
    "sm: db",
    "sm:// is how a reference begins",
    "SM:// db",
    "http://sm//x",
    "piggy:user",
    "piggy user",
    "jdbc:sqlite:/x",
    "a,b;c",
    "arn:aws:iam::123456789012:role/x",
    "arn:aws:dynamodb:eu-west-1:123456789012:table/t",
    "${HOME}",
    "$(A)://x",
)
# Python takes the first two's second letter for an i and the last one's first for an s, where it ignores the case.
LETTERS_OF_OTHERS = ("p\u0130ggy CANARY", "p\u0131ggy CANARY", "\u017fm://CANARY")


@pytest.mark.parametrize(
    ("text", "begins", "scheme"),
    [
        ("SM://prod/CANARY", "SM://", "sm"),
        ("Ssm-Path:///CANARY", "Ssm-Path://", "ssm-path"),
        ("sm:/CANARY", "sm:/", "sm"),
        ("sm//CANARY", "sm//", "sm"),
        ("ssm:://CANARY", "ssm:://", "ssm"),
        ("DDB:/CANARY", "DDB:/", "ddb"),
        ("smm://CANARY", "smm://", "sm"),
        ("smn://CANARY", "smn://", "sm"),
        ("sssm://CANARY", "sssm://", "ssm"),
        ("dddb://CANARY", "dddb://", "ddb"),
        ("ssmpath:///CANARY", "ssmpath://", "ssm-path"),
    ],
)
def test_a_slip_is_told(text: str, begins: str, scheme: str) -> None:
    """How it begins and how it should, and nothing of the rest."""
    told = near(text, OURS, tells_of_arns=True)
    assert told == f"begins with {begins}, which is no reference, and stays as it is: write {scheme}://"


@pytest.mark.parametrize("text", ["Piggy:CANARY", "PIGGY:CANARY", "piggy CANARY", " piggy:CANARY", "piggy :CANARY"])
def test_a_slip_of_piggy_s_is_told(text: str) -> None:
    """Where the pod has piggy's references, and without the name."""
    told = near(text, PIGGY, tells_of_arns=False)
    assert told is not None
    assert "piggy:" in told
    assert "CANARY" not in told
    assert near(text, OURS, tells_of_arns=True) is None


@pytest.mark.parametrize("text", LETTERS_OF_OTHERS)
def test_letters_of_other_alphabets_are_no_slip(text: str) -> None:
    """Only a small and a capital letter of ASCII are one."""
    for syntax in (OURS, PIGGY):
        assert near(text, syntax, tells_of_arns=True) is None


@pytest.mark.parametrize("text", ["Piggy:gr\u00f6\u00dfe", "\u00a0piggy:user"])
def test_a_name_and_a_blank_may_be_of_any_alphabet(text: str) -> None:
    """A blank that nobody sees is often pasted."""
    assert near(text, PIGGY, tells_of_arns=False) is not None


def test_a_bare_arn_is_told_where_somebody_asks_for_it() -> None:
    """It is a plain setting of many applications, and a reference only in pods that say so."""
    told = near(ARN, OURS, tells_of_arns=True)
    assert told is not None
    assert "secrets to arns" in told
    assert ARN not in told
    assert near(ARN, OURS, tells_of_arns=False) is None
    assert near(ARN, Syntax(ours=True, arns=True, piggy=None), tells_of_arns=True) is None
    assert near(ARN, PIGGY, tells_of_arns=True) is None


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts(text: str) -> None:
    """Nobody is told of what is nothing like a reference."""
    assert near(text, OURS, tells_of_arns=True) is None


@given(scheme=st.sampled_from(WELL_KNOWN), rest=st.text(), upper=st.booleans())
def test_other_people_s_schemes(*, scheme: str, rest: str, upper: bool) -> None:
    """Whatever stands behind them."""
    assert near(f"{scheme.upper() if upper else scheme}://{rest}", OURS, tells_of_arns=True) is None


@given(text=st.text() | st.text(alphabet="smdb:/pigy $\n"))
def test_a_reference_is_none(text: str) -> None:
    """What is read as a reference is not told of, and no text is too much."""
    assert near(f"sm://{text}", OURS, tells_of_arns=True) is None
    near(text, OURS, tells_of_arns=True)
    near(text, PIGGY, tells_of_arns=True)


@given(
    text=st.text()
    | st.text(alphabet="smdb:/pigy $\n")
    | st.sampled_from((ARN, "PIGGY CANARY", "sm//x", "SM://x", *LETTERS_OF_OTHERS))
)
def test_no_look_at_all_texts_hides_one(text: str) -> None:
    """A pod's texts are looked through at once first: what is told of a text alone is told of it in its pod."""
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": text}]
    pod = {"spec": {"containers": [{"name": "app", "env": env}]}}
    for syntax in (OURS, PIGGY):
        gathered = Annotations(pod, "shop", {})
        warn_of_near(pod, texts_of_variables(pod), syntax, gathered, tells_of_arns=True)
        assert bool(gathered.warnings) == (near(text, syntax, tells_of_arns=True) is not None)


@pytest.mark.parametrize("text", ["plain", "with: a colon"])
def test_annotation_is_read_whatever_the_variables_have(text: str) -> None:
    """A pod without a role: its list of containers is no list, and is told so in any case."""
    metadata = {"labels": {ENABLED_LABEL: "true"}, "annotations": {SKIP_CONTAINERS: "a;b"}}
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "app", "env": [{"name": "A", "value": text}]}]}}
    settings, _ = parse_settings({"image": ["registry.example/token-injector:1"]}, {})
    decision = decide(pod, "shop", {}, settings, seed="x")
    assert isinstance(decision, Deny)
    assert decision.reason == "bad_annotation"
