r"""Virtual cohort: simulated patients with known bone, as CT examinations in DICOM.

The way of one examination::

    Subject -> anatomy -> (scanner) CtImage -> orientation -> dicom -> files
                      \-> truth.json
    NIfTI   -> nifti   ->           CtImage -> orientation -> dicom -> files
"""
