"""What gpu_check.py looks at, a file a section. Each has a TITLE, the SECONDS it may take of a full run, and
`run(check)`."""

SECTIONS = ("card", "kernels", "derivatives", "agreement", "launches", "rates", "steps", "memory")
