"""Names of images, as container runtimes read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.entrypoint.image_name import ImageNameError, parse_image_name

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", "latest", None),
        ("nginx:1.27", "docker.io", "library/nginx", "1.27", None),
        ("bitnami/nginx", "docker.io", "bitnami/nginx", "latest", None),
        ("docker.io/nginx", "docker.io", "library/nginx", "latest", None),
        ("index.docker.io/a/b", "docker.io", "a/b", "latest", None),
        ("localhost/web", "localhost", "web", "latest", None),
        ("localhost:5000/web:1", "localhost:5000", "web", "1", None),
        ("registry.example:5000/a/b/c:1.0-x_y", "registry.example:5000", "a/b/c", "1.0-x_y", None),
        ("Registry.Example/web", "registry.example", "web", "latest", None),
        ("Registry/web", "registry", "web", "latest", None),
        ("[::1]:5000/web", "[::1]:5000", "web", "latest", None),
        (f"gcr.io/p/web@sha256:{HEX}", "gcr.io", "p/web", None, f"sha256:{HEX}"),
        (f"gcr.io/p/web:1@sha256:{HEX}", "gcr.io", "p/web", None, f"sha256:{HEX}"),
        (f"web@sha512:{HEX}{HEX}", "docker.io", "library/web", None, f"sha512:{HEX}{HEX}"),
        ("a__b/c--d.e_f", "docker.io", "a__b/c--d.e_f", "latest", None),
    ],
)
def test_names(text: str, registry: str, repository: str, tag: str | None, digest: str | None) -> None:
    """Docker's defaults, ports, tags and digests; a digest wins over a tag."""
    name = parse_image_name(text)

    assert (name.registry, name.repository, name.tag, name.digest) == (registry, repository, tag, digest)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the tag"),
        (":1", "the tag"),
        ("web:", "the tag"),
        ("web:-1", "the tag"),
        (f"web:{'1' * 129}", "the tag"),
        ("web@sha256:abc", "no digest"),
        ("web@", "no digest"),
        (f"web@sha256:{HEX.upper()}", "no digest"),
        (f"web@md5:{HEX}", "no digest"),
        ("Web", "the repository"),
        ("a//b", "the repository"),
        ("/a", "the repository"),
        ("a/", "the repository"),
        ("a b", "the repository"),
        ("a_-b", "the repository"),
        ("https://registry.example/web", "the registry"),
        ("user@registry.example/web", "no digest"),
        ("-a.b/web", "the registry"),
        ("a.b:port/web", "the registry"),
        ("a.b\n/web", "the registry"),
        (HEX, "the repository"),
        ("a" * 256, "longer than 255 characters"),
    ],
)
def test_what_is_no_name(text: str, message: str) -> None:
    """The error says which part is wrong, and the form."""
    with pytest.raises(ImageNameError, match=message) as caught:
        parse_image_name(text)
    assert "expected [HOST[:PORT]/]REPOSITORY[:TAG][@sha256:…]" in str(caught.value)


@given(st.text(alphabet="ab0.:/@-_[]A \n", max_size=40))
def test_any_text(text: str) -> None:
    """A name or its error; a name that is written out means the same."""
    try:
        name = parse_image_name(text)
    except ImageNameError:
        return
    again = parse_image_name(name.shown)
    assert again == name
