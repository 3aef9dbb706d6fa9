# Enough of Vivado to run the generated scripts, and strict: commands, options, properties, values, pins and presets
# that Vivado has, and no others.
#   tclsh stub.tcl BOARD SCRIPT [ARGUMENTS]
# Environment: SETUP_SLACK, HOLD_SLACK, PULSE_SLACK in ns; FAILED=1, implementation stops; NO_BOARD_FILES=1; SUFFIX of
# reports; LENIENT=1: what Vivado warns of is no error.
set stub_home [file dirname [file normalize [info script]]]
source [file join $stub_home ips.tcl]
source [file join $stub_home design.tcl]
set stub_board [lindex $argv 0]
set stub_script [lindex $argv 1]
set argv [lrange $argv 2 end]

proc environment {name default} { return [expr {[info exists ::env($name)] ? $::env($name) : $default}] }

# Arguments against what a command takes: options without and with a value; then as many others as positional says.
# Options found are left in the caller's array "given", the rest in "rest".
proc take {arguments flags valued {positional {0 99}}} {
    upvar 1 given given rest rest
    array unset given
    set rest {}
    for {set i 0} {$i < [llength $arguments]} {incr i} {
        set word [lindex $arguments $i]
        if {$word in $flags} {
            set given($word) 1
        } elseif {$word in $valued} {
            set given($word) [lindex $arguments [incr i]]
        } elseif {[string match -* $word] && ![string is double -strict $word]} {
            error "[lindex [info level -1] 0]: unknown option $word"
        } else {
            lappend rest $word
        }
    }
    lassign $positional least most
    if {[llength $rest] < $least || [llength $rest] > $most} {
        error "[lindex [info level -1] 0]: [llength $rest] arguments"
    }
}

proc say {args} { puts [join $args] }

# Projects and files.

proc create_project {args} {
    take $args -force -part {1 2}
    set ::project(dir) [lindex $rest 1]
    set ::project(name) [lindex $rest 0]
    if {![regexp {^xc[zk7][a-z0-9]+-?[a-z0-9]+-[0-9][A-Z]*(-[eic])?$} $given(-part)]} { error "no part $given(-part)" }
    set ::project(part) $given(-part)
    set ::project(files) {}
    file mkdir $::project(dir)
    say create_project $::project(name) $given(-part)
}
proc close_project {} { unset ::project(name) }
proc current_project {} { return project:$::project(name) }
proc current_fileset {} { return fileset:sources_1 }
proc add_files {args} {
    take $args -norecurse -fileset {1 9}
    foreach name $rest {
        if {![file exists $name]} { error "no file $name" }
        lappend ::project(files) [file tail $name]
    }
}
proc get_files {name} {
    if {$name ni $::project(files)} { error "no file $name in the project" }
    return file:$name
}
proc update_compile_order {args} { take $args {} -fileset {0 0} }
proc update_ip_catalog {args} { take $args -rebuild {} {0 0} }
proc version {args} { take $args -short {} {0 0}; return 2022.2 }
proc get_board_parts {args} {
    take $args -quiet -filter {0 0}
    if {![regexp {^NAME =~ "(\S+)"$} $given(-filter) -> pattern]} { error "filter $given(-filter)" }
    set found {}
    foreach {name about} [array get ::board] {
        foreach file [lindex $about 3] {
            if {[string match $pattern $file] && ![environment NO_BOARD_FILES 0]} { lappend found $file }
        }
    }
    return $found
}

# Properties.

proc set_property {args} {
    if {[lindex $args 0] eq "-dict"} {
        lassign $args - pairs object
    } else {
        lassign $args name value object
        set pairs [list $name $value]
    }
    if {$object eq ""} { error "set_property: no object" }
    regexp {^(\w+):(.*)$} $object -> kind what
    if {[llength $pairs] % 2} { error "set_property: [llength $pairs] words for names and values" }
    set_${kind}_properties $what $pairs
}
proc get_property {name object} {
    regexp {^(\w+):(.*)$} $object -> kind what
    return [get_${kind}_property $what $name]
}
proc only {pairs allowed} {
    foreach {name value} $pairs {
        if {![dict exists $allowed $name]} { error "no property $name" }
        check_value $name [dict get $allowed $name] $value
    }
}
proc check_value {name type value} {
    set arguments [lrange $type 1 end]
    switch [lindex $type 0] {
        oneof { set good [expr {$value in $arguments}] }
        number {
            lassign $arguments least most
            set good [expr {[string is double -strict $value] && $value >= $least && $value <= $most}]
        }
        text { set good [expr {$value ne ""}] }
    }
    if {!$good} { error "$name cannot be '$value': $type" }
}
proc set_project_properties {what pairs} {
    only $pairs {board_part text ip_repo_paths text target_language {oneof Verilog VHDL}}
    foreach {name value} $pairs {
        if {$name eq "board_part" && $value ni [lindex $::board($::stub_board) 3]} { error "no board part $value" }
        say $name $value
    }
}
proc set_fileset_properties {what pairs} { only $pairs {top {oneof accelgen_top system_wrapper}} }
proc set_file_properties {what pairs} {
    only $pairs {USED_IN text synth_checkpoint_mode {oneof None Singular Hierarchical}}
}

# The IP packager.

namespace eval ipx {}
proc ipx::package_project {args} {
    take $args {-import_files -force} {-root_dir -vendor -library -taxonomy} {0 0}
    array set ::packaged_core [list vendor $given(-vendor) library $given(-library) interfaces {s_axil m_axi_w m_axi_f clk}]
}
proc ipx::current_core {} { return core:it }
proc set_core_properties {what pairs} {
    only $pairs {name text display_name text description text version {number 0 99}}
    foreach {name value} $pairs { set ::packaged_core($name) $value }
}
proc ipx::get_bus_interfaces {args} {
    take $args -quiet -of_objects {1 1}
    if {[lindex $rest 0] in $::packaged_core(interfaces)} { return bus:[lindex $rest 0] }
    if {![info exists given(-quiet)]} { error "no interface $rest" }
}
proc ipx::infer_bus_interface {port type core} {
    array set known {clk clock_rtl clk2x clock_rtl rst reset_rtl irq interrupt_rtl}
    if {![info exists known($port)] || $type ne "xilinx.com:signal:$known($port):1.0"} { error "cannot infer $type for $port" }
    if {$port in $::packaged_core(interfaces)} { error "$port has an interface already" }
    lappend ::packaged_core(interfaces) $port
}
proc ipx::get_bus_parameters {args} { take $args -quiet -of_objects {1 1} }
proc ipx::add_bus_parameter {name bus} {
    array set known {bus:rst POLARITY bus:irq SENSITIVITY}
    if {![info exists known($bus)] || $known($bus) ne $name} { error "no parameter $name of $bus" }
    return param:$name
}
proc set_param_properties {what pairs} {
    set allowed [expr {$what eq "POLARITY" ? "oneof ACTIVE_HIGH" : "oneof LEVEL_HIGH"}]
    only $pairs [list value $allowed]
    lappend ::packaged_core(interfaces) $what
}
proc ipx::associate_bus_interfaces {args} {
    take $args {} {-busif -clock} {1 1}
    if {$given(-busif) ni {s_axil m_axi_w m_axi_f} || $given(-clock) ne "clk"} { error "no $given(-busif) with $given(-clock)" }
    lappend ::packaged_core(interfaces) $given(-busif):$given(-clock)
}
proc ipx::create_xgui_files {core} {}
proc ipx::update_checksums {core} {}
proc ipx::save_core {core} {
    foreach wanted {clk2x rst irq POLARITY SENSITIVITY s_axil:clk m_axi_w:clk m_axi_f:clk} {
        if {$wanted ni $::packaged_core(interfaces)} { error "the core is packaged without $wanted" }
    }
    set ::packaged $::packaged_core(vendor):$::packaged_core(library):$::packaged_core(name):$::packaged_core(version)
}

# Runs and reports.

array set runs {synth_1,progress "" impl_1,progress "" impl_1,step "" impl_1,launched 0}
set directives {OPT_DESIGN PLACE_DESIGN PHYS_OPT_DESIGN ROUTE_DESIGN POST_ROUTE_PHYS_OPT_DESIGN}
proc get_runs {name} {
    if {$name ni {synth_1 impl_1}} { error "no run $name" }
    return run:$name
}
proc set_run_properties {what pairs} {
    set known {STEPS.SYNTH_DESIGN.ARGS.KEEP_EQUIVALENT_REGISTERS {oneof true false}}
    if {$what eq "impl_1"} {
        set known {strategy {oneof Performance_ExtraTimingOpt Performance_Explore Performance_ExplorePostRoutePhysOpt}}
        foreach step $::directives {
            lappend known STEPS.$step.IS_ENABLED {oneof true false} \
                STEPS.$step.ARGS.DIRECTIVE {oneof Explore AggressiveExplore Default ExtraTimingOpt}
        }
    }
    only $pairs $known
    foreach {name value} $pairs { set ::runs($what,$name) $value }
}
proc get_run_property {what name} {
    set met [expr {$::runs($what,progress) eq "done" && ![environment FAILED 0]}]
    switch $name {
        PROGRESS { return [expr {$met ? "100%" : "35%"}] }
        STATUS { return [expr {$met ? "route_design Complete!" : "place_design ERROR"}] }
        DIRECTORY { return $::project(dir)/$::project(name).runs/$what }
        STATS.WNS { return [environment SETUP_SLACK 0.021] }
        STATS.WHS { return [environment HOLD_SLACK 0.010] }
        STATS.TPWS { return [environment PULSE_SLACK 0.000] }
    }
    error "no property $name of a run"
}
proc launch_runs {args} {
    take $args {} {-to_step -jobs} {1 1}
    if {[info exists given(-to_step)] && $given(-to_step) ni "route_design write_bitstream"} { error "no step $given(-to_step)" }
    if {![info exists ::wrapped]} { error "no top: system_wrapper was not made" }
    set step [expr {[info exists given(-to_step)] ? $given(-to_step) : "route_design"}]
    array set ::runs [list impl_1,progress launched impl_1,step $step]
    say launch_runs [lindex $rest 0] $step
}
proc wait_on_run {name} {
    if {$::runs($name,progress) ne "launched"} { error "$name was not launched" }
    set ::runs($name,progress) done
    set directory [get_run_property $name DIRECTORY]
    file mkdir $directory
    if {$::runs($name,step) eq "write_bitstream"} { touch $directory/system_wrapper.bit }
}
proc touch {name {text ""}} {
    file mkdir [file dirname $name]
    set file [open $name w]
    puts $file $text
    close $file
}
proc open_run {name} {
    if {$::runs($name,progress) ne "done"} { error "$name is not complete" }
    set ::opened 1
}
proc report {name arguments flags valued} {
    if {![info exists ::opened]} { error "report_$name: no implemented design is open" }
    take $arguments $flags [list -file {*}$valued] {0 0}
    set text "report_$name"
    foreach suffix [list "" [environment SUFFIX ""]] {
        set sample [file join $::stub_home .. reports $name$suffix.rpt]
        if {[file exists $sample]} {
            set file [open $sample]
            set text [read $file]
            close $file
        }
    }
    touch $given(-file) $text
}
proc report_utilization {args} { report utilization $args -hierarchical {} }
proc report_timing_summary {args} { report timing $args {-report_unconstrained -warn_on_violation} {-max_paths -delay_type} }
proc report_clock_interaction {args} { report clock_interaction $args {} -delay_type }
proc report_cdc {args} { report cdc $args -details {} }
proc report_methodology {args} { report methodology $args {} {} }
proc report_drc {args} { report drc $args {} {} }
proc report_power {args} { report power $args {} {} }
proc write_checkpoint {args} { take $args -force {} {1 1}; touch [lindex $rest 0] }
proc write_hw_platform {args} {
    take $args {-fixed -include_bit -force} {} {1 1}
    if {![file exists [get_run_property impl_1 DIRECTORY]/system_wrapper.bit]} { error "no bitstream to include" }
    touch [lindex $rest 0]
}
# Paths of the double-pumped clock at 300 MHz: their requirement is 1.667 ns.
proc get_timing_paths {args} {
    take $args {-setup -hold} {-max_paths -nworst -slack_lesser_than} {0 0}
    set kind [expr {[info exists given(-hold)] ? "HOLD" : "SETUP"}]
    set slack [environment ${kind}_SLACK [expr {$kind eq "HOLD" ? 0.010 : 0.021}]]
    if {$slack eq "none" || ([info exists given(-slack_lesser_than)] && $slack >= $given(-slack_lesser_than))} { return {} }
    return path:$slack
}
proc get_path_property {slack name} {
    switch $name { SLACK { return $slack } REQUIREMENT { return 1.667 } }
    error "no property $name of a path"
}

# Constraints.

array set periods {}
proc get_ports {name} {
    if {$name ni {clk clk2x}} { error "no port $name" }
    return port:$name
}
proc create_clock {args} {
    take $args {} {-name -period} {1 1}
    set ::periods($given(-name)) $given(-period)
    if {[lindex $rest 0] ne "port:$given(-name)"} { error "clock $given(-name) on $rest" }
}

source $stub_script
if {[info exists periods(clk2x)] && abs($periods(clk) - 2 * $periods(clk2x)) > 1e-9} {
    error "clk of $periods(clk) ns is not twice clk2x of $periods(clk2x) ns"
}
puts END
