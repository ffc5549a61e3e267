"""A faster acceptor on top of pynetdicom: it waits for events instead of polling.

Takes  connection
Gives  DIMSE message
Next   node.intake.listener

pynetdicom sleeps 1 ms in two loops, reads a socket in steps of 4 KiB and collects a data set in
memory. The classes here change four things:

* The upper layer waits in ``select``.
* The association waits for an event that its upper layer sets.
* The socket reads a PDU in one piece, and stops reading when the association ends.
* The data set of a C-STORE request goes to disk while it arrives.

They override or use private names of pynetdicom. ``tests/contracts/test_pynetdicom_internals.py``
compares every one of these names with the installed version. ``intake.server = "stock"`` runs the
node without this module (`node.intake.server.StockServer`).
"""

import select
import socket
import threading
from copy import deepcopy
from typing import Any, Final, cast

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket, RequestHandler

from node.intake.data_set import IncomingDataSet
from node.intake.server import SharedSocketServer
from node.intake.spool import Spool, file_meta
from node.waiting import nap

MODE_ACCEPTOR: Final = "acceptor"
CLOSING: Final = "Sta13"
"""State of the upper layer that waits for the peer to close the connection (PS3.8 9.2.2)."""
IDLE_WAIT_S: Final = 0.2
"""Longest wait of a loop without an event; limits the delay of timers and of a stop."""
LONGEST_PDU_BYTES: Final = 1 << 24
"""Above every ``intake.max_pdu_bytes``; random bytes on the port may announce 4 GiB."""


class WokenUpperLayer(DULServiceProvider):
    """Upper layer that waits in ``select`` until there is something to read or to send."""

    def __init__(self, assoc: "WokenAssociation") -> None:
        super().__init__(assoc)
        self._run_loop_delay = 0
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)

    def send_pdu(self, primitive: Any) -> None:
        """Queue a primitive and end the wait of the loop."""
        super().send_pdu(primitive)
        self.wake()

    def kill_dul(self) -> None:
        """End the loop."""
        super().kill_dul()
        self.wake()

    def wake(self) -> None:
        """End the wait of the loop."""
        try:
            self._wake_sender.send(b"\0")
        except OSError:
            return

    def run_reactor(self) -> None:
        """Run the loop; at its end wake the association, also after an error."""
        try:
            super().run_reactor()
        finally:
            cast(WokenAssociation, self.assoc).news.set()
            self._wake_sender.close()
            self._wake_receiver.close()

    def _is_transport_event(self) -> bool:
        cast(WokenAssociation, self.assoc).news.set()
        if self.event_queue.empty() and self.state_machine.current_state != CLOSING:
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
            nap(0.001)  # the connection is closed; pynetdicom detects this in its next step


class StreamingProvider(DIMSEServiceProvider):
    """DIMSE provider that writes data sets to the spool while they arrive."""

    def __init__(self, assoc: "WokenAssociation", spool: Spool) -> None:
        super().__init__(assoc)
        self.spool = spool

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Process one P-DATA primitive; a new message gets an `IncomingDataSet`."""
        if self.message is None:
            message = self.message = DIMSEMessage()
            message.data_set = IncomingDataSet(self.spool, lambda: self.meta(message))
        super().receive_primitive(primitive)

    def meta(self, message: DIMSEMessage) -> bytes:
        """File meta information of a message whose command set is complete."""
        syntaxes = {
            context.context_id: str(context.transfer_syntax[0])
            for context in self.assoc.accepted_contexts
        }
        command = message.command_set
        return file_meta(
            str(command.get("AffectedSOPClassUID", "")),
            str(command.get("AffectedSOPInstanceUID", "")),
            syntaxes.get(message.context_id, ""),
        )

    def discard(self) -> None:
        """Remove the file of an object that did not arrive completely."""
        data_set = self.message.data_set if self.message else None
        if isinstance(data_set, IncomingDataSet):
            data_set.discard()


class WokenAssociation(Association):
    """Association that waits until its upper layer has done something.

    Attributes
    ----------
    news : threading.Event
        The upper layer sets it in every turn of its loop.
    """

    def __init__(self, ae: Any, mode: str, spool: Spool) -> None:
        super().__init__(ae, mode)
        self.dimse = StreamingProvider(self, spool)
        self.news = threading.Event()
        self.dul = WokenUpperLayer(self)
        self.acse_timeout = ae.acse_timeout
        self.network_timeout = ae.network_timeout

    def run_reactor(self) -> None:
        """Run until the end of the association, then remove an incomplete object."""
        try:
            super().run_reactor()
        finally:
            cast(StreamingProvider, self.dimse).discard()

    def _run_reactor(self) -> None:
        """Serve messages until release, abort or timeout: pynetdicom's loop without its sleep."""
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
    """Socket that reads a PDU in one piece and stops reading when the association ends."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Read ``nr_bytes``, fewer only at the end of the connection or of the association.

        Raises
        ------
        ConnectionAbortedError
            The announced length is above `LONGEST_PDU_BYTES`.
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
        """Read the next piece; zero bytes when the association ends before it arrives."""
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
    """Starts a `WokenAssociation` for a connection."""

    def handle(self) -> None:
        """Create the association, report the connection, start the association."""
        association = self.create_association()
        evt.trigger(association, evt.EVT_CONN_OPEN, {"address": self.client_address})
        association.start()

    def create_association(self) -> Association:
        """Association with the settings of pynetdicom's request handler."""
        association = WokenAssociation(
            self.ae, MODE_ACCEPTOR, cast(SharedSocketServer, self.server).spool
        )
        association._server = self.server
        host, port = self.client_address[:2]
        association.name = f"AcceptorThread@{host}:{port}"
        connection = cast(socket.socket, self.request)
        association.set_socket(WholeReadSocket(association, client_socket=connection))

        acceptor = association.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        acceptor.supported_contexts = deepcopy(self.server.contexts)
        association.requestor.address_info = self.remote
        self.bind_handlers(association)
        return association

    def bind_handlers(self, association: Association) -> None:
        """Bind the handlers of the server to the association."""
        for event in self.server.get_events():
            bound = self.server.get_handlers(event)
            if isinstance(event, evt.NotificationEvent):
                for handler in cast(list[tuple[Any, Any]], bound):
                    association.bind(event, *handler)
            elif bound:
                association.bind(event, *cast(tuple[Any, Any], bound))


class FastServer(SharedSocketServer):
    """Server whose associations wait for events and write data sets while they arrive."""

    def __init__(self, listening: socket.socket, spool: Spool, **arguments: Any) -> None:
        super().__init__(listening, spool, request_handler=WokenRequestHandler, **arguments)
