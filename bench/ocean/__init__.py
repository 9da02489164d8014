"""Whether backends replace the samplers of dwave-samplers: the tests of those packages, with other imports."""
