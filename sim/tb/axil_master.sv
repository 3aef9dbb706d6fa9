// Writes and reads the accelerator's registers when the host asks: one access at a time.
//
// `go` starts an access and is held off until `done`. With `stall`, address and data of a write
// come apart and responses are taken late, at random.
module axil_master (
    input logic clk,
    input logic rst,
    input logic [15:0] stall,
    input logic [31:0] seed,

    input  logic        go,
    input  logic        write,
    input  logic [13:0] address,
    input  logic [31:0] value,
    output logic        done,
    output logic [31:0] result,
    output logic [1:0]  resp,

    output logic [13:0] awaddr,
    output logic [2:0]  awprot,
    output logic        awvalid,
    input  logic        awready,
    output logic [31:0] wdata,
    output logic [3:0]  wstrb,
    output logic        wvalid,
    input  logic        wready,
    input  logic [1:0]  bresp,
    input  logic        bvalid,
    output logic        bready,
    output logic [13:0] araddr,
    output logic [2:0]  arprot,
    output logic        arvalid,
    input  logic        arready,
    input  logic [31:0] rdata,
    input  logic [1:0]  rresp,
    input  logic        rvalid,
    output logic        rready
);
    logic aw_todo, w_todo, ar_todo, busy;
    logic [63:0] noise;

    assign awprot = 0;
    assign arprot = 0;
    assign wstrb = '1;

    always_ff @(posedge clk) begin
        done <= 0;
        if (awvalid && awready) awvalid <= 0;
        if (wvalid && wready) wvalid <= 0;
        if (arvalid && arready) arvalid <= 0;
        bready <= busy && noise[63:48] >= stall;
        rready <= busy && noise[63:48] >= stall;

        if (go && !busy) begin
            busy <= 1;
            awaddr <= address;
            araddr <= address;
            wdata <= value;
            aw_todo <= write;
            w_todo <= write;
            ar_todo <= !write;
        end
        if (aw_todo && noise[15:0] >= stall) begin
            awvalid <= 1;
            aw_todo <= 0;
        end
        if (w_todo && noise[31:16] >= stall) begin
            wvalid <= 1;
            w_todo <= 0;
        end
        if (ar_todo && noise[47:32] >= stall) begin
            arvalid <= 1;
            ar_todo <= 0;
        end
        if (bvalid && bready || rvalid && rready) begin
            busy <= 0;
            bready <= 0;
            rready <= 0;
            done <= 1;
            result <= rdata;
            resp <= rvalid ? rresp : bresp;
        end
        noise <= random::xorshift(noise);
        if (rst) begin
            {awvalid, wvalid, arvalid, bready, rready, busy, done, aw_todo, w_todo, ar_todo} <= '0;
            noise <= {seed, 32'h632be59b};
        end
    end

    axi_channel_checks #(.NAME("s_axil B"), .WIDTH(2)) b_checks (
        .clk, .rst, .valid(bvalid), .ready(bready), .payload(bresp)
    );
    axi_channel_checks #(.NAME("s_axil R"), .WIDTH(34)) r_checks (
        .clk, .rst, .valid(rvalid), .ready(rready), .payload({rdata, rresp})
    );
endmodule
