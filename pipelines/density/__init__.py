"""From attenuation to volumetric bone mineral density: how the HU of this scan read as mg/cm3.

``choose`` takes the best calibration there is: an entry of the site's table for this scanner
(``table``, made by ``fit``), the patient's own tissues (``tissues``, ``internal``), or the generic
line (``calibration``). ``contrast`` corrects for contrast medium, ``categories`` names the range.
"""
