"""From attenuation (HU) to volumetric bone mineral density (mg/cm3).

``attenuation_to_density`` takes the best calibration: an entry of the site's table for this scanner
(``fit_site_calibration`` makes it), the patient's own tissues (``tissues``, ``internal``), or the
generic line. ``categories`` assigns the QCT range. Table and calibration are part of
`pipelines.contract`.
"""
