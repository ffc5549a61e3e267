r"""Virtual cohort: simulated patients with known bone, as CT examinations in DICOM.

The way of one examination (``simulate`` reads top-down)::

    subject -> plan -> anatomy -> scanner -> CtImage -> orientation -> dicom, enhanced, localizer
                  \-> truth.json                ^
                                  nifti ---------'

``crops`` takes the same way for a small grid: a vertebra in less than half a second.

``plan`` says where everything lies; ``trunk``, ``organs``, ``vertebra``, ``ribs``, ``pelvis`` and
``femur`` draw it as signed distances (``sdf``) that ``raster`` paints on a ``grid``; ``physics`` and
``media`` turn composition into HU; ``fields`` are the random textures.

``protocols`` say how a patient is scanned, ``equipment`` by which scanner with which kernels;
``water`` measures what the X-rays must pass, ``noise``, ``streaks`` and ``couch`` are what a scanner
adds. ``dataset`` lays many items on disk and ``generate`` makes them side by side; a killed run is
resumed.

``form`` shapes a skeleton. ``findings`` states what is wrong with a patient, ``prevalence`` draws
it; ``fracture``, ``degeneration``, ``lesions``, ``plaques`` and ``implants`` shape it, ``pathology``
paints it, and ``chest`` holds what lies above the diaphragm. Names, labels, findings: ``ANATOMY.md``.
"""
