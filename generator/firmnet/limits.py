"""How large may what a file declares be? Checked before memory is taken for it."""

MAX_ELEMENTS = 2**26
"""Of one tensor: far beyond what a microcontroller holds, well within what a computer does."""
MAX_FILE_BYTES = 2**29
"""Of one file, unpacked."""
MAX_JSON_BYTES = 2**25
"""Of text that is parsed, which takes many times its size."""
MAX_SAMPLES_BYTES = 2**31
"""Of the samples in one file."""
