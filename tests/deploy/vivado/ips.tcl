# What the stub knows of each IP: its newest version, its properties with their values, its pins and interfaces.
# From the product guides (PG201, PG082, PG065, PG247, PG164) and from block-design scripts that Vivado exported:
# Xilinx/AUP-ZU3 (run_create_zynq_ultra_ps.tcl), AMD's DPU-TRD (clk_wiz with matched routing), FINN (templates.py).
# Only what scripts of this project may need: another name is an error, as in Vivado.

set bool {oneof 0 1 true false}

set ip(zynq_ultra_ps_e,version) 3.5
set ip(zynq_ultra_ps_e,properties) [list \
    PSU__OVERRIDE__BASIC_CLOCK {oneof 0 1} 0 \
    PSU__USE__M_AXI_GP0 {oneof 0 1} 1 \
    PSU__USE__M_AXI_GP1 {oneof 0 1} 1 \
    PSU__USE__M_AXI_GP2 {oneof 0 1} 0 \
    PSU__MAXIGP0__DATA_WIDTH {oneof 32 64 128} 128 \
    PSU__MAXIGP1__DATA_WIDTH {oneof 32 64 128} 128 \
    PSU__MAXIGP2__DATA_WIDTH {oneof 32 64 128} 32 \
    PSU__USE__S_AXI_GP2 {oneof 0 1} 0 \
    PSU__USE__S_AXI_GP3 {oneof 0 1} 0 \
    PSU__USE__S_AXI_GP4 {oneof 0 1} 0 \
    PSU__USE__S_AXI_GP5 {oneof 0 1} 0 \
    PSU__SAXIGP2__DATA_WIDTH {oneof 32 64 128} 128 \
    PSU__SAXIGP3__DATA_WIDTH {oneof 32 64 128} 128 \
    PSU__SAXIGP4__DATA_WIDTH {oneof 32 64 128} 128 \
    PSU__SAXIGP5__DATA_WIDTH {oneof 32 64 128} 128 \
    PSU__USE__IRQ0 {oneof 0 1} 1 \
    PSU__USE__IRQ1 {oneof 0 1} 0 \
    PSU__FPGA_PL0_ENABLE {oneof 0 1} 1 \
    PSU__FPGA_PL1_ENABLE {oneof 0 1} 0 \
    PSU__NUM_FABRIC_RESETS {oneof 0 1 2 3 4} 1 \
    PSU__CRL_APB__PL0_REF_CTRL__SRCSEL {oneof IOPLL RPLL DPLL} IOPLL \
    PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ {number 0 400} 100 \
    PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0 {number 1 63} 15 \
    PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1 {number 1 63} 1 \
]
# Computed: scripts read it only.
set ip(zynq_ultra_ps_e,readonly) {PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ}
# Each: name, direction, kind (clk, rst and its polarity, data), property that must be 1 ("" always), or must it be connected.
set ip(zynq_ultra_ps_e,pins) {
    pl_clk0 O clk PSU__FPGA_PL0_ENABLE
    pl_clk1 O clk PSU__FPGA_PL1_ENABLE
    pl_resetn0 O rst_low ""
    pl_ps_irq0 I data PSU__USE__IRQ0
    pl_ps_irq1 I data PSU__USE__IRQ1
    maxihpm0_fpd_aclk I clk PSU__USE__M_AXI_GP0
    maxihpm1_fpd_aclk I clk PSU__USE__M_AXI_GP1
    maxihpm0_lpd_aclk I clk PSU__USE__M_AXI_GP2
    saxihp0_fpd_aclk I clk PSU__USE__S_AXI_GP2
    saxihp1_fpd_aclk I clk PSU__USE__S_AXI_GP3
    saxihp2_fpd_aclk I clk PSU__USE__S_AXI_GP4
    saxihp3_fpd_aclk I clk PSU__USE__S_AXI_GP5
}
# Each: name, mode, protocol, width (a number or a property), clock pin, property that must be 1.
set ip(zynq_ultra_ps_e,interfaces) {
    M_AXI_HPM0_FPD master AXI4 PSU__MAXIGP0__DATA_WIDTH maxihpm0_fpd_aclk PSU__USE__M_AXI_GP0
    M_AXI_HPM1_FPD master AXI4 PSU__MAXIGP1__DATA_WIDTH maxihpm1_fpd_aclk PSU__USE__M_AXI_GP1
    M_AXI_HPM0_LPD master AXI4 PSU__MAXIGP2__DATA_WIDTH maxihpm0_lpd_aclk PSU__USE__M_AXI_GP2
    S_AXI_HP0_FPD slave AXI4 PSU__SAXIGP2__DATA_WIDTH saxihp0_fpd_aclk PSU__USE__S_AXI_GP2
    S_AXI_HP1_FPD slave AXI4 PSU__SAXIGP3__DATA_WIDTH saxihp1_fpd_aclk PSU__USE__S_AXI_GP3
    S_AXI_HP2_FPD slave AXI4 PSU__SAXIGP4__DATA_WIDTH saxihp2_fpd_aclk PSU__USE__S_AXI_GP4
    S_AXI_HP3_FPD slave AXI4 PSU__SAXIGP5__DATA_WIDTH saxihp3_fpd_aclk PSU__USE__S_AXI_GP5
}

set ip(processing_system7,version) 5.5
set ip(processing_system7,properties) [list \
    PCW_USE_M_AXI_GP0 {oneof 0 1} 1 \
    PCW_USE_M_AXI_GP1 {oneof 0 1} 0 \
    PCW_USE_S_AXI_HP0 {oneof 0 1} 0 \
    PCW_USE_S_AXI_HP1 {oneof 0 1} 0 \
    PCW_S_AXI_HP0_DATA_WIDTH {oneof 32 64} 64 \
    PCW_S_AXI_HP1_DATA_WIDTH {oneof 32 64} 64 \
    PCW_USE_FABRIC_INTERRUPT {oneof 0 1} 0 \
    PCW_IRQ_F2P_INTR {oneof 0 1} 0 \
    PCW_FPGA0_PERIPHERAL_FREQMHZ {number 0.1 250} 50 \
]
set ip(processing_system7,readonly) {PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ}
set ip(processing_system7,pins) {
    FCLK_CLK0 O clk ""
    FCLK_RESET0_N O rst_low ""
    IRQ_F2P I data PCW_IRQ_F2P_INTR
    M_AXI_GP0_ACLK I clk PCW_USE_M_AXI_GP0
    M_AXI_GP1_ACLK I clk PCW_USE_M_AXI_GP1
    S_AXI_HP0_ACLK I clk PCW_USE_S_AXI_HP0
    S_AXI_HP1_ACLK I clk PCW_USE_S_AXI_HP1
}
set ip(processing_system7,interfaces) {
    M_AXI_GP0 master AXI3 32 M_AXI_GP0_ACLK PCW_USE_M_AXI_GP0
    M_AXI_GP1 master AXI3 32 M_AXI_GP1_ACLK PCW_USE_M_AXI_GP1
    S_AXI_HP0 slave AXI3 PCW_S_AXI_HP0_DATA_WIDTH S_AXI_HP0_ACLK PCW_USE_S_AXI_HP0
    S_AXI_HP1 slave AXI3 PCW_S_AXI_HP1_DATA_WIDTH S_AXI_HP1_ACLK PCW_USE_S_AXI_HP1
}

set ip(clk_wiz,version) 6.0
set ip(clk_wiz,properties) [list \
    PRIMITIVE {oneof MMCM PLL Auto None} MMCM \
    PRIM_SOURCE {oneof Single_ended_clock_capable_pin Differential_clock_capable_pin Global_buffer No_buffer} \
    Single_ended_clock_capable_pin \
    PRIM_IN_FREQ {number 10 1066} "" \
    USE_RESET $bool true \
    USE_LOCKED $bool true \
]
foreach output {1 2 3 4 5 6 7} {
    lappend ip(clk_wiz,properties) \
        CLKOUT${output}_USED $bool [expr {$output == 1}] \
        CLKOUT${output}_REQUESTED_OUT_FREQ {number 4.687 850} 100 \
        CLKOUT${output}_MATCHED_ROUTING $bool false \
        CLKOUT${output}_DRIVES {oneof BUFG BUFGCE BUFGCE_DIV Buffer Buffer_with_CE No_buffer} Buffer
    lappend ip(clk_wiz,pins) clk_out$output O clk CLKOUT${output}_USED
}
set ip(clk_wiz,readonly) {}
lappend ip(clk_wiz,pins) clk_in1 I clk "" reset I rst_high USE_RESET locked O data USE_LOCKED
set ip(clk_wiz,interfaces) {}

set ip(proc_sys_reset,version) 5.0
set ip(proc_sys_reset,properties) {C_EXT_RST_WIDTH {number 1 16} 4 C_AUX_RST_WIDTH {number 1 16} 4}
set ip(proc_sys_reset,readonly) {}
# aux_reset_in, mb_debug_sys_rst and dcm_locked have defaults, but whoever has a wizard must wait for it.
set ip(proc_sys_reset,pins) {
    slowest_sync_clk I clk ""
    ext_reset_in I rst_any ""
    aux_reset_in I optional ""
    mb_debug_sys_rst I optional ""
    dcm_locked I data ""
    mb_reset O rst_high ""
    bus_struct_reset O rst_high ""
    peripheral_reset O rst_high ""
    interconnect_aresetn O rst_low ""
    peripheral_aresetn O rst_low ""
}
set ip(proc_sys_reset,interfaces) {}

set ip(smartconnect,version) 1.0
set ip(smartconnect,properties) [list \
    NUM_SI {oneof 1 2 3 4} 2 NUM_MI {oneof 1 2 3 4} 1 NUM_CLKS {oneof 1 2} 1 HAS_ARESETN {oneof 0 1} 1 \
]
set ip(smartconnect,readonly) {}
set ip(smartconnect,pins) {aclk I clk "" aresetn I rst_low HAS_ARESETN}
set ip(smartconnect,interfaces) {
    S00_AXI slave any any aclk ""
    M00_AXI master any any aclk ""
}

# The packaged core: what package_ip.tcl must have made.
set ip(accelgen_top,version) 1.0
set ip(accelgen_top,properties) {}
set ip(accelgen_top,readonly) {}
set ip(accelgen_top,pins) {clk I clk "" clk2x I clk "" rst I rst_high "" irq O data ""}
set ip(accelgen_top,interfaces) {
    s_axil slave AXI4LITE 32 clk ""
    m_axi_w master AXI4 128 clk ""
    m_axi_f master AXI4 128 clk ""
}

# Board files of the store, newest last, and what their presets do to clocks: whether they override, the divided PLL in
# MHz, the divisor of PL0 (Zynq-7000: of FCLK0).
# Ultra96: Avnet/bdf, ultra96v2/1.0/preset.xml (override 1, IOPLL 45 x 33.333333, ACT 99.999900); 1.3 is of vendor Avnet-tria.
# AUP-ZU3: Xilinx/AUP-ZU3 (override 0, IOPLL 1499.999756). ZCU104: the store's preset (override 0). KV260, PYNQ-Z2: assumed.
set board(ultra96v1) {1 1499.9985 15 {em.avnet.com:ultra96v1:part0:1.2 avnet.com:ultra96v1:part0:1.2}}
set board(ultra96v2) {1 1499.9985 15 {avnet.com:ultra96v2:part0:1.2 Avnet-tria:ultra96v2:part0:1.3}}
set board(aup-zu3) {0 1499.999756 15 {realdigital.org:aup-zu3-4gb:part0:1.0 realdigital.org:aup-zu3-8gb:part0:1.0}}
set board(zcu104) {0 1499.9985 15 {xilinx.com:zcu104:part0:1.1}}
set board(kv260) {0 999.999 10 {xilinx.com:kv260_som:part0:1.4}}
set board(pynq-z2) {0 1000.0 20 {tul.com.tw:pynq-z2:part0:1.0}}
