"""The interface: turns rows of the store into pixels.

Computes nothing about physics, reads only through the `Store` port, and loads without torch.
"""
