// Vtop.h's class on top of the model. Compiled with each model; includes its header.
#include "Vmodel.h"
#include "runtime/Vtop.h"

static Vmodel* model;

Vtop::Vtop(const char* name) {
    model = new Vmodel(name);
}
Vtop::~Vtop() {
    delete model;
    model = nullptr;
}
void Vtop::eval_step() {
    model->eval_step();
}
void Vtop::eval_end_step() {
    model->eval_end_step();
}
bool Vtop::eventsPending() {
    return model->eventsPending();
}
uint64_t Vtop::nextTimeSlot() {
    return model->nextTimeSlot();
}
void Vtop::final() {
    model->final();
}
#if VM_TRACE
void Vtop::trace(VerilatedTraceBaseC* file, int levels) {
    model->trace(file, levels);
}
#endif
