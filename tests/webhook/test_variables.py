"""What a container's variables hold: dollars and parentheses, read as Kubernetes reads them and written back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.secrets.expansion import written
from webhook.secrets.variables import Room, read_environment

TEXTS = st.text(alphabet="$(){}ABpiggy:/ ", max_size=20) | st.sampled_from(("piggy:$$(A)", "$" * 9 + "(A)", "$$((A)"))


def read(*values: str) -> str:
    """The last one's text; A is known before it, and nothing is a reference."""
    env = [{"name": "A", "value": "text"}, *({"name": "Z", "value": value} for value in values)]
    found = read_environment(
        {"name": "app", "env": env},
        {},
        {},
        refers=lambda text: not text,
        may_refer=lambda pieces: not pieces,
        room=Room(),
    )
    return found.known["Z"].text


@settings(max_examples=500)
@given(text=TEXTS)
def test_what_is_written_is_read_as_the_same(text: str) -> None:
    """Whatever a plan holds, a value says it so that a second review finds the same text."""
    assert read(written(text)) == text


def test_dollars_before_a_parenthesis() -> None:
    """Each two are one, as for Kubernetes, and one that is left over begins a variable's name."""
    assert read("$(A) $$(A) $$$(A) $$$$(A) $$$$$(A)") == "text $(A) $text $$(A) $$text"
    assert read("piggy:$(A)$$(A)$$$(A)$$") == "piggy:text$(A)$text$"


def test_other_dollars_stay() -> None:
    """The grammar of references has escapes of its own."""
    assert read("$$ $$$ $$x $${sm://x} $(B) $(") == "$$ $$$ $$x $${sm://x} $(B) $("


def test_long_runs_take_no_time() -> None:
    """An author's text cannot keep the webhook busy."""
    for text in ("$" * 200_000, "$" * 200_000 + "(A)", "$(" * 100_000, "$$(" * 70_000):
        assert written(read(text)) is not None
