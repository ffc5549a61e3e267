"""The DICOM side of OsteoNode. Its folders are the stations of an examination, in order.

1. ``intake``    association -> `StoredInstance` on disk, a ledger row, then 0x0000
   ``ledger``    every object and every change of state
2. ``series``    instances -> complete series -> `Selection` of the one to measure
3. ``jobs``      `Selection` -> `Job` on the queue -> `Outcome` (the pipelines are station 4)
5. ``delivery``  outbox -> C-STORE to the destinations, one status per object

``serve`` runs them as processes: ``supervisor`` starts them, ``coordinator`` is the process of
stations 2, 3 and 5. ``cli`` is the command line, ``tools`` has what its commands do without a
running node. Nothing here loads torch or any other network library.
"""
