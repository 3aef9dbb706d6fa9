// Pseudo-random bits, the same in every run: each module keeps its own state.
package random;
    function automatic logic [63:0] xorshift(input logic [63:0] x);
        x ^= x << 13;
        x ^= x >> 7;
        return x ^ (x << 17);
    endfunction
endpackage
