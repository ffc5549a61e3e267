"""Virtual patients on disk: DICOM, NIfTI and whole data sets."""
