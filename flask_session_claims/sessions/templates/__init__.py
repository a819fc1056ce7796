"""The language of claims templates: JSON data with look-ups in double braces.

A template is compiled once and rendered purely. Nothing here loads a user, keeps a template or
reads a clock; what `../README.md` and `core/README.md` keep out stays out. From the ground up:
`faults`, `located` (JSON with places), `subject` (what can be looked up), `shortcodes` (its
names), `nodes`, `lexing`, `compiling`, `rendering`; beside them `options`, `shapes` and
`typesof` (the type of the claims), and `codereads` (the claims that code reads).
"""
