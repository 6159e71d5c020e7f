"""Classical solvers: the teachers of the operators, the fallback when a forecast cannot be trusted, and their
judges."""
