// Read half of an AXI slave: queues addresses, asks `ddr` for one beat at a time, in order.
//
// With no other traffic the first beat of a burst is valid `latency` cycles after the cycle in
// which its address was taken; beats then follow as fast as they are granted.
module axi_read_port #(
    parameter int SALT = 1,
    parameter int QUEUE = 16,  // bursts
    parameter int FIFO = 32    // beats
) (
    input logic clk,
    input logic rst,
    input logic frozen,
    input logic [31:0] now,
    input logic [31:0] latency,
    input logic [15:0] stall,
    input logic [31:0] seed,

    input  logic [39:0]  araddr,
    input  logic [7:0]   arlen,
    input  logic         arvalid,
    output logic         arready,
    output logic [127:0] rdata,
    output logic [1:0]   rresp,
    output logic         rlast,
    output logic         rvalid,
    input  logic         rready,

    output logic         want,
    output logic [39:0]  address,
    input  logic         grant,
    input  logic [127:0] data,
    input  logic [1:0]   resp
);
    localparam int QB = $clog2(QUEUE), FB = $clog2(FIFO);

    logic [39:0] q_address[QUEUE];
    logic [7:0] q_len[QUEUE];
    logic [31:0] q_due[QUEUE];
    logic [QB:0] q_in, q_out;
    logic [7:0] beat;

    logic [127:0] f_data[FIFO];
    logic [1:0] f_resp[FIFO];
    logic f_last[FIFO];
    logic [FB:0] f_in, f_out;

    logic [63:0] noise;
    logic address_pause;

    wire [QB:0] q_count = q_in - q_out;
    wire [FB:0] f_count = f_in - f_out;
    wire [QB-1:0] q_head = q_out[QB-1:0];
    wire [FB-1:0] f_head = f_out[FB-1:0];
    wire [31:0] since_due = now - q_due[q_head];
    wire last = beat == q_len[q_head];
    wire give = !frozen && f_count != 0 && !(noise[31:16] < stall);

    assign arready = !frozen && !address_pause && q_count != (QB + 1)'(QUEUE);
    assign want = q_count != 0 && !since_due[31] && f_count != (FB + 1)'(FIFO);
    assign address = q_address[q_head] + {28'b0, beat, 4'b0};

    always_ff @(posedge clk) begin
        if (arvalid && arready) begin
            q_address[q_in[QB-1:0]] <= {araddr[39:4], 4'b0};
            q_len[q_in[QB-1:0]] <= arlen;
            // A beat granted in cycle t is valid in cycle t + 2.
            q_due[q_in[QB-1:0]] <= now + latency - 2;
            q_in <= q_in + 1;
        end
        if (grant) begin
            f_data[f_in[FB-1:0]] <= resp == 0 ? data : '0;
            f_resp[f_in[FB-1:0]] <= resp;
            f_last[f_in[FB-1:0]] <= last;
            f_in <= f_in + 1;
            beat <= last ? 0 : beat + 1;
            if (last) q_out <= q_out + 1;
        end
        if (!rvalid || rready) begin
            rvalid <= give;
            if (give) begin
                rdata <= f_data[f_head];
                rresp <= f_resp[f_head];
                rlast <= f_last[f_head];
                f_out <= f_out + 1;
            end
        end
        address_pause <= noise[15:0] < stall;
        if (stall != 0) noise <= random::xorshift(noise);
        if (rst) begin
            {q_in, q_out, beat, f_in, f_out, rvalid} <= '0;
            address_pause <= 1;
            noise <= {seed ^ SALT, SALT};
        end
    end
endmodule
