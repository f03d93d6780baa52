"""May a pooled connection still be used, and if it broke: did the provider take the request up? Asked of the system.

Before sending: `input_waits`. Between two calls a provider has nothing to say, so input on an idle connection is its
end, or something that belongs to no request; either way it must not be used again.

After sending: a request may be sent again only if it can be proved that the provider took none of it, or a slow call
is made, and paid for, twice. The one proof accepted: the provider ended its side (FIN, or TLS close_notify), and by
then had acknowledged not one byte since `bytes_acknowledged` was read before sending. A FIN carries the
acknowledgement of all that its sender had received, and who has ended his side answers nothing that comes later
(RFC 9112, 9.6). A reset proves nothing: its acknowledgement is not counted (RFC 9293, 3.10.7.4), so the request may
have been read. Only Linux counts acknowledged bytes; elsewhere there is no proof and so nothing is sent again.
"""

import asyncio
import select
import socket
import sys

TCP_INFO_BYTES = 128
BYTES_ACKED = slice(120, 128)
"""`tcpi_bytes_acked` in Linux's `struct tcp_info` (linux/tcp.h), since Linux 4.1."""


def input_waits(transport: asyncio.Transport) -> bool:
    """Whether something has come on this connection that the event loop has not read yet, its end included."""
    connected = transport.get_extra_info("socket")
    if connected is None:
        return True
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def bytes_acknowledged(transport: asyncio.Transport) -> int:
    """How many bytes the other side's system has acknowledged since the connection began; 0: not known."""
    connected = transport.get_extra_info("socket")
    if sys.platform != "linux" or connected is None:
        return 0
    try:
        told = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    except OSError:
        return 0
    return int.from_bytes(told[BYTES_ACKED], sys.byteorder) if len(told) == TCP_INFO_BYTES else 0
