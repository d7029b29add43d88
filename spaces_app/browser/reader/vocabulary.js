// What writing LaTeX needs to know of the vocabulary; a test compares it with vocabulary_inktex.py.

export const UNKNOWN_MARK = "<mark>";
export const NOTHING_TOKEN = "<nothing>";
export const UNWRITTEN = new Set(["<pad>", "<unk>", "</s>", "<l2r>", "<r2l>", NOTHING_TOKEN]);

export const MATRIX_BEGIN = "\\begin{matrix}";
export const MATRIX_END = "\\end{matrix}";
export const CELL_END = "&";
export const LINE_END = "\\\\";

/** Tokens without ink of their own. */
export const STRUCTURAL_TOKENS = new Set([
  ..."{ } ^ _ \\limits \\mathbb \\overset \\underset \\text".split(" "),
  MATRIX_BEGIN,
  MATRIX_END,
  CELL_END,
  LINE_END,
  NOTHING_TOKEN,
]);

/** Number of `{ }` groups that follow a token. */
export const ARGUMENT_COUNTS = new Map([
  .../** @type {[string, number][]} */ (
    (
      "^ _ \\sqrt \\overline \\underline \\hat \\bar \\vec \\tilde \\dot \\ddot " +
      "\\mathbb \\overbrace \\underbrace \\xrightarrow \\xleftarrow \\text"
    )
      .split(" ")
      .map((token) => [token, 1])
  ),
  .../** @type {[string, number][]} */ (
    "\\frac \\binom \\overset \\underset".split(" ").map((token) => [token, 2])
  ),
]);

export const OPTIONAL_ARGUMENT_TOKENS = new Set(["\\sqrt"]);

/** Operators after which `\limits` is legal. */
export const LIMITS_OPERATORS = new Set(
  (
    "\\sum \\prod \\coprod \\int \\oint \\bigcup \\bigcap \\bigoplus \\bigotimes \\bigwedge \\bigvee " +
    "\\lim \\max \\min \\sup \\inf \\det \\gcd"
  ).split(" "),
);

/** Letters of `\text`, and the words that they are. */
export const WORDS = new Map(
  (
    "if|for|otherwise|and|or|where|with|when|then|else|is|are|in|on|as|to|at|of|all|each|even|odd|so|" +
    "since|not|let|for all|such that|s.t.|i.e.|e.g.|w.r.t.|a.e.|if and only if|const|const.|undefined|" +
    "else if|there exists|hence|thus|from"
  )
    .split("|")
    .map((word) => [word.replaceAll(" ", ""), word]),
);
