// Stands in for the accelerator in tests of the bench: moves beats as its program says.
//
// A command is one beat at program_offset on: [0] read on w, [1] read on f, [2] write on f (a
// pattern), [3] write on f what f reads; none of them: end. [15:8] beats per burst; [31:16]
// bursts; [63:32] source and [95:64] destination offset. Each command is an EXEC of the step log.
// Registers are accelgen's, but array_busy holds the latency of the last first beat.
// +fault=N breaks one of AXI's rules (see below).
module accelgen_top (
    input logic clk, rst,
    output logic irq,
    input logic [13:0] s_axil_awaddr, input logic [2:0] s_axil_awprot,
    input logic s_axil_awvalid, output logic s_axil_awready,
    input logic [31:0] s_axil_wdata, input logic [3:0] s_axil_wstrb,
    input logic s_axil_wvalid, output logic s_axil_wready,
    output logic [1:0] s_axil_bresp, output logic s_axil_bvalid, input logic s_axil_bready,
    input logic [13:0] s_axil_araddr, input logic [2:0] s_axil_arprot,
    input logic s_axil_arvalid, output logic s_axil_arready,
    output logic [31:0] s_axil_rdata, output logic [1:0] s_axil_rresp,
    output logic s_axil_rvalid, input logic s_axil_rready,

    output logic [39:0] m_axi_w_araddr, output logic [7:0] m_axi_w_arlen,
    output logic [2:0] m_axi_w_arsize, output logic [1:0] m_axi_w_arburst,
    output logic [3:0] m_axi_w_arcache, output logic [2:0] m_axi_w_arprot,
    output logic m_axi_w_arvalid, input logic m_axi_w_arready,
    input logic [127:0] m_axi_w_rdata, input logic [1:0] m_axi_w_rresp,
    input logic m_axi_w_rlast, m_axi_w_rvalid, output logic m_axi_w_rready,

    output logic [39:0] m_axi_f_araddr, output logic [7:0] m_axi_f_arlen,
    output logic [2:0] m_axi_f_arsize, output logic [1:0] m_axi_f_arburst,
    output logic [3:0] m_axi_f_arcache, output logic [2:0] m_axi_f_arprot,
    output logic m_axi_f_arvalid, input logic m_axi_f_arready,
    input logic [127:0] m_axi_f_rdata, input logic [1:0] m_axi_f_rresp,
    input logic m_axi_f_rlast, m_axi_f_rvalid, output logic m_axi_f_rready,
    output logic [39:0] m_axi_f_awaddr, output logic [7:0] m_axi_f_awlen,
    output logic [2:0] m_axi_f_awsize, output logic [1:0] m_axi_f_awburst,
    output logic [3:0] m_axi_f_awcache, output logic [2:0] m_axi_f_awprot,
    output logic m_axi_f_awvalid, input logic m_axi_f_awready,
    output logic [127:0] m_axi_f_wdata, output logic [15:0] m_axi_f_wstrb,
    output logic m_axi_f_wlast, m_axi_f_wvalid, input logic m_axi_f_wready,
    input logic [1:0] m_axi_f_bresp, input logic m_axi_f_bvalid, output logic m_axi_f_bready
);
    localparam int CRC = 32'h57a2d12;
    typedef enum int {
        NONE, DROP_VALID, CHANGE_ADDRESS, CROSS_4K, EARLY_LAST, WRONG_SIZE, CHANGE_DATA,
        LONG_BURST, FIXED_BURST, UNALIGNED
    } fault_t;
    int fault;
    initial if (!$value$plusargs("fault=%d", fault)) fault = NONE;

    assign m_axi_w_arprot = 0, m_axi_f_arprot = 0, m_axi_f_awprot = 0;
    assign m_axi_w_arcache = 3, m_axi_f_arcache = 3, m_axi_f_awcache = 3;
    assign m_axi_w_arburst = fault == FIXED_BURST ? 0 : 1, m_axi_f_arburst = 1, m_axi_f_awburst = 1;
    assign m_axi_w_arsize = fault == WRONG_SIZE ? 2 : 4, m_axi_f_arsize = 4, m_axi_f_awsize = 4;
    assign m_axi_f_wstrb = '1;
    assign m_axi_w_rready = 1, m_axi_f_bready = 1;

    // Registers.
    logic [31:0] base_low, base_high, program_offset, cycles, execs, latency, error_address;
    logic irq_enable, busy, done, error, start, abort;
    logic [31:0] log[2048];
    wire writing = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
    assign s_axil_awready = writing, s_axil_wready = writing;
    assign s_axil_arready = !s_axil_rvalid;
    assign s_axil_bresp = 0, s_axil_rresp = 0;
    assign irq = irq_enable && (done || error);

    function automatic logic [31:0] register(input logic [13:0] address);
        if (address >= 8192) return log[address[12:2]];
        case (address / 4)
            0: return 32'h41434732;
            1: return CRC;
            3: return {29'b0, error, done, busy};
            9: return {31'b0, error};
            10: return error_address;
            11: return cycles;
            12: return execs;
            13: return latency;
            default: return 0;
        endcase
    endfunction

    always_ff @(posedge clk) begin
        {start, abort} <= '0;
        if (s_axil_bvalid && s_axil_bready) s_axil_bvalid <= 0;
        if (writing) begin
            s_axil_bvalid <= 1;
            case (s_axil_awaddr / 4)
                2: {abort, irq_enable, start} <= {s_axil_wdata[3], s_axil_wdata[1:0]};
                3: {error, done} <= {error, done} & ~s_axil_wdata[2:1];
                4: base_low <= s_axil_wdata;
                5: base_high <= s_axil_wdata;
                7: program_offset <= s_axil_wdata;
                default: ;
            endcase
        end
        if (s_axil_rvalid && s_axil_rready) s_axil_rvalid <= 0;
        if (s_axil_arvalid && s_axil_arready) begin
            s_axil_rvalid <= 1;
            s_axil_rdata <= register(s_axil_araddr);
        end
        if (rst) {s_axil_bvalid, s_axil_rvalid, start, irq_enable} <= '0;

        if (start) {busy, done, cycles, execs} <= {1'b1, 65'b0};
        if (busy && !start) cycles <= cycles + 1;
        if (command_done) begin
            log[execs[10:0]] <= cycles;
            execs <= execs + 1;
        end
        if (ended || failed) {busy, done} <= {1'b0, ended};
        if (rst || abort) {busy, done} <= '0;
    end

    // Commands: fetch one, run it.
    wire [39:0] base = {base_high[7:0], base_low};
    logic [127:0] command;
    logic [31:0] fetch_offset;
    enum {IDLE, FETCH, FETCHED, RUN} state;
    logic command_done, ended, failed, command_start;
    logic [31:0] w_todo, f_todo, aw_todo;             // bursts to ask for
    logic [31:0] w_left, f_left, d_left, b_left;      // beats and responses to come
    wire [7:0] len = fault == LONG_BURST ? 19 : command[15:8] - 1;
    wire [31:0] bursts = command[31:16];

    // A queue of what f reads, for copies.
    logic [127:0] queue[256];
    logic [7:0] queue_in, queue_out;
    wire [7:0] queued = queue_in - queue_out;
    assign m_axi_f_rready = queued < 250;

    wire response_error = m_axi_w_rvalid && m_axi_w_rresp != 0
        || m_axi_f_rvalid && m_axi_f_rresp != 0 || m_axi_f_bvalid && m_axi_f_bresp != 0;
    logic [31:0] asked;
    logic measuring;

    always_ff @(posedge clk) begin
        {command_done, ended, failed, command_start} <= '0;
        if (start) {state, fetch_offset, error} <= {FETCH, program_offset, 1'b0};
        case (state)
            FETCH: begin
                if (!m_axi_w_arvalid) begin
                    m_axi_w_arvalid <= 1;
                    m_axi_w_araddr <= base + fetch_offset;
                    m_axi_w_arlen <= 0;
                end else if (m_axi_w_arready) begin
                    m_axi_w_arvalid <= 0;
                    state <= FETCHED;
                end
            end
            FETCHED:
                if (m_axi_w_rvalid) begin
                    command <= m_axi_w_rdata;
                    fetch_offset <= fetch_offset + 16;
                    command_start <= 1;
                    state <= RUN;
                    if (m_axi_w_rdata[3:0] == 0) begin
                        ended <= 1;
                        state <= IDLE;
                    end
                end
            RUN:
                if (command_start) begin
                    w_todo <= command[0] ? bursts : 0;
                    f_todo <= command[1] ? bursts : 0;
                    aw_todo <= command[2] ? bursts : 0;
                    b_left <= command[2] ? bursts : 0;
                    w_left <= command[0] ? bursts * (len + 1) : 0;
                    f_left <= command[1] ? bursts * (len + 1) : 0;
                    d_left <= command[2] ? bursts * (len + 1) : 0;
                    m_axi_w_araddr <= base + command[63:32] + (fault == CROSS_4K ? 4080 : 0)
                        + (fault == UNALIGNED ? 8 : 0);
                    m_axi_f_araddr <= base + command[63:32];
                    m_axi_f_awaddr <= base + command[95:64];
                    {m_axi_w_arlen, m_axi_f_arlen, m_axi_f_awlen} <= {3{len}};
                end else if ((w_todo | f_todo | aw_todo | w_left | f_left | d_left | b_left) == 0) begin
                    command_done <= 1;
                    state <= FETCH;
                end
            default: ;
        endcase
        if (state == RUN && !command_start) begin
            // Addresses.
            m_axi_w_arvalid <= w_todo > (m_axi_w_arvalid && m_axi_w_arready ? 1 : 0);
            m_axi_f_arvalid <= f_todo > (m_axi_f_arvalid && m_axi_f_arready ? 1 : 0);
            m_axi_f_awvalid <= aw_todo > (m_axi_f_awvalid && m_axi_f_awready ? 1 : 0);
            if (m_axi_w_arvalid && m_axi_w_arready) begin
                w_todo <= w_todo - 1;
                m_axi_w_araddr <= m_axi_w_araddr + 16 * (len + 1);
            end else if (m_axi_w_arvalid) begin
                if (fault == DROP_VALID) m_axi_w_arvalid <= 0;
                if (fault == CHANGE_ADDRESS) m_axi_w_araddr <= m_axi_w_araddr ^ 256;
            end
            if (m_axi_f_arvalid && m_axi_f_arready) begin
                f_todo <= f_todo - 1;
                m_axi_f_araddr <= m_axi_f_araddr + 16 * (len + 1);
            end
            if (m_axi_f_awvalid && m_axi_f_awready) begin
                aw_todo <= aw_todo - 1;
                m_axi_f_awaddr <= m_axi_f_awaddr + 16 * (len + 1);
            end
            // Data.
            if (m_axi_w_rvalid) w_left <= w_left - 1;
            if (m_axi_f_rvalid && m_axi_f_rready) begin
                f_left <= f_left - 1;
                if (command[3]) begin
                    queue[queue_in] <= m_axi_f_rdata;
                    queue_in <= queue_in + 1;
                end
            end
            if (m_axi_f_bvalid) b_left <= b_left - 1;
            if (!m_axi_f_wvalid || m_axi_f_wready) begin
                m_axi_f_wvalid <= d_left != 0 && (!command[3] || queued != 0);
                if (d_left != 0 && (!command[3] || queued != 0)) begin
                    m_axi_f_wdata <= command[3] ? queue[queue_out] : {4{d_left}};
                    if (command[3]) queue_out <= queue_out + 1;
                    m_axi_f_wlast <= (d_left - 1) % (len + 1) == (fault == EARLY_LAST ? 1 : 0);
                    d_left <= d_left - 1;
                end
            end else if (fault == CHANGE_DATA) m_axi_f_wdata <= ~m_axi_f_wdata;
            // Latency of the command's first beat on w.
            if (m_axi_w_arvalid && m_axi_w_arready && !measuring) {measuring, asked} <= {1'b1, cycles};
            if (m_axi_w_rvalid && measuring && asked != 0) begin
                latency <= cycles - asked;
                asked <= 0;
            end
        end
        if (state == FETCH) {measuring, asked} <= '0;
        if (busy && response_error) begin
            {state, failed, error} <= {IDLE, 2'b11};
            {m_axi_w_arvalid, m_axi_f_arvalid, m_axi_f_awvalid} <= '0;
            error_address <= 32'hbad;
        end
        if (rst) begin
            {state, error, m_axi_w_arvalid, m_axi_f_arvalid, m_axi_f_awvalid, m_axi_f_wvalid} <= '0;
            {queue_in, queue_out, measuring} <= '0;
        end
    end
endmodule
