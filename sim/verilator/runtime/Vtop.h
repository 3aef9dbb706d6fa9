// The class cocotb's verilator.cpp drives, with any model behind it.
//
// cocotb's main() includes "Vtop.h". This stands in for the header Verilator generates, so that
// main() is compiled once per machine, not once per model; bridge.cpp, compiled with the model,
// implements it.
#ifndef ACCELGEN_VTOP_H
#define ACCELGEN_VTOP_H

#include "verilated.h"

class Vtop {
public:
    explicit Vtop(const char* name);
    ~Vtop();
    void eval_step();
    void eval_end_step();
    bool eventsPending();
    uint64_t nextTimeSlot();
    void final();
#if VM_TRACE
    void trace(VerilatedTraceBaseC* file, int levels);
#endif
};

#endif
