"""Who says what happens when.

In order of a program: ``registers`` (the host, counters, with ``step_log``), ``sequencer``, which
holds ``fetch`` (commands from DDR), ``dispatch`` (to queues per unit), ``gate`` (wait counts) and
``step_control`` (EXEC after EXEC). ``weight_loader`` runs WEIGHTS commands as ``weight_plan`` cuts
them. ``abort_control`` ends everything after a fault, and begins anew.
"""
