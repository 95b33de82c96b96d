"""What an arithmetic says where its digits don't suffice."""


class Ambiguous(ArithmeticError):
    """A decision that the digits at hand don't settle: which of two numbers is larger, whether one is 0."""


class Irrational(ArithmeticError):
    """A logarithm, exponential or root was asked of rational numbers; balls can do it."""
