"""Findings to DICOM: Segmentation, Structured Report, and the parts that both share."""
