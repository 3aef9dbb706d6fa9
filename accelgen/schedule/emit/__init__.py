"""Planned steps to commands: fields, waits, weight streams."""
