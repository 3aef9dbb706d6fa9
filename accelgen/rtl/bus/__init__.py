"""AXI, signatures only: ``axi4`` (masters, to DDR) and ``axi4lite`` (registers)."""
