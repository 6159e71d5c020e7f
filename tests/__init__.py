"""Meltwin's tests, in the folders of the packages they test; `contracts`, `flow` and `validation` cross them."""
