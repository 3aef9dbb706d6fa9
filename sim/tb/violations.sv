// Breaches of the AXI rules: an $error, so that the simulation fails, and a line in a file, so that
// the job that caused it can say so.
package violations;
    int count = 0;

    function automatic void violation(input string text);
        automatic int file;
        count++;
        $error("%s", text);
        if (count <= 20) begin
            file = $fopen("violations.txt", "a");
            $fdisplay(file, "%s", text);
            $fclose(file);
        end
    endfunction
endpackage
