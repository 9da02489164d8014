"""The functions of `import qubo_dnn as qd`, which take models of any library."""
