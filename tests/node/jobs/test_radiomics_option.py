"""Radiomic features go to the destinations with the option, and to no other."""

import sys
import time
from pathlib import Path

import pytest

from node.config import Destination, NodeSection, RadiomicsSection, Settings, load_settings
from node.jobs.dispatch import make_job
from node.ledger.ledger import Ledger
from node.series.routing import destinations_for, radiomics_destinations
from node.series.selection import select_series
from node.serve.coordinator import Coordinator
from node.tools.config_check import findings
from pipelines.contract.feature_engine import Engine
from pipelines.contract.job import Job
from pipelines.worker.app import make_app
from tests.node.ledger.test_ledger import SR, choose, fill
from tests.node.series_objects import ct_series, record
from tests.peers.ports import free_port


def destination(name: str, *, radiomics: bool = False) -> Destination:
    return Destination(
        name=name,
        ae_title=name.upper(),
        host="127.0.0.1",
        port=4242,
        calling_ae_title=None,
        radiomics=radiomics,
    )


def settings(*destinations: Destination) -> Settings:
    return Settings(destinations=destinations)


def test_no_destination_gets_features_by_default() -> None:
    """Off by default."""
    assert radiomics_destinations(settings(destination("pacs"))) == ()


def test_the_option_belongs_to_one_destination() -> None:
    """The option is a setting of the destination."""
    both = settings(destination("pacs"), destination("research", radiomics=True))

    assert destinations_for(both) == ("pacs", "research")
    assert radiomics_destinations(both) == ("research",)


@pytest.mark.parametrize("radiomics", [True, False])
def test_the_job_holds_the_option_and_keeps_its_key(radiomics: bool, tmp_path: Path) -> None:
    """The other results stay the same, so the key does too."""
    selection, _ = select_series([record(ct_series(20))])
    assert selection is not None

    job = make_job(selection, tmp_path, radiomics=radiomics)

    assert job.radiomics is radiomics
    assert job.key == make_job(selection, tmp_path).key


def test_the_job_holds_the_engine_and_keeps_its_key(tmp_path: Path) -> None:
    """Both engines compute the same features, so the key is the same."""
    selection, _ = select_series([record(ct_series(20))])
    assert selection is not None

    job = make_job(selection, tmp_path, radiomics_engine=Engine.PYRADIOMICS)

    assert job.radiomics_engine is Engine.PYRADIOMICS
    assert Job.model_validate_json(job.model_dump_json()) == job
    assert job.key == make_job(selection, tmp_path).key
    assert make_job(selection, tmp_path).radiomics_engine is Engine.NATIVE


def test_the_coordinator_passes_the_engine_of_the_settings_on(tmp_path: Path) -> None:
    """From the settings file into the job."""
    path = tmp_path / "osteonode.toml"
    path.write_text(
        f'[node]\ndata_folder = "{tmp_path / "data"}"\n[radiomics]\nengine = "pyradiomics"\n'
    )
    chosen = load_settings(path)
    selection, _ = select_series([record(ct_series(20))])
    assert selection is not None
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    app = make_app(chosen.queue.broker, embedded_folder=chosen.queue_folder)
    coordinator = Coordinator(settings=chosen, ledger=ledger, app=app)

    job = coordinator._make_job(selection)

    assert job.radiomics_engine is Engine.PYRADIOMICS
    ledger.close()


def test_config_check_reports_an_engine_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message has the remedy."""
    monkeypatch.setitem(sys.modules, "radiomics", None)
    chosen = Settings(
        node=NodeSection(data_folder=tmp_path, port=free_port()),
        radiomics=RadiomicsSection(engine=Engine.PYRADIOMICS),
    )

    (mistake,) = (one.text for one in findings(chosen) if one.is_mistake)

    assert mistake.startswith("radiomics.engine: ")
    assert "pip install" in mistake


def test_only_destinations_with_the_option_get_the_report(tmp_path: Path) -> None:
    """SEG and SR go to both destinations, the features to one."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    fill(ledger, tmp_path)
    assert choose(ledger, "k1")
    features = SR.model_copy(update={"kind": "radiomics", "sop_instance_uid": "2.25.99"})

    ledger.jobs.finish("k1", [SR, features], ["pacs", "research"], radiomics_for=("research",))

    sent = []
    for name in ("pacs", "research"):
        while due := ledger.outbox.claim_due(name, time.time()):
            sent += [(one.destination, one.kind) for one in due]
            for one in due:
                ledger.outbox.record_delivered(one, 0)
    assert sent == [("pacs", "sr"), ("research", "sr"), ("research", "radiomics")]
    ledger.close()
