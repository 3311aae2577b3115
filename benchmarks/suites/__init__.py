"""What is measured, a file a suite. Each has `names()`, `run(bench, names) -> Section`, and most a `prepare(lib, case)`."""

SUITES = ("train", "layers", "ops", "memory", "startup", "scaling", "epochs")
