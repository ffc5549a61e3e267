"""pynetdicom's acceptor without its waits: it polls every millisecond, this one is woken.

Takes  connection
Gives  DIMSE message
Next   node.intake.listener

Four things are different from the library, all behind its own interfaces: the upper layer waits
in ``select`` instead of sleeping, the association waits for a message instead of sleeping, the
socket is read in one piece instead of 4 KiB steps (and not for ever), and the data set of a
C-STORE goes to disk while it arrives instead of gathering in memory. The listening socket may be
given, so that several processes accept on one port.
"""

import select
import socket
import threading
from copy import deepcopy
from io import BytesIO
from typing import Any, Final, cast

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from node.errors import SpoolFull
from node.intake.spool import IncomingFile, Spool, file_meta
from node.waiting import nap

MODE_ACCEPTOR: Final = "acceptor"
IDLE_WAIT_S: Final = 0.2
"""Longest sleep of a loop that nothing wakes: bounds the reaction to timers and to a stop."""
LONGEST_PDU_BYTES: Final = 1 << 24
"""Above every ``intake.max_pdu_bytes``; noise on the port may say 4 GiB."""
YIELD_S: Final = 0.004
"""Per association that this process already serves, it leaves a new one to idler processes."""


class WokenUpperLayer(DULServiceProvider):
    """Upper layer that sleeps in ``select`` until there is something to read or to send."""

    def __init__(self, assoc: "WokenAssociation") -> None:
        super().__init__(assoc)
        self._run_loop_delay = 0
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)

    def send_pdu(self, primitive: Any) -> None:
        """Queue a primitive and wake the loop."""
        super().send_pdu(primitive)
        self.wake()

    def kill_dul(self) -> None:
        """End the loop."""
        super().kill_dul()
        self.wake()

    def wake(self) -> None:
        """End the present wait."""
        try:
            self._wake_sender.send(b"\0")
        except OSError:
            return

    def run_reactor(self) -> None:
        """Run the loop; whatever happens, tell the association at the end."""
        try:
            super().run_reactor()
        finally:
            cast(WokenAssociation, self.assoc).news.set()
            self._wake_sender.close()
            self._wake_receiver.close()

    def _is_transport_event(self) -> bool:
        cast(WokenAssociation, self.assoc).news.set()
        if self.event_queue.empty() and self.state_machine.current_state != "Sta13":
            self._wait()
        return super()._is_transport_event()

    def _wait(self) -> None:
        connection = self.socket.socket if self.socket else None
        sources = [self._wake_receiver] if connection is None else [self._wake_receiver, connection]
        try:
            ready, _, _ = select.select(sources, [], [], IDLE_WAIT_S)
            if self._wake_receiver in ready:
                self._wake_receiver.recv(4096)
        except (OSError, ValueError):
            nap(0.001)  # the connection was closed meanwhile; the library notices by itself


class IncomingDataSet(BytesIO):
    """Data set of a C-STORE request that goes to disk while it arrives.

    Parameters
    ----------
    spool
        Where to.
    message
        Its command set tells the identifiers.
    transfer_syntax_uid
        By presentation context.

    Attributes
    ----------
    file : IncomingFile or None
        ``None`` before the first piece.
    error : Exception or None
        Why it could not be written. The rest is swallowed, so that the sender gets a status for
        the object and not an abort.
    """

    def __init__(self, spool: Spool, message: DIMSEMessage, syntaxes: dict[int, str]) -> None:
        super().__init__()
        self._spool = spool
        self._message = message
        self._syntaxes = syntaxes
        self.file: IncomingFile | None = None
        self.error: OSError | SpoolFull | None = None

    def write(self, piece: Any, /) -> int:
        """Append a piece."""
        if self.error is None:
            try:
                if self.file is None:
                    self.file = self._spool.receive(self._meta())
                self.file.write(piece)
            except (OSError, SpoolFull) as error:
                self.error = error
        return len(piece)

    def discard(self) -> None:
        """Remove the file, unless it was kept."""
        if self.file is not None:
            self.file.discard()

    def _meta(self) -> bytes:
        command = self._message.command_set
        return file_meta(
            str(command.get("AffectedSOPClassUID", "")),
            str(command.get("AffectedSOPInstanceUID", "")),
            self._syntaxes.get(self._message.context_id or 0, ""),
        )


class StreamingProvider(DIMSEServiceProvider):
    """DIMSE provider whose data sets are written while they arrive."""

    def __init__(self, assoc: "WokenAssociation", spool: Spool) -> None:
        super().__init__(assoc)
        self._spool = spool

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take one P-DATA; a new message gets its own kind of data set."""
        if self.message is None:
            self.message = DIMSEMessage()
            syntaxes = {
                number: str(context.transfer_syntax[0])
                for number, context in self.assoc._accepted_cx.items()
            }
            self.message.data_set = IncomingDataSet(self._spool, self.message, syntaxes)
        super().receive_primitive(primitive)

    def discard(self) -> None:
        """Remove what has arrived of an object that will not arrive wholly."""
        data_set = self.message.data_set if self.message else None
        if isinstance(data_set, IncomingDataSet):
            data_set.discard()


class WokenAssociation(Association):
    """Association that is woken by its upper layer.

    Attributes
    ----------
    news : threading.Event
        Set after every turn of the upper layer.
    """

    def __init__(self, ae: Any, mode: str, spool: Spool) -> None:
        super().__init__(ae, mode)
        self.dimse = StreamingProvider(self, spool)
        self.news = threading.Event()
        self.dul = WokenUpperLayer(self)
        self.acse_timeout = ae.acse_timeout
        self.network_timeout = ae.network_timeout

    def run_reactor(self) -> None:
        """Run until the end of the association; leave no half object behind."""
        try:
            super().run_reactor()
        finally:
            cast(StreamingProvider, self.dimse).discard()

    def _run_reactor(self) -> None:
        """Serve messages until release, abort or silence (as in the library, without its sleep)."""
        self._is_paused = False
        while not self._kill:
            self.news.wait(IDLE_WAIT_S)
            self.news.clear()
            context_id, message = self.dimse.get_msg(block=False)
            if message:
                self._serve_request(message, cast(int, context_id))
                self.news.set()
            elif self._is_over():
                return

    def _is_over(self) -> bool:
        if self.is_established and self.acse.is_release_requested():
            self.acse.send_release(is_response=True)
            self.is_released = True
            self.is_established = False
            evt.trigger(self, evt.EVT_RELEASED, {})
        elif self.acse.is_aborted():
            self.dul.receive_pdu(wait=False)
            self.is_aborted = True
            self.is_established = False
            evt.trigger(self, evt.EVT_ABORTED, {})
        elif self.dul.idle_timer_expired():
            self.abort()
        elif self.dul.is_alive():
            return False
        self.kill()
        return True


class WholeReadSocket(AssociationSocket):
    """Socket that reads a PDU in one piece, and that an abort gets out of an unfinished one."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Read ``nr_bytes``, fewer only at the end of the connection or of the association.

        Raises
        ------
        ConnectionAbortedError
            The PDU is said to be longer than any.
        """
        if nr_bytes > LONGEST_PDU_BYTES:
            raise ConnectionAbortedError(f"a PDU of {nr_bytes} bytes")
        content = bytearray(nr_bytes)
        view = memoryview(content)
        got = 0
        while got < nr_bytes:
            count = self._read(view[got:])
            if not count:
                return content[:got]
            got += count
        return content

    def _read(self, rest: memoryview) -> int:
        """Wait for the next piece, but not for a peer that fell silent in mid-PDU."""
        connection = cast(socket.socket, self.socket)
        while True:
            try:
                count = connection.recv_into(rest, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if self.assoc._sent_abort or self.assoc._kill:
                    return 0
                select.select([connection], [], [], IDLE_WAIT_S)
                continue
            self.assoc.dul._idle_timer.restart()
            return count


class WokenRequestHandler(RequestHandler):
    """Makes a `WokenAssociation` of a connection."""

    def _create_association(self) -> Association:
        """Like the library's, with our classes."""
        connection = cast(socket.socket, self.request)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        spool = cast(SharedSocketServer, self.server).spool
        association = WokenAssociation(self.ae, MODE_ACCEPTOR, spool)
        association._server = self.server
        host, port = self.client_address[:2]
        association.name = f"AcceptorThread@{host}:{port}"
        association.set_socket(WholeReadSocket(association, client_socket=connection))

        acceptor = association.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        acceptor.supported_contexts = deepcopy(self.server.contexts)
        association.requestor.address_info = self.remote
        self._bind_handlers(association)
        return association

    def _bind_handlers(self, association: Association) -> None:
        for event, bound in self.server._handlers.items():
            if isinstance(event, evt.NotificationEvent):
                for handler in cast(list[tuple[Any, Any]], bound):
                    association.bind(event, *handler)
            elif bound:
                association.bind(event, *cast(tuple[Any, Any], bound))


class SharedSocketServer(ThreadedAssociationServer):
    """Association server on a listening socket that several processes share."""

    def __init__(self, listening: socket.socket, spool: Spool, **arguments: Any) -> None:
        self._listening = listening
        self.spool = spool
        listening.setblocking(False)
        super().__init__(
            address=listening.getsockname(), request_handler=WokenRequestHandler, **arguments
        )

    def server_bind(self) -> None:
        """Take the given socket in place of a new one."""
        cast(socket.socket, self.socket).close()
        self.socket = self._listening
        self.server_address = self._listening.getsockname()

    def server_activate(self) -> None:
        """Do nothing: whoever made the socket listens already."""

    def server_close(self) -> None:
        """Leave the socket open for the other processes."""
        cast(socket.socket, self.socket).close()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept; a busy process waits a moment, so that an idle one goes first."""
        nap(min(len(self.active_associations), 10) * YIELD_S)
        return super().get_request()
