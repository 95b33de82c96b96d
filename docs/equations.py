"""Equations of docstrings, as typed for a terminal, in LaTeX.

    max |Q* - Q_hat|  <=  gamma eps_p R / (2 (1 - gamma)^2)     becomes
    \\max |Q^{*} - \\hat{Q}| \\le \\gamma \\varepsilon_{p} R / (2 (1 - \\gamma)^{2})

Nothing is moved: every token becomes its symbol where it stands, fractions keep their stroke, and a word that is no
symbol stays a word. So what is rendered can't say something else than what is typed. A block with a character that has
no meaning here, with code, or with more prose than symbols is no equation and stays as it is typed.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

LETTERS = """alpha beta gamma delta zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega
    Gamma Delta Theta Lambda Pi Sigma Phi Psi Omega"""
GREEK = {
    **{name: rf"\{name}" for name in LETTERS.split()},
    "eps": r"\varepsilon",
    "inf": r"\infty",
    "grad": r"\nabla",
}
LIMITS = {
    "max": r"\max",
    "min": r"\min",
    "sup": r"\sup",
    "sum": r"\sum",
    "log": r"\log",
    "exp": r"\exp",
    "cos": r"\cos",
}
UPRIGHT = "KL Var Cov Pr Im tr rank dim span mean softmax logsumexp argmax fl Dirichlet Adam project Hessian"
FUNCTIONS = set(UPRIGHT.split())
SYMBOLS = {
    **{"<=": r"\leq", ">=": r"\geq", "!=": r"\neq", "<-": r"\leftarrow", "->": r"\to", "+=": "{+}=", "||": r"\|"},
    **{"...": r"\dots", "..": r"\dots", "∝": r"\propto", "~": r"\sim", "{": r"\{", "}": r"\}", "@": r"\,@\,"},
}
TOKEN = re.compile(
    r"(?P<gap> +)|(?P<code>`[^`]+`)|(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)|(?P<name>[A-Za-z][A-Za-z0-9]*)"
    r"|(?P<symbol><=|>=|!=|<-|->|\+=|\|\||\.\.\.|\.\.|[-+*/=<>|~∝@.,:;!()\[\]{}'^_])"
)
CLOSING = {"(": ")", "{": "}", "[": "]"}
APOSTROPHE = re.compile(r"(?<=[a-z])'(?:t|s|re)\b")


class NoEquation(ValueError):
    """Text that this page doesn't know how to read as an equation."""


def latex(text: str) -> str:
    """One line of an equation in LaTeX. Raises NoEquation."""
    if APOSTROPHE.search(text):
        raise NoEquation(text)
    return " ".join(_Reader(text).read()).strip()


class _Reader:
    def __init__(self, text: str):
        self.text, self.at = text, 0

    def read(self) -> Iterator[str]:
        while self.at < len(self.text):
            yield self._next()

    def _next(self) -> str:
        match = TOKEN.match(self.text, self.at)
        if match is None:
            raise NoEquation(f"no symbol for {self.text[self.at]!r} in {self.text!r}")
        before, kind, token = self.text[: self.at], match.lastgroup, match.group()
        self.at = match.end()
        if kind == "gap":
            return r"\qquad" if len(token) > 2 and self.at < len(self.text) and not self._at_relation() else ""
        if kind == "code":
            return rf"\mathtt{{{token[1:-1].replace('_', chr(92) + '_')}}}"
        if kind == "number":
            whole, _, power = token.partition("e")
            return whole if not power else ("" if whole == "1" else rf"{whole} \cdot ") + f"10^{{{power}}}"
        return self._name(token) if kind == "name" else self._symbol(token, before)

    def _at_relation(self) -> bool:
        return self.text.startswith(("=", "<=", ">=", "<-", "~ "), self.at)

    def _symbol(self, token: str, before: str) -> str:
        after = self.text[self.at : self.at + 1]
        if token in "^_":
            return f"{token}{{{self._script(token)}}}"
        if token == "<" and after.strip() and not before.rstrip().endswith(("t", "k")):
            return r"\langle"
        if token == ">" and before[-1:].strip():
            return r"\rangle"
        if token == "*":
            return r"\cdot"
        if token == "." and (after in ("|", ")") or (before.endswith(" ") and after == " ")):
            return r"\cdot"
        if token == "||" and before.endswith(" ") and after == " ":
            return r"\,\|\,"
        return SYMBOLS.get(token, token)

    def _name(self, base: str) -> str:
        if base == "sqrt":
            return rf"\sqrt{{{self._script('')}}}"
        accent, under = "", []
        while match := re.compile(r"_([A-Za-z0-9]+'*)").match(self.text, self.at):
            self.at = match.end()
            if match.group(1) in ("hat", "tilde"):
                accent = match.group(1)
            else:
                under.append(match.group(1))
        if base == "E" and under and (match := re.compile(r",([a-z]+)").match(self.text, self.at)):
            self.at = match.end()
            under.append(match.group(1))
        symbol = self._base(base)
        if symbol.startswith(r"\text") and not under and not accent:
            return self._words(base)
        if accent and len(base) == 2 and base[0] == "d":
            symbol = rf"d\{accent}{{{base[1]}}}"
        elif accent:
            symbol = rf"\{accent}{{{symbol}}}"
        elif symbol.startswith(r"\text") and len(under[0]) > 1:  # a name of two words
            return rf"\mathrm{{{base}\_{under[0]}}}"
        while self.text[self.at : self.at + 1] == "'":
            symbol, self.at = symbol + "'", self.at + 1
        star = re.compile(r"\*(?! *[\w(])|\*(?=_)|\*(?=\()|\* (?=[-+<>=|])").match(self.text, self.at)
        if star:
            symbol, self.at = symbol + "^{*}", self.at + 1
            if match := re.compile(r"_([A-Za-z]+)").match(self.text, self.at):
                under.append(match.group(1))
                self.at = match.end()
        return symbol + (f"_{{{', '.join(_part(part) for part in under)}}}" if under else "")

    def _base(self, base: str) -> str:
        if base in GREEK:
            return GREEK[base]
        if base in LIMITS and not self.text.startswith((" of ", " over "), self.at):
            return LIMITS[base]
        if base == "E":
            return r"\mathbb{E}"
        if base in FUNCTIONS or (base == "TV" and self.text[self.at : self.at + 1] == "("):
            return rf"\operatorname{{{base}}}"
        if len(base) == 1 or (base.isupper() and len(base) == 2):  # TV is T applied to V
            return base
        if re.fullmatch(r"[a-zA-Z]\d", base):
            return f"{base[0]}_{{{base[1]}}}"
        if base[0] == "d" and (len(base) == 2 or base[1:] in (*GREEK, "logits")) and base not in ("do",):
            return rf"d{self._base(base[1:])}"
        return rf"\text{{{base}}}"

    def _words(self, first: str) -> str:
        """A run of plain words, with the spaces around it."""
        words = [first]
        while match := re.compile(r" (a(?= [a-z]{4})|[A-Za-z]{2,})(?![\w_^(\[|'*])").match(self.text, self.at):
            if match.group(1) != "a" and not self._base(match.group(1)).startswith(r"\text"):
                break
            words.append(match.group(1))
            self.at = match.end()
        begin = self.at - len(" ".join(words))
        left = " " if self.text[begin - 1 : begin] == " " else ""
        right = " " if self.text[self.at : self.at + 1] == " " else ""
        return rf"\text{{{left}{' '.join(words)}{right}}}"

    def _script(self, kind: str) -> str:
        """What follows `^`, `_` or `sqrt`: a group in brackets, without them, or one token with its sign."""
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1
        opening = self.text[self.at : self.at + 1]
        if opening == "(" and kind == "_":
            raise NoEquation(f"no meaning for _( in {self.text!r}")
        if opening in ("{", "("):
            end = _matching(self.text, self.at)
            inner, self.at = self.text[self.at + 1 : end], end + 1
            return latex(inner)
        sign = self.text[self.at : self.at + 1] if opening in ("-", "+", "*") and kind else ""
        self.at += len(sign)
        if sign == "*":
            return "*"
        return sign + self._next()


def _part(name: str) -> str:
    """A subscript: primes stay, words are upright."""
    bare = name.rstrip("'")
    symbol = GREEK.get(bare) or LIMITS.get(bare) or (bare if len(bare) == 1 or bare.isdigit() else rf"\text{{{bare}}}")
    return symbol + name[len(bare) :]


def _matching(text: str, at: int) -> int:
    """Index of the bracket that closes the one at `at`."""
    stack: list[str] = []
    for i in range(at, len(text)):
        if text[i] in CLOSING:
            stack.append(CLOSING[text[i]])
        elif stack and text[i] == stack[-1]:
            stack.pop()
            if not stack:
                return i
    raise NoEquation(f"{text[at]!r} is never closed in {text!r}")


def is_equation(block: str) -> bool:
    """Whether an indented block is an equation: not code, not a table, more symbols than prose."""
    lines = block.splitlines()
    return bool(lines) and not _is_code(block) and all(_is_formula(line) for line in lines) and not _is_table(lines)


def _is_code(block: str) -> bool:
    """Whether the block, or half of its lines, is Python and more than a comparison."""
    lines = block.splitlines()
    return "#" in block or _parses(block) or sum(map(_parses, lines)) >= max(1, len(lines) / 2)


def _parses(text: str) -> bool:
    try:
        body = ast.parse(textwrap.dedent(text)).body
    except SyntaxError:
        return False
    return not all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Compare) for node in body)


def _is_formula(line: str) -> bool:
    try:
        rendered = latex(line)
    except NoEquation:
        return False
    words = sum(len(words.split()) for words in re.findall(r"\\text\{([^{}]*)\}", rendered))
    return words <= 0.4 * len(re.findall(r"[A-Za-z_0-9']+|[^\sA-Za-z_0-9']", line))


def _is_table(lines: list[str]) -> bool:
    """Names in a first column, what they stand for in a second one."""
    named = [re.match(r"\s*[\w]+(\([\w, ]*\))? {2,}[^<>=~ ]", line) for line in lines]
    return len(lines) > 1 and sum(bool(match) for match in named) >= max(2, len(lines) // 2)


def block_latex(block: str) -> str:
    """A block of one or more lines, aligned at the left; a line that is indented further goes on with the last one."""
    lines = textwrap.dedent(block).splitlines()
    rendered = [(r"\qquad " if line.startswith(" ") else "") + latex(line.strip()) for line in lines if line.strip()]
    if len(rendered) == 1:
        return rendered[0]
    return "\\begin{aligned}\n" + " \\\\\n".join(f"& {line}" for line in rendered) + "\n\\end{aligned}"
