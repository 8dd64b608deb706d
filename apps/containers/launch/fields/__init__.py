"""The launch fields: what one is (`declaration`), and the table of all of them, by section.

The sections are a chain of classes, each extending the one before, because slots allow one base only; the order of the
attributes is the order of the v1 schema. Entries are kept from the formatter, so that each aspect has its line.
"""
