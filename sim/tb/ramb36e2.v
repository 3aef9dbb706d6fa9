// Behavioural twin of the part of a RAMB36E2 that accelgen/rtl/memory/ram_cells.py instantiates: true
// dual port, one clock, port A reads, port B reads or writes in mode READ_FIRST, output registers in
// use, no parity, nothing cascaded (UG573, chapter 1; UG974). Anything else stops the simulation.
module RAMB36E2 #(
    parameter CASCADE_ORDER_A = "NONE", CASCADE_ORDER_B = "NONE", CLOCK_DOMAINS = "INDEPENDENT",
    parameter DOA_REG = 1, DOB_REG = 1,
    parameter READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
    parameter WRITE_MODE_A = "NO_CHANGE", WRITE_MODE_B = "NO_CHANGE"
) (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, ADDRENA, ADDRENB, REGCEAREGCE, REGCEB,
    input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB, SLEEP,
    input [14:0] ADDRARDADDR, ADDRBWRADDR,
    input [3:0] WEA, input [7:0] WEBWE,
    input [31:0] DINADIN, DINBDIN, input [3:0] DINPADINP, DINPBDINP,
    input CASDIMUXA, CASDIMUXB, CASDOMUXA, CASDOMUXB, CASDOMUXEN_A, CASDOMUXEN_B,
    input CASOREGIMUXA, CASOREGIMUXB, CASOREGIMUXEN_A, CASOREGIMUXEN_B, CASINDBITERR, CASINSBITERR,
    input [31:0] CASDINA, CASDINB, input [3:0] CASDINPA, CASDINPB,
    input ECCPIPECE, INJECTDBITERR, INJECTSBITERR,
    output [31:0] DOUTADOUT, DOUTBDOUT
);
    // Inlined: constants go, and nothing is copied from pin to pin.
    /* verilator inline_module */
    // Data bits of a word: a ninth is parity. Addresses count bits.
    localparam WIDTH = READ_WIDTH_A < 9 ? READ_WIDTH_A : READ_WIDTH_A / 9 * 8;
    localparam LOW = $clog2(WIDTH);

    reg [WIDTH-1:0] memory [0:(1 << (15 - LOW))-1];
    reg [WIDTH-1:0] latch_a = 0, latch_b = 0, out_a = 0, out_b = 0;
    wire [14-LOW:0] a = ADDRARDADDR[14:LOW], b = ADDRBWRADDR[14:LOW];
    assign DOUTADOUT = out_a;
    assign DOUTBDOUT = out_b;

    integer i;
    initial for (i = 0; i < 1 << (15 - LOW); i = i + 1) memory[i] = 0;

    always @(posedge CLKARDCLK) begin
        if (ENARDEN) latch_a <= memory[a];
        out_a <= latch_a;
    end
    always @(posedge CLKBWRCLK) begin
        if (ENBWREN) begin
            latch_b <= memory[b];
            if (WEBWE[0]) memory[b] <= DINBDIN[WIDTH-1:0];
        end
        out_b <= latch_b;
        if (WEA != 0 || (WEBWE != 8'h0f && WEBWE != 0) || DINPADINP != 0 || DINPBDINP != 0
                || RSTRAMARSTRAM || RSTRAMB || RSTREGARSTREG || RSTREGB || SLEEP || !ADDRENA || !ADDRENB
                || !REGCEAREGCE || !REGCEB || INJECTDBITERR || INJECTSBITERR)
            $fatal(1, "RAMB36E2: WEA %b, WEBWE %b, or a reset, enable or error is not modelled", WEA, WEBWE);
    end

    initial if (CASCADE_ORDER_A != "NONE" || CASCADE_ORDER_B != "NONE" || CLOCK_DOMAINS != "COMMON"
            || DOA_REG != 1 || DOB_REG != 1 || WRITE_MODE_B != "READ_FIRST"
            || READ_WIDTH_B != READ_WIDTH_A || WRITE_WIDTH_A != READ_WIDTH_A || WRITE_WIDTH_B != READ_WIDTH_A
            || (READ_WIDTH_A != 1 && READ_WIDTH_A != 2 && READ_WIDTH_A != 4 && READ_WIDTH_A != 9
                && READ_WIDTH_A != 18 && READ_WIDTH_A != 36))
        $fatal(1, "RAMB36E2: these parameters are not modelled");
endmodule
