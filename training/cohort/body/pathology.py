"""Paint the findings of a patient into the volume; later ones overwrite earlier ones."""

from collections.abc import Iterable

import numpy as np

from training.cohort.body.degeneration import (
    FACET_GRAIN_MM,
    GAS_HU,
    LIGAMENT_MG_CM3,
    bridge_shape,
    endplate_sclerosis_hu,
    facet_mg_cm3,
    facet_shape,
    flava_shape,
    osteophyte_mg_cm3,
    osteophyte_shapes,
    posterior_ligament_shape,
    vacuum_shape,
)
from training.cohort.body.implants import Implant
from training.cohort.body.lesions import Lesion, lesions
from training.cohort.body.plan import BodyPlan, VertebraPlan
from training.cohort.body.plaques import plaque_shapes
from training.cohort.body.vertebra import body_shape
from training.cohort.matter.physics import SpongiosaHu
from training.cohort.paint.fields import Field, smooth_field
from training.cohort.paint.grid import Floats
from training.cohort.paint.raster import Part, Patch, Volume


def paint_plaques(volume: Volume, plan: BodyPlan, spongy: SpongiosaHu) -> None:
    """Paint calcium on the wall of the aorta."""
    hu = float(spongy.at(plan.subject.findings.plaque_mg_cm3)) + BLOOD_INSTEAD_OF_MARROW_HU
    for shapes in plaque_shapes(plan).values():
        for shape in shapes:
            volume.paint(shape, hu, part=Part.PLAQUE)


BLOOD_INSTEAD_OF_MARROW_HU = 40.0


def paint_around_bodies(volume: Volume, plan: BodyPlan, spongy: SpongiosaHu) -> None:
    """Paint disc gas, ligaments, bridges and osteophytes; the vertebrae are painted afterwards."""
    rng = plan.subject.rng
    for vertebra, below in zip(plan.vertebrae, (*plan.vertebrae[1:], None), strict=True):
        found, ligament = vertebra.findings, float(spongy.at(LIGAMENT_MG_CM3))
        if found.disc_vacuum:
            volume.paint(vacuum_shape(vertebra, rng(f"vacuum {vertebra.name}")), GAS_HU)
        if found.pll_calcified:
            volume.paint(posterior_ligament_shape(vertebra), ligament, part=Part.LIGAMENT)
        if found.flavum_calcified:
            volume.paint(flava_shape(vertebra), ligament, part=Part.LIGAMENT)
        if found.bridging and below is not None:
            volume.paint(bridge_shape(vertebra, below), ligament, vertebra.label, Part.OSTEOPHYTE)
        if found.osteophyte_mm:
            lip = _lips(vertebra, spongy)
            for shape in osteophyte_shapes(vertebra, rng(f"osteophytes {vertebra.name}")):
                volume.paint(shape, lip, vertebra.label, Part.OSTEOPHYTE)


def _lips(vertebra: VertebraPlan, spongy: SpongiosaHu):
    def medium(patch: Patch) -> Floats:
        return np.asarray(spongy.at(osteophyte_mg_cm3(vertebra, patch)), np.float32)

    return medium


def paint_inside_body(
    volume: Volume, plan: BodyPlan, vertebra: VertebraPlan, spongy: SpongiosaHu
) -> None:
    """Paint sclerosis and lesions; they change HU within the vertebra only."""
    found = vertebra.findings
    if found.endplate_sclerosis_mm:
        volume.paint(body_shape(vertebra), _endplates(volume, vertebra))
    if found.facet_sclerosis:
        grain = smooth_field(plan.subject.rng(f"facets {vertebra.name}"), FACET_GRAIN_MM)
        volume.paint(facet_shape(vertebra), _denser_facets(volume, vertebra, spongy, grain))
    for lesion in lesions(vertebra, plan.subject.rng):
        volume.paint(lesion.shape, _altered(volume, lesion))


def _endplates(volume: Volume, vertebra: VertebraPlan):
    def medium(patch: Patch) -> Floats:
        return np.asarray(volume.hu[patch.where] + endplate_sclerosis_hu(vertebra, patch))

    return medium


def _denser_facets(volume: Volume, vertebra: VertebraPlan, spongy: SpongiosaHu, grain: Field):
    def medium(patch: Patch) -> Floats:
        bone = volume.labels[patch.where] == vertebra.label
        hu, dense = volume.hu[patch.where], spongy.at(facet_mg_cm3(vertebra, patch, grain))
        return np.asarray(hu + np.maximum(dense - hu, 0) * bone, np.float32)

    return medium


def _altered(volume: Volume, lesion: Lesion):
    def medium(patch: Patch) -> Floats:
        return lesion.altered(patch, volume.hu[patch.where])

    return medium


def paint_implants(volume: Volume, implants: Iterable[Implant]) -> None:
    """Paint all implants over the tissue."""
    for part in implants:
        volume.paint(part.shape, part.medium, part=part.part)
