"""The composition root: the only place that names concrete classes and marries packages to each other.

One module for each thing a verb may want, so that reading the book does not load what polls vendors.
"""
