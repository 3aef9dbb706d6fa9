"""What is no stream and in every room: ``delay`` lines, ``copies`` of registers with many loads,
``loop_counter`` and ``beat_counter``."""
