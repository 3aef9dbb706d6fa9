// What every generated file includes; precompiled once per machine and flags.
#include "verilated.h"
#include "verilated_timing.h"
#include "verilated_vpi.h"
#if VM_TRACE
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#else
#include "verilated_vcd_c.h"
#endif
#endif
