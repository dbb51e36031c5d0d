"""A session does for our calls what botocore's own does."""

import botocore.session
import pytest
from botocore import handlers

from images.aws_data import OPERATIONS
from secretenv.stores.session import new_session


@pytest.mark.parametrize(("service", "calls"), OPERATIONS.items())
def test_handlers_of_botocore(service: str, calls: tuple[str, ...]) -> None:
    """What botocore itself does at each event of our calls, in its order, is done; handlers of others are not there."""
    name = botocore.session.get_session().get_service_model(service).service_id.hyphenize()
    kinds = {event.partition(".")[0] for event, *_ in handlers.BUILTIN_HANDLERS} - {"docs"}
    events = [f"{kind}.{name}{call}" for kind in kinds for call in ("", *(f".{call}" for call in calls))]
    ours, whole = new_session(), botocore.session.Session()
    assert {event: _heard(ours, event) for event in events} == {event: _heard(whole, event) for event in events}
    assert any(_heard(whole, event) for event in events)
    assert _heard(whole, "before-call.s3.DeleteObjects") != _heard(ours, "before-call.s3.DeleteObjects")


def _heard(session: botocore.session.Session, event: str) -> list[object]:
    # botocore tells nobody who listens.
    return list(session.get_component("event_emitter")._emitter._handlers.prefix_search(event))
