"""The accelerator in Amaranth: a room per piece of hardware, knowing `arch` only.

From outside in: ``design`` (the Verilog of a configuration) uses ``emit`` (a component as Verilog,
equal modules merged by ``equal_modules``) and ``top`` (Accelerator), which holds

    control       registers and abort control; sequencer: fetch, dispatch, gates, steps; weights
    core          all that abort control resets
      transfer    maps between DDR and the feature memory: LOAD, STORE, the DMAs
      memory      the feature memory, and the RAMs of the others
      datapath    one step: array -> window -> output
        array       feature memory -> PE array
        window      ring -> window engine
        requantize  accumulators -> int8 pixels, after both engines
        output      add, squeeze, rows -> feature memory

and below them what several are built of: ``raster`` (the walk of an engine over a map), ``dsp``
(multipliers and double pumping), ``streams`` (valid and ready), ``basics`` (delays, copies,
counters), ``bus`` (AXI signatures), ``layouts`` (shapes of what crosses a block's boundary),
``primitives`` (vendor cells). Imports go down this list: `tests/house/test_layers.py`.
"""
