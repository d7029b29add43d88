"""Whether the Hub can be reached: libraries would try for half a minute."""

from __future__ import annotations

import socket
import threading
import urllib.parse
import urllib.request
from typing import Final

PATIENCE: Final = 3.0
"""Seconds that the Hub has to take a connection."""


def hub_address() -> str:
    """URL of the Hub, from `HF_ENDPOINT` or its default."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def hub_answers() -> bool:
    """Whether the Hub takes a connection within `PATIENCE` seconds.

    True without a try where there is a proxy, which has to make the connection; False where
    `HF_HUB_OFFLINE` is set.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    address = urllib.parse.urlsplit(hub_address())
    if urllib.request.getproxies().get(address.scheme) or address.hostname is None:
        return True
    place = address.hostname, address.port or (443 if address.scheme == "https" else 80)
    answers = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection(place, timeout=PATIENCE).close()
        except OSError:
            return
        answers.set()

    # In a thread of its own: looking a name up has no time-out, and may take longer than the rest.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answers.is_set()
