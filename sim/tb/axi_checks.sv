// Rules an AXI master must keep. See violations.sv.
module axi_channel_checks #(
    parameter string NAME = "",
    parameter int WIDTH = 1
) (
    input logic clk,
    input logic rst,
    input logic valid,
    input logic ready,
    input logic [WIDTH-1:0] payload
);
    logic waiting;
    logic [WIDTH-1:0] held;

    // Once valid, a channel stays valid and unchanged until it is taken.
    always_ff @(posedge clk) begin
        waiting <= valid && !ready && !rst;
        held <= payload;
        if (waiting && !rst && !valid)
            violations::violation($sformatf("AXI: %s valid dropped before ready", NAME));
        if (waiting && !rst && valid && payload != held)
            violations::violation($sformatf("AXI: %s payload changed before ready", NAME));
    end
endmodule

module axi_address_checks #(
    parameter string NAME = ""
) (
    input logic clk,
    input logic rst,
    input logic [39:0] window_low,   // the image: nothing else may be addressed
    input logic [39:0] window_bytes,
    input logic valid,
    input logic ready,
    input logic [39:0] addr,
    input logic [7:0] len,
    input logic [2:0] size,
    input logic [1:0] burst,
    input logic [3:0] cache,
    input logic [2:0] prot
);
    axi_channel_checks #(.NAME(NAME), .WIDTH(60)) channel (
        .clk, .rst, .valid, .ready, .payload({addr, len, size, burst, cache, prot})
    );

    wire [39:0] offset = addr - window_low;
    wire [40:0] ends = {1'b0, offset} + 41'({len, 4'b0}) + 16;
    wire [12:0] last = {1'b0, addr[11:0]} + {1'b0, len, 4'b0};

    always_ff @(posedge clk) begin
        // From the first cycle it is seen on the bus: a slave may act on it before it takes it.
        if (valid && !rst && ends > {1'b0, window_bytes})
            violations::violation($sformatf(
                "window: %s burst of %0d beats at %h leaves the image, %h bytes from %h",
                NAME, len + 1, addr, window_bytes, window_low));
        if (valid && ready && !rst) begin
            if (last[12]) violations::violation($sformatf(
                "AXI: %s burst of %0d beats at %h crosses 4 KiB", NAME, len + 1, addr));
            if (len > 15) violations::violation($sformatf(
                "AXI: %s burst of %0d beats at %h is over 256 bytes", NAME, len + 1, addr));
            if (burst != 1) violations::violation($sformatf(
                "AXI: %s burst type is %0d, not INCR", NAME, burst));
            if (size != 4) violations::violation($sformatf(
                "AXI: %s beats are 2**%0d bytes, not 16", NAME, size));
            if (addr[3:0] != 0) violations::violation($sformatf(
                "AXI: %s address %h is not a multiple of 16", NAME, addr));
        end
    end
endmodule
