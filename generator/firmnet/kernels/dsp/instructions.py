"""What do the instructions of Thumb-2 allow that kernels must know?"""

MAX_OFFSET = 4095
"""Bytes that a load or store may lie behind its pointer."""
WORD_VALUES = 4
"""int8 in a word."""
