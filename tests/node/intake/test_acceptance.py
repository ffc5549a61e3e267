"""The table of DIMSE statuses, and the accepted SOP classes and transfer syntaxes."""

import inspect

import node.errors
from node.errors import RefusedObject
from node.intake.acceptance import CT_SOP_CLASSES, STATUSES, TRANSFER_SYNTAXES, rejection


def test_table_has_one_row_per_status_and_every_refusal() -> None:
    """Every returned status is in the table."""
    codes = [row.code for row in STATUSES]
    refusals = {
        one
        for _, one in inspect.getmembers(node.errors, inspect.isclass)
        if issubclass(one, RefusedObject)
    }

    assert len(codes) == len(set(codes))
    statuses = {row.error: row.code for row in STATUSES if row.error}
    assert statuses == {one: one.status for one in refusals}


def test_ct_is_accepted_in_every_form_it_travels_in() -> None:
    """Three IODs; uncompressed, deflated, RLE, JPEG, JPEG-LS, JPEG 2000 and HTJ2K."""
    assert {one.name for one in CT_SOP_CLASSES} == {
        "CT Image Storage",
        "Enhanced CT Image Storage",
        "Legacy Converted Enhanced CT Image Storage",
    }
    assert len(TRANSFER_SYNTAXES) == len(set(TRANSFER_SYNTAXES)) == 16


def test_every_rejection_has_a_remedy() -> None:
    """Reasons of PS3.8 Table 9-21 that the node returns."""
    for source, reason in ((1, 3), (1, 7), (3, 2)):
        assert rejection(source, reason).remedy
