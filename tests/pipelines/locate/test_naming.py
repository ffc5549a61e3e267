"""Names from two anchors: the sacrum and the last rib."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contract.anatomy import Level
from pipelines.locate.naming import VertebraEvidence, name_vertebrae

PROCESS_MM, RIB_MM, STUMP_MM = 38.0, 95.0, 46.0


def lumbar(certainty: float = 0.9) -> VertebraEvidence:
    return VertebraEvidence(lumbar=certainty, rib_reach_mm=PROCESS_MM, height_mm=36.0)


def thoracic(certainty: float = 0.9, rib_reach_mm: float = RIB_MM) -> VertebraEvidence:
    return VertebraEvidence(lumbar=1 - certainty, rib_reach_mm=rib_reach_mm, height_mm=30.0)


@given(above=st.integers(1, 12))
def test_names_are_certain_if_the_anchors_agree(above):
    """Sacrum below and ribs from the sixth body upward: L5 to T12 and higher, not presumed."""
    names = name_vertebrae([lumbar()] * 5 + [thoracic()] * above, sacrum_below=True)
    assert names.levels[0] is Level.L5
    assert names.levels[5] is Level.T12
    assert not names.presumed


@given(lumbar_count=st.sampled_from([3, 4, 6, 7]))
def test_names_are_presumed_and_counted_from_the_sacrum_if_the_anchors_disagree(lumbar_count):
    """Four or six bodies between sacrum and ribs may be a transitional vertebra."""
    names = name_vertebrae([lumbar()] * lumbar_count + [thoracic()] * 3, sacrum_below=True)
    assert names.levels[0] is Level.L5
    assert names.presumed


@pytest.mark.parametrize(
    ("heights_mm", "reaches_mm", "shares"),
    [
        pytest.param(
            [25.5, 25.5, 25.5, 25.5, 27.0, 28.5, 28.5, 30.0, 30.0, 28.5],
            [35.0, 31, 27, 30, 26, 28, 31, 91, 110, 109],
            [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.98, 0.82, 0.05, 0.0],
            id="lower than those above",
        ),
        pytest.param(
            [25.5] * 7 + [24.0] * 7,
            [36.0, 26, 28, 30, 29, 26, 30, 91, 26, 109, 109, 109, 109, 108],
            [1.0] * 7 + [0.88, 0.42, 0.01, 0.0, 0.0, 0.0, 0.01],
            id="hardly higher",
        ),
    ],
)
def test_a_column_cut_into_too_many_bodies_gets_no_names(heights_mm, reaches_mm, shares):
    """A colonography in slices of 6 mm: seven low bodies without ribs between sacrum and ribs."""
    bodies = [
        VertebraEvidence(lumbar=share, rib_reach_mm=reach, height_mm=height)
        for share, height, reach in zip(shares, heights_mm, reaches_mm, strict=True)
    ]
    names = name_vertebrae(bodies, sacrum_below=True)
    assert names.levels == (None,) * len(bodies)
    assert names.presumed


@given(lumbar_count=st.integers(1, 4), thoracic_count=st.integers(1, 6))
def test_without_the_sacrum_the_last_rib_names_and_names_are_presumed(lumbar_count, thoracic_count):
    """A chest that ends at L1 to L4: counted downward from T12."""
    names = name_vertebrae(
        [lumbar()] * lumbar_count + [thoracic()] * thoracic_count, sacrum_below=False
    )
    assert names.levels[lumbar_count] is Level.T12
    assert names.levels[lumbar_count - 1] is Level.L1
    assert names.presumed


@given(count=st.integers(1, 12))
def test_nothing_is_lumbar_where_every_body_bears_ribs(count):
    """A thoracic slab yields no lumbar name."""
    names = name_vertebrae([thoracic()] * count, sacrum_below=False)
    assert not [level for level in names.levels if level is not None and level.is_lumbar]


@given(count=st.integers(1, 5))
def test_bodies_between_two_hidden_anchors_get_no_name(count):
    """A slab of the lumbar spine, cut at both ends, contains no anchor."""
    names = name_vertebrae([lumbar()] * count, sacrum_below=False)
    assert names.levels == (None,) * count
    assert names.presumed


def test_one_doubtful_body_does_not_move_the_names():
    """A lumbar body that looks thoracic, without ribs, keeps its place between lumbar ones."""
    column = [lumbar(), lumbar(), lumbar(0.2), lumbar(), lumbar(), thoracic(), thoracic()]
    names = name_vertebrae(column, sacrum_below=True)
    assert names.levels[5] is Level.T12
    assert not names.presumed


def test_ribs_outweigh_the_look_of_the_body():
    """The network may predict T12 as lumbar: ribs that reach far to both sides decide."""
    column = [lumbar()] * 5 + [thoracic(certainty=0.02)] + [thoracic()] * 3
    names = name_vertebrae(column, sacrum_below=True)
    assert names.levels[5] is Level.T12
    assert not names.presumed


def test_stumps_for_last_ribs_leave_names_presumed():
    """Predicted as thoracic, with short ribs: T12 with stumps, or L1 of a spine with 11 ribs."""
    column = [lumbar()] * 3 + [thoracic(0.6, STUMP_MM)] + [thoracic()] * 3
    assert name_vertebrae(column, sacrum_below=False).presumed


@given(count=st.sampled_from([4, 6]))
def test_an_unusual_number_of_lumbar_vertebrae_is_returned(count):
    """Sacrum and last rib are both in the scan, with four or six bodies between them."""
    names = name_vertebrae([lumbar(0.98)] * count + [thoracic()] * 4, sacrum_below=True)
    assert names.lumbar_count == count
    assert names.presumed


@given(count=st.integers(1, 10))
def test_chest_bodies_that_show_no_end_of_the_ribs_get_no_name(count):
    """A part of the chest without the last rib may begin at any level."""
    names = name_vertebrae([thoracic()] * count, sacrum_below=False)
    assert set(names.levels) == {None}


@given(
    st.lists(
        st.builds(
            VertebraEvidence,
            lumbar=st.floats(0, 1),
            rib_reach_mm=st.floats(26, 110),
            height_mm=st.floats(15, 50),
        ),
        max_size=17,
    ),
    st.booleans(),
)
def test_levels_descend_by_one_from_body_to_body(evidence, sacrum_below):
    """For any evidence no level is left out or used twice."""
    levels = [v for v in name_vertebrae(evidence, sacrum_below=sacrum_below).levels if v]
    assert all(one - other == 1 for one, other in pairwise(levels))


def neck() -> VertebraEvidence:
    return VertebraEvidence(lumbar=0.8, rib_reach_mm=28.0, height_mm=21.0)


@given(necks=st.integers(0, 1))
def test_a_chest_that_ends_inside_t12_is_counted_from_the_first_ribs(necks):
    """First ribs are rarely found, necks are predicted as lumbar, and T12's rib is below the scan."""
    cut = VertebraEvidence(lumbar=0.07, rib_reach_mm=36.0, height_mm=30.0, rib_in_view=False)
    upper = [thoracic(0.6, rib_reach_mm=61.0), neck()]
    bodies = [cut, *[thoracic(0.98)] * 9, *upper, *[neck()] * necks]

    names = name_vertebrae(bodies, sacrum_below=False)

    assert names.levels[:12] == tuple(Level(value) for value in range(Level.T12, Level.T1 - 1, -1))
    assert names.presumed


def test_last_rib_that_is_missing_leaves_names_presumed():
    """Sacrum below, five bodies without ribs, and a sixth: T12 or a sixth lumbar one."""
    ribless = VertebraEvidence(lumbar=0.1, rib_reach_mm=34.0, height_mm=31.0)

    names = name_vertebrae([lumbar(0.99)] * 5 + [ribless] + [thoracic(0.99)] * 4, sacrum_below=True)

    assert names.presumed


@given(bodies=st.integers(4, 9))
def test_chest_in_a_narrow_field_of_view_has_no_lumbar_name(bodies):
    """Ribs cut off beside the spine, as in a scan of the heart: bodies that look thoracic."""
    ribless = VertebraEvidence(lumbar=0.02, rib_reach_mm=36.0, height_mm=25.0)

    names = name_vertebrae([ribless] * bodies + [thoracic()] * 3, sacrum_below=False)

    assert not [level for level in names.levels if level is not None and level.is_lumbar]
