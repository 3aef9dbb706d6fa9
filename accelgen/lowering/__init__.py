"""int8 graph to int8 graph: what the engines have no form for becomes what they have."""
