"""Where a request ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.framing import LONGEST_HEAD, BodyTooLargeError, Framing, HeadTooLargeError

HEAD = b"POST /pods HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

WHOLE = [
    pytest.param(HEAD + b"\r\n", id="no body"),
    pytest.param(HEAD + b"Content-Length: 5\r\n\r\n12345", id="length"),
    pytest.param(HEAD + b"content-length:5 \r\n\r\n12345", id="length in small letters"),
    pytest.param(HEAD + b"Content-Length: 0\r\n\r\n", id="length zero"),
    pytest.param(CHUNKED + b"0\r\n\r\n", id="chunks, none"),
    pytest.param(CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", id="chunks"),
    pytest.param(CHUNKED + b"a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", id="chunk of line ends"),
    pytest.param(CHUNKED + b"1\r\na\r\n0\r\nX: y\r\n\r\n", id="trailers"),
]


@pytest.mark.parametrize("request_", WHOLE)
def test_request_ends_with_its_last_byte(request_: bytes) -> None:
    """A request is whole with its last byte, not before, and what follows is not its own."""
    for length in range(len(request_)):
        assert Framing(longest_body=100).end(request_[:length]) is None
    assert Framing(longest_body=100).end(request_ + b"GET / HTTP/1.1\r\n") == len(request_)


@given(data=st.data())
def test_pieces_do_not_matter(data: st.DataObject) -> None:
    """However a request is cut into pieces, the end is the same."""
    whole = data.draw(st.sampled_from([case.values[0] for case in WHOLE]))
    assert isinstance(whole, bytes)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole) - 1))))
    framing = Framing(longest_body=100)

    assert [framing.end(bytearray(whole[:cut])) for cut in cuts] == [None] * len(cuts)
    assert framing.end(bytearray(whole)) == len(whole)


@given(received=st.lists(st.binary(max_size=40), max_size=8), chunked=st.booleans())
def test_no_bytes_break_it(received: list[bytes], chunked: bool) -> None:  # noqa: FBT001 - Hypothesis' argument
    """Whatever comes, the answer is a place in it, None, or one of the two errors."""
    framing = Framing(longest_body=100)
    data = bytearray(CHUNKED if chunked else HEAD)
    for piece in received:
        data += piece
        try:
            end = framing.end(data)
        except (BodyTooLargeError, HeadTooLargeError):
            return
        if end is not None:
            assert 0 < end <= len(data)
            return


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(HEAD + b"Content-Length: 101\r\n\r\n", id="announced"),
        pytest.param(HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", id="absurd"),
        pytest.param(CHUNKED + b"ffffff\r\n", id="chunk announced"),
        pytest.param(CHUNKED + b"1\r\na\r\n" * 30, id="many chunks"),
        pytest.param(CHUNKED + b"0\r\n" + b"a: b\r\n" * 30, id="trailers without end"),
    ],
)
def test_too_long_body_is_known_before_it_came(request_: bytes) -> None:
    """A body over the limit is refused as soon as it is known; the head stays readable."""
    framing = Framing(longest_body=100)
    with pytest.raises(BodyTooLargeError):
        framing.end(request_)
    assert request_[: framing.head].endswith(b"\r\n\r\n")


@pytest.mark.parametrize("junk", [b"xyz\r\n", b"\r\n", b"-1\r\n", b"f" * 2000, b"3\r\nabcdef"])
def test_broken_chunk_goes_to_the_parser(junk: bytes) -> None:
    """A chunk without a size has no findable end: all that came is handed over, to be refused there."""
    assert Framing(longest_body=10_000).end(CHUNKED + junk) == len(CHUNKED + junk)


def test_other_coding_goes_to_the_parser() -> None:
    """A body coded as anything but chunks has no end: its head is handed over, to be refused there."""
    head = HEAD + b"Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"
    assert Framing(longest_body=100).end(head + b"12345") == len(head)


def test_endless_head_is_refused() -> None:
    """Headers that never end are refused at the limit."""
    framing = Framing(longest_body=100)
    assert framing.end(HEAD + b"x" * (LONGEST_HEAD - len(HEAD))) is None
    with pytest.raises(HeadTooLargeError):
        framing.end(HEAD + b"x" * LONGEST_HEAD)
