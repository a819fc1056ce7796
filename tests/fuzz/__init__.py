"""Fuzzing: what any input may do to the library, and a corpus of inputs that is kept.

A target turns bytes into an input, hands it to the library and compares what comes out with a
slow reading of its own. The targets need no fuzzer: `test_corpus.py` replays the corpus in every
run of the suite, `run.py` looks for new inputs with atheris.
"""
