"""HTTP/1.1 as uvicorn speaks it, without the tracebacks that a client's nonsense brings about there."""

from __future__ import annotations

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Protocol(H11Protocol):
    """Answers nonsense once, and only where no other answer has begun.

    uvicorn answers 400 to what it cannot read also while or after it answers the request before, and lets an app
    answer that it had called already: h11 refuses both, and each would be logged as a crash, by whoever can connect.
    """

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, and close."""
        if self.cycle is not None:
            # What the app still says goes nowhere.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()
