"""From a job to DICOM output: volume, vertebrae, findings, report. Opens no socket.

The way of one job (type on each arrow)::

    job.Job -> sources.SourceSeries -> volume.CtVolume -> localize.Localization
        -> volume.Segmentation -> trabecular.LevelRegion -> findings.LumbarFindings
        -> reporting (SEG, SR), result.ResultDocument -> job.Outcome

``run.process`` is that way as one function; ``attempt`` and ``tasks`` stand between it and the
queue; ``worker`` and ``__main__`` are the two doors.
"""
