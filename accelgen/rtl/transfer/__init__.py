"""Between DDR and the chip, over AXI masters.

In order of the data, under the block diagram ``transfer_path``: ``dma_read`` and ``load_unit``
(maps in), ``store_unit`` and ``dma_write`` (maps out; parked weights to the weight loader). Both
DMAs cut runs by ``bursts`` and report by ``dma_fault``. ``read_arbiter`` shares the other master
between commands and weights.
"""
