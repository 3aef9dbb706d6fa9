"""Multiply-add: one DSP48E2, instantiated or described."""

from dataclasses import dataclass

from amaranth import ClockSignal, Const, Instance, Module, Signal, Value, signed

from accelgen.rtl.primitives import Primitives

__all__ = ["MULTIPLY_LATENCY", "Product", "multiply_add"]

#: Operand, product and sum register.
MULTIPLY_LATENCY = 3

A_BITS, B_BITS, P_BITS = 27, 18, 48

#: OPMODE: W = 0, Z = 0, PCIN or C, Y and X = M (UG579).
_OPMODE_PRODUCT, _OPMODE_CASCADE, _OPMODE_C = 0b00_000_01_01, 0b00_001_01_01, 0b00_011_01_01


@dataclass(frozen=True)
class Product:
    """A sum register: as a number, and as the cascade to the next multiplier in the column."""

    value: Value
    cascade: Value


def multiply_add(
    m: Module,
    platform,
    name: str,
    a: Value,
    b: Value,
    *,
    bits: int,
    cascade: Product | None = None,
    addend: Value | None = None,
    clear: Value | None = None,
) -> Product:
    """``a * b`` (+ ``cascade`` or ``addend``), through three registers of ``m``.

    The sum of ``a`` and ``b`` of cycle t is there in cycle t + ``MULTIPLY_LATENCY``. ``cascade`` is
    added as it is one cycle before that, ``addend`` as it is two cycles before. ``clear``, one
    cycle before, makes it 0.

    Parameters
    ----------
    m : Module
    platform : Primitives or None
        With ``dsp48e2``, operands of up to 27 and 18 bits become an instance.
    name : str
        Of the instance, and in front of the registers' names.
    a, b : Value
        Signed factors; the wider one is ``a``.
    bits : int
        Width of the sum, which must fit.
    cascade : Product
        Sum register of the multiplier before in the column.
    addend : Value
        Signed; into the C port.
    clear : Value
        Reset of the sum register.
    """
    assert cascade is None or addend is None
    if (
        isinstance(platform, Primitives) and platform.dsp48e2
        and len(a) <= A_BITS and len(b) <= B_BITS
    ):  # fmt: skip
        return _instance(m, name, a, b, bits, cascade, addend, clear)

    a_register = Signal(signed(len(a)), name=f"{name}_a", reset_less=True)
    b_register = Signal(signed(len(b)), name=f"{name}_b", reset_less=True)
    product = Signal(signed(len(a) + len(b)), name=f"{name}_product", reset_less=True)
    total = Signal(signed(bits), name=f"{name}_sum", reset_less=True)
    other = Const(0, 1)
    if cascade is not None:
        other = cascade.value
    elif addend is not None:
        other = Signal(signed(len(addend)), name=f"{name}_c", reset_less=True)
        m.d.sync += other.eq(addend)
    m.d.sync += [
        a_register.eq(a),
        b_register.eq(b),
        product.eq(a_register * b_register),
        total.eq(product + other),
    ]
    if clear is not None:
        with m.If(clear):
            m.d.sync += total.eq(0)
    return Product(total, total)


def _instance(m, name, a, b, bits, cascade, addend, clear):
    """The same in a DSP48E2: A2, B2, M and P registers, and C if there is an addend."""
    ports = {"A": Signal(signed(30)), "B": Signal(signed(B_BITS)), "C": Signal(signed(P_BITS))}
    m.d.comb += [ports["A"].eq(a), ports["B"].eq(b)]
    opmode = _OPMODE_PRODUCT
    if cascade is not None:
        opmode = _OPMODE_CASCADE
        ports["PCIN"] = cascade.cascade
    elif addend is not None:
        opmode = _OPMODE_C
        m.d.comb += ports["C"].eq(addend)
    result = Signal(signed(P_BITS), name=f"{name}_p")
    pcout = Signal(P_BITS, name=f"{name}_pcout")
    zeros = (
        "RSTA", "RSTB", "RSTC", "RSTD", "RSTM", "RSTALLCARRYIN", "RSTALUMODE", "RSTCTRL",
        "RSTINMODE", "CEA1", "CEAD", "CEALUMODE", "CEB1", "CECARRYIN", "CECTRL", "CED", "CEINMODE",
        "CARRYCASCIN", "CARRYIN", "MULTSIGNIN",
    )  # fmt: skip
    wide_zeros = {"ACIN": 30, "ALUMODE": 4, "BCIN": 18, "CARRYINSEL": 3, "D": 27, "INMODE": 5}
    m.submodules[name] = Instance(
        "DSP48E2",
        **{f"p_{register}": 1 for register in ("AREG", "ACASCREG", "BREG", "BCASCREG", "MREG")},
        **{f"p_{register}": 1 for register in ("PREG", "CREG")},
        **{
            f"p_{register}REG": 0
            for register in ("AD", "ALUMODE", "CARRYIN", "CARRYINSEL", "D", "INMODE", "OPMODE")
        },
        p_AMULTSEL="A", p_BMULTSEL="B", p_PREADDINSEL="A", p_A_INPUT="DIRECT", p_B_INPUT="DIRECT",
        p_USE_MULT="MULTIPLY", p_USE_SIMD="ONE48",
        i_CLK=ClockSignal(),
        **{f"i_{port}": Const(1, 1) for port in ("CEA2", "CEB2", "CEC", "CEM", "CEP")},
        **{f"i_{port}": Const(0, 1) for port in zeros},
        **{f"i_{port}": Const(0, width) for port, width in wide_zeros.items()},
        i_OPMODE=Const(opmode, 9),
        i_RSTP=Const(0, 1) if clear is None else clear,
        **{f"i_{port}": value for port, value in {"PCIN": Const(0, P_BITS), **ports}.items()},
        o_P=result, o_PCOUT=pcout,
    )  # fmt: skip
    return Product(result[:bits].as_signed(), pcout)
