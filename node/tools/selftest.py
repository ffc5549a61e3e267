"""Acceptance test of a running node: send simulated examinations, compare results and truth.

The test simulates each entry of ``EXAMINATIONS`` with new UIDs, so that the node cannot reuse an
earlier result, and sends it by C-STORE to the node. When the ledger has no waiting object of the
study, the test compares ``result.json`` with the truth of the simulation. The node delivers the
results to its destinations, for the patient VIRTUAL^COHORT.
"""

import dataclasses
import json
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from node.config import Settings
from node.dicom_peer import DEFAULT_CALLING_AE_TITLE, Peer
from node.errors import OsteoNodeError
from node.ledger.ledger import Ledger
from node.ledger.records import StudySnapshot
from node.ledger.states import InstanceState
from node.tools.send_folder import echo, send_folder
from node.tools.simulation import simulate_examination
from node.waiting import wait_until
from pipelines.contract.job import JOB_FILE, RESULT_FILE, Job, read_outcome

HU_TOLERANCE: Final = 15.0
"""Mean attenuation of one level: texture, noise and the border of the core together."""
VBMD_TOLERANCE_MG_CM3: Final = 20.0
"""Density of one level, with any calibration of the node."""
CENTROID_TOLERANCE_MM: Final = 6.0
ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104  addresses of "every interface"
POLL_S: Final = 0.5


class SelftestFailed(OsteoNodeError):
    """The node has no result for an examination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One returned value with the true one.

    Parameters
    ----------
    level
        Level or side; empty for the examination as a whole.
    truth, returned
        As printed; numbers in the unit that ``quantity`` names.
    tolerance
        ``None`` if the values must be equal.
    """

    level: str
    quantity: str
    truth: str | float
    returned: str | float | None
    tolerance: float | None
    passed: bool


Checker = Callable[[Mapping[str, Any], Mapping[str, Any]], list[Check]]
"""From truth.json and result.json to the checks of one pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A simulated examination and the checks of its result.

    Parameters
    ----------
    name
        Printed, and selected by ``--only``.
    options
        Options of ``python -m training.cohort simulate``.
    checkers
        One for each pipeline that runs on such an examination.
    """

    name: str
    options: tuple[str, ...]
    checkers: tuple[Checker, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Checks of one examination."""

    examination: str
    study_instance_uid: str
    seconds: float
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def vertebrae(*levels: str) -> Checker:
    """Checks of the named vertebrae: position and values right, no level that the scan lacks."""

    def check(truth: Mapping[str, Any], result: Mapping[str, Any]) -> list[Check]:
        found = {one["level"]: one for one in result["vertebrae"]}
        checks = [_status(result)]
        for level in levels:
            true = truth["levels"].get(level)
            if true is None:
                raise SelftestFailed(f"the simulated scan does not contain {level}")
            checks += _vertebra(level, true, found.get(level))
        measured = {name for name, one in found.items() if one["trabecular_hu_mean"] is not None}
        surplus = sorted(measured - set(truth["levels"]))
        return [*checks, _equal("", "measured but not in the scan", "", " ".join(surplus))]

    return check


EXAMINATIONS: Final = (
    Expected(
        name="abdomen",
        options=("--protocol", "abdomen", "--preset", "demo", "--seed", "1"),
        checkers=(vertebrae("L1", "L2", "L3", "L4"),),
    ),
    Expected(
        name="chest",
        options=(
            "--region",
            "chest",
            "--preset",
            "demo",
            "--study",
            "chest",
            "--seed",
            "4",
            "--slices",
            "200",
        ),
        checkers=(vertebrae("L1", "L2"),),
    ),
)
"""One entry for each kind of examination; a new pipeline adds a checker or an entry. The chest
reaches 2 cm below L2, so that L1 and L2 are complete."""


def run_selftest(
    settings: Settings,
    *,
    only: Sequence[str] = (),
    timeout_s: float,
    as_json: bool,
    out: Console,
    err: Console,
) -> int:
    """Send every examination, wait for its result, and compare.

    Returns
    -------
    int
        0 if every check passed, 1 otherwise.

    Raises
    ------
    PeerUnreachable, PeerRefused
        The node does not respond at its address.
    """
    node = own_address(settings)
    echo(node)
    chosen = [one for one in EXAMINATIONS if not only or one.name in only]
    reports = []
    with tempfile.TemporaryDirectory(prefix="osteonode-selftest-") as scratch:
        for one in chosen:
            err.print(f"{one.name}: simulating ...", highlight=False)
            folder = Path(scratch) / one.name
            simulate_examination(folder, [*one.options, "--occasion", uuid.uuid4().hex])
            reports.append(_examine(one, folder, node, settings, timeout_s, err))
    if as_json:
        out.print_json(json.dumps(_document(node, reports)))
    else:
        _show(reports, out)
    return 0 if all(report.passed for report in reports) else 1


def own_address(settings: Settings) -> Peer:
    """Address of the node for a sender on this host."""
    bind = settings.node.bind
    host = "127.0.0.1" if bind in ANYWHERE else bind
    return Peer(
        ae_title=settings.node.ae_title,
        host=host,
        port=settings.node.port,
        calling_ae_title=calling_ae_title(settings),
    )


def calling_ae_title(settings: Settings) -> str:
    """AE title that the node accepts."""
    accepted = settings.intake.accepted_calling_ae_titles
    return accepted[0] if accepted else DEFAULT_CALLING_AE_TITLE


def _examine(
    one: Expected,
    folder: Path,
    node: Peer,
    settings: Settings,
    timeout_s: float,
    err: Console,
) -> Report:
    """Send one examination and check its result; an error is a failed check."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    study = str(truth["study_instance_uid"])
    start = time.monotonic()
    try:
        _send(folder / "dicom", node, err)
        snapshot = _await_study(study, settings, timeout_s, err)
        result = _result(study, settings, snapshot)
        checks = [check for checker in one.checkers for check in checker(truth, result)]
        checks.append(_delivery(snapshot))
    except SelftestFailed as failure:
        checks = [_equal("", "result", "a result", failure.found)]
    return Report(
        examination=one.name,
        study_instance_uid=study,
        seconds=round(time.monotonic() - start, 1),
        checks=tuple(checks),
    )


def _send(folder: Path, node: Peer, err: Console) -> None:
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task(f"sending to {node}", total=None)
        report = send_folder(
            folder,
            node,
            on_file=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if report.failed:
        raise SelftestFailed(f"{report.failed} objects refused: {', '.join(report.statuses)}")


def _await_study(study: str, settings: Settings, timeout_s: float, err: Console) -> StudySnapshot:
    """Wait until the ledger has no waiting object of the study."""
    ledger = Ledger.open(settings.ledger_url)

    def settled() -> StudySnapshot | None:
        snapshot = ledger.studies.snapshot(study)
        waiting = any(one.state == InstanceState.WAITING for one in snapshot.instances)
        return None if waiting or snapshot.open_series or not snapshot.instances else snapshot

    try:
        with err.status("waiting for the result"):
            snapshot = wait_until(settled, timeout_s, POLL_S)
    finally:
        ledger.close()
    if snapshot is None:
        raise SelftestFailed(f"no result after {timeout_s:.0f} s")
    return snapshot


def _result(study: str, settings: Settings, snapshot: StudySnapshot) -> dict[str, Any]:
    """``result.json`` of the job of the study."""
    for file in settings.work_folder.glob(f"*/{JOB_FILE}"):
        job = Job.model_validate_json(file.read_text(encoding="utf-8"))
        if job.study_instance_uid != study:
            continue
        outcome = read_outcome(file.parent)
        if outcome is None or outcome.failure is not None:
            reason = outcome.failure.reason if outcome and outcome.failure else "no outcome"
            raise SelftestFailed(f"the job failed: {reason}")
        found: dict[str, Any] = json.loads((file.parent / RESULT_FILE).read_text("utf-8"))
        return found
    states = ", ".join(sorted({str(one.state) for one in snapshot.instances}))
    raise SelftestFailed(f"the node made no job: the objects are {states}")


def _status(result: Mapping[str, Any]) -> Check:
    status = str(result["status"])
    passed = status in {"result", "caution"}
    return Check(
        level="",
        quantity="status",
        truth="result or caution",
        returned=status,
        tolerance=None,
        passed=passed,
    )


def _vertebra(level: str, truth: Mapping[str, Any], found: Mapping[str, Any] | None) -> list[Check]:
    if found is None:
        return [_equal(level, "level", "found", "not found")]
    offsets = zip(found["centroid_lps_mm"], truth["body_centroid_lps_mm"], strict=True)
    distance = sum((a - b) ** 2 for a, b in offsets) ** 0.5
    return [
        _near(level, "distance of the centre, mm", 0.0, distance, CENTROID_TOLERANCE_MM),
        _near(
            level,
            "attenuation, HU",
            truth["trabecular_hu"],
            found.get("trabecular_hu_mean"),
            HU_TOLERANCE,
        ),
        _near(
            level,
            "density, mg/cm3",
            truth["vbmd_mg_cm3"],
            found.get("vbmd_mg_cm3"),
            VBMD_TOLERANCE_MG_CM3,
        ),
    ]


def _delivery(snapshot: StudySnapshot) -> Check:
    """The ledger counts the objects as delivered: every destination has the result."""
    delivered = any(one.state == InstanceState.DELIVERED for one in snapshot.instances)
    return _equal("", "SEG and report", "delivered", "delivered" if delivered else "not delivered")


def _near(
    level: str, quantity: str, truth: float, returned: float | None, tolerance: float
) -> Check:
    passed = returned is not None and abs(returned - truth) <= tolerance
    value = None if returned is None else round(returned, 1)
    return Check(
        level=level,
        quantity=quantity,
        truth=round(truth, 1),
        returned=value,
        tolerance=round(tolerance, 1),
        passed=passed,
    )


def _equal(level: str, quantity: str, truth: str, returned: str) -> Check:
    return Check(
        level=level,
        quantity=quantity,
        truth=truth,
        returned=returned,
        tolerance=None,
        passed=returned == truth,
    )


def _document(node: Peer, reports: Sequence[Report]) -> dict[str, Any]:
    return {
        "node": str(node),
        "passed": all(report.passed for report in reports),
        "examinations": [
            {**dataclasses.asdict(report), "passed": report.passed} for report in reports
        ],
    }


def _show(reports: Sequence[Report], out: Console) -> None:
    for report in reports:
        title = f"{report.examination}, {report.seconds:.0f} s"
        table = Table("level", "quantity", title=title, title_justify="left")
        for name in ("truth", "returned", "tolerance"):
            table.add_column(name, justify="right")
        table.add_column("")
        for check in report.checks:
            table.add_row(
                check.level,
                check.quantity,
                str(check.truth),
                "-" if check.returned is None else str(check.returned),
                "" if check.tolerance is None else f"± {check.tolerance:g}",
                "pass" if check.passed else "FAIL",
                style=None if check.passed else "red",
            )
        out.print(table)
    failed = sum(not check.passed for report in reports for check in report.checks)
    out.print("[green]passed[/]" if not failed else f"[red]FAILED: {failed} checks[/]")
