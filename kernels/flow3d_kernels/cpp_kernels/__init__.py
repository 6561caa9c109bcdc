"""Both operations in plain C++, built once by the compiler that is there: chosen on request only."""
