"""The hand-written hot routines: arrays in, arrays out. Installed as `minigan.kernels`; imports nothing of minigan.

Each subfolder is one implementation of the same routines, under the same file names, function names and signatures, so
that they can be read side by side:

- `reference`: NumPy, the clearest statement of each routine;
- `cpu`: Numba, the same routines made fast.
"""
