"""Weight plan: what the beats of WEIGHTS commands are, section by section."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa, limits
from accelgen.rtl import layouts

__all__ = ["SECTION_BITS", "Section", "WeightPlan", "section"]

TABLE_BEATS = limits.TABLE_BYTES // ArchParams.BUS_BYTES
#: Counts of a section's beats: the widest weight words, of 16 x 16 bytes, are 16 beats.
SECTION_BITS = isa.WORD_BITS + 4


class Section(enum.Enum, shape=3):
    """Kinds of beats, in the order they come. END marks the end of a command and has no beats."""

    TABLE1 = 0
    TABLE2 = 1
    PARAMS1 = 2
    PARAMS2 = 3
    TAPS = 4
    WEIGHTS = 5
    END = 6


def section() -> data.StructLayout:
    """``last + 1`` beats of one kind. ``bank`` of a table; ``tail``: last tap in the last beat;
    ``parked``: the command's beats come out of the feature memory."""
    return data.StructLayout({
        "kind": Section,
        "last": SECTION_BITS,
        "bank": 2,
        "tail": 2,
        "parked": 1,
    })


class WeightPlan(wiring.Component):
    """Lists the sections of each command, one per cycle, and holds tables until their bank is free.

    Parameters
    ----------
    param_beats, word_beats : int
        Bus beats of a group's channel parameters, and of a weight word. Powers of two.

    Members
    -------
    command : In(stream of fields(isa.WEIGHTS))
        Commands. ``header``, ``offset`` and ``beats`` are not looked at.
    start : In(1)
        Pulse: WEIGHTS number 0 comes next. Only when idle.
    execs_done : In(16)
        EXECs completed since ``start``.
    o : Out(stream of section)
        Sections that have beats, then END, for each command.
    """

    def __init__(self, *, param_beats: int, word_beats: int):
        self.param_beats = param_beats
        self.word_beats = word_beats
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.WEIGHTS))),
            "start": In(1),
            "execs_done": In(16),
            "o": Out(stream.Signature(section())),
        })

    def elaborate(self, platform):
        m = Module()

        now = Signal(layouts.fields(isa.WEIGHTS), reset_less=True)
        number = Signal(16)  # of the command in ``now``
        reached = Signal()
        kind = Signal(Section, init=Section.TABLE1)
        groups_left = Signal(12, reset_less=True)
        active = Signal()

        # What each section is, from registers.
        part = Signal(section())
        present = Signal()
        m.d.comb += [
            part.kind.eq(kind),
            part.bank.eq(now.table_bank),
            part.parked.eq(now.parked),
        ]
        m.d.comb += part.tail.eq(now.taps - 1)
        self._describe(m, now, kind, part, present)

        # A table's bank was last read by the step TABLE_BANKS before. The comparison may be a cycle
        # old: ``number`` changes a cycle before the command it counts is there.
        held, put, move = Signal(), Signal(), Signal()
        ahead = limits.TABLE_BANKS - 1
        m.d.sync += reached.eq(Cat(self.execs_done, Const(0, 1)) + ahead >= number)
        m.d.comb += [
            held.eq(present & ((kind == Section.TABLE1) | (kind == Section.TABLE2)) & ~reached),
            put.eq(active & present & ~held),
            move.eq(~self.o.valid | self.o.ready),
            self.command.ready.eq(~active),
        ]
        with m.If(move):
            m.d.sync += [self.o.valid.eq(put), self.o.payload.eq(part)]

        with m.If(~active):
            m.d.sync += [
                now.eq(self.command.payload),
                groups_left.eq(self.command.p.groups),
                kind.eq(Section.TABLE1),
                active.eq(self.command.valid),
            ]
        with m.Elif(move & ~held), m.Switch(kind):
            with m.Case(Section.WEIGHTS):
                m.d.sync += [kind.eq(Section.PARAMS1), groups_left.eq(groups_left - 1)]
                with m.If(groups_left == 1):
                    m.d.sync += kind.eq(Section.END)
            with m.Case(Section.END):
                m.d.sync += [active.eq(0), number.eq(number + 1)]
            with m.Default():
                m.d.sync += kind.as_value().eq(kind.as_value() + 1)
        with m.If(self.start):
            m.d.sync += number.eq(0)

        return m

    def _describe(self, m, now, kind, part, present):
        word_bits = (self.word_beats - 1).bit_length()
        weight_beats = Cat(Const(0, word_bits), now.weight_words)
        described = {
            Section.TABLE1: (now.table1, TABLE_BEATS - 1),
            Section.TABLE2: (now.table2, TABLE_BEATS - 1),
            Section.PARAMS1: (now.params1, self.param_beats - 1),
            Section.PARAMS2: (now.params2, self.param_beats - 1),
            Section.TAPS: (now.tap_beats.any(), now.tap_beats - 1),
            Section.WEIGHTS: (now.weight_words.any(), weight_beats - 1),
            Section.END: (1, 0),
        }
        with m.Switch(kind):
            for value, (there, last) in described.items():
                with m.Case(value):
                    m.d.comb += [present.eq(there), part.last.eq(last)]
