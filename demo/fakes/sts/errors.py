"""The errors of AWS's query protocol and their XML. Pure."""

from dataclasses import dataclass
from http import HTTPStatus
from xml.sax.saxutils import escape

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True, slots=True)
class RefusedError(Exception):
    """A request that AWS refuses; the message is AWS's own text and holds no secret."""

    code: str
    message: str
    status: int = HTTPStatus.BAD_REQUEST

    def xml(self, request_id: str) -> str:
        """Give the body of the answer."""
        return (
            f'<ErrorResponse xmlns="{NAMESPACE}">\n'
            "  <Error>\n"
            "    <Type>Sender</Type>\n"
            f"    <Code>{self.code}</Code>\n"
            f"    <Message>{escape(self.message)}</Message>\n"
            "  </Error>\n"
            f"  <RequestId>{request_id}</RequestId>\n"
            "</ErrorResponse>\n"
        )


def invalid_token(message: str) -> RefusedError:
    """Give the error for a token that STS could not validate."""
    return RefusedError("InvalidIdentityToken", message)


def access_denied() -> RefusedError:
    """Give the error for a valid token that the role does not trust, and for a role that does not exist."""
    message = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    return RefusedError("AccessDenied", message, HTTPStatus.FORBIDDEN)
