"""From DICOM files to a CT volume in Hounsfield units."""
