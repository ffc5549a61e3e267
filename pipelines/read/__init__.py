"""Read DICOM files into a CT volume in Hounsfield units."""
