"""Which registry a pattern means."""

import pytest

from webhook.entrypoint.hosts import matches, with_companions


@pytest.mark.parametrize(
    ("pattern", "registry", "repository", "expected"),
    [
        ("registry.example", "registry.example", "a", True),
        ("Registry.Example", "registry.example", "a", True),
        ("registry.example", "other.example", "a", False),
        ("*.pkg.dev", "europe-docker.pkg.dev", "a", True),
        ("*.pkg.dev", "pkg.dev", "a", False),
        ("*.pkg.dev", "a.b.pkg.dev", "a", False),
        ("*.dkr.ecr.*.amazonaws.com", "1.dkr.ecr.eu-west-1.amazonaws.com", "a", True),
        ("*.example", "evil-example", "a", False),
        ("*", "localhost", "a", True),
        ("*", "registry.example", "a", False),
        ("europe-*.pkg.dev", "europe-docker.pkg.dev", "a", True),
        ("registry.example", "registry.example:5000", "a", False),
        ("registry.example:5000", "registry.example:5000", "a", True),
        ("*.example:5000", "registry.example:5000", "a", True),
        ("registry.example:5000", "registry.example", "a", False),
        ("registry.example/shop", "registry.example", "shop/web", True),
        ("registry.example/shop", "registry.example", "other/web", False),
        ("[::1]:5000", "[::1]:5000", "a", True),
    ],
)
def test_patterns(pattern: str, registry: str, repository: str, *, expected: bool) -> None:
    """As Kubernetes matches pull secrets: label by label, ports alike, paths by their beginning."""
    assert matches(pattern, registry, repository) is expected


def test_docker_hub_comes_with_its_hosts() -> None:
    """Who allows docker.io allows where its API, tokens and blobs are; who does not, gets none of them."""
    allowed = with_companions(("docker.io",))

    for host in ("registry-1.docker.io", "auth.docker.io", "production.cloudflare.docker.com"):
        assert any(matches(pattern, host) for pattern in allowed)
    assert with_companions(("gcr.io",)) == ("gcr.io",)
