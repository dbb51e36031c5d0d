"""botocore's session, with what it does itself for the services that we ask."""

import botocore.session
from botocore import handlers

# As botocore's events name them, by the old names too.
_SERVICES = ("dynamodb", "secrets-manager", "secretsmanager", "ssm", "sts")


def new_session() -> botocore.session.Session:
    """With botocore's own handlers, but for those of documentation and of other services.

    These are nine of ten, and to register them all takes as long as to make a client, at each pod's start.
    """
    session = botocore.session.Session(include_builtin_handlers=False)
    emitter = session.get_component("event_emitter")
    register = {
        None: emitter.register,
        handlers.REGISTER_FIRST: emitter.register_first,
        handlers.REGISTER_LAST: emitter.register_last,
    }
    for event, handler, *order in handlers.BUILTIN_HANDLERS:
        if event.partition(".")[2].partition(".")[0] in {"", *_SERVICES}:
            register[next(iter(order), None)](event, handler)
    return session
