"""Names from two anchors: the sacrum and the last rib."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.anatomy import Level
from pipelines.naming import VertebraEvidence, name_vertebrae, thoracic_border


def lumbar(certainty: float = 0.9) -> VertebraEvidence:
    return VertebraEvidence(lumbar=certainty, ribs_cm3=0.0, height_mm=36.0)


def thoracic(certainty: float = 0.9, ribs_cm3: float = 2.0) -> VertebraEvidence:
    return VertebraEvidence(lumbar=1 - certainty, ribs_cm3=ribs_cm3, height_mm=30.0)


@given(above=st.integers(1, 12))
def test_agreeing_anchors_give_certain_names(above):
    """Sacrum below and ribs from the sixth body upward: L5 to T12 and higher, not presumed."""
    names = name_vertebrae([lumbar()] * 5 + [thoracic()] * above, sacrum_below=True)
    assert names.levels[0] is Level.L5
    assert names.levels[5] is Level.T12
    assert not names.presumed


@given(lumbar_count=st.sampled_from([3, 4, 6, 7]))
def test_disagreeing_anchors_give_presumed_names_from_the_sacrum(lumbar_count):
    """Four or six bodies between sacrum and ribs may be a transitional vertebra."""
    names = name_vertebrae([lumbar()] * lumbar_count + [thoracic()] * 3, sacrum_below=True)
    assert names.levels[0] is Level.L5
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
    """A slab of the lumbar spine, cut at both ends: any name would be a guess."""
    names = name_vertebrae([lumbar()] * count, sacrum_below=False)
    assert names.levels == (None,) * count
    assert names.presumed


def test_one_doubtful_body_does_not_move_the_border():
    """A lumbar body that looks thoracic keeps its place between lumbar ones."""
    column = [lumbar(), lumbar(), lumbar(0.3), lumbar(), lumbar(), thoracic(), thoracic()]
    assert thoracic_border(column) == 5


@given(
    st.lists(
        st.builds(
            VertebraEvidence,
            lumbar=st.floats(0, 1),
            ribs_cm3=st.floats(0, 20),
            height_mm=st.floats(15, 50),
        ),
        max_size=17,
    ),
    st.booleans(),
)
def test_levels_descend_by_one_from_body_to_body(evidence, sacrum_below):
    """Whatever the evidence, no level is left out or given twice."""
    levels = [v for v in name_vertebrae(evidence, sacrum_below=sacrum_below).levels if v]
    assert all(one - other == 1 for one, other in pairwise(levels))
