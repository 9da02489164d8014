"""Problem files from everywhere: one module per format, and a table of them all in `qubo_dnn.files.formats`."""
