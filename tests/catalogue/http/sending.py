"""How each row is sent: importing this knows all who send."""

from tests.catalogue.http import sending_bodies, sending_questions, sending_uploads
from tests.catalogue.http.senders import SENDERS, Send

__all__ = ["SENDERS", "Send", "sending_bodies", "sending_questions", "sending_uploads"]
