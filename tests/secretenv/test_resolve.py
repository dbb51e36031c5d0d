"""What references stand for, once their sources are read."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretenv.piggy import PiggySource
from secretenv.references import ParameterPath, Secret, Source, Syntax, Template, parse
from secretenv.resolve import Value, resolve, select
from secretenv.stores import Fetched, Reason, Refusal
from tests.secretenv.fake_store import FakeStore
from tests.secretenv.strategies import REFERENCES

SYNTAX = Syntax(ours=True, arns=False, piggy=PiggySource(secret_name="db"))
SECRET = r"""{"user": "orders", "port": 5432, "ratio": 1.0, "big": 12345678901234567890, "exp": 1e3, "neg": -0.10,
 "tls": true, "off": false, "none": null, "empty": "", "hosts": [ "a", {"b": [1.50, null, "\u00e9\""]} ],
 "a/b": {"~": "tilde", "": "nameless"}, "half": "\ud800", "padded": " x\n", "b64": "c2VjcmV0IMOp", "bin": "/w==",
 "url": "p@ss w/rd é"}"""


HALF = "half of a surrogate pair is in it, which is no Unicode text"
NO_BASE64 = "it is no base64, which base64decode needs: the standard alphabet, with padding"
NO_UTF8 = "what base64decode gives is no UTF-8; only a file made of it alone holds that"


def template(text: str) -> Template:
    """The template of a text that has references."""
    found = parse(text, SYNTAX)
    assert found is not None
    return found


def resolved(
    text: str, value: str | bytes | Mapping[str, str] | Refusal = SECRET, *, binary: bool = False
) -> str | bytes | Refusal:
    """What one text becomes, where each of its sources holds this value."""
    sources = {reference.source: value for reference in template(text).references}
    outcome = resolve({"NAME": template(text)}, FakeStore(sources), timeout=10, binary=binary)["NAME"]
    return outcome.data if isinstance(outcome, Value) else outcome


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("sm://db#user", "orders"),
        ("piggy:user", "orders"),
        ("piggy:port", "5432"),
        ("sm://db#port", "5432"),
        ("sm://db#ratio", "1.0"),
        ("sm://db#big", "12345678901234567890"),
        ("sm://db#exp", "1e3"),
        ("sm://db#neg", "-0.10"),
        ("sm://db#tls", "true"),
        ("sm://db#off", "false"),
        ("sm://db#empty", ""),
        ("sm://db#hosts", '["a",{"b":[1.50,null,"é\\""]}]'),
        ("sm://db#/hosts/0", "a"),
        ("sm://db#/hosts/1/b/0", "1.50"),
        ("sm://db#/a~1b/~0", "tilde"),
        ("sm://db#/a~1b/", "nameless"),
        ("sm://db#a/b", '{"~":"tilde","":"nameless"}'),
        ("sm://db", SECRET),
        ("ssm:///db#user", "orders"),
        ("ddb://t/k#secretValue/user", "orders"),
        (
            "postgres://${sm://db#user}:${sm://db#url|urlencode}@h:${sm://db#port}",
            "postgres://orders:p%40ss%20w%2Frd%20%C3%A9@h:5432",
        ),
        ("${sm://db#padded|trim}", "x"),
        ("${sm://db#b64|base64decode}", "secret é"),
        ("${sm://db#b64|base64decode|urlencode}", "secret%20%C3%A9"),
        ("$${sm://db}", "${sm://db}"),
    ],
)
def test_values_to_text(reference: str, text: str) -> None:
    """Strings as they are, numbers as they were written, objects and arrays compact, filters in their order."""
    assert resolved(reference) == text


@pytest.mark.parametrize(
    ("reference", "value", "reason", "message"),
    [
        ("sm://db#USER", SECRET, "not_found", "sm://db has no key 'USER'"),
        ("piggy:USER", SECRET, "not_found", "sm://db has no key 'USER'"),
        ("sm://db#/hosts/2", SECRET, "not_found", "sm://db has no value at '/hosts/2'"),
        ("sm://db#/hosts/00", SECRET, "not_found", "sm://db has no value at '/hosts/00'"),
        ("sm://db#/hosts/-", SECRET, "not_found", "sm://db has no value at '/hosts/-'"),
        ("sm://db#/user/0", SECRET, "not_found", "sm://db has no value at '/user/0'"),
        (f"sm://db#/hosts/{'9' * 5000}", SECRET, "not_found", f"sm://db has no value at '/hosts/{'9' * 5000}'"),
        ("sm://db#none", SECRET, "invalid", "sm://db: the key 'none' is null, and null has no text"),
        ("piggy:user", "hunter2", "invalid", "sm://db is no JSON, so that it has no key 'user'"),
        ("piggy:user", '["hunter2"]', "invalid", "sm://db is no JSON object, so that it has no key 'user'"),
        ("piggy:user", "12", "invalid", "sm://db is no JSON object, so that it has no key 'user'"),
        ("sm://db#user", b"hunter2", "invalid", "sm://db is binary, so that it has no key 'user'"),
        ("sm://db#/a", '{"a": NaN}', "invalid", "sm://db is no JSON, so that it has no value at '/a'"),
        ("sm://db#a", '{"a":' + "[" * 100_000, "invalid", "sm://db is no JSON, so that it has no key 'a'"),
        ("sm://db#half", SECRET, "invalid", f"sm://db#half: {HALF}"),
        ("${sm://db#half|urlencode}", SECRET, "invalid", f"sm://db#half|urlencode: {HALF}"),
        ("sm://db#user|base64decode", SECRET, "invalid", f"sm://db#user|base64decode: {NO_BASE64}"),
        ("sm://db#bin|base64decode", SECRET, "invalid", f"sm://db#bin|base64decode: {NO_UTF8}"),
        (
            "sm://db#bin|base64decode|trim",
            SECRET,
            "invalid",
            "sm://db#bin|base64decode|trim: what base64decode gives is no UTF-8, which trim would need",
        ),
    ],
)
def test_refusals(reference: str, value: str | bytes, reason: Reason, message: str) -> None:
    """The source and what was asked of it are named, nothing of its content."""
    assert resolved(reference, value) == Refusal(reason=reason, message=message)


def test_binary() -> None:
    """A binary secret is base64 in a variable and in longer text, and its bytes as a whole file."""
    assert resolved("sm://db", b"\xff\0") == "/wA="
    assert resolved("sm://db", b"\xff\0", binary=True) == b"\xff\0"
    assert resolved("key: ${sm://db}", b"\xff\0", binary=True) == "key: /wA="
    assert resolved("${sm://db|base64decode}", "secret é".encode()) == "secret é"
    assert resolved("${sm://db#bin|base64decode}", binary=True) == b"\xff"
    assert resolved("${sm://db|urlencode}", b"\xff\0", binary=True) == "%2FwA%3D"
    assert isinstance(resolved("x${sm://db#bin|base64decode}", binary=True), Refusal)


PARAMETERS = {
    "/prod/user": "top",
    "/prod/db/user": "nested",
    "/prod/db/url": "u",
    "/prod/a/key": "1",
    "/prod/b/key": "2",
}


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("ssm-path:///prod#url", "u"),
        ("ssm-path:///prod#db/url", "u"),
        ("ssm-path:///prod#user", "top"),
        ("ssm-path:///prod#db/user", "nested"),
        ("ssm-path:///prod#b/key", "2"),
        ("ssm-path:///prod", '{"a/key":"1","b/key":"2","db/url":"u","db/user":"nested","user":"top"}'),
    ],
)
def test_paths(reference: str, text: str) -> None:
    """A parameter by its path below, or by its last element alone; without a name, all of them."""
    assert resolved(reference, PARAMETERS) == text


def test_paths_of_the_root() -> None:
    """Below / the relative path is all but the first slash."""
    assert resolved("ssm-path:///#db/url", {"/db/url": "u"}) == "u"


@pytest.mark.parametrize(
    ("reference", "refusal"),
    [
        (
            "ssm-path:///prod#key",
            Refusal(
                reason="invalid",
                message="ssm-path:///prod has more than one parameter 'key': /prod/a/key and /prod/b/key; "
                "write which, as in ssm-path:///prod#a/key",
            ),
        ),
        ("ssm-path:///prod#no", Refusal(reason="not_found", message="ssm-path:///prod has no parameter 'no'")),
        ("ssm-path:///prod#db", Refusal(reason="not_found", message="ssm-path:///prod has no parameter 'db'")),
    ],
)
def test_paths_refused(reference: str, refusal: Refusal) -> None:
    """Of parameters with the same last element piggy takes any; here both are named."""
    assert resolved(reference, PARAMETERS) == refusal


def test_a_path_by_arn() -> None:
    """What is below it is named as below the path alone."""
    reference = template("ssm-path://arn:aws:ssm:eu-west-1:123456789012:parameter/prod#a/user")
    [source] = [each.source for each in reference.references]
    store = FakeStore({source: {"/prod/a/user": "u", "/prod/b/user": "v"}})

    assert resolve({"NAME": reference}, store, timeout=10) == {"NAME": Value("u")}


def test_piggy_path() -> None:
    """`piggy:NAME` below a path, as with piggy."""
    syntax = Syntax(ours=False, arns=False, piggy=PiggySource(parameter_path="/prod"))
    found = parse("piggy:url", syntax)
    assert found is not None

    outcome = resolve({"URL": found}, FakeStore({ParameterPath("/prod"): PARAMETERS}), timeout=10)

    assert outcome == {"URL": Value("u")}


def test_each_source_is_read_once() -> None:
    """However many references there are: one call, and in it each source once."""
    texts = {"A": "sm://db#user", "B": "${sm://db#port}${ssm:///x}", "C": "sm://db", "D": "sm://db?stage=AWSPREVIOUS"}
    store = FakeStore({Secret("db"): SECRET})

    outcomes = resolve({name: template(text) for name, text in texts.items()}, store, timeout=10)

    assert [{str(source) for source in call} for call in store.calls] == [
        {"Secret(name='db', stage=None, version=None)", "Parameter(name='/x', version=None)"}
        | {"Secret(name='db', stage='AWSPREVIOUS', version=None)"}
    ]
    assert len(store.calls[0]) == 3
    assert [type(outcomes[name]) for name in "ABCD"] == [Value, Refusal, Value, Refusal]


def test_a_refusal_goes_to_all_who_need_the_source() -> None:
    """The store's words, unchanged; who does not need the source is not touched."""
    denied = Refusal(reason="access_denied", message="role x may not secretsmanager:GetSecretValue on db")
    sources: dict[Source, str | Refusal] = {Secret("db"): denied, Secret("other"): "value"}
    templates = {
        name: template(text) for name, text in {"A": "sm://db#a", "B": "x${sm://db}", "C": "sm://other"}.items()
    }

    assert resolve(templates, FakeStore(sources), timeout=10) == {"A": denied, "B": denied, "C": Value("value")}


def test_nothing_to_read() -> None:
    """Escapes alone ask no store."""
    store = FakeStore({})

    assert resolve({"A": template("$${sm://db}")}, store, timeout=10) == {"A": Value("${sm://db}")}
    assert store.calls == []


def test_values_have_no_repr() -> None:
    """A value does not get into a log by accident."""
    assert "hunter2" not in repr((Value("hunter2"), Fetched(value="hunter2")))


@given(reference=REFERENCES, value=st.text() | st.binary() | st.dictionaries(st.text(), st.text()))
def test_any_value(reference: object, value: str | bytes | Mapping[str, str]) -> None:
    """Whatever a store gives: text, bytes or a refusal."""
    assert isinstance(select(reference, value), str | bytes | Refusal)  # type: ignore[arg-type]  # strategies are untyped


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=JSON, indent=st.none() | st.just(2))
def test_json_keeps_its_meaning(value: object, indent: int | None) -> None:
    """The text of an object or an array is the same JSON."""
    text = resolved("${sm://db#/x}", json.dumps({"x": [value]}, indent=indent))

    assert isinstance(text, str)
    assert json.loads(text) == [value]
