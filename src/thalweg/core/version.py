"""The version, once for the package and what it writes."""

VERSION = "0.1.0"
