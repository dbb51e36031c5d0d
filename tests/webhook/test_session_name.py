"""Role session names: STS' rules hold for whatever goes in, and two long names stay two."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook import session_name, values

# AssumeRoleWithWebIdentity: RoleSessionName, 2 to 64 of these.
TAKEN_BY_STS = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")


def render(template: str, *, namespace: str = "shop", service_account: str = "orders", cluster: str = "") -> str:
    """The name alone."""
    name, _ = session_name.render(template, namespace=namespace, service_account=service_account, cluster=cluster)
    return name


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{namespace}.{serviceaccount}", "shop.orders"),
        ("{serviceaccount}@{cluster}", "orders@gke-prod-eu"),
        ("fixed", "fixed"),
        ("Bestellungen für {namespace}", "Bestellungen-f-r-shop"),
        ("{namespace}{namespace}", "shopshop"),
        ("a/b:c d*e", "a-b-c-d-e"),
    ],
)
def test_templates(template: str, name: str) -> None:
    """Placeholders are filled; characters that STS refuses become '-'."""
    assert render(template, cluster="gke/prod eu") == name


def test_64_characters_are_kept() -> None:
    """The longest that STS takes is not cut."""
    name, was_cut = session_name.render("x" * 64, namespace="", service_account="", cluster="")

    assert (name, was_cut) == ("x" * 64, False)


def test_65_characters_are_cut_with_a_hash() -> None:
    """The beginning stays readable, the end is the same for the same name."""
    name, was_cut = session_name.render("x" * 65, namespace="", service_account="", cluster="")

    assert was_cut
    assert re.fullmatch(r"x{55}-[0-9a-f]{8}", name)
    assert name == render("x" * 65)


def test_long_names_that_differ_at_the_end_stay_two() -> None:
    """Namespaces and service accounts have up to 63 and 253 characters."""
    names = {render("{namespace}.{serviceaccount}", namespace="n" * 63, service_account="s" * n) for n in (200, 201)}

    assert len(names) == 2


def test_a_placeholder_in_a_value_is_no_placeholder() -> None:
    """What the operator calls the cluster is not filled in again."""
    assert render("{cluster}", cluster="{namespace}") == "-namespace-"


@given(
    template=st.text(min_size=1),
    namespace=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
    service_account=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", fullmatch=True),
    cluster=st.text(),
)
def test_sts_takes_every_name(template: str, namespace: str, service_account: str, cluster: str) -> None:
    """Whatever is rendered and has two characters, STS takes."""
    name = render(template, namespace=namespace, service_account=service_account, cluster=cluster)

    assert len(name) < session_name.SHORTEST or TAKEN_BY_STS.fullmatch(name)


@given(seed=st.text(st.characters()))
def test_drawn_names_have_the_seeds_form(seed: str) -> None:
    """token-injector-webhook- and 16 letters, whatever the uid is, half a surrogate pair too."""
    name = session_name.default_session_name(seed)

    assert re.fullmatch(r"token-injector-webhook-[a-z]{16}", name)
    assert TAKEN_BY_STS.fullmatch(name)
    assert session_name.is_default(name)
    assert name == session_name.default_session_name(seed)


def test_drawn_names_differ() -> None:
    """A thousand reviews, a thousand names, and every letter occurs (gtoken's never had a z)."""
    names = {session_name.default_session_name(f"uid-{number}") for number in range(1000)}

    assert len(names) == 1000
    letters = {letter for name in names for letter in name.removeprefix("token-injector-webhook-")}
    assert letters == set("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(
    "name",
    [
        None,
        1,
        "",
        "orders",
        "token-injector-webhook-",
        "token-injector-webhook-ABCDEFGHIJKLMNOP",
        "token-injector-webhook-abcdefghijklmnopq",
        "token-injector-webhook-abcdefghijklmnop\n",
        "gtoken-webhook-abcdefghijklmnop",
    ],
)
def test_other_names_are_an_authors(name: object) -> None:
    """Only the seed's exact form passes for a drawn name."""
    assert not session_name.is_default(name)


def test_template_that_is_taken_can_be_rendered() -> None:
    """What `values` lets through has no placeholder left."""
    template = values.session_name_template("{namespace}.{serviceaccount}.{cluster}")

    assert "{" not in render(template, cluster="prod")
