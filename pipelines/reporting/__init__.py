"""Write findings as DICOM: Segmentation, Structured Report, and the parts that both share."""
