// Behavioural twin of the part of a URAM288_BASE that accelgen/rtl/memory/ram_cells.py instantiates:
// port A reads, port B reads or writes, output registers in use, no ECC (UG573, chapter 2; UG974).
// Port A is served before port B, so that it reads what was there; a write leaves B's output as it
// is. Anything else stops the simulation.
module URAM288_BASE #(
    parameter OREG_A = "FALSE", OREG_B = "FALSE", OREG_ECC_A = "FALSE", OREG_ECC_B = "FALSE",
    parameter IREG_PRE_A = "FALSE", IREG_PRE_B = "FALSE", EN_AUTO_SLEEP_MODE = "FALSE",
    parameter EN_ECC_RD_A = "FALSE", EN_ECC_RD_B = "FALSE", EN_ECC_WR_A = "FALSE", EN_ECC_WR_B = "FALSE"
) (
    input CLK, EN_A, EN_B, RDB_WR_A, RDB_WR_B, RST_A, RST_B, SLEEP,
    input [22:0] ADDR_A, ADDR_B, input [8:0] BWE_A, BWE_B, input [71:0] DIN_A, DIN_B,
    input OREG_CE_A, OREG_CE_B, OREG_ECC_CE_A, OREG_ECC_CE_B,
    input INJECT_DBITERR_A, INJECT_DBITERR_B, INJECT_SBITERR_A, INJECT_SBITERR_B,
    output [71:0] DOUT_A, DOUT_B
);
    /* verilator inline_module */
    reg [71:0] memory [0:4095];
    reg [71:0] latch_a = 0, latch_b = 0, out_a = 0, out_b = 0;
    assign DOUT_A = out_a;
    assign DOUT_B = out_b;

    integer i;
    initial for (i = 0; i < 4096; i = i + 1) memory[i] = 0;

    always @(posedge CLK) begin
        if (EN_A) latch_a <= memory[ADDR_A[11:0]];
        if (EN_B && RDB_WR_B) memory[ADDR_B[11:0]] <= DIN_B;
        if (EN_B && !RDB_WR_B) latch_b <= memory[ADDR_B[11:0]];
        out_a <= latch_a;
        out_b <= latch_b;
        if (RDB_WR_A || BWE_B != 9'h1ff || RST_A || RST_B || SLEEP || ADDR_A[22:12] != 0 || ADDR_B[22:12] != 0
                || INJECT_DBITERR_A || INJECT_DBITERR_B || INJECT_SBITERR_A || INJECT_SBITERR_B)
            $fatal(1, "URAM288_BASE: RDB_WR_A, BWE_B %b, or a reset or error is not modelled", BWE_B);
    end

    initial if (OREG_A != "TRUE" || OREG_B != "TRUE" || OREG_ECC_A != "FALSE" || OREG_ECC_B != "FALSE"
            || IREG_PRE_A != "FALSE" || IREG_PRE_B != "FALSE" || EN_AUTO_SLEEP_MODE != "FALSE"
            || EN_ECC_RD_A != "FALSE" || EN_ECC_RD_B != "FALSE" || EN_ECC_WR_A != "FALSE" || EN_ECC_WR_B != "FALSE")
        $fatal(1, "URAM288_BASE: these parameters are not modelled");
endmodule
