"""Association servers on a listening socket that several processes share.

Takes  listening socket
Gives  association
Next   node.intake.listener

This module uses public names of pynetdicom and ``socketserver`` only. The faster server, which
overrides private names, is in `node.intake.reactor`.
"""

import socket
from contextlib import suppress
from socketserver import BaseServer
from typing import Any, Final, cast

from pynetdicom.association import Association
from pynetdicom.transport import ThreadedAssociationServer

from node.intake.spool import Spool
from node.waiting import nap

YIELD_S: Final = 0.004
"""Wait before accepting, per association that this process serves: an idle process accepts first."""
MAX_YIELDS: Final = 10


class SharedSocketServer(ThreadedAssociationServer):
    """pynetdicom's association server on an existing listening socket.

    Parameters
    ----------
    listening
        Bound and listening; other processes may accept from it as well.
    spool
        Where received objects go.
    arguments
        Of `pynetdicom.transport.AssociationServer`, except ``address``.
    """

    def __init__(self, listening: socket.socket, spool: Spool, **arguments: Any) -> None:
        self.listening = listening
        self.spool = spool
        listening.setblocking(False)
        super().__init__(address=listening.getsockname(), **arguments)

    def server_bind(self) -> None:
        """Use the given socket instead of a new one."""
        cast(socket.socket, self.socket).close()
        self.socket = self.listening
        self.server_address = self.listening.getsockname()

    def server_activate(self) -> None:
        """Do nothing: the given socket listens already."""

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection; a busy process waits, so that an idle process accepts it."""
        nap(min(len(self.active_associations), MAX_YIELDS) * YIELD_S)
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def server_close(self) -> None:
        """Close this process's handle; the socket stays open for the other processes."""
        cast(socket.socket, self.socket).close()

    def shutdown(self) -> None:
        """Stop accepting. pynetdicom's own method would shut the socket of all processes."""
        BaseServer.shutdown(self)
        self.server_close()

    def end(self, association: Association) -> None:
        """Abort an association and wait for its end."""
        association.abort()


class StockServer(SharedSocketServer):
    """Server whose associations are pynetdicom's, unchanged.

    pynetdicom's upper layer waits without limit inside a PDU. A timeout on the connection ends
    that wait after ``intake.idle_timeout_s``, and `end` ends it at once.
    """

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection and limit each of its reads and writes."""
        connection, address = super().get_request()
        connection.settimeout(self.ae.network_timeout)
        return connection, address

    def end(self, association: Association) -> None:
        """Abort an association, also one whose peer stopped in the middle of a PDU."""
        association.abort(block=False)
        transport = association.dul.socket
        if transport is not None and transport.socket is not None:
            with suppress(OSError):  # the peer has closed the connection
                transport.socket.shutdown(socket.SHUT_RD)
        association.kill()
