// Write half of an AXI slave: queues addresses and beats, asks `ddr` to take one beat at a time.
//
// The response comes `latency` cycles after the burst's last beat was written.
module axi_write_port #(
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

    input  logic [39:0]  awaddr,
    input  logic [7:0]   awlen,
    input  logic         awvalid,
    output logic         awready,
    input  logic [127:0] wdata,
    input  logic [15:0]  wstrb,
    input  logic         wlast,
    input  logic         wvalid,
    output logic         wready,
    output logic [1:0]   bresp,
    output logic         bvalid,
    input  logic         bready,

    output logic         want,
    output logic [39:0]  address,
    output logic [127:0] data,
    output logic [15:0]  strobe,
    input  logic         grant,
    input  logic [1:0]   resp
);
    localparam int QB = $clog2(QUEUE), FB = $clog2(FIFO);

    logic [39:0] q_address[QUEUE];
    logic [7:0] q_len[QUEUE];
    logic [QB:0] q_in, q_out;
    logic [7:0] beat;
    logic [1:0] worst;  // response of the beats so far

    logic [127:0] f_data[FIFO];
    logic [15:0] f_strobe[FIFO];
    logic f_last[FIFO];
    logic [FB:0] f_in, f_out;

    logic [31:0] b_due[QUEUE];
    logic [1:0] b_resp[QUEUE];
    logic [QB:0] b_in, b_out;

    logic [63:0] noise;
    logic address_pause, data_pause;

    wire [QB:0] q_count = q_in - q_out;
    wire [FB:0] f_count = f_in - f_out;
    wire [QB:0] b_count = b_in - b_out;
    wire [QB-1:0] q_head = q_out[QB-1:0];
    wire [FB-1:0] f_head = f_out[FB-1:0];
    wire [QB-1:0] b_head = b_out[QB-1:0];
    wire [31:0] since_due = now - b_due[b_head];
    wire last = beat == q_len[q_head];
    wire answer = !frozen && b_count != 0 && !since_due[31] && !(noise[47:32] < stall);

    assign awready = !frozen && !address_pause && q_count != (QB + 1)'(QUEUE);
    assign wready = !frozen && !data_pause && f_count != (FB + 1)'(FIFO);
    assign want = q_count != 0 && f_count != 0 && b_count != (QB + 1)'(QUEUE);
    assign address = q_address[q_head] + {28'b0, beat, 4'b0};
    assign data = f_data[f_head];
    assign strobe = f_strobe[f_head];

    always_ff @(posedge clk) begin
        if (awvalid && awready) begin
            q_address[q_in[QB-1:0]] <= {awaddr[39:4], 4'b0};
            q_len[q_in[QB-1:0]] <= awlen;
            q_in <= q_in + 1;
        end
        if (wvalid && wready) begin
            f_data[f_in[FB-1:0]] <= wdata;
            f_strobe[f_in[FB-1:0]] <= wstrb;
            f_last[f_in[FB-1:0]] <= wlast;
            f_in <= f_in + 1;
        end
        if (grant) begin
            if (f_last[f_head] != last)
                violations::violation($sformatf(
                    "AXI: m_axi_f wlast is %b on beat %0d of a burst of %0d at %h",
                    f_last[f_head], beat + 1, q_len[q_head] + 1, q_address[q_head]));
            f_out <= f_out + 1;
            beat <= last ? 0 : beat + 1;
            worst <= last ? 0 : (resp > worst ? resp : worst);
            if (last) begin
                q_out <= q_out + 1;
                b_due[b_in[QB-1:0]] <= now + latency;
                b_resp[b_in[QB-1:0]] <= resp > worst ? resp : worst;
                b_in <= b_in + 1;
            end
        end
        if (!bvalid || bready) begin
            bvalid <= answer;
            if (answer) begin
                bresp <= b_resp[b_head];
                b_out <= b_out + 1;
            end
        end
        address_pause <= noise[15:0] < stall;
        data_pause <= noise[31:16] < stall;
        if (stall != 0) noise <= random::xorshift(noise);
        if (rst) begin
            {q_in, q_out, beat, worst, f_in, f_out, b_in, b_out, bvalid} <= '0;
            address_pause <= 1;
            data_pause <= 1;
            noise <= {seed ^ SALT, SALT};
        end
    end
endmodule
