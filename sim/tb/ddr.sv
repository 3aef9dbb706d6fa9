// DDR memory behind the accelerator's AXI ports: one array, one bandwidth, shared fairly.
//
// Bandwidth is a token bucket. Every cycle adds `rate` (bytes in 1/65536) to it, every beat takes
// 16 bytes out of it, requesters take turns beat by beat: read port w, read port f, write port f,
// and the traffic of the processing system, which is only a number. A refresh stops all of them.
// With `duplex` writes have a bucket of their own, filled at the same rate.
//
// A read's first beat comes no earlier than `latency` cycles after its address; bursts overlap.
// Settings are plain inputs: they may be changed between jobs.
module ddr #(
    parameter int BYTES = 128 << 20
) (
    input logic clk,
    input logic rst,

    // Settings.
    input logic [39:0] origin,           // address of the first byte
    input logic [31:0] rate,             // bytes per cycle, in 1/65536; 0: no limit
    input logic        duplex,           // reads and writes move so many each, not together
    input logic [31:0] latency,          // cycles from read address to first beat, at least 3
    input logic [31:0] write_latency,    // cycles from the last beat written to its response
    input logic [31:0] refresh_every,    // cycles between refreshes; 0: none
    input logic [31:0] refresh_cycles,   // cycles a refresh takes
    input logic [31:0] competing_rate,   // the processing system's bytes per cycle, in 1/65536
    input logic [15:0] stall,            // chance, in 1/65536, that a channel pauses for a cycle
    input logic [31:0] seed,
    input logic [39:0] error_low,        // beats at addresses from here ...
    input logic [39:0] error_high,       // ... to below here answer with an error
    input logic [2:0]  error_ports,      // on these of w read, f read, f write
    input logic        error_decode,     // DECERR, else SLVERR
    input logic        frozen,           // nothing is taken, moved or answered

    // Read port w.
    input  logic [39:0]  w_araddr,
    input  logic [7:0]   w_arlen,
    input  logic         w_arvalid,
    output logic         w_arready,
    output logic [127:0] w_rdata,
    output logic [1:0]   w_rresp,
    output logic         w_rlast,
    output logic         w_rvalid,
    input  logic         w_rready,

    // Read and write port f.
    input  logic [39:0]  f_araddr,
    input  logic [7:0]   f_arlen,
    input  logic         f_arvalid,
    output logic         f_arready,
    output logic [127:0] f_rdata,
    output logic [1:0]   f_rresp,
    output logic         f_rlast,
    output logic         f_rvalid,
    input  logic         f_rready,
    input  logic [39:0]  f_awaddr,
    input  logic [7:0]   f_awlen,
    input  logic         f_awvalid,
    output logic         f_awready,
    input  logic [127:0] f_wdata,
    input  logic [15:0]  f_wstrb,
    input  logic         f_wlast,
    input  logic         f_wvalid,
    output logic         f_wready,
    output logic [1:0]   f_bresp,
    output logic         f_bvalid,
    input  logic         f_bready,

    // Beats moved since reset: w read, f read, f written, competing.
    output logic [31:0] beats[4]
);
    localparam int BEATS = BYTES / 16;
    localparam int INDEX = $clog2(BEATS);
    localparam int COST = 16 << 16;
    localparam int W_READ = 0, F_READ = 1, F_WRITE = 2, COMPETING = 3;

    bit [127:0] mem[BEATS];

    // Who wants a beat, and who gets one.
    logic [3:0] want, grant;
    logic [1:0] turn, next_turn;
    logic [31:0] tokens[2], left[2];  // of writes with `duplex`; of everything else
    logic [31:0] demand, refresh;
    logic [31:0] now;
    wire refreshing = refresh_every != 0 && refresh < refresh_cycles;
    // Room for a fraction of a beat to be carried over, and little more: idle time is not saved up.
    wire [31:0] bucket = 4 * COST + rate;

    always_comb begin
        grant = 0;
        left = tokens;
        next_turn = turn;
        for (int i = 0; i < 4; i++) begin
            automatic logic [1:0] who = turn + 2'(i);
            automatic logic bucket_of = !(duplex && who == F_WRITE);
            if (want[who] && !refreshing && !frozen && (rate == 0 || left[bucket_of] >= COST)) begin
                grant[who] = 1;
                if (rate != 0) left[bucket_of] -= COST;
                next_turn = who + 1;
            end
        end
    end

    assign want[COMPETING] = demand >= COST;

    always_ff @(posedge clk) begin
        now <= now + 1;
        turn <= next_turn;
        for (int i = 0; i < 2; i++)
            if (!refreshing) tokens[i] <= left[i] + rate > bucket ? bucket : left[i] + rate;
        // Traffic that finds no bandwidth is not remembered for ever.
        demand <= (demand > 64 * COST ? demand : demand + competing_rate)
            - (grant[COMPETING] ? COST : 0);
        refresh <= refresh + 1 >= refresh_every ? 0 : refresh + 1;
        for (int i = 0; i < 4; i++) if (grant[i]) beats[i] <= beats[i] + 1;
        if (rst) begin
            now <= 0;
            turn <= 0;
            for (int i = 0; i < 2; i++) tokens[i] <= 0;
            demand <= 0;
            refresh <= refresh_cycles;
            for (int i = 0; i < 4; i++) beats[i] <= 0;
        end
    end

    // Ports.
    logic [39:0] w_address, f_address, f_write_address;
    logic [127:0] f_write_data;
    logic [15:0] f_write_strobe;

    function automatic logic [1:0] response(input logic [39:0] address, input int who);
        if (address < origin || address - origin >= 40'(BYTES)) return 2'b11;
        if (error_ports[who] && address >= error_low && address < error_high)
            return {1'b1, error_decode};
        return 2'b00;
    endfunction

    function automatic logic [INDEX-1:0] index(input logic [39:0] address);
        automatic logic [39:0] offset = address - origin;
        return offset[INDEX+3:4];
    endfunction

    axi_read_port #(.SALT(32'h9e3779b9)) w_read (
        .clk, .rst, .frozen, .now, .latency, .stall, .seed,
        .araddr(w_araddr), .arlen(w_arlen), .arvalid(w_arvalid), .arready(w_arready),
        .rdata(w_rdata), .rresp(w_rresp), .rlast(w_rlast), .rvalid(w_rvalid), .rready(w_rready),
        .want(want[W_READ]), .address(w_address), .grant(grant[W_READ]),
        .data(mem[index(w_address)]), .resp(response(w_address, W_READ))
    );
    axi_read_port #(.SALT(32'h7f4a7c15)) f_read (
        .clk, .rst, .frozen, .now, .latency, .stall, .seed,
        .araddr(f_araddr), .arlen(f_arlen), .arvalid(f_arvalid), .arready(f_arready),
        .rdata(f_rdata), .rresp(f_rresp), .rlast(f_rlast), .rvalid(f_rvalid), .rready(f_rready),
        .want(want[F_READ]), .address(f_address), .grant(grant[F_READ]),
        .data(mem[index(f_address)]), .resp(response(f_address, F_READ))
    );
    axi_write_port #(.SALT(32'h94d049bb)) f_write (
        .clk, .rst, .frozen, .now, .latency(write_latency), .stall, .seed,
        .awaddr(f_awaddr), .awlen(f_awlen), .awvalid(f_awvalid), .awready(f_awready),
        .wdata(f_wdata), .wstrb(f_wstrb), .wlast(f_wlast), .wvalid(f_wvalid), .wready(f_wready),
        .bresp(f_bresp), .bvalid(f_bvalid), .bready(f_bready),
        .want(want[F_WRITE]), .address(f_write_address), .data(f_write_data),
        .strobe(f_write_strobe), .grant(grant[F_WRITE]), .resp(response(f_write_address, F_WRITE))
    );

    always_ff @(posedge clk) begin
        if (grant[F_WRITE] && response(f_write_address, F_WRITE) == 0)
            for (int i = 0; i < 16; i++)
                if (f_write_strobe[i])
                    mem[index(f_write_address)][8*i+:8] <= f_write_data[8*i+:8];
    end

    // Files. $fread and the beats differ in byte order, so a file holds each beat last byte first.
    task automatic load(input int first, input int count);
        automatic int file = $fopen("ddr_load.bin", "rb");
        automatic int got;
        if (file == 0) $fatal(1, "ddr_load.bin cannot be opened");
        got = $fread(mem, file, first, count);
        if (got != 16 * count) $fatal(1, "ddr_load.bin: %0d bytes instead of %0d", got, 16 * count);
        $fclose(file);
    endtask

    task automatic dump(input int first, input int count);
        automatic int file = $fopen("ddr_dump.bin", "wb");
        if (file == 0) $fatal(1, "ddr_dump.bin cannot be written");
        for (int i = first; i < first + count; i++) $fwrite(file, "%u", mem[i]);
        $fclose(file);
    endtask
endmodule
