"""Run a Program: in numpy, command by command, or on the generated Verilog."""
