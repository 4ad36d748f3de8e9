"""What goes wrong because of what the user gave, said in one sentence with the fix."""


class UserError(Exception):
    """Bad input or a missing tool: the message names the thing and the fix. The CLI exits with 2."""


class VerificationError(Exception):
    """A check that ran and failed. The CLI exits with 1."""
