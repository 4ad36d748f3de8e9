"""Which warnings must the generated C not cause, on any compiler? Tests compile with these."""

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Werror")
