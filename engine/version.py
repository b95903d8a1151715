"""The version of this source: what the distribution is built with, and what commands and receipts say."""

__version__ = "0.1.0"
