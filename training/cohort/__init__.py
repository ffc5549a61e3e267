r"""Virtual cohort: simulated patients with known bone, as CT examinations in DICOM.

The rooms, in the order in which one examination is made:

``people``
    Draws patients as numbers: population, findings, form of the skeleton, densitometry.
``matter``
    X-ray physics: converts the composition of tissues to HU under real spectra.
``paint``
    Voxel grids, signed distances, the raster that paints them, and random textures.
``body``
    Anatomy of a patient: positions, bones, organs and pathology, painted as volumes.
``icrp110``
    The ICRP 110 reference phantoms as an alternative soft body and as training volumes.
``scan``
    Simulates the CT: protocol, scanner, noise, streaks, header, crops and the known truth.
``dxa``
    Simulates DXA of spine and hip of the same patient.
``write``
    Writes DICOM, NIfTI and whole datasets. A dataset that was interrupted is resumed.
``check``
    Compares the cohort with published values and writes ``VALIDATION.md``.
``cli``
    The command line: ``python -m training.cohort``.

One examination (``scan.simulate`` reads from top to bottom)::

    Subject -> BodyPlan -> Anatomy -> scan -> CtImage -> orientation -> dicom, enhanced, localizer
                   \-> truth.json

``scan.crops`` takes the same steps on a small grid: a vertebra in less than half a second.
``write.nifti`` reads a NIfTI file as a ``CtImage``. Names, labels and findings: ``ANATOMY.md``.
"""
