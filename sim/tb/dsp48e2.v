// Behavioural twin of the part of a DSP48E2 that accelgen/rtl/dsp/multiply_add.py instantiates:
// P <= M + {0, PCIN, C}, M <= (A2[26:0] or AD) * B2, AD <= D + A2[26:0], all data registers in use
// (UG579, figure 1-1, tables 2-1 to 2-5). Anything else stops the simulation.
module DSP48E2 #(
    parameter AREG = 1, ACASCREG = 1, BREG = 1, BCASCREG = 1, CREG = 1, MREG = 1, PREG = 1,
    parameter ADREG = 1, ALUMODEREG = 1, CARRYINREG = 1, CARRYINSELREG = 1, DREG = 1,
    parameter INMODEREG = 1, OPMODEREG = 1,
    parameter AMULTSEL = "A", BMULTSEL = "B", PREADDINSEL = "A",
    parameter A_INPUT = "DIRECT", B_INPUT = "DIRECT",
    parameter USE_MULT = "MULTIPLY", USE_SIMD = "ONE48"
) (
    input CLK,
    input signed [29:0] A, input signed [17:0] B, input signed [47:0] C, input signed [26:0] D,
    input [29:0] ACIN, input [17:0] BCIN, input [47:0] PCIN,
    input [3:0] ALUMODE, input [2:0] CARRYINSEL, input [4:0] INMODE, input [8:0] OPMODE,
    input CARRYIN, CARRYCASCIN, MULTSIGNIN,
    input CEA1, CEA2, CEAD, CEALUMODE, CEB1, CEB2, CEC, CECARRYIN, CECTRL, CED, CEINMODE, CEM, CEP,
    input RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTALLCARRYIN, RSTALUMODE, RSTCTRL, RSTINMODE,
    output signed [47:0] P, output [47:0] PCOUT
);
    // Inlined: what is tied goes, and so does what has no use then.
    /* verilator inline_module */
    reg signed [26:0] a2 = 0, d = 0, ad = 0;
    reg signed [17:0] b2 = 0;
    reg signed [44:0] m = 0;
    reg signed [47:0] c = 0, p = 0;
    // Z multiplexer; X and Y together are the product.
    wire signed [47:0] z = OPMODE[6:4] == 3'b001 ? PCIN : OPMODE[6:4] == 3'b011 ? c : 48'd0;

    always @(posedge CLK) begin
        if (RSTA) a2 <= 0; else if (CEA2) a2 <= A[26:0];
        if (RSTD) d <= 0; else if (CED) d <= D;
        if (RSTD) ad <= 0; else if (CEAD) ad <= INMODE[2] ? d + a2 : a2;
        if (RSTB) b2 <= 0; else if (CEB2) b2 <= B;
        if (RSTC) c <= 0; else if (CEC) c <= C;
        if (RSTM) m <= 0; else if (CEM) m <= (AMULTSEL == "AD" ? ad : a2) * b2;
        if (RSTP) p <= 0; else if (CEP) p <= z + m;
        if (OPMODE[8:7] != 0 || OPMODE[3:0] != 4'b0101 || ALUMODE != 0 || (INMODE & 5'b11011) != 0
                || CARRYIN || CARRYINSEL != 0)
            $fatal(1, "DSP48E2: OPMODE %b, ALUMODE %b, INMODE %b are not modelled",
                OPMODE, ALUMODE, INMODE);
    end
    assign P = p;
    assign PCOUT = p;

    initial if (AREG != 1 || BREG != 1 || CREG != 1 || MREG != 1 || PREG != 1 || OPMODEREG != 0
            || ADREG != 1 || DREG != 1 || ALUMODEREG != 0 || INMODEREG != 0 || (AMULTSEL != "A" && AMULTSEL != "AD") || BMULTSEL != "B"
            || A_INPUT != "DIRECT" || B_INPUT != "DIRECT")
        $fatal(1, "DSP48E2: these parameters are not modelled");
endmodule
