"""From attenuation (HU) to volumetric bone mineral density (mg/cm3).

``choose`` takes the best calibration: an entry of the site's table for this scanner (``fit`` makes
it), the patient's own tissues (``tissues``, ``internal``), or the generic line. ``categories``
assigns the QCT range. Table and calibration are part of `pipelines.contract`.
"""
