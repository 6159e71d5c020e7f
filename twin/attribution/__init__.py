"""Attribution: why a forecast says what it says. `because` loads without torch, `attribution` asks the operator."""
