// Bench of a whole accelerator: clock, reset, registers, DDR. What happens every cycle is here;
// cocotb sees the signals called host_*, and only moves at events.
//
// The host sets host_op and its operands, then changes host_go; host_done follows when it is done.
module tb #(
    parameter int DDR_BYTES = 128 << 20
);
    timeunit 1ns; timeprecision 1ps;

    typedef enum logic [2:0] {
        WRITE = 0,  // register host_address := host_value
        READ = 1,   // host_result := register host_address
        READS = 2,  // host_count registers from host_address on, to registers.bin
        LOAD = 3,   // ddr_load.bin to host_count beats from host_address on
        DUMP = 4    // host_count beats from host_address on to ddr_dump.bin
    } op_t;

    logic [2:0] host_op;
    logic host_go;
    logic host_done;
    logic [31:0] host_address;
    logic [31:0] host_value;
    logic [31:0] host_count;
    logic [31:0] host_result;
    logic [1:0] host_resp;

    logic host_reset = 1;
    logic host_irq;
    logic [31:0] host_cycle;   // since reset
    logic [31:0] host_violations;
    logic [31:0] host_beats_w, host_beats_fr, host_beats_fw, host_beats_ps;

    // Settings of the DDR model (ddr.sv) and of the run; stable while a program runs.
    logic [39:0] host_origin;
    logic [31:0] host_rate;
    logic        host_duplex;
    logic [31:0] host_latency;
    logic [31:0] host_write_latency;
    logic [31:0] host_refresh_every;
    logic [31:0] host_refresh_cycles;
    logic [31:0] host_competing_rate;
    logic [15:0] host_stall;
    logic [31:0] host_seed;
    logic [39:0] host_error_low;
    logic [39:0] host_error_high;
    logic [2:0]  host_error_ports;
    logic        host_error_decode;
    logic [39:0] host_window_bytes;      // of the image, from host_origin on
    logic        host_frozen = 0;        // the memory does nothing; may change at any time
    logic [31:0] host_wave_from = '1;  // waves are written from this cycle to the end

    // Fabric clock and twice its rate, in phase: both edges of a pair in one step of the simulator.
    logic clk = 0, clk2x = 0;
    always begin
        #0.833 {clk, clk2x} = 2'b11;
        #0.834 {clk, clk2x} = 2'b10;
        #0.833 {clk, clk2x} = 2'b01;
        #0.834 {clk, clk2x} = 2'b00;
    end

    logic rst = 1;
    always_ff @(posedge clk) begin
        rst <= host_reset;
        host_cycle <= rst ? 0 : host_cycle + 1;
    end

    // The design under test: every one of its ports is here, under its own name.
    logic [13:0] s_axil_awaddr;
    logic [2:0] s_axil_awprot;
    logic s_axil_awvalid, s_axil_awready;
    logic [31:0] s_axil_wdata;
    logic [3:0] s_axil_wstrb;
    logic s_axil_wvalid, s_axil_wready;
    logic [1:0] s_axil_bresp;
    logic s_axil_bvalid, s_axil_bready;
    logic [13:0] s_axil_araddr;
    logic [2:0] s_axil_arprot;
    logic s_axil_arvalid, s_axil_arready;
    logic [31:0] s_axil_rdata;
    logic [1:0] s_axil_rresp;
    logic s_axil_rvalid, s_axil_rready;
    logic [39:0] m_axi_w_araddr;
    logic [7:0] m_axi_w_arlen;
    logic [2:0] m_axi_w_arsize;
    logic [1:0] m_axi_w_arburst;
    logic [3:0] m_axi_w_arcache;
    logic [2:0] m_axi_w_arprot;
    logic m_axi_w_arvalid, m_axi_w_arready;
    logic [127:0] m_axi_w_rdata;
    logic [1:0] m_axi_w_rresp;
    logic m_axi_w_rlast, m_axi_w_rvalid, m_axi_w_rready;
    logic [39:0] m_axi_f_araddr;
    logic [7:0] m_axi_f_arlen;
    logic [2:0] m_axi_f_arsize;
    logic [1:0] m_axi_f_arburst;
    logic [3:0] m_axi_f_arcache;
    logic [2:0] m_axi_f_arprot;
    logic m_axi_f_arvalid, m_axi_f_arready;
    logic [127:0] m_axi_f_rdata;
    logic [1:0] m_axi_f_rresp;
    logic m_axi_f_rlast, m_axi_f_rvalid, m_axi_f_rready;
    logic [39:0] m_axi_f_awaddr;
    logic [7:0] m_axi_f_awlen;
    logic [2:0] m_axi_f_awsize;
    logic [1:0] m_axi_f_awburst;
    logic [3:0] m_axi_f_awcache;
    logic [2:0] m_axi_f_awprot;
    logic m_axi_f_awvalid, m_axi_f_awready;
    logic [127:0] m_axi_f_wdata;
    logic [15:0] m_axi_f_wstrb;
    logic m_axi_f_wlast, m_axi_f_wvalid, m_axi_f_wready;
    logic [1:0] m_axi_f_bresp;
    logic m_axi_f_bvalid, m_axi_f_bready;
    logic irq;

    accelgen_top dut (.*);
    assign host_irq = irq;

    // Registers.
    logic axil_go, axil_write, axil_done;
    logic [13:0] axil_address;
    logic [31:0] axil_value, axil_result;
    logic [1:0] axil_resp;

    axil_master axil (
        .clk, .rst, .stall(host_stall), .seed(host_seed),
        .go(axil_go), .write(axil_write), .address(axil_address), .value(axil_value),
        .done(axil_done), .result(axil_result), .resp(axil_resp),
        .awaddr(s_axil_awaddr), .awprot(s_axil_awprot), .awvalid(s_axil_awvalid),
        .awready(s_axil_awready), .wdata(s_axil_wdata), .wstrb(s_axil_wstrb),
        .wvalid(s_axil_wvalid), .wready(s_axil_wready), .bresp(s_axil_bresp),
        .bvalid(s_axil_bvalid), .bready(s_axil_bready), .araddr(s_axil_araddr),
        .arprot(s_axil_arprot), .arvalid(s_axil_arvalid), .arready(s_axil_arready),
        .rdata(s_axil_rdata), .rresp(s_axil_rresp), .rvalid(s_axil_rvalid), .rready(s_axil_rready)
    );

    // What the host asks for.
    logic working;
    logic [31:0] left;
    int file;

    always_ff @(posedge clk) begin
        axil_go <= 0;
        if (!working && host_go != host_done) begin
            working <= 1;
            left <= host_count;
            axil_address <= host_address[13:0];
            axil_value <= host_value;
            axil_write <= host_op == WRITE;
            axil_go <= host_op == WRITE || host_op == READ || host_op == READS;
            if (host_op == READS) file = $fopen("registers.bin", "wb");
            if (host_op == LOAD) memory.load(host_address, host_count);
            if (host_op == DUMP) memory.dump(host_address, host_count);
        end
        if (working) begin
            if (host_op == LOAD || host_op == DUMP) begin
                working <= 0;
                host_done <= host_go;
            end
            if (axil_done) begin
                host_result <= axil_result;
                host_resp <= axil_resp;
                if (host_op == READS) begin
                    $fwrite(file, "%u", axil_result);
                    left <= left - 1;
                    axil_address <= axil_address + 4;
                    if (left == 1) $fclose(file);
                end
                if (host_op == READS && left != 1) axil_go <= 1;
                else begin
                    working <= 0;
                    host_done <= host_go;
                end
            end
        end
        // Loading works in reset.
        if (rst && !(host_op == LOAD || host_op == DUMP)) begin
            working <= 0;
            host_done <= host_go;
        end
    end

    // Memory.
    logic [31:0] beats[4];
    assign host_beats_w = beats[0];
    assign host_beats_fr = beats[1];
    assign host_beats_fw = beats[2];
    assign host_beats_ps = beats[3];

    ddr #(.BYTES(DDR_BYTES)) memory (
        .clk, .rst, .origin(host_origin), .rate(host_rate), .duplex(host_duplex), .latency(host_latency),
        .write_latency(host_write_latency), .refresh_every(host_refresh_every),
        .refresh_cycles(host_refresh_cycles), .competing_rate(host_competing_rate),
        .stall(host_stall), .seed(host_seed), .error_low(host_error_low),
        .error_high(host_error_high), .error_ports(host_error_ports),
        .error_decode(host_error_decode), .frozen(host_frozen),
        .w_araddr(m_axi_w_araddr), .w_arlen(m_axi_w_arlen), .w_arvalid(m_axi_w_arvalid),
        .w_arready(m_axi_w_arready), .w_rdata(m_axi_w_rdata), .w_rresp(m_axi_w_rresp),
        .w_rlast(m_axi_w_rlast), .w_rvalid(m_axi_w_rvalid), .w_rready(m_axi_w_rready),
        .f_araddr(m_axi_f_araddr), .f_arlen(m_axi_f_arlen), .f_arvalid(m_axi_f_arvalid),
        .f_arready(m_axi_f_arready), .f_rdata(m_axi_f_rdata), .f_rresp(m_axi_f_rresp),
        .f_rlast(m_axi_f_rlast), .f_rvalid(m_axi_f_rvalid), .f_rready(m_axi_f_rready),
        .f_awaddr(m_axi_f_awaddr), .f_awlen(m_axi_f_awlen), .f_awvalid(m_axi_f_awvalid),
        .f_awready(m_axi_f_awready), .f_wdata(m_axi_f_wdata), .f_wstrb(m_axi_f_wstrb),
        .f_wlast(m_axi_f_wlast), .f_wvalid(m_axi_f_wvalid), .f_wready(m_axi_f_wready),
        .f_bresp(m_axi_f_bresp), .f_bvalid(m_axi_f_bvalid), .f_bready(m_axi_f_bready),
        .beats
    );

    // Rules.
    axi_address_checks #(.NAME("m_axi_w AR")) w_ar_checks (
        .clk, .rst, .window_low(host_origin), .window_bytes(host_window_bytes),
        .valid(m_axi_w_arvalid), .ready(m_axi_w_arready), .addr(m_axi_w_araddr),
        .len(m_axi_w_arlen), .size(m_axi_w_arsize), .burst(m_axi_w_arburst),
        .cache(m_axi_w_arcache), .prot(m_axi_w_arprot)
    );
    axi_address_checks #(.NAME("m_axi_f AR")) f_ar_checks (
        .clk, .rst, .window_low(host_origin), .window_bytes(host_window_bytes),
        .valid(m_axi_f_arvalid), .ready(m_axi_f_arready), .addr(m_axi_f_araddr),
        .len(m_axi_f_arlen), .size(m_axi_f_arsize), .burst(m_axi_f_arburst),
        .cache(m_axi_f_arcache), .prot(m_axi_f_arprot)
    );
    axi_address_checks #(.NAME("m_axi_f AW")) f_aw_checks (
        .clk, .rst, .window_low(host_origin), .window_bytes(host_window_bytes),
        .valid(m_axi_f_awvalid), .ready(m_axi_f_awready), .addr(m_axi_f_awaddr),
        .len(m_axi_f_awlen), .size(m_axi_f_awsize), .burst(m_axi_f_awburst),
        .cache(m_axi_f_awcache), .prot(m_axi_f_awprot)
    );
    axi_channel_checks #(.NAME("m_axi_f W"), .WIDTH(145)) f_w_checks (
        .clk, .rst, .valid(m_axi_f_wvalid), .ready(m_axi_f_wready),
        .payload({m_axi_f_wdata, m_axi_f_wstrb, m_axi_f_wlast})
    );
    assign host_violations = violations::count;

    // Waves. (Verilator has no $dumpoff.)
`ifdef WAVES
    always_ff @(posedge clk) begin
        if (!rst && host_cycle == host_wave_from) begin
            $dumpfile(`WAVES);
            $dumpvars(0, tb);
        end
    end
`endif
endmodule
