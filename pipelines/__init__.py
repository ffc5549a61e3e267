"""Process a job into DICOM output: volume, vertebrae, findings, report. Opens no socket.

Data flow of one job (type on each arrow)::

    contract.job.Job -> read.sources.SourceSeries -> read.volume.CtVolume
        -> locate.localize.Localization -> read.volume.Segmentation
        -> outline.trabecular_core.LevelRegion -> contract.findings.LumbarFindings
        -> reporting (SEG, SR, result_document.ResultDocument) -> contract.job.Outcome

``run.process`` is this flow as one function. ``worker.tasks`` and ``worker.attempt`` call it for
the queue; ``__main__`` calls it for one job without a queue.
"""
