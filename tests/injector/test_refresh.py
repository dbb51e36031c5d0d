"""One refresh: what is asked, what is checked, which token stays."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contract import exit_codes, pod
from injector import schedule
from injector.errors import RefreshError
from injector.refresh import Refreshed, refresh
from injector.settings import Settings

if TYPE_CHECKING:
    from tests.injector.conftest import ScriptedSource

NOW = 1_700_000_000
HOUR = 3600

Parse = Callable[..., Settings]
Make = Callable[..., str]
Events = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture
def events() -> Events:
    """What was logged."""
    return []


@pytest.fixture
def refreshed(events: Events) -> Callable[..., Refreshed]:
    """Does one refresh at NOW with dice of 0."""

    def run(settings: Settings, source: "ScriptedSource", *, now: float = NOW) -> Refreshed:
        def log(level: str, event: str, **fields: object) -> None:
            events.append((level, event, fields))

        return refresh(settings, source=source, timeout=5, now=lambda: now, dice=lambda: 0.0, log=log)

    return run


def test_first_token(tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any) -> None:
    """The token is in the file; the next refresh is at half its life."""
    source = scripted(text := token(exp=NOW + HOUR, iat=NOW))
    found = refreshed(settings(), source)
    assert ((tmp_path / "token").read_text(), found.left, found.next_in) == (text, HOUR, HOUR / 2)
    assert source.asked == [(pod.GOOGLE_AUDIENCE, 5)]


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": NOW + HOUR, "aud": "other"}, "for the audience other, not"),
        ({"exp": NOW + HOUR, "aud": None}, "for the audience none, not"),
        ({"exp": NOW - 500}, "expired 500 s ago; check the node's clock"),
        ({"exp": "soon"}, "exp is not a date"),
    ],
)
def test_refused_tokens(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any, claims: dict[str, Any], expected: str
) -> None:
    """A token that STS would refuse is refused here; the old one is untouched; the error quotes no token."""
    (tmp_path / "token").write_text(old := token(exp=NOW + 100, iat=NOW - HOUR + 100))
    with pytest.raises(RefreshError, match=expected) as caught:
        refreshed(settings(), scripted(new := token(**claims)))
    assert caught.value.exit_code == exit_codes.TOKEN_REFUSED
    assert (tmp_path / "token").read_text() == old
    assert new not in str(caught.value)


def test_an_expired_first_token_is_refused(settings: Parse, token: Make, scripted: Any, refreshed: Any) -> None:
    """Without a token in the file there is nothing to compare with: an application must not start on this one."""
    with pytest.raises(RefreshError, match="expired 0 s ago"):
        refreshed(settings(), scripted(token(exp=NOW, iat=NOW - HOUR)))


def test_a_clock_that_is_ahead_keeps_nobody_on_an_old_token(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any
) -> None:
    """Both look expired to a node whose clock was set two hours ahead; the later one is taken, and soon renewed."""
    (tmp_path / "token").write_text(token(exp=NOW - 2 * HOUR, iat=NOW - 3 * HOUR))
    found = refreshed(settings(), scripted(new := token(exp=NOW - HOUR, iat=NOW - 2 * HOUR)))
    assert ((tmp_path / "token").read_text(), found.next_in) == (new, schedule.FLOOR)


@pytest.mark.parametrize(
    ("old", "new", "taken"),
    [
        ({"exp": NOW + 100}, {"exp": NOW + 101}, True),
        ({"exp": NOW + 100, "iat": 1}, {"exp": NOW + 100}, False),
        ({"exp": NOW + 100}, {"exp": NOW + 99}, False),
        ({"exp": NOW + 100, "sub": "1"}, {"exp": NOW + 99, "sub": "2"}, True),
        ({"exp": NOW + 100, "aud": "other"}, {"exp": NOW + 99}, True),
        ({"exp": NOW - 100}, {"exp": NOW + 99}, True),
        (None, {"exp": NOW + 1}, True),
    ],
)
def test_which_token_stays(
    tmp_path: Path,
    settings: Parse,
    token: Make,
    scripted: Any,
    refreshed: Any,
    old: dict[str, Any] | None,
    new: dict[str, Any],
    taken: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The table of the module: a later end, another subject, or an old one that is of no use."""
    file = tmp_path / "token"
    file.write_text("rubbish" if old is None else token(**old))
    before = file.read_text()
    refreshed(settings(), scripted(text := token(**new)))
    assert file.read_text() == (text if taken else before)


def test_changed_subject_is_logged(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any, events: Events
) -> None:
    """The Workload Identity binding is the authority: another subject is taken, and said aloud."""
    (tmp_path / "token").write_text(token(exp=NOW + 100, sub="1"))
    refreshed(settings(), scripted(token(exp=NOW + 200, sub="2")))
    assert ("warning", "subject changed", {"old_sub": "1", "sub": "2"}) in events


@pytest.mark.parametrize("other_left", [HOUR, 100])
def test_what_another_child_wrote_meanwhile_is_compared_too(
    tmp_path: Path, settings: Parse, token: Make, refreshed: Any, other_left: int
) -> None:
    """A slow answer with an earlier end does not replace the token by which the launcher's other child comes again."""
    file = tmp_path / "token"

    class SlowSource:
        """While it is asked, the other child writes."""

        def fetch(self, *, audience: str, timeout: float) -> str:
            """Give the token of a cache that is near its end."""
            assert (audience, timeout) == (pod.GOOGLE_AUDIENCE, 5)
            file.write_text(token(exp=NOW + other_left, iat=NOW))
            return str(token(exp=NOW + 310, iat=NOW - HOUR + 310))

    found = refreshed(settings(), SlowSource())
    assert found.left == max(310, other_left)
    assert file.read_text() == found.token.text


@pytest.mark.parametrize("before", [None, "1"])
def test_what_another_child_wrote_meanwhile_has_the_newer_subject(
    tmp_path: Path, settings: Parse, token: Make, refreshed: Any, before: str | None
) -> None:
    """The binding changed while the source was slow: its answer is the old one's, and ends earlier."""
    file = tmp_path / "token"
    if before is not None:
        file.write_text(token(exp=NOW + 10, sub=before))

    class SlowSource:
        """While it is asked, the other child writes."""

        def fetch(self, *, audience: str, timeout: float) -> str:
            """Give the token of before."""
            assert (audience, timeout) == (pod.GOOGLE_AUDIENCE, 5)
            file.write_text(token(exp=NOW + HOUR, iat=NOW, sub="2"))
            return str(token(exp=NOW + 310, iat=NOW - HOUR + 310, sub="1"))

    assert refreshed(settings(), SlowSource()).token.unverified_sub == "2"
    assert file.read_text() == token(exp=NOW + HOUR, iat=NOW, sub="2")


def test_cached_token_is_followed_by_shorter_waits(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any
) -> None:
    """A server that hands out the same token again is asked again after half of what is left."""
    source = scripted(text := token(exp=NOW + HOUR, iat=NOW))
    waits = [refreshed(settings(), source, now=NOW + age).next_in for age in (0, 1800, 2700, 3500)]
    assert waits == [1800, 900, 450, 50]
    assert (tmp_path / "token").read_text() == text


def test_near_expiry_is_taken_and_retried_soon(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any
) -> None:
    """A token near its end is better than none; the next try is as soon as may be (T3)."""
    found = refreshed(settings("--min-lifetime=600"), scripted(text := token(exp=NOW + 300, iat=NOW - 3300)))
    assert ((tmp_path / "token").read_text(), found.next_in) == (text, 30)


@pytest.mark.parametrize(("age", "asked"), [(0, 0), (1700, 0), (1800, 1), (3000, 1), (4000, 1)])
def test_once_if_stale(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any, age: float, asked: int
) -> None:
    """Before half its life nothing is fetched, so init container and sidecar fetch once together (T4)."""
    (tmp_path / "token").write_text(token(exp=NOW + HOUR, iat=NOW))
    source = scripted(token(exp=NOW + 3 * HOUR, iat=NOW))
    refreshed(settings("--once-if-stale"), source, now=NOW + age)
    assert len(source.asked) == asked


@pytest.mark.parametrize("old", [{"exp": NOW + HOUR, "iat": NOW, "aud": "other"}, {"exp": NOW + HOUR}, {"exp": "x"}])
def test_once_if_stale_needs_a_good_token(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any, old: dict[str, Any]
) -> None:
    """A token for another audience, of unknown age or malformed is stale."""
    (tmp_path / "token").write_text(token(**old))
    source = scripted(token(exp=NOW + 2 * HOUR, iat=NOW))
    refreshed(settings("--once-if-stale"), source)
    assert len(source.asked) == 1


def test_once_if_stale_says_when_to_come(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any
) -> None:
    """A kept token keeps its own point in time: half its life, not half of what is left."""
    (tmp_path / "token").write_text(token(exp=NOW + HOUR, iat=NOW))
    assert refreshed(settings("--once-if-stale"), scripted(""), now=NOW + 600).next_in == 1200


def test_time_divisor(settings: Parse, token: Make, scripted: Any, refreshed: Any) -> None:
    """Floors are divided, the token's own life is not."""
    parsed = settings("--min-lifetime=0", environ={"TOKEN_INJECTOR_TIME_DIVISOR": "60"})
    assert refreshed(parsed, scripted(token(exp=NOW + 10, iat=NOW))).next_in == 5
    assert refreshed(parsed, scripted(token(exp=NOW + 11, iat=NOW - HOUR)), now=NOW + 10.9).next_in == 0.5


def test_unwritable(settings: Parse, token: Make, scripted: Any, refreshed: Any) -> None:
    """A token that cannot be written is TOKEN_NOT_WRITTEN."""
    parsed = settings("--file=/dev/null/token")
    with pytest.raises(RefreshError) as caught:
        refreshed(parsed, scripted(token(exp=NOW + 10, iat=NOW)))
    assert caught.value.exit_code == exit_codes.TOKEN_NOT_WRITTEN


def test_no_token_in_the_log(
    tmp_path: Path, settings: Parse, token: Make, scripted: Any, refreshed: Any, events: Events
) -> None:
    """Nothing that is logged holds a token, the old one or the new one."""
    (tmp_path / "token").write_text(old := token(exp=NOW + 100, sub="1"))
    new = token(exp=NOW + 200, sub="eyJ.eyJ.x")
    refreshed(settings(), scripted(new))
    assert old not in str(events)
    assert new not in str(events)
    assert "eyJ" not in str(events)
