"""Read the settings from one TOML file and the environment. No other module reads these.

``python -m node.tools.config_docs --example`` writes ``deploy/osteonode.example.toml`` and
``--markdown`` writes ``docs/configuration.md``; a test compares them.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from node.errors import ConfigError
from pipelines.contract.feature_engine import Engine

ENVIRONMENT_PREFIX: Final = "OSTEONODE_"
CONFIG_VARIABLE: Final = "OSTEONODE_CONFIG"
DEFAULT_FILES: Final = (Path("osteonode.toml"), Path("/etc/osteonode.toml"))
EMBEDDED: Final = "embedded"


def _ae_title(value: str) -> str:
    """PS3.5 6.2, AE: 1 to 16 characters of the default repertoire, no backslash, no control."""
    value = value.strip()
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", value):
        msg = "an AE title has 1 to 16 ASCII characters, without backslash"
        raise ValueError(msg)
    return value


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class NodeSection(_Section):
    """Network address of the node, its files and its log."""

    ae_title: AeTitle = Field("OSTEONODE", description="AE title of the node.")
    bind: str = Field(
        "0.0.0.0",  # noqa: S104  a PACS calls from another host
        description="Address to listen on; 127.0.0.1 for this host only.",
    )
    port: Port = Field(11112, description="DICOM port.")
    data_folder: Path = Field(
        Path("osteonode-data"),
        description="Folder for spool, ledger, jobs and queue, on one local file system with room "
        "for the CTs in work. Workers on other machines need access to it.",
    )
    listener_processes: int = Field(
        2,
        ge=1,
        le=64,
        description="Processes that receive on the port. More than one is faster when several "
        "associations send at once.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged. Only DEBUG may show patient data."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        description="auto: coloured lines on a terminal, otherwise one JSON object per line.",
    )

    @field_validator("data_folder")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()


class IntakeSection(_Section):
    """Which senders are accepted, and the limits of an association."""

    accepted_calling_ae_titles: tuple[AeTitle, ...] = Field(
        (), description="AE titles that may send. Empty: any AE title."
    )
    require_called_ae_title: bool = Field(
        True, description="Reject an association whose called AE title is not node.ae_title."
    )
    max_pdu_bytes: int = Field(
        131072,
        ge=4096,
        le=1 << 20,
        description="Longest PDU to receive. Values above 256 KiB are not faster.",
    )
    min_free_gb: float = Field(
        2.0,
        ge=0,
        description="With less free space in the data folder the node refuses objects with status "
        "0xA700 (out of resources); the sender can send them again. No file is deleted.",
    )
    max_associations: int = Field(
        32, ge=1, description="Most simultaneous associations per listener process."
    )
    idle_timeout_s: Seconds = Field(
        60.0, description="Abort idle associations after this many seconds."
    )
    server: Literal["fast", "stock"] = Field(
        "fast",
        description="fast: pynetdicom with the read loop of this node, which replaces internal "
        "methods of that library. stock: the association code of pynetdicom unchanged; use it when "
        "the fast server fails after an update of pynetdicom. Both flush object and ledger row to "
        "disk before they answer 0x0000, apply every setting of this section, and share one port "
        "between all listener processes. Limits of stock: each arriving object is held in memory "
        "and written when it is complete; the length that a PDU announces is not checked; one PDU "
        "must arrive within idle_timeout_s; each association polls every millisecond.",
    )


class LedgerSection(_Section):
    """The database of received objects, jobs and deliveries."""

    url: str = Field(
        "",
        description="SQLAlchemy URL, e.g. postgresql+psycopg://user:password@host/osteonode. "
        "Empty: SQLite in the data folder.",
    )


class SeriesSection(_Section):
    """When a series and a study count as complete."""

    quiet_time_s: Seconds = Field(
        15.0,
        description="A series without gaps is complete this many seconds after its last object.",
    )
    study_quiet_time_s: Seconds = Field(
        20.0,
        description="The node selects the series of a study this many seconds after its last object.",
    )
    incomplete_wait_s: Seconds = Field(
        120.0,
        description="A series with gaps waits this many seconds for the missing slices.",
    )


class QueueSection(_Section):
    """How jobs reach the workers."""

    broker: str = Field(
        EMBEDDED,
        description='"embedded" (files in the data folder, no server) or redis://host:6379/0.',
    )

    @field_validator("broker")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != EMBEDDED and "://" not in value:
            msg = 'expected "embedded" or a URL such as redis://127.0.0.1:6379/0'
            raise ValueError(msg)
        return value


class JobsSection(_Section):
    """When a job without an outcome is enqueued again."""

    requeue_after_s: Seconds = Field(
        60.0,
        description="A job without an outcome that no worker runs is enqueued again after this "
        "many seconds.",
    )


class WorkerSection(_Section):
    """The processes that measure examinations."""

    concurrency: int = Field(1, ge=1, description="Simultaneous examinations per worker.")
    time_limit_s: int = Field(
        1800, ge=10, description="Stop an examination that takes longer, in seconds."
    )
    stop_wait_s: Seconds = Field(
        20.0,
        description="When the node stops, a running examination gets this many seconds to finish; "
        "an unfinished one is measured after the next start.",
    )


class DensitySection(_Section):
    """How the node converts attenuation to density."""

    table: str = Field(
        "",
        description="Density table that `osteonode calibrate` writes. Empty: density.json in "
        "the data folder. Without a table the node estimates density from fat and muscle in each scan.",
    )


class RadiomicsSection(_Section):
    """How radiomic features are computed."""

    engine: Engine = Field(
        Engine.NATIVE,
        description='"native", or "pyradiomics": the same features to 1e-10, about ten times slower; '
        "needs the optional dependency radiomics in the environment of every worker.",
    )


class DeliverySection(_Section):
    """How results are returned."""

    first_retry_s: Seconds = Field(5.0, description="Wait before the second try.")
    retry_factor: float = Field(
        2.0, ge=1, le=100, description="Each further wait is this many times the wait before it."
    )
    max_retry_s: Seconds = Field(600.0, description="Longest wait between two tries.")
    give_up_after_h: float = Field(
        72.0, gt=0, description="A result that is not delivered after this many hours has failed."
    )
    connect_timeout_s: Seconds = Field(10.0, description="Longest wait for a connection.")
    response_timeout_s: Seconds = Field(60.0, description="Longest wait for an answer.")


class Destination(_Section):
    """A PACS that receives the results."""

    name: str = Field(description="Name in the log and in `osteonode status`.", min_length=1)
    ae_title: AeTitle = Field(description="AE title of the destination.")
    host: str = Field(description="Host name or address.", min_length=1)
    port: Port = Field(description="DICOM port.")
    calling_ae_title: AeTitle | None = Field(
        None,
        description="Calling AE title of the node at this destination. Default: node.ae_title.",
    )
    radiomics: bool = Field(
        False,
        description="Also send the radiomic features of the vertebral bodies, as a separate "
        "Structured Report with IBSI codes. Applies to examinations that are measured from then on.",
    )


class Settings(BaseSettings):
    """All settings. Functions get them as an argument; there is no global instance."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
    )

    node: NodeSection = Field(default_factory=NodeSection)
    intake: IntakeSection = IntakeSection()
    ledger: LedgerSection = LedgerSection()
    series: SeriesSection = SeriesSection()
    queue: QueueSection = QueueSection()
    jobs: JobsSection = JobsSection()
    worker: WorkerSection = WorkerSection()
    density: DensitySection = DensitySection()
    radiomics: RadiomicsSection = RadiomicsSection()
    delivery: DeliverySection = DeliverySection()
    destinations: tuple[Destination, ...] = ()

    @field_validator("destinations")
    @classmethod
    def _distinct_names(cls, value: tuple[Destination, ...]) -> tuple[Destination, ...]:
        names = [destination.name for destination in value]
        if len(set(names)) != len(names):
            msg = "two destinations have the same name"
            raise ValueError(msg)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Sources in order of precedence: the environment, then the file (as initial values)."""
        return (env_settings, init_settings)

    @property
    def data_folder(self) -> Path:
        """Folder of everything that the node writes."""
        return self.node.data_folder

    @property
    def spool_folder(self) -> Path:
        """Received objects."""
        return self.data_folder / "spool"

    @property
    def work_folder(self) -> Path:
        """One folder per job."""
        return self.data_folder / "work"

    @property
    def density_table_file(self) -> Path:
        """File with the calibrations of the site."""
        named = self.density.table
        return Path(named).expanduser() if named else self.data_folder / "density.json"

    @property
    def queue_folder(self) -> Path:
        """Messages of the embedded broker."""
        return self.data_folder / "queue"

    @property
    def run_folder(self) -> Path:
        """Process numbers and ready files."""
        return self.data_folder / "run"

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return self.ledger.url or f"sqlite:///{self.data_folder / 'ledger.sqlite3'}"


def find_settings_file() -> Path | None:
    """File that ``OSTEONODE_CONFIG`` names, else the first default file that exists."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return next((path for path in DEFAULT_FILES if path.is_file()), None)


def load_settings(path: Path | None = None) -> Settings:
    """Read settings from a TOML file and the environment.

    Parameters
    ----------
    path
        ``None``: the file of `find_settings_file`, or the defaults if there is no file.

    Raises
    ------
    ConfigError
        With one line per mistake.
    """
    path = path or find_settings_file()
    content = _read_toml(path) if path else {}
    try:
        return Settings(**content)
    except ValidationError as error:
        where = f"{path} or the environment" if path else "the environment"
        lines = "\n".join(_mistake(one) for one in error.errors())
        raise ConfigError(f"{where} has mistakes:\n{lines}", "", "") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"no settings file {path}", "", "copy deploy/osteonode.example.toml there"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "", "") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", "", "") from error


def _mistake(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"  {name}: no such setting"
    if error["type"] == "missing":
        return f"  {name}: missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"  {name} = {error['input']!r}: {message}"


def unknown_variables(names: Iterable[str] | None = None) -> list[str]:
    """``OSTEONODE_*`` variables of the environment that are no setting (pydantic ignores them)."""
    known = {name.upper() for name in _variables()} | {CONFIG_VARIABLE}
    return sorted(
        name
        for name in (os.environ if names is None else names)
        if name.upper().startswith(ENVIRONMENT_PREFIX) and name.upper() not in known
    )


def _variables() -> Iterator[str]:
    for section, field in Settings.model_fields.items():
        yield f"{ENVIRONMENT_PREFIX}{section}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for key in field.annotation.model_fields:
                yield f"{ENVIRONMENT_PREFIX}{section}__{key}"
