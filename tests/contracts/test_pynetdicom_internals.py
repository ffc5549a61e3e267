"""The internals of pynetdicom that the node overrides or uses have not changed.

The names in use are read from the sources of ``node``. A new use of a private name fails here until
`METHODS` or `ATTRIBUTES` holds it. To review an override, compare it with the method of the
installed version; then write the new digest into the table.
"""

import ast
import hashlib
import inspect
import textwrap
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, _config, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.events import Event
from pynetdicom.fsm import STATES
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.timer import Timer
from pynetdicom.transport import AssociationServer, AssociationSocket, RequestHandler

from node.intake import reactor, server
from node.intake.data_set import IncomingDataSet
from node.intake.spool import Spool
from tests.contracts.private_names import (
    LIBRARY,
    ROOT,
    classes_on_the_library,
    foreign_private_names,
    is_private,
    library_names,
    own_names,
    users,
)
from tests.node.ct_objects import encoded, write_raw

FAST = "node.intake.reactor."
SHARED = "node.intake.server."


@dataclass(frozen=True)
class Method:
    """A method of pynetdicom that the node overrides, calls or relies on.

    Parameters
    ----------
    parameters
        Names and defaults, without annotations.
    digest
        Of the source for which ``review`` was written.
    review
        Code of the node to review when the method changes.
    """

    owner: type
    name: str
    parameters: str
    digest: str
    review: str

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"


@dataclass(frozen=True)
class Attribute:
    """An attribute of an object of pynetdicom that the node reads or sets."""

    owner: type
    name: str
    kind: type | tuple[type, ...]
    review: str

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"


NONE = type(None)
NUMBER = (int, float)
UPPER_LAYER = FAST + "WokenUpperLayer"
PROVIDER = FAST + "StreamingProvider"
ASSOCIATION = FAST + "WokenAssociation"
SOCKET = FAST + "WholeReadSocket"
HANDLER = FAST + "WokenRequestHandler"
SERVER = SHARED + "SharedSocketServer"
STOCK_END = f"{SHARED}StockServer.end and {SOCKET}._read"

METHODS = (
    Method(Association, "__init__", "self, ae, mode", "eb07516b8009ad8f", ASSOCIATION),
    Method(Association, "run_reactor", "self", "ed8bbbe3b3d6ddae", ASSOCIATION),
    Method(
        Association,
        "_run_reactor",
        "self",
        "f28838c5559e462a",
        ASSOCIATION + "._run_reactor and _is_over",
    ),
    Method(Association, "_serve_request", "self, msg, context_id", "2f24c1759cdf6c8c", ASSOCIATION),
    Method(Association, "_abort_blocking", "self, block=True", "10b43ef8c63c6764", STOCK_END),
    Method(Association, "kill", "self", "8f9713666a7f4cff", STOCK_END),
    Method(DULServiceProvider, "__init__", "self, assoc", "c82dafa9438ddf70", UPPER_LAYER),
    Method(DULServiceProvider, "run_reactor", "self", "e3a10eb3a0931e48", UPPER_LAYER),
    Method(DULServiceProvider, "_is_transport_event", "self", "8725ed03bb8fbdef", UPPER_LAYER),
    Method(DULServiceProvider, "_read_pdu_data", "self", "19f2d4e38c13c835", SOCKET + ".recv"),
    Method(
        DULServiceProvider,
        "send_pdu",
        "self, primitive",
        "7cbce5da8594124e",
        UPPER_LAYER + ".send_pdu",
    ),
    Method(DULServiceProvider, "kill_dul", "self", "5ceccf8dd01c2072", UPPER_LAYER + ".kill_dul"),
    Method(DULServiceProvider, "stop_dul", "self", "28a7e0be126e7b30", UPPER_LAYER),
    Method(DIMSEServiceProvider, "__init__", "self, assoc", "bbecd186810e7700", PROVIDER),
    Method(
        DIMSEServiceProvider, "receive_primitive", "self, primitive", "5f99c86b14a15cef", PROVIDER
    ),
    Method(DIMSEMessage, "decode_msg", "self, primitive, assoc=None", "f51c777e841a76be", PROVIDER),
    Method(
        DIMSEMessage,
        "message_to_primitive",
        "self",
        "f8f43d34e43450ef",
        "node.intake.listener._data_set",
    ),
    Method(AssociationSocket, "recv", "self, nr_bytes", "6bc20a33b1b7cfe7", SOCKET),
    Method(RequestHandler, "handle", "self", "034823fb4df3a874", HANDLER + ".handle"),
    Method(
        RequestHandler,
        "_create_association",
        "self",
        "05c8d12b79863cdb",
        HANDLER + ".create_association",
    ),
    Method(
        AssociationServer,
        "__init__",
        "self, ae, address, ae_title, contexts, ssl_context=None, evt_handlers=None, "
        "request_handler=None",
        "edacb98bdfb7b974",
        SERVER,
    ),
    Method(AssociationServer, "get_request", "self", "925a4f3a3042f6e4", SERVER + ".get_request"),
    Method(AssociationServer, "server_bind", "self", "cf69278a05a5c777", SERVER + ".server_bind"),
    Method(AssociationServer, "server_close", "self", "3fa1b358badbe682", SERVER + ".server_close"),
    Method(AssociationServer, "shutdown", "self", "e8e2c3a41009886d", SERVER + ".shutdown"),
)
ATTRIBUTES = (
    Attribute(Association, "_is_paused", bool, ASSOCIATION),
    Attribute(Association, "_kill", bool, SOCKET + "._read"),
    Attribute(Association, "_sent_abort", bool, SOCKET + "._read"),
    Attribute(Association, "_server", (NONE, AssociationServer), HANDLER),
    Attribute(Association, "acse_timeout", NUMBER, ASSOCIATION),
    Attribute(Association, "dimse", DIMSEServiceProvider, ASSOCIATION),
    Attribute(Association, "dul", DULServiceProvider, ASSOCIATION),
    Attribute(Association, "is_aborted", bool, ASSOCIATION + "._is_over"),
    Attribute(Association, "is_established", bool, ASSOCIATION + "._is_over"),
    Attribute(Association, "is_released", bool, ASSOCIATION + "._is_over"),
    Attribute(Association, "network_timeout", NUMBER, ASSOCIATION),
    Attribute(DULServiceProvider, "_idle_timer", Timer, SOCKET + "._read"),
    Attribute(DULServiceProvider, "_run_loop_delay", NUMBER, UPPER_LAYER),
    Attribute(DIMSEServiceProvider, "message", (NONE, DIMSEMessage), PROVIDER),
    Attribute(DIMSEMessage, "data_set", BytesIO, PROVIDER),
)
CONFIG = {"LOG_HANDLER_LEVEL": "standard", "STORE_SEND_CHUNKED_DATASET": False}
"""Settings in ``pynetdicom._config`` that the node changes, with their defaults."""


def digest_of(function: Any) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]


def parameters_of(function: Any) -> str:
    parameters = inspect.signature(function).parameters.values()
    return ", ".join(str(one.replace(annotation=inspect.Parameter.empty)) for one in parameters)


@pytest.mark.parametrize("held", METHODS, ids=str)
def test_a_method_has_the_expected_source(held: Method) -> None:
    """Same parameters and same source as when the override was written."""
    function = held.owner.__dict__.get(held.name)
    assert function is not None, f"{held} is gone from {LIBRARY}: review {held.review}"
    assert parameters_of(function) == held.parameters, f"{held}: review {held.review}"
    digest = digest_of(function)
    assert digest == held.digest, (
        f"{held} differs in {LIBRARY} {version(LIBRARY)}: review {held.review}, "
        f"then set its digest to {digest}"
    )


@pytest.mark.parametrize("held", ATTRIBUTES, ids=str)
def test_an_attribute_exists_with_the_expected_type(held: Attribute) -> None:
    """On a new object, before an association starts."""
    association = Association(AE(), "acceptor")
    objects = (association, association.dul, association.dimse, DIMSEMessage())
    owner = next(one for one in objects if type(one) is held.owner)
    assert hasattr(owner, held.name), f"{held} is gone from {LIBRARY}: review {held.review}"
    assert isinstance(getattr(owner, held.name), held.kind), f"{held}: review {held.review}"


@pytest.mark.parametrize("name", CONFIG)
def test_a_setting_of_the_library_has_its_default(name: str) -> None:
    """Read from the source, because other tests change the values of this process."""
    tree = ast.parse(inspect.getsource(_config))
    defaults = {
        node.target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if node.value is not None and node.target.id in CONFIG
    }
    assert defaults[name] == CONFIG[name]


def test_the_requirement_admits_this_minor_version_only() -> None:
    """A new minor version may change internals; it is installed after a review."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = map(Requirement, project["dependencies"])
    (wanted,) = [one for one in requirements if one.name == LIBRARY]
    assert wanted.specifier.contains(version(LIBRARY))
    assert not wanted.specifier.contains("3.0.3")
    assert not wanted.specifier.contains("3.1.0")


HELD = (*METHODS, *ATTRIBUTES)
FOUND_IN_OTHER_BASES = {"server_activate", "socket", "server_address"}
"""Documented names of the standard library's ``socketserver.TCPServer``."""


def test_the_node_uses_the_library() -> None:
    """The scan finds the modules and classes."""
    assert {reactor.__name__, server.__name__, "node.intake.listener"} <= set(users())
    assert {reactor.WokenAssociation, server.StockServer} <= set(classes_on_the_library())


@pytest.mark.parametrize("name", users())
def test_every_private_name_in_use_is_held(name: str) -> None:
    """Read from an object of the library, or imported."""
    held = {one.name for one in HELD} | set(CONFIG) | {"_config"}
    loose = [use for use in foreign_private_names(users()[name]) if use.name not in held]
    assert loose == [], f"{name} uses private names that {__name__} does not hold"


@pytest.mark.parametrize("kind", classes_on_the_library(), ids=lambda kind: str(kind.__name__))
def test_every_name_shared_with_a_base_class_is_held(kind: type) -> None:
    """Overridden and assigned names; also a name of the node that the library begins to use."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    held = {one.name for one in HELD if issubclass(kind, one.owner)} | FOUND_IN_OTHER_BASES
    shared = library_names(kind) - held
    loose = [use for use in own_names(tree) if use.name in shared]
    assert loose == [], f"{kind.__name__} shares names with its base classes that no check holds"


def test_a_new_private_name_is_found() -> None:
    """Every way to reach one."""
    source = """
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom import _validators, AE
association._reactor_checkpoint.wait()
getattr(association, "_handlers")
_config.PDV_EXCHANGE = 1
self._mine = 1
"""
    found = {use.name for use in foreign_private_names(ast.parse(source))}
    assert found == {"_globals", "_validators", "_reactor_checkpoint", "_handlers", "PDV_EXCHANGE"}


def test_the_stock_server_uses_public_names_only() -> None:
    """It works after a change of internals."""
    assert list(foreign_private_names(users()[server.__name__])) == []
    for kind in (server.SharedSocketServer, server.StockServer):
        names = {use.name for use in own_names(ast.parse(inspect.getsource(kind)).body[0])}  # type: ignore[arg-type]
        assert {name for name in names if is_private(name)} == set()


# How the internals behave.


class Pieces(BytesIO):
    """Records what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, piece: Any, /) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)


def store_request(content: bytes, *, pdu_bytes: int) -> list[P_DATA]:
    """A C-STORE request as the P-DATA primitives of an association."""
    request = C_STORE()
    request.MessageID = 7
    request.AffectedSOPClassUID = CTImageStorage
    request.AffectedSOPInstanceUID = "2.25.1.1"
    request.Priority = 2
    request.DataSet = BytesIO(content)
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    return list(message.encode_msg(1, pdu_bytes))


CONTENT = bytes(range(256)) * 4


def test_a_message_writes_its_data_set_piece_by_piece() -> None:
    """Into the object in ``data_set``, which the request then contains."""
    message = DIMSEMessage()
    data_set = message.data_set = Pieces()

    complete = [message.decode_msg(one, None) for one in store_request(CONTENT, pdu_bytes=406)]

    assert complete == [False, False, False, True]
    assert [len(piece) for piece in data_set.pieces] == [400, 400, 224]
    assert b"".join(data_set.pieces) == CONTENT
    assert message.data_set is data_set
    request = message.message_to_primitive()
    assert isinstance(request, C_STORE)
    assert request.DataSet is data_set


def test_the_command_set_is_complete_before_the_first_piece() -> None:
    """The file meta information is written from it."""
    message = DIMSEMessage()
    command, *_ = store_request(CONTENT, pdu_bytes=406)

    message.decode_msg(command, None)

    assert message.command_set.AffectedSOPInstanceUID == "2.25.1.1"
    assert message.command_set.AffectedSOPClassUID == CTImageStorage
    assert message.context_id == 1


def test_a_provider_continues_the_message_that_it_has(tmp_path: Path) -> None:
    """It queues the request with the data set on disk, then starts a new message."""
    association = reactor.WokenAssociation(AE(), "acceptor", Spool(tmp_path))
    provider = association.dimse
    assert isinstance(provider, reactor.StreamingProvider)

    for primitive in store_request(CONTENT, pdu_bytes=406):
        provider.receive_primitive(primitive)

    assert provider.message is None
    context_id, request = provider.get_msg()
    assert context_id == 1
    assert isinstance(request, C_STORE)
    data_set = request.DataSet
    assert isinstance(data_set, IncomingDataSet)
    assert data_set.file is not None
    with data_set.file.encoded() as stream:
        assert stream.read() == CONTENT
    data_set.discard()
    assert list((tmp_path / "incoming").iterdir()) == []


def test_the_state_that_waits_for_the_end_of_a_connection() -> None:
    """PS3.8 Table 9-5."""
    assert STATES[reactor.CLOSING].startswith("Awaiting Transport Connection Close")


def test_no_handler_formats_messages_at_log_level_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """``_config.LOG_HANDLER_LEVEL``: neither of a server nor of an association."""
    formatting = {evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT, evt.EVT_PDU_RECV, evt.EVT_PDU_SENT}
    for level, expected in (("standard", formatting), ("none", set())):
        monkeypatch.setattr(_config, "LOG_HANDLER_LEVEL", level)
        entity = AE()
        entity.add_supported_context(CTImageStorage)
        with entity.make_server(("127.0.0.1", 0)) as listening:
            for owner in (listening, Association(entity, "acceptor")):
                bound = {event for event in owner.get_events() if owner.get_handlers(event)}
                assert formatting & bound == expected


def test_a_file_is_sent_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``_config.STORE_SEND_CHUNKED_DATASET``: the data set is not decoded and encoded again."""
    path = write_raw(tmp_path / "odd.dcm", b"no data set" * 50, sop_instance="2.25.1.1")
    received: list[bytes] = []

    def store(event: Event) -> int:
        assert isinstance(event.request, C_STORE)
        assert event.request.DataSet is not None
        received.append(event.request.DataSet.getvalue())
        return 0

    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    peer = AE()
    peer.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
    listening = peer.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    assert listening is not None
    try:
        association = AE().associate(
            *listening.server_address[:2], [build_context(CTImageStorage, ExplicitVRLittleEndian)]
        )
        assert association.send_c_store(path).Status == 0
        association.release()
    finally:
        listening.shutdown()
    assert received == [encoded(path)]
