"""The camera operator: absorptivity, alloy and powder inferred from past frames of the surface, then the conservative
scheme."""
