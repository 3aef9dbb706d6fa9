// The DDR model's port f with the ID signals cocotbext-axi wants: answers are in order, so
// IDs come back from queues.
module ddr_wrapper (
    input logic clk, rst,
    input logic [15:0] stall,
    input logic [0:0] axi_awid, input logic [39:0] axi_awaddr, input logic [7:0] axi_awlen,
    input logic [2:0] axi_awsize, input logic [1:0] axi_awburst,
    input logic axi_awvalid, output logic axi_awready,
    input logic [127:0] axi_wdata, input logic [15:0] axi_wstrb, input logic axi_wlast,
    input logic axi_wvalid, output logic axi_wready,
    output logic [0:0] axi_bid, output logic [1:0] axi_bresp, output logic axi_bvalid,
    input logic axi_bready,
    input logic [0:0] axi_arid, input logic [39:0] axi_araddr, input logic [7:0] axi_arlen,
    input logic [2:0] axi_arsize, input logic [1:0] axi_arburst,
    input logic axi_arvalid, output logic axi_arready,
    output logic [0:0] axi_rid, output logic [127:0] axi_rdata, output logic [1:0] axi_rresp,
    output logic axi_rlast, axi_rvalid, input logic axi_rready
);
    logic [0:0] reads[64], writes[64];
    logic [5:0] read_in, read_out, write_in, write_out;
    assign axi_rid = reads[read_out], axi_bid = writes[write_out];

    always_ff @(posedge clk) begin
        if (axi_arvalid && axi_arready) begin
            reads[read_in] <= axi_arid;
            read_in <= read_in + 1;
        end
        if (axi_awvalid && axi_awready) begin
            writes[write_in] <= axi_awid;
            write_in <= write_in + 1;
        end
        if (axi_rvalid && axi_rready && axi_rlast) read_out <= read_out + 1;
        if (axi_bvalid && axi_bready) write_out <= write_out + 1;
    end

    ddr #(.BYTES(1 << 20)) memory (
        .clk, .rst, .origin(40'h10000), .rate(32'(13 << 16)), .duplex(1'b0), .latency(20), .write_latency(5),
        .refresh_every(0), .refresh_cycles(0), .competing_rate(0), .stall, .seed(7),
        .error_low(40'h20000), .error_high(40'h20100), .error_ports('1), .error_decode(0), .frozen(0),
        .w_araddr('0), .w_arlen('0), .w_arvalid('0), .w_rready('0),
        .w_arready(), .w_rdata(), .w_rresp(), .w_rlast(), .w_rvalid(),
        .f_araddr(axi_araddr), .f_arlen(axi_arlen), .f_arvalid(axi_arvalid),
        .f_arready(axi_arready), .f_rdata(axi_rdata), .f_rresp(axi_rresp), .f_rlast(axi_rlast),
        .f_rvalid(axi_rvalid), .f_rready(axi_rready),
        .f_awaddr(axi_awaddr), .f_awlen(axi_awlen), .f_awvalid(axi_awvalid),
        .f_awready(axi_awready), .f_wdata(axi_wdata), .f_wstrb(axi_wstrb), .f_wlast(axi_wlast),
        .f_wvalid(axi_wvalid), .f_wready(axi_wready), .f_bresp(axi_bresp), .f_bvalid(axi_bvalid),
        .f_bready(axi_bready), .beats()
    );
endmodule
