# Block designs, for stub.tcl: cells with the properties of ips.tcl, nets that join pins, clocks that spread along them.
array set cells {}
array set values {}
array set net_of {}
array set intf_of {}
array set frequency {}

proc create_bd_design {name} { set ::design $name; lappend ::project(files) $name.bd }
proc get_ipdefs {pattern} {
    set found {}
    foreach key [array names ::ip *,version] {
        set name [string range $key 0 end-8]
        set vlnv xilinx.com:ip:$name:$::ip($key)
        if {$name ne "accelgen_top" && [string match $pattern $vlnv]} { lappend found ipdef:$vlnv }
    }
    return $found
}
proc get_ipdef_property {what name} {
    if {$name ne "VLNV"} { error "no property $name of an IP" }
    return $what
}
proc create_bd_cell {args} {
    take $args {} {-type -vlnv} {1 1}
    set name [lindex $rest 0]
    lassign [split $given(-vlnv) :] vendor library type version
    if {![info exists ::ip($type,version)] || $version ni [list "" $::ip($type,version)]} { error "no IP $given(-vlnv)" }
    if {$type eq "accelgen_top" && (![info exists ::packaged] || $given(-vlnv) ne $::packaged)} {
        error "no IP $given(-vlnv): packaged is [expr {[info exists ::packaged] ? $::packaged : "nothing"}]"
    }
    if {[info exists ::cells($name)]} { error "a cell $name is there already" }
    set ::cells($name) $type
    foreach {property - default} $::ip($type,properties) { set ::values($name,$property) $default }
    say create_bd_cell $type $name
    return cell:$name
}

# Presets: a board's clocks.
proc apply_bd_automation {args} {
    take $args {} {-rule -config} {1 1}
    set name [string range [lindex $rest 0] 5 end]
    if {$given(-rule) ne "xilinx.com:bd_rule:$::cells($name)"} { error "no rule $given(-rule) for $::cells($name)" }
    if {[dict get $given(-config) apply_board_preset] ne 1} { error "the board's preset is not applied" }
    lassign $::board($::stub_board) override ::pll divisor
    if {$::cells($name) eq "zynq_ultra_ps_e"} {
        set ::values($name,PSU__OVERRIDE__BASIC_CLOCK) $override
        set ::values($name,PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0) $divisor
    }
    set ::divisor $divisor
}
proc set_cell_properties {what pairs} {
    set type $::cells($what)
    # Clocks are computed anew only if the override was off before this call.
    set overridden [expr {$type eq "zynq_ultra_ps_e" && $::values($what,PSU__OVERRIDE__BASIC_CLOCK)}]
    foreach {name value} $pairs {
        set name [string range $name 7 end]
        set known {}
        foreach {property allowed -} $::ip($type,properties) { dict set known $property $allowed }
        if {![dict exists $known $name]} { error "no property CONFIG.$name of $type" }
        check_value $name [dict get $known $name] $value
        # Vivado ignores what is disabled, with a warning (IP_Flow 19-3374).
        if {[string match *PL0_REF_CTRL__FREQMHZ $name] && $overridden || [string match *CTRL__DIVISOR* $name] && !$overridden} {
            if {![environment LENIENT 0]} { error "an attempt to modify the value of disabled parameter $name" }
            continue
        }
        set ::values($what,$name) $value
        if {[string match *PL0_REF_CTRL__FREQMHZ $name] || $name eq "PCW_FPGA0_PERIPHERAL_FREQMHZ"} {
            set ::divisor [expr {max(1, round($::pll / $value))}]
        }
    }
}
proc get_cell_property {what name} {
    set type $::cells($what)
    set name [string range $name 7 end]
    if {$name in $::ip($type,readonly)} {
        if {![info exists ::pll]} { error "$name: no preset was applied" }
        return [format %.6f [expr {$::pll / $::divisor}]]
    }
    if {![info exists ::values($what,$name)]} { error "no property CONFIG.$name of $type" }
    return $::values($what,$name)
}
proc is_on {cell property} {
    return [expr {$property eq "" || [string is true -strict $::values($cell,$property)]}]
}

# Pins: "cell/pin"; what is not there, or is switched off, is an error.
proc pin_record {kind pin} {
    lassign [split $pin /] cell name
    if {![info exists ::cells($cell)]} { error "no cell $cell" }
    set size [expr {$kind eq "pins" ? 4 : 6}]
    foreach record [chunks $::ip($::cells($cell),$kind) $size] {
        if {[lindex $record 0] eq $name && [is_on $cell [lindex $record end]]} { return $record }
    }
    error "no [string trimright $kind s] $pin"
}
proc chunks {list size} {
    set result {}
    for {set i 0} {$i < [llength $list]} {incr i $size} { lappend result [lrange $list $i [expr {$i + $size - 1}]] }
    return $result
}
proc get_bd_pins {pin} { pin_record pins $pin; return pin:$pin }
proc get_bd_intf_pins {pin} { pin_record interfaces $pin; return intf:$pin }
proc get_pin_property {pin name} {
    if {$name ne "CONFIG.FREQ_HZ" || ![info exists ::frequency($pin)]} { error "no $name of $pin" }
    return [expr {round(1e6 * $::frequency($pin))}]
}

# A net is known by its driver.
proc connect_bd_net {args} {
    set driver ""
    foreach object $args {
        set pin [string range $object 4 end]
        lassign [pin_record pins $pin] - direction kind
        if {$direction eq "O"} {
            if {$driver ne "" && $driver ne $pin} { error "two drivers: $driver and $pin" }
            set driver $pin
        }
    }
    foreach object $args {
        set pin [string range $object 4 end]
        if {$driver eq "" && [info exists ::net_of($pin)]} { set driver $::net_of($pin) }
    }
    if {$driver eq ""} { error "no driver among $args" }
    foreach object $args {
        set pin [string range $object 4 end]
        if {$pin eq $driver} continue
        if {[info exists ::net_of($pin)] && $::net_of($pin) ne $driver} { error "$pin is driven already" }
        set ::net_of($pin) $driver
        say connect $driver $pin
    }
}
proc connect_bd_intf_net {a b} {
    foreach object [list $a $b] {
        set pin [string range $object 5 end]
        if {[info exists ::intf_of($pin)]} { error "interface $pin is connected already" }
        set mode([lindex [pin_record interfaces $pin] 1]) $pin
    }
    if {![info exists mode(master)] || ![info exists mode(slave)]} { error "$a and $b are not master and slave" }
    array set ::intf_of [list $mode(master) $mode(slave) $mode(slave) $mode(master)]
    say connect $mode(master) $mode(slave)
}
proc assign_bd_address {args} { set ::addressed 1 }
proc save_bd_design {} { if {![info exists ::valid]} { error "the design was not validated" } }
proc generate_target {what file} {
    if {$what ne "all" || ![info exists ::valid]} { error "generate_target $what" }
    touch $::project(dir)/$::project(name).gen/sources_1/bd/$::design/hw_handoff/$::design.hwh
}
proc make_wrapper {args} {
    take $args {-top -import} -files {0 0}
    set ::wrapped 1
}

proc validate_bd_design {args} {
    if {![info exists ::addressed]} { error "no addresses are assigned" }
    spread_clocks
    foreach {cell type} [array get ::cells] {
        foreach record [chunks $::ip($type,pins) 4] { if {[is_on $cell [lindex $record 3]]} { check_pin $cell {*}$record } }
    }
    foreach {cell type} [array get ::cells] {
        foreach record [chunks $::ip($type,interfaces) 6] {
            if {[is_on $cell [lindex $record 5]]} { check_interface $cell {*}$record }
        }
    }
    set ::valid 1
}
# MHz of every clock pin, from the processing system's through the wizard.
proc spread_clocks {} {
    foreach {cell type} [array get ::cells] {
        if {$type in {zynq_ultra_ps_e processing_system7}} {
            foreach pin {pl_clk0 FCLK_CLK0} { set ::frequency($cell/$pin) [expr {$::pll / $::divisor}] }
        }
    }
    foreach {cell type} [array get ::cells] {
        if {$type ne "clk_wiz"} continue
        if {![info exists ::net_of($cell/clk_in1)]} { error "$cell/clk_in1 is not connected" }
        set input $::frequency($::net_of($cell/clk_in1))
        set told $::values($cell,PRIM_IN_FREQ)
        if {$told ne "" && abs($told - $input) > 1e-6} {
            error "$cell: PRIM_IN_FREQ is $told MHz, but clk_in1 has $input MHz"
        }
        # Outputs are asked for at the nominal input; the real one is off by its share.
        foreach n {1 2 3 4 5 6 7} {
            set ::frequency($cell/clk_out$n) [expr {$::values($cell,CLKOUT${n}_REQUESTED_OUT_FREQ) * $input / round($input)}]
        }
        check_matched $cell
    }
    foreach {pin driver} [array get ::net_of] {
        if {[info exists ::frequency($driver)]} { set ::frequency($pin) $::frequency($driver) }
    }
}
# Not Vivado's but this design's: two clocks that paths run between come from one output, the faster first (PG065).
proc check_matched {cell} {
    if {![string is true $::values($cell,CLKOUT2_USED)] || $::cells(ps) ne "zynq_ultra_ps_e"} return
    foreach n {1 2} {
        if {![string is true $::values($cell,CLKOUT${n}_MATCHED_ROUTING)] || $::values($cell,CLKOUT${n}_DRIVES) ne "Buffer"} {
            error "$cell: output $n is not matched"
        }
    }
    if {$::frequency($cell/clk_out1) < $::frequency($cell/clk_out2)} { error "$cell: the divided clock comes first" }
}
proc check_pin {cell name direction kind property} {
    if {$direction eq "O" || $kind eq "optional"} return
    if {![info exists ::net_of($cell/$name)]} { error "$cell/$name is not connected" }
    set driver $::net_of($cell/$name)
    set driven [lindex [pin_record pins $driver] 2]
    if {$kind ne $driven && !($kind eq "rst_any" && [string match rst_* $driven])} {
        error "$cell/$name is $kind, $driver is $driven"
    }
}
proc check_interface {cell name mode protocol width clock property} {
    if {![info exists ::intf_of($cell/$name)]} {
        if {$::cells($cell) eq "accelgen_top" || $mode eq "slave"} { error "$cell/$name is not connected" }
        return
    }
    lassign [split $::intf_of($cell/$name) /] other other_name
    lassign [pin_record interfaces $::intf_of($cell/$name)] - - other_protocol other_width other_clock
    foreach {mine its what} [list $protocol $other_protocol protocol [width_of $cell $width] [width_of $other $other_width] width] {
        if {$mine ne "any" && $its ne "any" && $mine ne $its} {
            error "$cell/$name has $what $mine, $other/$other_name has $its: they need a converter"
        }
    }
    if {$::net_of($cell/$clock) ne $::net_of($other/$other_clock)} {
        error "$cell/$name and $other/$other_name have different clocks"
    }
}
proc width_of {cell width} {
    return [expr {[info exists ::values($cell,$width)] ? $::values($cell,$width) : $width}]
}
