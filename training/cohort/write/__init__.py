"""Write virtual patients as DICOM series, NIfTI files and whole datasets."""
