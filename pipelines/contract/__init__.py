"""What node and pipelines share: jobs, reasons, findings, anatomy, calibration tables. Free of torch."""
