"""From a job to DICOM output: volume, vertebrae, findings, report. Opens no socket.

Data flow of one job (type on each arrow)::

    job.Job -> sources.SourceSeries -> volume.CtVolume -> localize.Localization
        -> volume.Segmentation -> trabecular.LevelRegion -> findings.LumbarFindings
        -> reporting (SEG, SR), result.ResultDocument -> job.Outcome

``run.process`` is this flow as one function. ``worker.tasks`` and ``worker.attempt`` call it for
the queue; ``__main__`` calls it for one job without a queue.
"""
