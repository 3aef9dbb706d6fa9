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
#: INMODE: A2 alone, or D + A2; B2.
_INMODE_A, _INMODE_AD = 0b00000, 0b00100
#: One register at each data input, pre-adder, product and sum; none at the static controls.
_PARAMETERS = {
    **dict.fromkeys(("AREG", "ACASCREG", "BREG", "BCASCREG", "CREG", "DREG"), 1),
    **dict.fromkeys(("ADREG", "MREG", "PREG"), 1),
    **dict.fromkeys(("ALUMODEREG", "CARRYINREG", "CARRYINSELREG", "INMODEREG", "OPMODEREG"), 0),
    "BMULTSEL": "B", "PREADDINSEL": "A", "A_INPUT": "DIRECT", "B_INPUT": "DIRECT",
    "USE_MULT": "MULTIPLY", "USE_SIMD": "ONE48",
}  # fmt: skip
#: Value and width of inputs that never change.
_TIED = {
    **dict.fromkeys(("CEA2", "CEAD", "CEB2", "CEC", "CED", "CEM", "CEP"), (1, 1)),
    **dict.fromkeys(("CEA1", "CEB1", "CEALUMODE", "CECARRYIN", "CECTRL", "CEINMODE"), (0, 1)),
    **dict.fromkeys(("RSTA", "RSTB", "RSTC", "RSTD", "RSTM", "RSTALUMODE", "RSTCTRL"), (0, 1)),
    **dict.fromkeys(("RSTALLCARRYIN", "RSTINMODE", "CARRYCASCIN", "CARRYIN"), (0, 1)),
    "MULTSIGNIN": (0, 1), "ACIN": (0, 30), "BCIN": (0, 18), "ALUMODE": (0, 4),
    "CARRYINSEL": (0, 3),
}  # fmt: skip


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
    preadd: Value | None = None,
    cascade: Product | None = None,
    addend: Value | None = None,
    clear: Value | None = None,
    domain: str = "sync",
) -> Product:
    """``a * b`` (+ ``cascade`` or ``addend``), through three registers of ``m``.

    The sum of ``a`` and ``b`` of cycle t is there in cycle t + ``MULTIPLY_LATENCY``. ``cascade`` is
    added as it is one cycle before that, ``addend`` as it is two cycles before. ``clear``, one
    cycle before, makes it 0. With ``preadd`` the product is ``(a + preadd) * b``: the first sum
    must fit the width of ``a`` (the description wraps there, an instance later), and ``a`` and
    ``preadd`` come a cycle before ``b``.

    Parameters
    ----------
    m : Module
    platform : Primitives or None
        With it, operands of up to 27 and 18 bits become an instance.
    name : str
        Of the instance, and in front of the registers' names.
    a, b : Value
        Signed factors; the wider one is ``a``.
    bits : int
        Width of the sum, which must fit.
    preadd : Value
        Signed, not wider than ``a``.
    cascade : Product
        Sum register of the multiplier before in the column.
    addend : Value
        Signed; into the C port.
    clear : Value
        Reset of the sum register.
    domain : str
        Clock of all registers, and of the cycles spoken of.
    """
    assert cascade is None or addend is None
    if isinstance(platform, Primitives) and len(a) <= A_BITS and len(b) <= B_BITS:
        return _instance(m, name, a, b, bits, preadd, cascade, addend, clear, domain)

    a_register = Signal(signed(len(a)), name=f"{name}_a", reset_less=True)
    factor = a_register
    if preadd is not None:
        d_register = Signal(signed(len(preadd)), name=f"{name}_d", reset_less=True)
        factor = Signal(signed(len(a)), name=f"{name}_ad", reset_less=True)
        m.d[domain] += [d_register.eq(preadd), factor.eq(a_register + d_register)]
    b_register = Signal(signed(len(b)), name=f"{name}_b", reset_less=True)
    product = Signal(signed(len(a) + len(b)), name=f"{name}_product", reset_less=True)
    total = Signal(signed(bits), name=f"{name}_sum", reset_less=True)
    other: Value = Const(0, 1)
    if cascade is not None:
        other = cascade.value
    elif addend is not None:
        other = Signal(signed(len(addend)), name=f"{name}_c", reset_less=True)
        m.d[domain] += other.eq(addend)
    m.d[domain] += [
        a_register.eq(a),
        b_register.eq(b),
        product.eq(factor * b_register),
        total.eq(product + other),
    ]
    if clear is not None:
        with m.If(clear):
            m.d[domain] += total.eq(0)
    return Product(total, total)


def _instance(m, name, a, b, bits, preadd, cascade, addend, clear, domain):
    """The same in a DSP48E2, all of whose data registers are in use."""
    opmode, pcin = _OPMODE_PRODUCT, Const(0, P_BITS)
    if cascade is not None:
        opmode, pcin = _OPMODE_CASCADE, cascade.cascade
    elif addend is not None:
        opmode = _OPMODE_C

    result = Signal(signed(P_BITS), name=f"{name}_p")
    pcout = Signal(P_BITS, name=f"{name}_pcout")
    m.submodules[name] = Instance(
        "DSP48E2",
        *(("p", parameter, value) for parameter, value in _PARAMETERS.items()),
        *(("i", port, Const(value, width)) for port, (value, width) in _TIED.items()),
        ("p", "AMULTSEL", "A" if preadd is None else "AD"),
        ("i", "CLK", ClockSignal(domain)),
        ("i", "A", _extend(m, a, 30)),
        ("i", "B", _extend(m, b, B_BITS)),
        ("i", "C", _extend(m, addend, P_BITS)),
        ("i", "D", _extend(m, preadd, A_BITS)),
        ("i", "PCIN", pcin),
        ("i", "INMODE", Const(_INMODE_A if preadd is None else _INMODE_AD, 5)),
        ("i", "OPMODE", Const(opmode, 9)),
        ("i", "RSTP", Const(0, 1) if clear is None else clear),
        ("o", "P", result),
        ("o", "PCOUT", pcout),
    )
    return Product(result[:bits].as_signed(), pcout)


def _extend(m, value, bits):
    """``value`` (or 0) sign-extended to the width of a port."""
    if value is None:
        return Const(0, bits)
    port = Signal(signed(bits), name=f"port_{bits}")
    m.d.comb += port.eq(value)
    return port
